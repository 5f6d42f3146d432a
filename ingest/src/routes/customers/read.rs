//! Listing and finding customers.

use super::wire::view;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde_json::json;
use sluice_model::CustomerId;

/// `GET /admin/customers`.
pub(super) fn list(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let query = request.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<CustomerId>("cursor")?);
    let all = request.directory.customers();
    let start = after.map_or(0, |after| all.partition_point(|entry| entry.id() <= after));
    let page = all.get(start..(start + limit).min(all.len())).unwrap_or_default();
    let has_more = start + page.len() < all.len();
    let cursor = has_more.then(|| page.last().map(|last| last.id())).flatten();
    let states: Vec<_> = page.iter().map(|entry| entry.state()).collect();
    let customers: Vec<_> = states.iter().map(|state| view(&state.customer)).collect();
    let body = json!({ "customers": customers, "total": all.len(), "cursor": cursor, "has_more": has_more });
    Ok(json(StatusCode::OK, &body))
}

/// `GET /admin/customers/{customer_id}`.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    Ok(json(StatusCode::OK, &view(&request.customer()?.state().customer)))
}
