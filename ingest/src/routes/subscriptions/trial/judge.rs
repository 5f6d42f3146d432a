//! Judging the newest events by a subscription's selector.

use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use crate::trials::on_own_thread;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::{EventId, Lane, Subscription};
use sluice_ports::event_store::{Direction, LaneScan, StoredBatch};
use sluice_selector::{MatchScratch, Selector, Verdict};
use std::time::Instant;

/// How far ahead of this process's clock an event's id may be: the clocks of
/// several ingest processes differ.
const CLOCK_SKEW_MS: u64 = 3_600_000;

#[derive(Serialize)]
pub(super) struct JudgedEvent {
    /// `None` for an event that is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    pub(super) matches: bool,
    /// Whether the event was accepted before the subscription's `effective_at`.
    before_effective_at: bool,
    reason: String,
    /// A JSON Pointer into the selector.
    pointer: String,
}

/// Says for each of the newest events whether the subscription matches it.
pub(super) async fn judge(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    subscription: &Subscription,
    last: usize,
) -> Result<ApiReply, ApiError> {
    let selector = Selector::parse(&subscription.selector)
        .map_err(|error| ApiError::conflict(format!("the stored selector is not valid: {error}")))?;
    judge_by(context, &*request.customer()?, selector, Some(subscription.effective_at_ms), last).await
}

/// Says for each of the newest events whether the selector matches it.
pub(super) async fn judge_by(
    context: &SubscriptionsContext,
    customer: &CustomerEntry,
    selector: Selector,
    effective_at_ms: Option<u64>,
    last: usize,
) -> Result<ApiReply, ApiError> {
    let trial = context.trials.enter(customer.id())?;
    let newest = newest(context, customer, last).await?;
    let (wanted, deadline) = (newest.len(), trial.deadline());
    let judged = on_own_thread(move || judge_all(&selector, &newest, effective_at_ms, deadline)).await?;
    let body = json!({
        "looked_at": judged.len(),
        "complete": judged.len() == wanted,
        "matching": judged.iter().filter(|event| event.matches).count(),
        "effective_at": effective_at_ms.map(rfc3339_string),
        "events": judged,
    });
    Ok(json(StatusCode::OK, &body))
}

/// Judges events until the deadline.
fn judge_all(
    selector: &Selector,
    events: &[(StoredBatch, u16)],
    effective_at_ms: Option<u64>,
    deadline: Instant,
) -> Vec<JudgedEvent> {
    let mut scratch = MatchScratch::default();
    let in_time = events.iter().take_while(|_| Instant::now() < deadline);
    let judge_one = |(stored, index): &(StoredBatch, u16)| {
        let batch = &stored.batch;
        let (event_type, envelope) = (batch.event_type(*index), batch.envelope(*index));
        let too_early = effective_at_ms.is_some_and(|effective_at_ms| batch.id.ms() < effective_at_ms);
        judged(selector, &mut scratch, Some(batch.event_id(*index)), event_type, &envelope, too_early)
    };
    in_time.map(judge_one).collect()
}

/// The verdict on one event.
pub(super) fn judged(
    selector: &Selector,
    scratch: &mut MatchScratch,
    event_id: Option<EventId>,
    event_type: &str,
    envelope: &[u8],
    before_effective_at: bool,
) -> JudgedEvent {
    let explanation = selector.compiled().explain(&mut scratch.view(event_type, envelope));
    JudgedEvent {
        event_id,
        event_type: (!event_type.is_empty()).then(|| event_type.to_owned()),
        matches: explanation.verdict == Verdict::Match,
        before_effective_at,
        reason: explanation.reason,
        pointer: explanation.pointer,
    }
}

/// The newest events of all lanes, the newest first.
async fn newest(
    context: &SubscriptionsContext,
    customer: &CustomerEntry,
    last: usize,
) -> Result<Vec<(StoredBatch, u16)>, ApiError> {
    let lanes: Vec<Lane> = customer.state().customer.lanes_ever(context.lanes).collect();
    let mut all = Vec::new();
    for lane in lanes {
        let scan = LaneScan {
            customer: customer.id(),
            lane,
            after: None,
            from_ms: 0,
            until_ms: now_ms() + CLOCK_SKEW_MS,
            direction: Direction::Descending,
            // A batch holds at least one event.
            max_batches: last,
        };
        let page = context.store.scan(scan).await?;
        let events = page.batches.into_iter().flat_map(|stored| {
            (0..stored.batch.len()).rev().map(move |index| (stored.clone(), index)).take(last)
        });
        all.extend(events.take(last));
    }
    all.sort_by_key(|(stored, index)| std::cmp::Reverse(stored.batch.event_id(*index)));
    all.truncate(last);
    Ok(all)
}
