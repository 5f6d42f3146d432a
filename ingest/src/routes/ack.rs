//! Acknowledging events, one or many.

use super::{id, rfc3339};
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_model::EventId;
use sluice_model::clock::now_ms;
use sluice_ports::event_store::AckOutcome;

/// The most events of one request.
pub(crate) const IDS_MAX: usize = 1000;

/// `POST` or `DELETE /v1/events/{id}/ack`.
pub(super) async fn one(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let id: EventId = id(call.params.id, "id")?;
    let now_ms = now_ms();
    let outcomes = call.edge.events.acknowledge(customer.id(), vec![id], now_ms).await?;
    match outcomes.first() {
        Some(AckOutcome::Acknowledged) => Ok(json(
            StatusCode::OK,
            &json!({ "event_id": id, "status": "acknowledged", "acknowledged_at": rfc3339(now_ms) }),
        )),
        Some(AckOutcome::Already(at)) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "ALREADY_ACKNOWLEDGED",
            "the event was acknowledged before",
        )
        .details(json!({ "acknowledged_at": rfc3339(*at) }))),
        Some(AckOutcome::Unknown) | None => Err(ApiError::not_found("event")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    event_ids: Vec<String>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    event_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
}

/// `POST /v1/inbox/ack`: a result for each id, in their order.
pub(super) async fn many(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let Many { event_ids } = call.json(body).await?;
    if event_ids.is_empty() || event_ids.len() > IDS_MAX {
        return Err(ApiError::invalid("event_ids", format!("must have 1 to {IDS_MAX} ids")));
    }
    let parsed: Vec<Option<EventId>> = event_ids.iter().map(|text| text.parse().ok()).collect();
    let valid: Vec<EventId> = parsed.iter().flatten().copied().collect();
    let now_ms = now_ms();
    let outcomes = match valid.is_empty() {
        true => Vec::new(),
        false => call.edge.events.acknowledge(customer.id(), valid, now_ms).await?,
    };
    let mut outcomes = outcomes.into_iter();
    let mut acknowledged = 0;
    let results: Vec<Outcome<'_>> = event_ids
        .iter()
        .zip(&parsed)
        .map(|(event_id, id)| {
            let (status, at) = match (id, id.and_then(|_| outcomes.next())) {
                (None, _) => ("invalid_id", None),
                (Some(_), Some(AckOutcome::Acknowledged)) => {
                    acknowledged += 1;
                    ("acknowledged", Some(now_ms))
                }
                (Some(_), Some(AckOutcome::Already(at))) => ("already_acknowledged", Some(at)),
                (Some(_), Some(AckOutcome::Unknown) | None) => ("not_found", None),
            };
            Outcome { event_id, status, acknowledged_at: at.map(rfc3339) }
        })
        .collect();
    Ok(json(StatusCode::OK, &json!({ "acknowledged": acknowledged, "results": results })))
}
