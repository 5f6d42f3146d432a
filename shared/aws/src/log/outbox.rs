//! The records that wait to be sent, and the choice of those for the next request: pure.
//!
//! A lane has one record in flight, and a record has the same bytes each time it is
//! sent, so a lane's order holds whatever the service answers. Lanes do not wait for
//! each other.

use super::pace::Pacer;
use super::shard_map::ShardMap;
use bytes::Bytes;
use sluice_ports::log::ShardId;
use std::collections::{BTreeMap, VecDeque};

/// What is known of a record after its attempts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempts {
    /// The stream does not hold it.
    NotStored,
    /// An attempt ended without an answer, so the stream may hold it.
    MaybeStored,
}

/// Whether a record may share a request with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// With any others.
    Any,
    /// Alone: a request with this record was refused.
    Alone,
}

/// A record that waits or is in flight.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) lane: u16,
    pub(super) point: u128,
    pub(super) bytes: Bytes,
    pub(super) attempts: Attempts,
    pub(super) company: Company,
    pub(super) failures: u32,
    /// It is not sent before this time.
    pub(super) not_before_ms: u64,
    /// It is given up if it is not stored by this time.
    pub(super) deadline_ms: u64,
    /// The caller that waits for the outcome.
    pub(super) waiter: T,
}

/// The limits of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLimits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// The records of all lanes.
#[derive(Debug)]
pub(super) struct PutOutbox<T> {
    /// The waiting records of each lane, in order; lanes without records are absent.
    lanes: BTreeMap<u16, VecDeque<Entry<T>>>,
    /// The lanes with a record in flight.
    flying: std::collections::HashSet<u16>,
    /// The lane with which the next request begins, so that no lane starves.
    next: u16,
}

impl<T> Default for PutOutbox<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), flying: std::collections::HashSet::new(), next: 0 }
    }
}

impl<T> PutOutbox<T> {
    /// Adds a record behind the others of its lane.
    pub(super) fn push(&mut self, entry: Entry<T>) {
        self.lanes.entry(entry.lane).or_default().push_back(entry);
    }

    /// Whether no record waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Returns a record that is to be sent again, before all others of its lane.
    pub(super) fn give_back(&mut self, entry: Entry<T>) {
        self.flying.remove(&entry.lane);
        self.lanes.entry(entry.lane).or_default().push_front(entry);
    }

    /// Notes that the lane's record is no longer in flight.
    pub(super) fn landed(&mut self, lane: u16) {
        self.flying.remove(&lane);
    }

    /// Takes the records of a request that can be sent now. If there are none, returns
    /// when to ask again, if a record waits for a time.
    pub(super) fn cut(
        &mut self,
        map: &ShardMap,
        pacer: &mut Pacer,
        limits: RequestLimits,
        now_ms: u64,
    ) -> Result<Vec<Entry<T>>, Option<u64>> {
        let (mut cut, mut bytes, mut wake): (Vec<Entry<T>>, usize, Option<u64>) = (Vec::new(), 0, None);
        let unknown = ShardId("".into());
        let order: Vec<u16> = self
            .lanes
            .range(self.next..)
            .chain(self.lanes.range(..self.next))
            .map(|(lane, _)| *lane)
            .collect();
        for lane in order {
            let Some(head) = self.lanes.get(&lane).and_then(VecDeque::front) else { continue };
            if self.flying.contains(&lane) {
                continue;
            }
            let mut later = |at: u64| wake = Some(wake.map_or(at, |known| known.min(at)));
            if head.not_before_ms > now_ms {
                later(head.not_before_ms);
                continue;
            }
            let full = cut.len() >= limits.records || bytes + head.bytes.len() > limits.bytes;
            if full && !cut.is_empty() {
                break;
            }
            if head.company == Company::Alone && !cut.is_empty() {
                // The next request carries it alone.
                continue;
            }
            let shard = map.shard_of(head.point).unwrap_or(&unknown);
            if let Err(at) = pacer.admit(shard, head.bytes.len(), now_ms) {
                later(at);
                continue;
            }
            bytes += head.bytes.len();
            self.flying.insert(lane);
            self.next = lane.wrapping_add(1);
            let is_alone = head.company == Company::Alone;
            cut.extend(self.pop(lane));
            if is_alone {
                break;
            }
        }
        if cut.is_empty() { Err(wake) } else { Ok(cut) }
    }

    fn pop(&mut self, lane: u16) -> Option<Entry<T>> {
        let waiting = self.lanes.get_mut(&lane)?;
        let entry = waiting.pop_front();
        if waiting.is_empty() {
            self.lanes.remove(&lane);
        }
        entry
    }

    /// Takes the waiting records whose deadline has passed.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Entry<T>> {
        let late: Vec<u16> = self
            .lanes
            .iter()
            .filter(|(_, waiting)| waiting.front().is_some_and(|head| head.deadline_ms <= now_ms))
            .map(|(lane, _)| *lane)
            .collect();
        late.into_iter().filter_map(|lane| self.pop(lane)).collect()
    }

    /// The earliest deadline of the lanes' first records.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.lanes.values().filter_map(VecDeque::front).map(|head| head.deadline_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(lane: u16, number: u32, len: usize) -> Entry<u32> {
        Entry {
            lane,
            point: 0,
            bytes: vec![0; len].into(),
            attempts: Attempts::NotStored,
            company: Company::Any,
            failures: 0,
            not_before_ms: 0,
            deadline_ms: u64::MAX,
            waiter: number,
        }
    }

    proptest! {
        /// Whatever is sent again, and when, the stream has each lane's records in order, each
        /// request is within its limits, and all records arrive.
        #[test]
        fn order_holds_whatever_is_resent(
            lanes in prop::collection::vec((0u16..6, 1usize..400), 1..60), verdicts in prop::collection::vec(any::<bool>(), 1..50)
        ) {
            let (mut outbox, map, mut pacer) = (PutOutbox::default(), ShardMap::default(), Pacer::default());
            let limits = RequestLimits { records: 3, bytes: 700 };
            for (number, (lane, len)) in lanes.iter().enumerate() {
                outbox.push(entry(*lane, number as u32, *len));
            }
            let (mut stored, mut flying, mut now) = (Vec::new(), Vec::<Vec<Entry<u32>>>::new(), 0);
            let mut verdicts = verdicts.iter().cycle().copied();
            for turn in 0..2000usize {
                now += 7;
                if let Ok(cut) = outbox.cut(&map, &mut pacer, limits, now) {
                    let bytes: usize = cut.iter().map(|entry| entry.bytes.len()).sum();
                    prop_assert!(cut.len() <= limits.records && bytes <= limits.bytes);
                    for entry in &cut {
                        prop_assert!(flying.iter().flatten().all(|other| other.lane != entry.lane));
                    }
                    flying.push(cut);
                }
                // Several requests are in flight and end in any order.
                if flying.len() > 2 || turn % 3 == 0 {
                    let request = if flying.is_empty() { continue } else { flying.swap_remove(turn % flying.len()) };
                    for mut entry in request {
                        // Every fifth request is stored in full, so that the test ends.
                        if verdicts.next().unwrap_or(true) || turn % 5 == 0 {
                            stored.push((entry.lane, entry.waiter));
                            outbox.landed(entry.lane);
                        } else {
                            entry.not_before_ms = now + 20;
                            outbox.give_back(entry);
                        }
                    }
                }
                if stored.len() == lanes.len() { break; }
            }
            prop_assert_eq!(stored.len(), lanes.len());
            for lane in 0..6 {
                let of_lane: Vec<u32> = stored.iter().filter(|(stored_lane, _)| *stored_lane == lane).map(|(_, number)| *number).collect();
                prop_assert!(of_lane.is_sorted(), "lane {}: {:?}", lane, of_lane);
            }
        }
    }

    #[test]
    fn what_is_late_is_given_up_first_of_its_lane() {
        let mut outbox = PutOutbox::default();
        for number in 0..2 {
            outbox.push(Entry { deadline_ms: 100 + u64::from(number) * 100, ..entry(1, number, 5) });
        }
        assert_eq!(outbox.next_deadline_ms(), Some(100));
        assert!(outbox.expired(99).is_empty());
        assert_eq!(outbox.expired(100)[0].waiter, 0);
        assert_eq!(outbox.next_deadline_ms(), Some(200));
    }
}
