//! Which rows of the table are still renewed, by this process' own monotonic clock and
//! independent of other processes' clocks.

use super::rows::{LeaseRow, LeaseTableRow};
use crate::log::StreamIdentity;
use sluice_ports::log::ShardId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// The row of a process that was not counted up for this many leases' time is deleted.
const DEAD_LEASES: u32 = 6;

/// The rows of the table by kind.
#[derive(Debug, Default)]
pub(super) struct TableView {
    pub(super) leases: Vec<LeaseRow>,
    /// Processes that live, this one included.
    pub(super) workers: BTreeSet<String>,
    /// Rows of processes that died long ago.
    pub(super) dead: Vec<String>,
    /// The stream that the leases are kept for.
    pub(super) stream: Option<StreamIdentity>,
}

/// The count of a row, and since when the row has it.
#[derive(Debug, Clone, Copy)]
struct Count {
    count: u64,
    since: Instant,
    /// Whether another process has this lease.
    is_others: bool,
}

/// The counts of the rows at the last look.
#[derive(Debug)]
pub(super) struct Observed {
    me: String,
    lease: Duration,
    counts: HashMap<String, Count>,
}

impl Observed {
    /// `me` is this process, `lease` the time after which a row that is not renewed no
    /// longer counts.
    pub(super) fn new(me: String, lease: Duration) -> Self {
        Self { me, lease, counts: HashMap::new() }
    }

    /// Looks at all rows of the table.
    pub(super) fn look(&mut self, rows: Vec<LeaseTableRow>, now: Instant) -> TableView {
        let mut view = TableView::default();
        view.workers.insert(self.me.clone());
        let before = std::mem::take(&mut self.counts);
        for row in rows {
            let (key, count, is_others) = match &row {
                LeaseTableRow::Lease(lease) => {
                    let is_others = lease.owner.as_ref().is_some_and(|owner| *owner != self.me);
                    (lease.shard.to_string(), lease.counter, is_others)
                }
                LeaseTableRow::Worker(name, count) => (name.clone(), *count, false),
                LeaseTableRow::Stream(_) => (String::new(), 0, false),
            };
            let known = before.get(&key).filter(|known| known.count == count);
            let since = known.map_or(now, |known| known.since);
            self.counts.insert(key, Count { count, since, is_others });
            let idle = now.saturating_duration_since(since);
            match row {
                LeaseTableRow::Lease(lease) => view.leases.push(lease),
                LeaseTableRow::Stream(stream) => view.stream = Some(stream),
                LeaseTableRow::Worker(name, _) if idle < self.lease => {
                    view.workers.insert(name);
                }
                LeaseTableRow::Worker(name, _) if idle > self.lease * DEAD_LEASES => view.dead.push(name),
                LeaseTableRow::Worker(..) => {}
            }
        }
        view
    }

    /// How long a shard's row has not been renewed.
    pub(super) fn idle(&self, shard: &ShardId, now: Instant) -> Duration {
        self.counts.get(&*shard.0).map_or(Duration::ZERO, |count| now.saturating_duration_since(count.since))
    }

    /// When the next lease of another process expires, unless it is renewed.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let others = self.counts.values().filter(|count| count.is_others);
        others.map(|count| count.since + self.lease).filter(|expiry| *expiry > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn lease(shard: &str, owner: &str, counter: u64) -> LeaseTableRow {
        let row = LeaseRow::new(ShardId(shard.into()));
        LeaseTableRow::Lease(LeaseRow { owner: Some(owner.into()), counter, ..row })
    }

    #[test]
    fn a_row_that_is_not_counted_up_grows_idle_and_its_expiry_is_foretold() {
        let (begin, shard) = (Instant::now(), ShardId("s".into()));
        let mut observed = Observed::new("me".into(), LEASE);
        let at = |seconds| begin + Duration::from_secs(seconds);
        observed.look(vec![lease("s", "other", 1), lease("mine", "me", 1)], at(0));
        observed.look(vec![lease("s", "other", 2), lease("mine", "me", 1)], at(3));
        assert_eq!(observed.next_expiry(at(3)), Some(at(13)));
        observed.look(vec![lease("s", "other", 2), lease("mine", "me", 1)], at(9));
        assert_eq!(observed.idle(&shard, at(9)), Duration::from_secs(6));
        assert_eq!(observed.next_expiry(at(13)), None, "it is over");
    }

    #[test]
    fn a_process_that_does_not_count_up_is_dead_and_later_forgotten() {
        let begin = Instant::now();
        let mut observed = Observed::new("me".into(), LEASE);
        let mut look = |leases: u32| {
            let rows = vec![LeaseTableRow::Worker("other".into(), 5)];
            let view = observed.look(rows, begin + LEASE * leases);
            (view.workers.contains("other"), view.dead.len())
        };
        assert_eq!(look(0), (true, 0));
        assert_eq!(look(1), (false, 0));
        assert_eq!(look(DEAD_LEASES + 1), (false, 1));
    }
}
