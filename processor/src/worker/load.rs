//! A waiting delivery's events, back from the store, as a webhook's body.

use crate::body;
use crate::context::Context;
use bytes::Bytes;
use sluice_model::{Batch, BatchId, Delivery, EventRef};
use sluice_ports::PortError;
use std::sync::Arc;

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The store failed; it may give them later.
    NotNow(PortError),
    /// A batch is not there to be read any more.
    Lost {
        /// Which.
        batch: BatchId,
        /// Why, in words for people.
        why: String,
    },
}

/// The chunks of a delivery's body.
pub(crate) async fn load(context: &Context, delivery: &Delivery) -> Result<Arc<[Bytes]>, LoadError> {
    let mut batches = Vec::with_capacity(delivery.events.len());
    for of in &delivery.events {
        batches.push(batch(context, delivery, of).await?);
    }
    let slices = batches.iter().zip(&delivery.events).map(|(batch, of)| (&**batch, &of.events));
    Ok(body::chunks(slices))
}

async fn batch(context: &Context, delivery: &Delivery, of: &EventRef) -> Result<Arc<Batch>, LoadError> {
    let lost = |why: String| LoadError::Lost { batch: of.batch, why };
    let id = of.batch.first();
    let batch = match context.stores.events.batch(delivery.customer, of.batch).await {
        Ok(Some(batch)) => batch,
        Ok(None) => return Err(lost(format!("batch {id} is not stored any more"))),
        Err(PortError::Damaged { what, detail }) => {
            return Err(lost(format!("batch {id} is damaged: {what}: {detail}")));
        }
        Err(error) => return Err(LoadError::NotNow(error)),
    };
    let end = of.events.runs().last().map_or(0, |run| run.end);
    if end > batch.len() {
        return Err(lost(format!("batch {id} has {} events, not {end}", batch.len())));
    }
    Ok(batch)
}
