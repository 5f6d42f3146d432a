//! How far the inbox can be read in each lane, computed from the rows of the leases.
//!
//! A lane is in one shard at a time, and a shard is worked once its parents are settled.
//! The owner of a shard gives no batch a place before a time that the row of the shard
//! or of a parent has told ([`Readable`](super::Readable)). So the horizon of a lane is
//! the latest time in the rows of all shards that the lane was ever in.

use super::rows::{LeaseRow, LeaseRows, LeaseTableRow};
use crate::config::AwsConfig;
use crate::log::point_of;
use parking_lot::Mutex;
use sluice_model::Lane;
use sluice_ports::PortError;
use sluice_ports::event_store::Horizons;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a reader waits for the table before it continues with the last horizons.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// The result of the last look at the table.
#[derive(Debug, Clone)]
struct KnownHorizons {
    lanes_ms: Vec<u64>,
    horizons: Horizons,
    /// When the table was last asked, whether it answered or not.
    asked: Instant,
}

/// The horizons of all lanes. The table of leases is read only while somebody asks for
/// them, by one caller at a time.
#[derive(Debug)]
pub struct LaneHorizons {
    table: Arc<dyn LeaseRows>,
    lanes: u16,
    look_every: Duration,
    known: Mutex<Option<KnownHorizons>>,
    turn: tokio::sync::Mutex<()>,
}

impl LaneHorizons {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(table: Arc<dyn LeaseRows>, config: &AwsConfig) -> Self {
        let look_every = Duration::from_millis(config.inbox_look_ms);
        Self {
            table,
            lanes: config.lanes,
            look_every,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The horizons as they were a moment ago. If the table does not answer, the last ones
    /// are returned: an older horizon is lower, so nothing appears behind a reader.
    ///
    /// # Errors
    /// If the table does not answer and never has.
    pub async fn get(&self) -> Result<Horizons, PortError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        // While one caller reads the table, others continue with the last horizons.
        let _turn = match (self.turn.try_lock(), self.last()) {
            (Ok(turn), _) => turn,
            (Err(_), Some(known)) => return Ok(known.horizons),
            (Err(_), None) => self.turn.lock().await,
        };
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let known = self.last();
        let asked = Instant::now();
        let read = match tokio::time::timeout(LOOK_WITHIN, self.table.rows()).await {
            Ok(read) => read,
            Err(_elapsed) => Err(PortError::unavailable("read the leases", "the table does not answer")),
        };
        let lanes_ms = match (read, &known) {
            (Ok(rows), known) => latest(&rows, self.lanes, known.as_ref().map(|known| &known.lanes_ms[..])),
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "cannot update how far the inbox can be read; trying again");
                known.lanes_ms.clone()
            }
            (Err(error), None) => return Err(error),
        };
        let horizons = Horizons::of_lanes(lanes_ms.clone());
        *self.known.lock() = Some(KnownHorizons { lanes_ms, horizons: horizons.clone(), asked });
        Ok(horizons)
    }

    fn last(&self) -> Option<KnownHorizons> {
        self.known.lock().clone()
    }

    /// The last horizons, if the table need not be read again yet.
    fn fresh(&self) -> Option<Horizons> {
        self.last().filter(|known| known.asked.elapsed() < self.look_every).map(|known| known.horizons)
    }
}

/// The horizon of each lane. If no row tells one for a lane, it keeps the one that was
/// known before, else it is the beginning of time.
fn latest(rows: &[LeaseTableRow], lanes: u16, known: Option<&[u64]>) -> Vec<u64> {
    let leases: Vec<&LeaseRow> = rows
        .iter()
        .filter_map(|row| match row {
            LeaseTableRow::Lease(lease) => Some(lease),
            LeaseTableRow::Worker(..) | LeaseTableRow::Stream(_) => None,
        })
        .collect();
    let lane_ms = |lane: Lane| {
        let point = point_of(lane, lanes);
        let holds =
            |row: &&&LeaseRow| row.points.is_some_and(|(first, last)| (first..=last).contains(&point));
        let told = leases.iter().filter(holds).filter_map(|row| row.readable);
        let before = known.and_then(|known| known.get(usize::from(lane.number()))).copied();
        told.map(|readable| readable.ms).chain(before).max().unwrap_or(0)
    };
    (0..lanes).filter_map(Lane::new).map(lane_ms).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::Readable;
    use super::super::testing::{MemoryTable, lease_row};
    use super::*;
    use sluice_ports::log::{Position, ShardId};
    use std::sync::atomic::Ordering;

    const HALF: u128 = u128::MAX / 2;

    fn row(shard: &str, points: (u128, u128), readable_ms: Option<u64>) -> LeaseRow {
        let readable = readable_ms.map(|ms| Readable { at: Position::START, ms });
        LeaseRow { points: Some(points), readable, ..lease_row(shard, Some("w"), Position::START) }
    }

    fn horizons(table: &Arc<MemoryTable>) -> LaneHorizons {
        let config = AwsConfig { lanes: 4, inbox_look_ms: 60_000, ..AwsConfig::default() };
        LaneHorizons::new(table.clone(), &config)
    }

    fn of_lanes(horizons: &Horizons) -> [u64; 4] {
        std::array::from_fn(|lane| horizons.of(Lane::new(lane as u16).unwrap()))
    }

    #[test]
    fn a_lane_is_readable_up_to_the_latest_time_of_the_shards_that_it_fell_into() {
        let lease = |row| LeaseTableRow::Lease(row);
        let rows = [
            lease(row("parent", (0, u128::MAX), Some(100))),
            lease(row("left", (0, HALF), Some(170))),
            // Nobody worked it yet; its parent told this time.
            lease(row("right", (HALF + 1, u128::MAX), None)),
            lease(LeaseRow { points: None, ..row("of another program", (0, 0), Some(900)) }),
            LeaseTableRow::Worker("w".into(), 7),
        ];
        assert_eq!(latest(&rows, 4, None), [170, 170, 100, 100]);
        // A parent's row is deleted once the stream has forgotten it.
        assert_eq!(latest(&rows[1..], 4, None), [170, 170, 0, 0]);
        assert_eq!(latest(&rows[1..], 4, Some(&[180, 1, 100, 100])), [180, 170, 100, 100]);
        assert_eq!(latest(&[], 4, None), [0, 0, 0, 0]);
    }

    #[tokio::test]
    async fn the_table_is_read_once_for_many_readers_and_a_silent_one_leaves_the_last_horizon() {
        let table = Arc::new(MemoryTable::with([row("s", (0, u128::MAX), Some(5))]));
        let lanes = horizons(&table);
        for _ in 0..3 {
            assert_eq!(of_lanes(&lanes.get().await.unwrap()), [5; 4]);
            table.leases.lock().insert(ShardId("s".into()), row("s", (0, u128::MAX), Some(9)));
        }
        let unasked = |lanes: &LaneHorizons| {
            let mut known = lanes.known.lock();
            let known = known.as_mut().unwrap();
            known.asked = known.asked.checked_sub(Duration::from_secs(3600)).unwrap();
        };
        unasked(&lanes);
        table.silent.store(true, Ordering::SeqCst);
        assert_eq!(of_lanes(&lanes.get().await.unwrap()), [5; 4]);
        unasked(&lanes);
        table.silent.store(false, Ordering::SeqCst);
        assert_eq!(of_lanes(&lanes.get().await.unwrap()), [9; 4]);
        // A reader that never knew a horizon must not take silence for an empty inbox.
        table.silent.store(true, Ordering::SeqCst);
        horizons(&table).get().await.unwrap_err();
    }
}
