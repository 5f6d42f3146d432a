//! Finding one event.

use crate::contexts::EventsContext;
use crate::error::ApiError;
use sluice_model::clock::now_ms;
use sluice_model::{CustomerId, EventId};
use sluice_ports::PortError;
use sluice_ports::event_store::StoredBatch;
use std::time::Duration;

/// An event younger than this may not be in the store yet if another process writes the
/// store. The same holds for an event beyond its lane's horizon.
const YOUNG_MS: u64 = 30_000;

/// The batch that holds the event.
pub(super) async fn find(
    context: &EventsContext,
    customer: CustomerId,
    id: EventId,
) -> Result<StoredBatch, ApiError> {
    let stored = context.store.get(customer, id.batch()).await?;
    match stored.filter(|stored| id.index() < stored.batch.len()) {
        Some(found) => Ok(found),
        None => Err(not_found(context, id).await),
    }
}

/// The refusal of an id that the store does not know. If the event may still be
/// on its way into the store, the client may try again.
pub(super) async fn not_found(context: &EventsContext, id: EventId) -> ApiError {
    let error = ApiError::not_found("event");
    match may_come(context, id).await {
        Ok(false) => error,
        Ok(true) => error.retry_after(Duration::from_secs(1)),
        Err(error) => error.into(),
    }
}

/// Whether the event may still reach the store: on the distributed engine the processor
/// writes it there, after the 202.
async fn may_come(context: &EventsContext, id: EventId) -> Result<bool, PortError> {
    let (id_ms, now_ms) = (id.batch().ms(), now_ms());
    if !context.store.takes_batches() || id_ms > now_ms + YOUNG_MS {
        return Ok(false);
    }
    Ok(id_ms + YOUNG_MS > now_ms || id_ms >= context.store.horizons().await?.of(id.lane()))
}
