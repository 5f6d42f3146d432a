//! `GET /v1/events/{id}`.

use super::id;
use crate::error::ApiError;
use crate::reply::{Reply, json_bytes};
use crate::service::Call;
use crate::{item, status};
use http::StatusCode;
use sluice_model::EventId;

/// One event with where it stands.
pub(super) async fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let id: EventId = id(call.params.id, "id")?;
    let stored = call.edge.events.get(customer.id(), id.batch()).await?;
    let Some(stored) = stored.filter(|stored| id.index() < stored.batch.len()) else {
        return Err(ApiError::not_found("event"));
    };
    let mut out = Vec::new();
    item::write(&stored.batch.envelope(id.index()), &status::of(&stored, id.index()), &mut out);
    Ok(json_bytes(StatusCode::OK, out.into()))
}
