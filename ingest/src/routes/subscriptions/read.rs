//! Listing and finding subscriptions.

use super::wire::{SubscriptionView, view};
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::ingest::EndpointBreaker;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::clock::rfc3339_string;
use sluice_model::{Subscription, SubscriptionId};
use std::sync::Arc;

/// `GET /v1/subscriptions`.
pub(super) fn list(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let query = request.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<SubscriptionId>("cursor")?);
    let state = request.customer()?.state();
    let all = &state.subscriptions;
    let start = after.map_or(0, |after| all.partition_point(|subscription| subscription.id <= after));
    let page = all.get(start..(start + limit).min(all.len())).unwrap_or_default();
    let has_more = start + page.len() < all.len();
    let cursor = has_more.then(|| page.last().map(|last| last.id)).flatten();
    let subscriptions = page.iter().map(|subscription| view(subscription)).collect();
    Ok(json(StatusCode::OK, &SubscriptionPage { subscriptions, total: all.len(), cursor, has_more }))
}

/// A page of the list. It is written as it is: a selector that an older version took may
/// be no JSON to a strict parser.
#[derive(Serialize)]
struct SubscriptionPage<'a> {
    subscriptions: Vec<SubscriptionView<'a>>,
    total: usize,
    cursor: Option<SubscriptionId>,
    has_more: bool,
}

/// `GET /v1/subscriptions/{id}`.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    Ok(json(StatusCode::OK, &view(&*find(request)?)))
}

/// `GET /v1/subscriptions/{id}/health`.
pub(super) fn health(context: &SubscriptionsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let subscription = find(request)?;
    let backlog = context.queue.backlog(subscription.id);
    let (breaker, until_ms) = match (context.breakers)(subscription.id) {
        None => (None, None),
        Some(EndpointBreaker::Closed) => (Some("closed"), None),
        Some(EndpointBreaker::Open { until_ms }) => (Some("open"), Some(until_ms)),
        Some(EndpointBreaker::HalfOpen) => (Some("half_open"), None),
    };
    let body = json!({
        "workflow_id": subscription.id,
        "backlog_deliveries": backlog.deliveries,
        "backlog_events": backlog.events,
        "breaker": breaker,
        "breaker_until": until_ms.map(rfc3339_string),
    });
    Ok(json(StatusCode::OK, &body))
}

/// The subscription that the path names.
pub(super) fn find(request: &ApiRequest<'_>) -> Result<Arc<Subscription>, ApiError> {
    let id: SubscriptionId = request.path_id()?;
    let state = request.customer()?.state();
    state.subscription(id).cloned().ok_or_else(|| ApiError::not_found("subscription"))
}
