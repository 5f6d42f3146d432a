//! `GET /v1/subscriptions/{id}/deliveries`: recent attempts, at most a second old.

use super::{rfc3339, subscriptions};
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::{AttemptRecord, DeliveryId};

#[derive(Serialize)]
struct View {
    webhook_id: DeliveryId,
    timestamp: String,
    attempt: u32,
    event_count: usize,
    status_code: Option<u16>,
    latency_ms: u64,
    error: Option<String>,
    answer_excerpt: Option<String>,
}

fn view(of: AttemptRecord) -> View {
    View {
        webhook_id: of.delivery,
        timestamp: rfc3339(of.at_ms),
        attempt: of.attempt,
        event_count: of.events,
        status_code: of.status,
        latency_ms: of.latency_ms,
        error: of.error,
        answer_excerpt: of.status.map(|_| of.excerpt),
    }
}

/// The newest attempts, the newest first.
pub(super) async fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let query = call.query(&["limit"])?;
    let limit = query.limit(100)?;
    let subscription = subscriptions::find(call)?;
    let attempts = call.edge.history.recent(subscription.id, limit).await?;
    let views: Vec<View> = attempts.into_iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "deliveries": views })))
}
