//! Reads the parked lists of a shard's lanes at its start.

use crate::context::Context;
use crate::parking::{DeliveryOwner, ParkedEntry, rows};
use sluice_model::Lane;
use sluice_ports::PortError;
use sluice_ports::log::ShardId;

/// Rows read at a time.
const PAGE: usize = 1000;

/// A row of a lane, read back.
pub(super) struct ParkedRow {
    pub(super) lane: Lane,
    pub(super) owner: DeliveryOwner,
    pub(super) entry: ParkedEntry,
}

/// The parked entries of a shard's lanes, in the order of each list.
pub(super) async fn load_all(context: &Context, shard: &ShardId) -> Result<Vec<ParkedRow>, PortError> {
    let mut all = Vec::new();
    let lanes = context.log.lanes(shard).await?;
    for lane in lanes.into_iter().filter(|lane| lane.number() < context.lanes) {
        let partition = rows::partition(lane);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = context.stores.rows.list(&partition, after.as_deref(), PAGE).await?;
            for row in &page {
                let (owner, entry) = rows::read(row)?;
                all.push(ParkedRow { lane, owner, entry });
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    Ok(all)
}
