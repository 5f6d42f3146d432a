//! `GET /v1/subscriptions/{id}/deliveries`: recent attempts. The list is at most a second old.

use super::read::find;
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::clock::rfc3339_string;
use sluice_model::{AttemptRecord, DeliveryId};

#[derive(Serialize)]
struct DeliveryView {
    delivery_id: DeliveryId,
    timestamp: String,
    attempt: u32,
    event_count: usize,
    status_code: Option<u16>,
    latency_ms: u64,
    error: Option<String>,
    answer_excerpt: Option<String>,
}

fn view(attempt: AttemptRecord) -> DeliveryView {
    DeliveryView {
        delivery_id: attempt.delivery,
        timestamp: rfc3339_string(attempt.at_ms),
        attempt: attempt.attempt,
        event_count: attempt.events,
        status_code: attempt.status,
        latency_ms: attempt.latency_ms,
        error: attempt.error,
        answer_excerpt: attempt.status.map(|_| attempt.excerpt),
    }
}

/// The newest attempts, the newest first.
pub(super) async fn list(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let limit = request.query(&["limit"])?.limit(100)?;
    let subscription = find(request)?;
    let attempts = context.history.recent(subscription.id, limit).await?;
    let views: Vec<DeliveryView> = attempts.into_iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "deliveries": views })))
}
