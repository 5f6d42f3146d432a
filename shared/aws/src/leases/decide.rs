//! Which leases a process should take, and which it should hand over: pure.
//!
//! Every process applies the rule to its view of the table. With `n` shards to work and
//! `w` processes, each has `n / w` shards, and the first `n % w` of them have one more;
//! processes that have more shards already come first. So a balanced fleet moves no
//! shard, and if a process comes or goes only the necessary shards move. A process
//! with too many shards hands over its surplus; one with too few takes leases without
//! an owner.
//!
//! Operators' orders come first. A paused shard is left and nobody takes it. A pinned
//! shard goes to its process, however many that one has, and stays there while the
//! process lives. A shard that should restart elsewhere is left, and its next owner
//! begins at the ordered place.

use sluice_ports::log::ShardId;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// A lease as a process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenLease {
    pub(super) shard: ShardId,
    /// The owner, if it renews the lease.
    pub(super) owner: Option<String>,
    /// Whether the shard is wholly settled.
    pub(super) finished: bool,
    pub(super) parents: Vec<ShardId>,
    /// Whether an operator paused the shard.
    pub(super) is_paused: bool,
    /// Whether its next owner begins elsewhere than at the checkpoint.
    pub(super) restarts: bool,
    /// The process to which an operator pinned it.
    pub(super) pinned_to: Option<String>,
}

impl SeenLease {
    /// The process to which an operator pinned the shard, if it lives.
    fn pin<'a>(&'a self, workers: &BTreeSet<String>) -> Option<&'a str> {
        self.pinned_to.as_deref().filter(|name| workers.contains(*name))
    }
}

/// The leases to take and to hand over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Leases to take.
    pub(super) take: Vec<ShardId>,
    /// Leases to hand over gracefully.
    pub(super) hand_over: Vec<ShardId>,
}

/// Whether a shard may be worked: it is in the stream and not paused, and each parent is
/// settled or no longer in the stream. A parent in the stream without a lease blocks, since
/// its lease is about to be made. A listing that has the shard is not older than the shard,
/// so a parent that it lacks was forgotten with its records.
fn may_be_worked(
    seen: &SeenLease,
    all: &BTreeMap<&ShardId, &SeenLease>,
    in_stream: &BTreeSet<ShardId>,
) -> bool {
    let is_settled = |shard| all.get(shard).is_some_and(|lease| lease.finished);
    !seen.finished
        && !seen.is_paused
        && in_stream.contains(&seen.shard)
        && seen.parents.iter().all(|parent| is_settled(parent) || !in_stream.contains(parent))
}

/// How many leases each process should have.
fn shares(counts: &BTreeMap<&str, usize>, shards: usize) -> BTreeMap<String, usize> {
    let (base, more) = (shards / counts.len(), shards % counts.len());
    let mut order: Vec<_> = counts.iter().map(|(name, count)| (std::cmp::Reverse(*count), *name)).collect();
    order.sort_unstable();
    let share = |(place, (_, name)): (usize, (_, &str))| (name.to_owned(), base + usize::from(place < more));
    order.into_iter().enumerate().map(share).collect()
}

/// The decision of the process `me`, given all leases, the living processes (`me` among
/// them) and the shards of the stream.
pub(super) fn decide(
    me: &str,
    leases: &[SeenLease],
    workers: &BTreeSet<String>,
    in_stream: &BTreeSet<ShardId>,
) -> Decision {
    let all: BTreeMap<&ShardId, &SeenLease> = leases.iter().map(|seen| (&seen.shard, seen)).collect();
    let workable: Vec<&SeenLease> =
        leases.iter().filter(|seen| may_be_worked(seen, &all, in_stream)).collect();
    let mut counts: BTreeMap<&str, usize> = workers.iter().map(|name| (name.as_str(), 0)).collect();
    counts.entry(me).or_default();
    for seen in &workable {
        let by = seen.pin(workers).or(seen.owner.as_deref());
        if let Some(count) = by.and_then(|by| counts.get_mut(by)) {
            *count += 1;
        }
    }
    let share = shares(&counts, workable.len())[me];
    let is_mine = |seen: &&SeenLease| seen.owner.as_deref() == Some(me);
    let is_pinned_here = |seen: &SeenLease| seen.pin(workers) == Some(me);
    let must_leave =
        |seen: &SeenLease| seen.is_paused || seen.restarts || seen.pin(workers).is_some_and(|pin| pin != me);
    // A shard whose parents are not settled any more stays with its owner.
    let (leaving, mut kept): (Vec<_>, Vec<_>) =
        leases.iter().filter(is_mine).partition(|seen| must_leave(seen));
    kept.retain(|seen| may_be_worked(seen, &all, in_stream));
    let free = workable.iter().copied().filter(|seen| seen.owner.is_none());
    let (pinned, mut free): (Vec<_>, Vec<_>) = free
        .filter(|seen| seen.pin(workers).is_none_or(|pin| pin == me))
        .partition(|seen| is_pinned_here(seen));
    // Each process has its own order of preference, so that two seldom try the same shard.
    free.sort_by_key(|seen| rank(me, &seen.shard));
    kept.sort_by_key(|seen| (!is_pinned_here(seen), rank(me, &seen.shard)));
    let missing = share.saturating_sub(kept.len() + pinned.len());
    let surplus = kept.iter().skip(share).filter(|seen| !is_pinned_here(seen));
    let shard = |seen: &SeenLease| seen.shard.clone();
    Decision {
        take: pinned.into_iter().chain(free.into_iter().take(missing)).map(shard).collect(),
        hand_over: leaving.iter().chain(surplus).map(|seen| shard(seen)).collect(),
    }
}

/// A shard's rank in a process' own order, which is the same each time.
fn rank(me: &str, shard: &ShardId) -> u64 {
    foldhash::fast::FixedState::with_seed(0).hash_one((me, shard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: usize) -> ShardId {
        ShardId(format!("s{n:03}").into())
    }

    fn worker(n: usize) -> String {
        format!("w{n}")
    }

    struct Fleet {
        leases: Vec<SeenLease>,
        workers: BTreeSet<String>,
        moves: usize,
    }

    impl Fleet {
        fn new(shards: usize, workers: usize) -> Self {
            let seen = |n| SeenLease {
                shard: id(n),
                owner: None,
                finished: false,
                parents: Vec::new(),
                is_paused: false,
                restarts: false,
                pinned_to: None,
            };
            Self {
                leases: (0..shards).map(seen).collect(),
                workers: (0..workers).map(worker).collect(),
                moves: 0,
            }
        }

        fn in_stream(&self) -> BTreeSet<ShardId> {
            self.leases.iter().map(|seen| seen.shard.clone()).collect()
        }

        /// All processes decide, then all act, as conditional writes would allow.
        fn round(&mut self) {
            let view = self.leases.clone();
            for me in self.workers.clone() {
                let decision = decide(&me, &view, &self.workers, &self.in_stream());
                for shard in decision.hand_over {
                    let lease = self.leases.iter_mut().find(|seen| seen.shard == shard).unwrap();
                    assert_eq!(lease.owner.take().as_ref(), Some(&me));
                }
                for shard in decision.take {
                    let lease = self.leases.iter_mut().find(|seen| seen.shard == shard).unwrap();
                    if lease.owner.is_none() {
                        lease.owner = Some(me.clone());
                        lease.restarts = false;
                        self.moves += 1;
                    }
                }
            }
        }

        fn counts(&self) -> Vec<usize> {
            let count =
                |name: &String| self.leases.iter().filter(|seen| seen.owner.as_ref() == Some(name)).count();
            self.workers.iter().map(count).collect()
        }

        fn settle(&mut self) {
            for _ in 0..12 {
                self.round();
            }
            let counts = self.counts();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "balanced: {counts:?}");
            assert_eq!(counts.iter().sum::<usize>(), self.leases.len(), "all are worked");
        }
    }

    proptest! {
        #[test]
        fn a_fleet_balances_quickly_and_then_rests(shards in 1usize..60, workers in 1usize..9, then in 1usize..9) {
            let mut world = Fleet::new(shards, workers);
            world.settle();
            let before = world.moves;
            world.round();
            prop_assert_eq!(world.moves, before, "a balanced fleet moves nothing");

            // Some processes come, or some die with their leases.
            let kept: BTreeSet<String> = (0..then).map(worker).collect();
            for lease in &mut world.leases {
                lease.owner = lease.owner.take().filter(|owner| kept.contains(owner));
            }
            world.workers = kept;
            let orphans = world.leases.iter().filter(|lease| lease.owner.is_none()).count();
            world.settle();
            let must = orphans.max(shards - shards * workers.min(then) / then.max(workers));
            let share = shards.div_ceil(then);
            prop_assert!(world.moves - before <= must + share, "{} moves, {} must", world.moves - before, must);
        }

        #[test]
        fn orders_are_obeyed_and_the_rest_is_worked_and_rests(
            shards in 1usize..30,
            workers in 1usize..6,
            orders in prop::collection::vec((0usize..30, 0u8..3, 0usize..6), 0..12),
        ) {
            let mut world = Fleet::new(shards, workers);
            world.settle();
            for (shard, order, worker_number) in orders {
                let lease = &mut world.leases[shard % shards];
                match order {
                    0 => lease.is_paused = true,
                    1 => lease.restarts = true,
                    // A pin to a process that does not live has no effect.
                    _ => lease.pinned_to = Some(worker(worker_number)),
                }
            }
            for _ in 0..12 {
                world.round();
            }
            let before = world.moves;
            world.round();
            prop_assert_eq!(world.moves, before, "an obeyed order moves nothing any more");
            for lease in &world.leases {
                prop_assert_eq!(lease.owner.is_none(), lease.is_paused, "{} {:?}", &lease.shard, &lease.owner);
                if let Some(pinned) = lease.pin(&world.workers).filter(|_| !lease.is_paused) {
                    prop_assert_eq!(lease.owner.as_deref(), Some(pinned));
                }
                prop_assert!(!lease.restarts || lease.is_paused, "somebody began it anew");
            }
            // Without orders the fleet is balanced again.
            for lease in &mut world.leases {
                (lease.is_paused, lease.restarts, lease.pinned_to) = (false, false, None);
            }
            world.settle();
        }

        #[test]
        fn a_child_waits_until_its_parents_are_settled(first in any::<bool>(), second in any::<bool>(), missing in any::<bool>()) {
            let mut world = Fleet::new(3, 1);
            world.leases[0].finished = first;
            world.leases[1].finished = second;
            world.leases[2].parents = vec![id(0), id(1)];
            let in_stream = world.in_stream();
            if missing {
                // The stream still has it: its lease will come.
                world.leases.remove(0);
            }
            let take = decide("w0", &world.leases, &world.workers, &in_stream).take;
            prop_assert_eq!(take.contains(&id(2)), first && second && !missing);
            let without_first: BTreeSet<_> = in_stream.iter().filter(|shard| **shard != id(0)).cloned().collect();
            let take = decide("w0", &world.leases, &world.workers, &without_first).take;
            prop_assert_eq!(take.contains(&id(2)), second, "a parent that was forgotten unsettled blocks nobody");
            prop_assert!(!take.contains(&id(0)), "and cannot be worked itself");
            if missing {
                let trimmed: BTreeSet<_> = in_stream.into_iter().skip(1).collect();
                let take = decide("w0", &world.leases, &world.workers, &trimmed).take;
                prop_assert_eq!(take.contains(&id(2)), second, "a parent that is trimmed blocks nobody");
            }
        }
    }
}
