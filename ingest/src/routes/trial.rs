//! `POST /v1/subscriptions/{id}/test`: sends a test event, or says which of
//! the newest events the subscription wants and why it does not want the others.

use super::{rfc3339, subscriptions};
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_model::wire::envelope::{self, EnvelopeParts};
use sluice_model::{EventId, Lane, Subscription};
use sluice_ports::event_store::{Direction, LaneScan, StoredBatch};
use sluice_selector::{MatchScratch, Selector, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The most events that one request looks at.
const LAST_MAX: usize = 100;

/// The most bytes of a test's payload.
const PAYLOAD_MAX: usize = 16 << 10;

/// Where a test event seems to live; it is stored nowhere.
const LANE: Lane = Lane::new(0).expect("a lane");

const EVENT_TYPE: &[u8] = b"\"sluice.test\"";
const PAYLOAD: &str = r#"{"message":"This is a test event of Sluice."}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Look at so many of the newest events instead of sending one.
    last: Option<usize>,
    /// What the test event carries.
    payload: Option<Box<RawValue>>,
}

/// Does either.
pub(super) async fn run(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let Wanted { last, payload } = call.optional_json(body).await?;
    let subscription = subscriptions::find(call)?;
    match last {
        None => send(call, subscription, payload.as_deref()).await,
        Some(_) if payload.is_some() => {
            Err(ApiError::invalid("payload", "is for a test event that is sent, without `last`"))
        }
        Some(last @ 1..=LAST_MAX) => judge(call, &subscription, last).await,
        Some(_) => Err(ApiError::invalid("last", format!("must be between 1 and {LAST_MAX}"))),
    }
}

/// Sends an event that is stored nowhere and says what came back. It goes to
/// this subscription whatever its selector and status.
async fn send(
    call: &Call<'_>,
    subscription: Arc<Subscription>,
    payload: Option<&RawValue>,
) -> Result<Reply, ApiError> {
    let payload = payload.map_or(PAYLOAD, RawValue::get);
    if payload.len() > PAYLOAD_MAX {
        return Err(ApiError::invalid("payload", format!("has more than {PAYLOAD_MAX} bytes")));
    }
    let Ok(_turn) = call.edge.trials.try_acquire() else {
        return Err(ApiError::overloaded("too many test events are on their way"));
    };
    let now_ms = clock::now_ms();
    let id = EventId::new(now_ms, LANE, random_u128() as u64, 0);
    let mut body = b"[".to_vec();
    let parts = EnvelopeParts {
        customer: &subscription.customer.text(),
        event_type: Some(EVENT_TYPE),
        source: None,
        tags: None,
        metadata: None,
        payload: payload.as_bytes(),
        timestamp: &clock::rfc3339(now_ms),
    };
    envelope::write(&parts, &mut body);
    envelope::stamp(&id.text(), &mut body[1..]);
    body.push(b']');
    let answer = call.edge.probe.probe(subscription, body.into()).await;
    let delivered = answer.status.is_some_and(|status| (200..300).contains(&status));
    let body = json!({
        "delivered": delivered,
        "event_id": id,
        "webhook_id": answer.delivery,
        "status_code": answer.status,
        "latency_ms": answer.latency_ms,
        "error": answer.error,
        "answer_excerpt": answer.status.map(|_| answer.excerpt),
    });
    Ok(json(StatusCode::OK, &body))
}

#[derive(Serialize)]
struct Judged {
    event_id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    matches: bool,
    /// Whether the event came before the subscription counted.
    before_effective_at: bool,
    reason: String,
    /// JSON Pointer into the selector.
    pointer: String,
}

/// Says of the newest events whether the subscription would want them.
async fn judge(call: &Call<'_>, subscription: &Subscription, last: usize) -> Result<Reply, ApiError> {
    let selector = Selector::parse(&subscription.selector)
        .map_err(|error| ApiError::conflict(format!("the stored selector is not valid: {error}")))?;
    let customer = call.customer()?;
    let newest = newest(call, &customer, last).await?;
    let mut scratch = MatchScratch::default();
    let judged: Vec<Judged> = newest
        .iter()
        .map(|(stored, index)| {
            let batch = &stored.batch;
            let (kind, envelope) = (batch.event_type(*index), batch.envelope(*index));
            let of = selector.compiled().explain(&mut scratch.view(kind, &envelope));
            Judged {
                event_id: batch.event_id(*index),
                event_type: (!kind.is_empty()).then(|| kind.to_owned()),
                matches: of.verdict == Verdict::Match,
                before_effective_at: batch.id.ms() < subscription.effective_at_ms,
                reason: of.reason,
                pointer: of.pointer,
            }
        })
        .collect();
    let matching = judged.iter().filter(|of| of.matches).count();
    let effective_at = rfc3339(subscription.effective_at_ms);
    let body = json!({ "looked_at": judged.len(), "matching": matching, "effective_at": effective_at, "events": judged });
    Ok(json(StatusCode::OK, &body))
}

/// The newest events of all lanes, the newest first.
async fn newest(
    call: &Call<'_>,
    customer: &CustomerEntry,
    last: usize,
) -> Result<Vec<(StoredBatch, u16)>, ApiError> {
    let lanes: Vec<Lane> = customer.state().customer.lanes_ever(call.edge.lanes).collect();
    let mut all = Vec::new();
    for lane in lanes {
        let scan = LaneScan {
            customer: customer.id(),
            lane,
            after: None,
            from_ms: 0,
            // Clocks of several edges differ a little.
            until_ms: clock::now_ms() + Duration::from_secs(3600).as_millis() as u64,
            direction: Direction::Descending,
            // A batch holds at least one event.
            max_batches: last,
        };
        let page = call.edge.events.scan(scan).await?;
        let events = page.batches.into_iter().flat_map(|stored| {
            (0..stored.batch.len()).rev().map(move |index| (stored.clone(), index)).take(last)
        });
        all.extend(events.take(last));
    }
    all.sort_by_key(|(stored, index)| std::cmp::Reverse(stored.batch.event_id(*index)));
    all.truncate(last);
    Ok(all)
}
