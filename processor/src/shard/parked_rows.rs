//! Reading the parked lists of a shard's lanes when the shard begins.

use crate::commit::{SetAside, SetAsideKind};
use crate::context::Context;
use crate::parking::{DeliveryOwner, ParkedEntry, rows};
use crate::store_wait::until_answered;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sluice_model::Lane;
use sluice_ports::PortError;
use sluice_ports::rows::{Row, RowChange};

/// The rows that are read at a time.
const PAGE: usize = 1000;
/// The lanes whose rows are read at the same time: a shard may have hundreds of lanes.
const LANES_AT_ONCE: usize = 16;

/// A row of a lane, read back.
pub(super) struct ParkedRow {
    pub(super) lane: Lane,
    pub(super) owner: DeliveryOwner,
    pub(super) entry: ParkedEntry,
}

/// The parked entries of these lanes, in the order of each list.
pub(super) async fn load_all(context: &Context, lanes: &[Lane]) -> Result<Vec<ParkedRow>, PortError> {
    let read = |lane, row: &Row| rows::read(row).map(|(owner, entry)| ParkedRow { lane, owner, entry });
    load_lanes(context, lanes, rows::partition, read).await
}

/// Reads all rows of these lanes with `read`, in the order of the lanes and of their rows. A row that
/// cannot be read back is set aside.
pub(super) async fn load_lanes<T: Send>(
    context: &Context,
    lanes: &[Lane],
    partition: impl Fn(Lane) -> String,
    read: impl Fn(Lane, &Row) -> Result<T, PortError> + Copy + Send + Sync,
) -> Result<Vec<T>, PortError> {
    let load = |lane: &Lane| load_lane(context, *lane, partition(*lane), read).boxed();
    let loads: Vec<BoxFuture<'_, Result<Vec<T>, PortError>>> = lanes.iter().map(load).collect();
    let all: Vec<Vec<T>> = stream::iter(loads).buffered(LANES_AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

async fn load_lane<T: Send>(
    context: &Context,
    lane: Lane,
    partition: String,
    read: impl Fn(Lane, &Row) -> Result<T, PortError> + Send + Sync,
) -> Result<Vec<T>, PortError> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let rows = &context.stores.rows;
        let page = until_answered(context, || rows.list(&partition, after.as_deref(), PAGE)).await?;
        for row in &page {
            match read(lane, row) {
                Ok(entry) => all.push(entry),
                Err(error) => set_aside(context, &partition, row, &error).await?,
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
            _ => return Ok(all),
        }
    }
}

/// Sets aside a row that cannot be read back, since it would stop the shard for ever.
async fn set_aside(
    context: &Context,
    partition: &str,
    row: &Row,
    error: &PortError,
) -> Result<(), PortError> {
    let item = format!("{partition} {:02x?}", row.key);
    let reason = &error.to_string();
    let unreadable = SetAside { kind: SetAsideKind::Row, item, reason, bytes: row.value.clone() };
    let stores = &context.stores.rows;
    until_answered(context, || unreadable.keep(&**stores, context.clock().now_ms())).await?;
    let remove = || RowChange::Remove { partition: partition.into(), key: row.key.clone() };
    until_answered(context, || stores.write(vec![remove()])).await
}
