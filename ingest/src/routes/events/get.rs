//! `GET /v1/events/{id}`.

use super::find::find;
use crate::contexts::EventsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json_bytes};
use crate::request::ApiRequest;
use crate::{item, status};
use http::StatusCode;
use sluice_model::EventId;

/// One event with its status.
pub(super) async fn get(context: &EventsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let id: EventId = request.path_id()?;
    let stored = find(context, customer.id(), id).await?;
    let mut out = Vec::new();
    item::write(&stored.batch.envelope(id.index()), &status::standing(&stored, id.index()), &mut out);
    Ok(json_bytes(StatusCode::OK, out.into()))
}
