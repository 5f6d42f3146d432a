//! The times from the acceptance of events to an endpoint's 2xx, counted in buckets that
//! never change, so that the counts of any periods, shards and processes can be added.
//!
//! | bucket | times |
//! |---|---|
//! | 0, 1 | below 1 ms; from 1 to 2 ms |
//! | 2 and 3, 4 and 5, … | the lower and the upper half of a power of two: from 2 to 3 ms, to 4, 6, 8, 12, 16, … |
//! | 60 | 2^30 ms (12.4 days) and longer |
//!
//! A quantile is interpolated within its bucket. No bucket from 2 ms on is wider
//! than half of the time at which it begins, so a quantile is off by less than
//! half of the true one, and by less than 1 ms below 2 ms.

use serde::{Deserialize, Serialize};
use sluice_model::SubscriptionId;
use std::collections::BTreeMap;

use super::rows::OTHER_SUBSCRIPTIONS;

/// The last bucket, which has no end.
const LAST: u8 = 60;

/// The most subscriptions of a customer whose times are counted separately in one period.
/// So a row fits a store's item with all its other content.
pub const RECEIPT_SUBSCRIPTIONS_MAX: usize = 100;

/// The most bytes of a count and the number of its bucket in postcard.
const ENTRY_BYTES: usize = 1 + 10;

/// The bucket of a time.
const fn bucket_of(ms: u64) -> u8 {
    if ms < 2 {
        return ms as u8;
    }
    let power = ms.ilog2();
    let bucket = 2 * power + ((ms >> (power - 1)) & 1) as u32;
    if bucket < LAST as u32 { bucket as u8 } else { LAST }
}

/// The time at which a bucket begins, in milliseconds.
const fn start_ms(bucket: u8) -> u64 {
    if bucket < 2 {
        return bucket as u64;
    }
    let power = bucket as u32 / 2;
    (1 << power) + (bucket as u64 % 2) * (1 << (power - 1))
}

/// The events of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptBucket {
    /// The shortest time, in milliseconds.
    pub from_ms: u64,
    /// The first longer time, in milliseconds; `None` for the last bucket.
    pub below_ms: Option<u64>,
    /// How many events took a time of this bucket.
    pub events: u64,
}

/// The numbers of events by the time that they took, in buckets.
///
/// Stored as a list of pairs, the bucket's number and its events, the lowest bucket first.
/// Buckets without events are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u8, u64)>")]
pub struct ReceiptTimes(Vec<(u8, u64)>);

impl From<Vec<(u8, u64)>> for ReceiptTimes {
    fn from(stored: Vec<(u8, u64)>) -> Self {
        let mut times = Self::default();
        stored.into_iter().for_each(|(bucket, events)| times.put(bucket.min(LAST), events));
        times
    }
}

impl ReceiptTimes {
    /// Counts events that took `ms` milliseconds.
    pub fn count(&mut self, ms: u64, events: u64) {
        self.put(bucket_of(ms), events);
    }

    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, events)| self.put(*bucket, *events));
    }

    fn put(&mut self, bucket: u8, events: u64) {
        if events == 0 {
            return;
        }
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(events),
            Err(place) => self.0.insert(place, (bucket, events)),
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many events were counted.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, events)| sum.saturating_add(*events))
    }

    /// The buckets that hold events, the shortest times first.
    pub fn buckets(&self) -> impl Iterator<Item = ReceiptBucket> + '_ {
        self.0.iter().map(|(bucket, events)| ReceiptBucket {
            from_ms: start_ms(*bucket),
            below_ms: (*bucket < LAST).then(|| start_ms(bucket + 1)),
            events: *events,
        })
    }

    /// The time in milliseconds that this share of the events, from 0 to 1, did not exceed (see
    /// the module for its error); `None` without events. In the last bucket it is the bucket's
    /// beginning.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let (rank, mut below) = (share * self.events() as f64, 0.0);
        let mut last = None;
        for bucket in self.buckets() {
            let (from, events) = (bucket.from_ms as f64, bucket.events as f64);
            let width = bucket.below_ms.map_or(0.0, |end| (end - bucket.from_ms) as f64);
            last = Some(from + width * ((rank - below) / events).clamp(0.0, 1.0));
            below += events;
            if below >= rank {
                break;
            }
        }
        last
    }

    /// The most bytes of these counts when stored.
    pub(super) const fn bytes_max(&self) -> usize {
        1 + self.0.len() * ENTRY_BYTES
    }
}

/// The times of one customer in a period: in total, and by subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CustomerReceipts {
    pub total: ReceiptTimes,
    /// With [`OTHER_SUBSCRIPTIONS`] for subscriptions beyond the limit.
    pub subscriptions: BTreeMap<SubscriptionId, ReceiptTimes>,
}

impl CustomerReceipts {
    pub(super) fn count(&mut self, subscription: SubscriptionId, ms: u64, events: u64) {
        self.total.count(ms, events);
        self.of(subscription).count(ms, events);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        for (subscription, times) in &other.subscriptions {
            self.of(*subscription).add(times);
        }
    }

    fn of(&mut self, subscription: SubscriptionId) -> &mut ReceiptTimes {
        let is_listed = self.subscriptions.contains_key(&subscription);
        let has_room = is_listed || self.subscriptions.len() < RECEIPT_SUBSCRIPTIONS_MAX;
        self.subscriptions.entry(if has_room { subscription } else { OTHER_SUBSCRIPTIONS }).or_default()
    }

    /// The most bytes of these counts when stored.
    pub(super) fn bytes_max(&self) -> usize {
        const ID_BYTES: usize = 19;
        let each = self.subscriptions.values().map(|times| ID_BYTES + times.bytes_max());
        self.total.bytes_max() + 3 + each.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_buckets_are_these_for_ever() {
        let starts: Vec<u64> = (0..=LAST).map(start_ms).collect();
        assert_eq!(starts[..14], [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]);
        assert_eq!(starts[57..], [3 << 27, 1 << 29, 3 << 28, 1 << 30]);
        for (bucket, start) in starts.iter().enumerate() {
            assert_eq!(bucket_of(*start), bucket as u8, "{start} ms");
            assert_eq!(
                bucket_of(start.saturating_sub(1)),
                bucket.saturating_sub(1) as u8,
                "{start} ms less 1"
            );
        }
        assert_eq!(bucket_of(u64::MAX), LAST);
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let mut times = ReceiptTimes::default();
        assert_eq!((times.quantile(0.5), times.events()), (None, 0));
        times.count(5, 90);
        times.count(100, 10);
        assert_eq!(times.events(), 100);
        assert_eq!(times.quantile(0.45), Some(5.0));
        assert_eq!(times.quantile(0.9), Some(6.0));
        assert_eq!(times.quantile(0.95), Some(112.0));
        let buckets: Vec<_> = times.buckets().map(|one| (one.from_ms, one.below_ms, one.events)).collect();
        assert_eq!(buckets, [(4, Some(6), 90), (96, Some(128), 10)]);
        times.count(u64::MAX, 1000);
        assert_eq!(times.quantile(0.99), Some((1u64 << 30) as f64));
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_less_than_half(
            mut all in prop::collection::vec(0u64..1 << 29, 1..200), share in 0.01f64..1.0
        ) {
            let mut halves = [ReceiptTimes::default(), ReceiptTimes::default()];
            for (nth, ms) in all.iter().enumerate() {
                halves[nth % 2].count(*ms, 1);
            }
            let [mut times, other] = halves;
            times.add(&other);
            all.sort_unstable();
            let rank = (share * all.len() as f64).ceil() as usize;
            let (exact, told) = (all[rank - 1] as f64, times.quantile(share).unwrap());
            prop_assert!((told - exact).abs() <= (exact / 2.0).max(1.0), "{told} for {exact}");
        }
    }
}
