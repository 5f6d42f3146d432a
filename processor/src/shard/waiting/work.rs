//! Matching one batch that waited, in turns with others, on threads that may block.

use super::super::intake::refresh;
use crate::context::Context;
use crate::matcher::{BatchMatching, CustomerMatcher, MatchingProgress, MatchingTools, WaitingBatch};
use crate::store_wait::store_wait;
use sluice_model::Batch;
use sluice_ports::PortError;
use std::sync::Arc;
use std::time::Duration;

/// A batch that waited and is now matched.
pub(in crate::shard) struct MatchedLate {
    pub(in crate::shard) waiting: WaitingBatch,
    pub(in crate::shard) batch: Arc<Batch>,
    /// The customer's subscriptions; `None` if the customer no longer exists.
    pub(in crate::shard) matched: Option<(Arc<CustomerMatcher>, BatchMatching)>,
}

/// The end of a task that matches a batch.
pub(in crate::shard) enum LateMatching {
    Matched(Box<MatchedLate>),
    /// The store no longer has the batch, for this reason.
    Lost(String),
}

/// Reads a batch and matches it. Never ends if the stores are closed.
pub(super) async fn match_batch(context: Arc<Context>, waiting: WaitingBatch) -> LateMatching {
    let age_max = Duration::from_millis(context.config.shard.snapshot_age_max_ms);
    if refresh(Arc::clone(&context), age_max).await.is_err() {
        // The shard's task ends for the same reason.
        return std::future::pending().await;
    }
    let batch = match read(&context, &waiting).await {
        Ok(batch) => batch,
        Err(why) => return LateMatching::Lost(why),
    };
    let matched = match context.matchers.matcher(waiting.customer) {
        Some(matcher) => {
            let matching = matcher.begin(&batch);
            let tools = MatchingTools::new(context.config.matching.limits());
            let work = MatchingWork { batch: Arc::clone(&batch), matcher, matching, tools };
            Some(in_turns(&context, work, &waiting).await)
        }
        None => None,
    };
    LateMatching::Matched(Box::new(MatchedLate { waiting, batch, matched }))
}

/// The parts that a blocking thread needs.
struct MatchingWork {
    batch: Arc<Batch>,
    matcher: Arc<CustomerMatcher>,
    matching: BatchMatching,
    tools: MatchingTools,
}

/// Matches a batch in turns: after each turn, others that wait for a thread go first.
async fn in_turns(
    context: &Arc<Context>,
    mut work: MatchingWork,
    waiting: &WaitingBatch,
) -> (Arc<CustomerMatcher>, BatchMatching) {
    let steps = context.config.matching.turn_steps;
    let age_max_ms = context.config.queue.delivery_age_max_ms;
    let is_too_old = waiting.batch.ms() + age_max_ms <= context.clock().now_ms();
    loop {
        let turn = context.matching_turns.acquire().await.expect("the semaphore is never closed");
        let working = tokio::task::spawn_blocking(move || {
            let MatchingWork { batch, matcher, matching, tools } = &mut work;
            if is_too_old {
                matcher.give_up(batch, matching, tools);
            }
            let progress = matcher.advance_some(batch, matching, tools, steps);
            (work, progress)
        });
        let (after, progress) = working.await.expect("matching does not panic");
        drop(turn);
        work = after;
        if progress == MatchingProgress::Done {
            return (work.matcher, work.matching);
        }
    }
}

/// Reads the batch, asking until the store returns it or tells why it is lost.
async fn read(context: &Context, waiting: &WaitingBatch) -> Result<Arc<Batch>, String> {
    let mut tries = 0;
    loop {
        match context.stores.events.batch(waiting.customer, waiting.batch).await {
            Ok(Some(batch)) => return Ok(batch),
            Ok(None) => return Err("it is not stored any more".into()),
            Err(PortError::Damaged { attempted, detail }) => return Err(format!("{attempted}: {detail}")),
            Err(error) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
        }
    }
}
