//! Advice to split or merge shards, and on their number: pure.

use super::ListedLease;
use sluice_ports::log::{Position, ShardId};

/// From this load on, in percent, a shard should be split, since a peak would be throttled.
const HOT: u64 = 70;
/// Two neighbours with at most this load together can be one shard.
const COLD: u64 = 25;
/// The highest load that shards should have when the load is spread evenly.
const WANTED: u64 = 50;

/// A change that the shards should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardAdvice {
    /// The shard has too much load.
    Split {
        /// The shard.
        shard: ShardId,
        /// Its load, in percent.
        percent: u64,
    },
    /// Two neighbouring shards have little load.
    Merge {
        /// The two.
        shards: [ShardId; 2],
        /// Their load together, in percent.
        percent: u64,
    },
    /// The number of shards for the whole load, spread evenly.
    Count {
        /// The number of shards that take records now.
        now: usize,
        /// The number that would be enough.
        wanted: usize,
    },
}

/// The advice for the shards that are not settled for good.
#[must_use]
pub fn advise(leases: &[ListedLease]) -> Vec<ShardAdvice> {
    let mut open: Vec<_> = leases
        .iter()
        .filter(|lease| lease.row.checkpoint != Position::END)
        .filter_map(|lease| Some((lease.row.points?, lease.row.load?.percent, &lease.row.shard)))
        .collect();
    open.sort_unstable();
    let hot = open.iter().filter(|(_, percent, _)| *percent >= HOT);
    let mut advice: Vec<_> = hot
        .map(|(_, percent, shard)| ShardAdvice::Split { shard: (*shard).clone(), percent: *percent })
        .collect();
    let mut pairs = open.windows(2);
    while let Some([(points, low, one), (next, more, other)]) = pairs.next() {
        if points.1.checked_add(1) == Some(next.0) && low + more <= COLD {
            let shards = [(*one).clone(), (*other).clone()];
            advice.push(ShardAdvice::Merge { shards, percent: low + more });
            // Each shard is named once.
            pairs.next();
        }
    }
    let total: u64 = open.iter().map(|(_, percent, _)| percent).sum();
    let wanted = (total.div_ceil(WANTED) as usize).max(1);
    if !open.is_empty() && (wanted > open.len() || wanted * 2 < open.len()) {
        advice.push(ShardAdvice::Count { now: open.len(), wanted });
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leases::LeaseRow;
    use crate::log::ShardLoad;

    /// Neighbouring shards with these loads.
    fn leases(loads: &[u64]) -> Vec<ListedLease> {
        let row = |(n, percent): (usize, &u64)| {
            let points = Some((n as u128 * 10, n as u128 * 10 + 9));
            let load = Some(ShardLoad { kbps: 0, percent: *percent });
            LeaseRow { points, load, ..LeaseRow::new(ShardId(format!("s{n}").into())) }
        };
        loads.iter().enumerate().map(row).map(|row| ListedLease { row, is_renewed: true }).collect()
    }

    fn id(n: usize) -> ShardId {
        ShardId(format!("s{n}").into())
    }

    #[test]
    fn hot_shards_are_to_be_split_and_cold_neighbours_to_be_merged() {
        let split = ShardAdvice::Split { shard: id(1), percent: 90 };
        let merge = ShardAdvice::Merge { shards: [id(2), id(3)], percent: 11 };
        assert_eq!(advise(&leases(&[40, 90, 10, 1, 40])), [split, merge]);
        assert!(advise(&leases(&[40, 50, 30])).is_empty());
        assert!(advise(&[]).is_empty());
    }

    #[test]
    fn the_number_of_shards_is_told_where_it_is_far_off() {
        assert_eq!(advise(&leases(&[60, 65]))[..], [ShardAdvice::Count { now: 2, wanted: 3 }]);
        let cold = advise(&leases(&[1, 1, 1, 1, 1]));
        assert_eq!(cold.last(), Some(&ShardAdvice::Count { now: 5, wanted: 1 }));
        assert_eq!(cold.len(), 3, "two pairs: {cold:?}");
    }

    #[test]
    fn shards_apart_or_settled_are_not_merged() {
        let mut apart = leases(&[1, 1]);
        apart[1].row.points = Some((50, 59));
        assert!(!advise(&apart).iter().any(|advice| matches!(advice, ShardAdvice::Merge { .. })));
        let mut settled = leases(&[1, 1, 1]);
        settled[1].row.checkpoint = Position::END;
        assert!(!advise(&settled).iter().any(|advice| matches!(advice, ShardAdvice::Merge { .. })));
    }
}
