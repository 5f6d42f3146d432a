//! The end of an attempt, for shards and for the worker: its outcome, its metrics, its settlement.

use crate::attempt::Attempted;
use crate::backoff;
use crate::clock;
use crate::commit::Commit;
use crate::context::Context;
use crate::outcome::{self, Fault, Outcome, PostResult};
use crate::settlement::{self, HeldBy, Settlement};
use crate::target::Target;
use sluice_model::{Delivery, DisabledReason};
use std::time::Duration;

/// Adds to `commit` the changes that follow from an ended attempt, and returns what is left to
/// do. `delivery` does not count the attempt yet.
pub(crate) fn conclude(
    context: &Context,
    commit: &mut Commit,
    target: &Target,
    mut delivery: Delivery,
    attempted: &Attempted,
    held: HeldBy,
) -> Settlement {
    let now_ms = attempted.ended_ms;
    attempted.count_in(&mut delivery);
    let reply = &attempted.reply;
    let retry = &target.subscription().retry;
    let taken = matches!(reply.result, PostResult::Answered { code: 200..=299, .. });
    let random = if taken && reply.failed.is_empty() { 0.0 } else { clock::random() };
    let mut outcome = outcome::decide(reply.result, delivery.attempts, retry, now_ms, random);
    if outcome == Outcome::DisableAndDeadLetter {
        if is_current(context, target) {
            commit.disable(target.subscription(), DisabledReason::Gone);
        } else {
            // The owner changed the subscription since: the new URL gets its own attempt.
            let cap = Duration::from_secs(u64::from(retry.max_delay_s));
            outcome = Outcome::Retry { after: backoff::delay(delivery.attempts, cap, random) };
        }
    }
    // Events that the endpoint named as failed count as if the answer were a 500.
    let failed = PostResult::Fault(Fault::Broken);
    let outcome_of_failed = outcome::decide(failed, delivery.attempts, retry, now_ms, random);
    let metrics = context.metrics();
    if taken {
        for part in &delivery.events {
            metrics.receipt_seconds.record(now_ms.saturating_sub(part.batch.ms()) as f64 / 1000.0);
        }
    }
    let all_events = delivery.event_count();
    let events = all_events - reply.failed.len().min(all_events);
    let settlement =
        settlement::settle(commit, delivery, outcome, &reply.failed, outcome_of_failed, held, now_ms);
    if let Some(rest) = &settlement.rest {
        let kept = context.courier.shaping.known(target, rest.shape);
        commit.keep_shape(kept.as_ref(), now_ms);
    }
    metrics.ending(settlement.ending, events);
    if let Some(ending) = settlement.ending_of_failed {
        metrics.ending(ending, all_events - events);
    }
    settlement
}

/// Whether the directory knows no newer version of the subscription.
fn is_current(context: &Context, target: &Target) -> bool {
    let subscription = target.subscription();
    let known = context.subscription(subscription.customer, subscription.id);
    known.is_none_or(|known| known.version <= subscription.version)
}
