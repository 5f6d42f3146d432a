//! Finding a position of a shard by time. A stream can be read only forwards from a
//! time, so it is read from ever earlier times until a record is found.

use crate::log::{ReadFrom, Stream};
use sluice_model::clock;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::time::Duration;

/// How long before the wanted time reading begins; each try begins earlier.
const BACK_MS: [u64; 4] = [60_000, 3_600_000, 24 * 3_600_000, 8 * 24 * 3_600_000];
/// The time between two reads of a shard, which has five a second for all its readers.
const READ_EVERY: Duration = Duration::from_millis(300);
/// The limit of one read.
const RECORDS: usize = 1000;
/// How many reads in a row may be refused as too fast.
const BUSY_MAX: u32 = 30;

/// The last record of a shard that arrived before a time (ms since the Unix epoch);
/// `START` if the stream has no such record.
pub(super) async fn last_before(
    stream: &dyn Stream,
    shard: &ShardId,
    ms: u64,
) -> Result<Position, PortError> {
    let end = ms.min(clock::now_ms());
    let starts = BACK_MS.into_iter().map(|back| ReadFrom::Time(end.saturating_sub(back)));
    for from in starts.chain([ReadFrom::After(Position::START)]) {
        if let Some(found) = last_in(stream, shard, from, ms).await? {
            return Ok(found);
        }
    }
    Ok(Position::START)
}

/// The last record that arrived before `ms`, reading from a time on.
async fn last_in(
    stream: &dyn Stream,
    shard: &ShardId,
    from: ReadFrom,
    ms: u64,
) -> Result<Option<Position>, PortError> {
    let (mut found, mut refused) = (None, 0);
    let mut iterator = stream.iterator(shard, from).await?;
    loop {
        let page = match stream.get(shard, &iterator, RECORDS).await {
            Err(error) if error.class() == FailureClass::Busy && refused < BUSY_MAX => {
                refused += 1;
                tokio::time::sleep(READ_EVERY).await;
                continue;
            }
            page => page?,
        };
        refused = 0;
        for record in page.records {
            if record.at_ms >= ms {
                return Ok(found);
            }
            found = Some(record.position);
        }
        match page.next {
            Some(next) if page.behind_ms > 0 => iterator = next,
            _ => return Ok(found),
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}
