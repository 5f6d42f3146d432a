//! `GET /v1/subscriptions/{id}/deliveries`: recent attempts. The list is at most a second old.

use super::read::find;
use crate::attempt_view::AttemptView;
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;

/// The newest attempts, the newest first.
pub(super) async fn list(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let limit = request.query(&["limit"])?.limit(100)?;
    let subscription = find(request)?;
    let attempts = context.history.recent(subscription.id, limit).await?;
    let views: Vec<AttemptView> = attempts.into_iter().map(AttemptView::from).collect();
    Ok(json(StatusCode::OK, &json!({ "deliveries": views })))
}
