//! Finding one event.

use crate::contexts::EventsContext;
use crate::error::ApiError;
use sluice_model::clock::now_ms;
use sluice_model::{CustomerId, EventId};
use sluice_ports::event_store::StoredBatch;
use std::time::Duration;

/// An event younger than this may not be in the store yet, if another process
/// writes the store.
const YOUNG_MS: u64 = 30_000;

/// The batch of the event, which holds it.
pub(super) async fn find(
    context: &EventsContext,
    customer: CustomerId,
    id: EventId,
) -> Result<StoredBatch, ApiError> {
    let stored = context.store.get(customer, id.batch()).await?;
    let found = stored.filter(|stored| id.index() < stored.batch.len());
    found.ok_or_else(|| not_found(context, id))
}

/// The refusal of an id that the store does not know. If the event may still be
/// on its way into the store, the client may try again.
pub(super) fn not_found(context: &EventsContext, id: EventId) -> ApiError {
    let error = ApiError::not_found("event");
    // A store that takes batches is written by the processor, after the 202.
    let may_come = context.store.takes_batches() && now_ms().abs_diff(id.batch().ms()) < YOUNG_MS;
    if may_come { error.retry_after(Duration::from_secs(1)) } else { error }
}
