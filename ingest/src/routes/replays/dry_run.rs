//! Counting the events that a replay would deliver.

use crate::contexts::ReplaysContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::trials::on_own_thread;
use http::StatusCode;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::Subscription;
use sluice_ports::event_store::{Direction, LaneScan, StoredBatch};
use sluice_selector::{CompiledSelector, MatchScratch, Selector, Verdict};
use std::time::Instant;

/// Events that a dry run looks at. With more of them its answer says that it is not complete.
const EVENTS_MAX: u64 = 200_000;

/// Batches that are read at a time.
const PAGE_BATCHES: usize = 64;

/// The counts of a dry run so far, and the state for going on.
struct DryRunCount {
    selector: Selector,
    scratch: MatchScratch,
    deadline: Instant,
    scanned: u64,
    matching: u64,
    complete: bool,
}

impl DryRunCount {
    /// Counts the events of a page until the deadline.
    fn add(mut self, batches: &[StoredBatch]) -> Self {
        for stored in batches {
            for index in 0..stored.batch.len() {
                if self.scanned >= EVENTS_MAX || Instant::now() >= self.deadline {
                    self.complete = false;
                    return self;
                }
                self.scanned += 1;
                self.matching +=
                    u64::from(matches(self.selector.compiled(), &mut self.scratch, stored, index));
            }
        }
        self
    }
}

/// Whether a replay would deliver the event. An event that the selector cannot
/// decide within its budget is delivered.
fn matches(
    selector: &CompiledSelector,
    scratch: &mut MatchScratch,
    stored: &StoredBatch,
    index: u16,
) -> bool {
    let event_type = stored.batch.event_type(index);
    match selector.decided_by_type(event_type) {
        Some(decided) => decided,
        None => {
            let envelope = stored.batch.envelope(index);
            selector.evaluate(&mut scratch.view(event_type, &envelope)) != Verdict::NoMatch
        }
    }
}

pub(super) async fn count(
    context: &ReplaysContext,
    customer: &CustomerEntry,
    subscription: &Subscription,
    start_ms: u64,
    end_ms: u64,
) -> Result<ApiReply, ApiError> {
    let selector = Selector::parse(&subscription.selector)
        .map_err(|error| ApiError::conflict(format!("the stored selector is not valid: {error}")))?;
    let trial = context.trials.enter(customer.id())?;
    let scratch = MatchScratch::default();
    let deadline = trial.deadline();
    let mut count = DryRunCount { selector, scratch, deadline, scanned: 0, matching: 0, complete: true };
    let lanes: Vec<_> = customer.state().customer.lanes_ever(context.lanes).collect();
    for lane in lanes {
        let mut scan = LaneScan {
            customer: customer.id(),
            lane,
            after: None,
            from_ms: start_ms,
            until_ms: end_ms,
            direction: Direction::Ascending,
            max_batches: PAGE_BATCHES,
        };
        while count.complete {
            let page = context.store.scan(scan).await?;
            let last =
                page.batches.last().map(|last| last.batch.event_id(last.batch.len().saturating_sub(1)));
            let exhausted = page.exhausted || last.is_none();
            count = on_own_thread(move || count.add(&page.batches)).await?;
            scan.after = last;
            if exhausted {
                break;
            }
        }
    }
    let DryRunCount { scanned, matching, complete, .. } = count;
    let body = json!({ "dry_run": true, "scanned": scanned, "would_match": matching, "complete": complete });
    Ok(json(StatusCode::OK, &body))
}
