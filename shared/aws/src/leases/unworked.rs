//! The lag of shards that nobody works, such as paused ones.
//!
//! The process that works a shard tells its lag. If a shard had no owner for a while,
//! every process tells its lag, by the shard's row. Else a forgotten pause would show
//! nowhere until the stream forgot events.

use super::rows::LeaseRow;
use metrics::{Gauge, gauge};
use sluice_ports::log::{Position, ShardId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a shard must be without an owner: longer than a hand-over. The row of a quiet shard
/// may be a minute old.
const NOBODYS_FOR: Duration = Duration::from_secs(15);

/// The shards without an owner, as one process sees them.
#[derive(Default)]
pub(super) struct UnworkedShards {
    since: BTreeMap<ShardId, Instant>,
    told: BTreeMap<ShardId, Gauge>,
}

impl UnworkedShards {
    /// Notes all rows, each with whether its shard is worked. Returns the lag in
    /// milliseconds of each shard that nobody has worked for a while.
    fn look<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a LeaseRow, bool)>,
        now: Instant,
        now_ms: u64,
    ) -> BTreeMap<ShardId, u64> {
        let before = std::mem::take(&mut self.since);
        let mut behind = BTreeMap::new();
        for (row, _) in rows.filter(|(row, is_worked)| !is_worked && row.checkpoint != Position::END) {
            let since = before.get(&row.shard).copied().unwrap_or(now);
            self.since.insert(row.shard.clone(), since);
            if let Some(settled_ms) = row.settled_ms.filter(|_| now >= since + NOBODYS_FOR) {
                behind.insert(row.shard.clone(), now_ms.saturating_sub(settled_ms));
            }
        }
        behind
    }

    /// Sets the lag of shards that nobody works, and removes that of shards that are worked again.
    pub(super) fn tell<'a>(&mut self, rows: impl Iterator<Item = (&'a LeaseRow, bool)>, now_ms: u64) {
        let behind = self.look(rows, Instant::now(), now_ms);
        self.told.retain(|shard, gauge| {
            let is_told = behind.contains_key(shard);
            if !is_told {
                gauge.set(0.0);
            }
            is_told
        });
        for (shard, behind_ms) in behind {
            let label = shard.to_string();
            let gauge = self.told.entry(shard);
            gauge
                .or_insert_with(|| gauge!("sluice_processor_lag_seconds", "shard" => label))
                .set(behind_ms as f64 / 1000.0);
        }
    }
}

impl Drop for UnworkedShards {
    fn drop(&mut self) {
        self.told.values().for_each(|gauge| gauge.set(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_of_a_shard_that_nobody_works_grows_until_it_is_worked_again() {
        let (begin, id) = (Instant::now(), ShardId("s".into()));
        let row = LeaseRow { settled_ms: Some(1_000_000), ..LeaseRow::new(id.clone()) };
        let mut unworked = UnworkedShards::default();
        let mut look = |row: &LeaseRow, is_worked, after_s: u64| {
            let now = begin + Duration::from_secs(after_s);
            unworked.look([(row, is_worked)].into_iter(), now, 1_000_000 + after_s * 1000).remove(&id)
        };
        assert_eq!(look(&row, true, 0), None);
        assert_eq!(look(&row, false, 10), None, "it is between two owners");
        assert_eq!(look(&row, false, 24), None);
        assert_eq!(look(&row, false, 25), Some(25_000));
        assert_eq!(look(&row, false, 7_225), Some(7_225_000));
        assert_eq!(look(&row, true, 7_226), None);
        assert_eq!(look(&row, false, 7_227), None, "it counts anew");
        let settled = LeaseRow { checkpoint: Position::END, ..row };
        assert_eq!(look(&settled, false, 9_000), None, "nobody works it any more");
        assert_eq!(look(&settled, false, 9_100), None);
    }
}
