//! Acknowledging events, one or many.

use super::find::not_found;
use crate::contexts::EventsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_model::EventId;
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_ports::event_store::AckOutcome;

/// The most events that one request acknowledges.
pub(crate) const ACK_IDS_MAX: usize = 1000;

/// `POST` or `DELETE /v1/events/{id}/ack`.
pub(super) async fn one(context: &EventsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let id: EventId = request.path_id()?;
    let now_ms = now_ms();
    let outcomes = context.store.acknowledge(customer.id(), vec![id], now_ms).await?;
    match outcomes.first() {
        Some(AckOutcome::Acknowledged) => Ok(json(
            StatusCode::OK,
            &json!({ "event_id": id, "status": "acknowledged", "acknowledged_at": rfc3339_string(now_ms) }),
        )),
        Some(AckOutcome::Already(ms)) => {
            let message = "the event was acknowledged before";
            Err(ApiError::new(StatusCode::CONFLICT, "ALREADY_ACKNOWLEDGED", message)
                .details(json!({ "acknowledged_at": rfc3339_string(*ms) })))
        }
        Some(AckOutcome::Unknown) | None => Err(not_found(context, id).await),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AckBody {
    event_ids: Vec<String>,
}

#[derive(Serialize)]
struct AckResult<'a> {
    event_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
}

impl<'a> AckResult<'a> {
    /// The result for an id, which is valid if there is an outcome.
    fn new(event_id: &'a str, outcome: Option<AckOutcome>, now_ms: u64) -> Self {
        let (status, ms) = match outcome {
            None => ("invalid_id", None),
            Some(AckOutcome::Acknowledged) => ("acknowledged", Some(now_ms)),
            Some(AckOutcome::Already(ms)) => ("already_acknowledged", Some(ms)),
            Some(AckOutcome::Unknown) => ("not_found", None),
        };
        Self { event_id, status, acknowledged_at: ms.map(rfc3339_string) }
    }
}

/// `POST /v1/inbox/ack`: a result for each id, in the request's order.
pub(super) async fn many(
    context: &EventsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let AckBody { event_ids } = request.json(body).await?;
    if event_ids.is_empty() || event_ids.len() > ACK_IDS_MAX {
        return Err(ApiError::invalid("event_ids", format!("must have 1 to {ACK_IDS_MAX} ids")));
    }
    let parsed: Vec<Option<EventId>> = event_ids.iter().map(|text| text.parse().ok()).collect();
    let valid: Vec<EventId> = parsed.iter().flatten().copied().collect();
    let now_ms = now_ms();
    let outcomes = match valid.is_empty() {
        true => Vec::new(),
        false => context.store.acknowledge(customer.id(), valid, now_ms).await?,
    };
    let acknowledged = outcomes.iter().filter(|outcome| **outcome == AckOutcome::Acknowledged).count();
    let mut outcomes = outcomes.into_iter();
    let mut outcome = |id: Option<EventId>| id.map(|_| outcomes.next().unwrap_or(AckOutcome::Unknown));
    let results: Vec<AckResult<'_>> = event_ids
        .iter()
        .zip(&parsed)
        .map(|(event_id, id)| AckResult::new(event_id, outcome(*id), now_ms))
        .collect();
    Ok(json(StatusCode::OK, &json!({ "acknowledged": acknowledged, "results": results })))
}
