//! Listing and finding event types.

use super::wire::{EventTypePage, checked_name, view};
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use sluice_catalogue::directory::DeclaredType;
use std::sync::Arc;

/// `GET /v1/event-types`.
pub(super) fn list(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let query = request.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.text("cursor"));
    let state = request.customer()?.state();
    let all = &state.event_types;
    let start = after.map_or(0, |after| all.partition_point(|known| known.name.as_str() <= after));
    let page = all.get(start..(start + limit).min(all.len())).unwrap_or_default();
    let has_more = start + page.len() < all.len();
    let cursor = has_more.then(|| page.last().map(|last| last.name.as_str())).flatten();
    let event_types = page.iter().map(|known| view(known)).collect::<Result<Vec<_>, _>>()?;
    Ok(json(StatusCode::OK, &EventTypePage { event_types, total: all.len(), cursor, has_more }))
}

/// `GET /v1/event-types/{name}`.
pub(super) fn get(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let found = find(request)?;
    Ok(json(StatusCode::OK, &view(&found)?))
}

/// The type that the path names.
pub(super) fn find(request: &ApiRequest<'_>) -> Result<Arc<DeclaredType>, ApiError> {
    let name = checked_name(request)?;
    let state = request.customer()?.state();
    state.event_type(&name).cloned().ok_or_else(|| ApiError::not_found("event type"))
}
