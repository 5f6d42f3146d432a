//! The end of an attempt, for shards and the worker alike: judge, count, write down.

use crate::attempt::Attempted;
use crate::backoff;
use crate::clock;
use crate::commit::Commit;
use crate::context::Context;
use crate::outcome::{self, Answer, Fault, Outcome};
use crate::settlement::{self, Ending, Held};
use crate::target::Target;
use sluice_model::Delivery;
use std::time::Duration;

/// Adds to `commit` what follows from an attempt that ended. `delivery` does not count it yet.
pub(crate) fn conclude(
    context: &Context,
    commit: &mut Commit,
    target: &Target,
    mut delivery: Delivery,
    attempted: &Attempted,
    held: Held,
) -> Ending {
    let now_ms = attempted.ended_ms;
    attempted.count_in(&mut delivery);
    let reply = &attempted.reply;
    let retry = &target.subscription().retry;
    let taken = matches!(reply.answer, Answer::Status { code: 200..=299, .. });
    let random = if taken && reply.failed.is_empty() { 0.0 } else { clock::random() };
    let mut outcome = outcome::decide(reply.answer, delivery.attempts, retry, now_ms, random);
    if outcome == Outcome::DisableAndDeadLetter {
        if is_current(context, target) {
            commit.disable(target.subscription(), "gone");
        } else {
            // Its owner changed it since: the new URL deserves its own try.
            let cap = Duration::from_secs(u64::from(retry.max_delay_s));
            outcome = Outcome::Retry { after: backoff::delay(delivery.attempts, cap, random) };
        }
    }
    // What the endpoint named as failed is as if the answer had been a 500.
    let failed = Answer::Fault(Fault::Broken);
    let outcome_of_failed = outcome::decide(failed, delivery.attempts, retry, now_ms, random);
    let metrics = context.metrics();
    if taken {
        for of in &delivery.events {
            metrics.receipt_seconds.record(now_ms.saturating_sub(of.batch.ms()) as f64 / 1000.0);
        }
    }
    let events = delivery.event_count() - reply.failed.len().min(delivery.event_count());
    let ending =
        settlement::settle(commit, delivery, outcome, &reply.failed, outcome_of_failed, held, now_ms);
    metrics.ending(ending, events);
    ending
}

/// Whether the directory knows no newer version of the subscription.
fn is_current(context: &Context, target: &Target) -> bool {
    let subscription = target.subscription();
    let known = context.subscription(subscription.customer, subscription.id);
    known.is_none_or(|known| known.version <= subscription.version)
}
