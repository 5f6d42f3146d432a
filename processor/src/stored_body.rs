//! Reading the body of a delivery that waited back from the event store.

use crate::body;
use crate::context::Context;
use crate::store_wait::store_wait;
use bytes::Bytes;
use sluice_model::{Batch, BatchId, Delivery, EventRef};
use sluice_ports::PortError;
use std::sync::Arc;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The store failed, but may return the events later.
    NotNow(PortError),
    /// A batch is gone or damaged.
    Lost {
        /// The batch.
        batch: BatchId,
        /// The reason, for people.
        why: String,
    },
}

/// The chunks of a delivery's body.
pub(crate) async fn load(context: &Context, delivery: &Delivery) -> Result<Arc<[Bytes]>, LoadError> {
    let mut batches = Vec::with_capacity(delivery.events.len());
    for part in &delivery.events {
        batches.push(batch(context, delivery, part).await?);
    }
    let slices = batches.iter().zip(&delivery.events).map(|(batch, part)| (&**batch, &part.events));
    Ok(body::chunks(slices))
}

/// [`load`], repeated until the store returns the body or tells why it is lost.
pub(crate) async fn load_or_lose(context: &Context, delivery: &Delivery) -> Result<Arc<[Bytes]>, String> {
    let mut tries = 0;
    loop {
        match load(context, delivery).await {
            Ok(chunks) => return Ok(chunks),
            Err(LoadError::Lost { why, .. }) => return Err(why),
            Err(LoadError::NotNow(error)) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
        }
    }
}

async fn batch(context: &Context, delivery: &Delivery, part: &EventRef) -> Result<Arc<Batch>, LoadError> {
    let lost = |why: String| LoadError::Lost { batch: part.batch, why };
    let id = part.batch.first();
    let batch = match context.stores.events.batch(delivery.customer, part.batch).await {
        Ok(Some(batch)) => batch,
        Ok(None) => return Err(lost(format!("batch {id} is not stored any more"))),
        Err(PortError::Damaged { attempted, detail }) => {
            return Err(lost(format!("batch {id} is damaged: {attempted}: {detail}")));
        }
        Err(error) => return Err(LoadError::NotNow(error)),
    };
    let end = part.events.runs().last().map_or(0, |run| run.end);
    if end > batch.len() {
        return Err(lost(format!("batch {id} has {} events, not {end}", batch.len())));
    }
    Ok(batch)
}
