//! When a shard may be read again, and how many records to ask for: pure.
//!
//! Kinesis allows five reads a second of a shard, and refuses the shard's reads for
//! B / 2 MiB seconds after an answer of B bytes. A read of 10 MB therefore blocks the
//! shard for five seconds, so pages are kept small. The limit of a read counts
//! records, so it is computed from the mean size of the previous records.

use std::time::Duration;
use tokio::time::Instant;

/// The limit of the first read, before the size of records is known.
const RECORDS_FIRST: usize = 64;
/// The most records of a page, as a multiple of the page before.
const GROWTH: usize = 8;
/// The pause after a refused read, doubled each time up to the longest pause.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The pace of one shard's reads.
#[derive(Debug)]
pub(super) struct ReadPace {
    next: Instant,
    /// The bytes a second that the shard gives to all its readers.
    bytes_per_s: u64,
    /// The mean size of the last page's records; 0 before the first page.
    record_bytes: usize,
    records_max: usize,
    refusals: u32,
}

impl ReadPace {
    pub(super) const fn new(now: Instant, bytes_per_s: u64) -> Self {
        Self { next: now, bytes_per_s, record_bytes: 0, records_max: RECORDS_FIRST, refusals: 0 }
    }

    /// The earliest time of the next read.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// How many records to ask for, so that about `bytes` come.
    pub(super) fn limit(&self, bytes: usize, records_max: usize) -> usize {
        let fitting = bytes.checked_div(self.record_bytes).unwrap_or(RECORDS_FIRST);
        fitting.min(self.records_max).clamp(1, records_max.max(1))
    }

    /// Notes that a read begins; the next read may begin `gap` later.
    pub(super) fn begins(&mut self, now: Instant, gap: Duration) {
        self.next = now + gap;
    }

    /// Notes the size of an answer.
    pub(super) fn answered(&mut self, now: Instant, records: usize, bytes: usize) {
        self.refusals = 0;
        let pause = Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
        self.next = self.next.max(now + pause);
        if let Some(mean) = bytes.checked_div(records) {
            self.record_bytes = mean.max(1);
            self.records_max = records.saturating_mul(GROWTH).max(RECORDS_FIRST);
        }
    }

    /// Notes that a read was refused, because the shard was read too fast.
    pub(super) fn refused(&mut self, now: Instant) {
        let pause = (REFUSED_PAUSE * (1 << self.refusals.min(8))).min(REFUSED_PAUSE_MAX);
        self.refusals = self.refusals.saturating_add(1);
        self.next = self.next.max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GAP: Duration = Duration::from_millis(220);
    const PAGE: usize = 1 << 20;
    const BYTES_PER_S: u64 = 2 << 20;

    proptest! {
        /// Under Kinesis' two limits, with records of any sizes, no read is refused and a
        /// backlog is read at 2 MiB a second.
        #[test]
        fn a_backlog_is_read_as_fast_as_the_shard_allows_and_never_faster(
            sizes in prop::collection::vec(prop::sample::select(vec![200usize, 5_000, 40_000, 300_000]), 400..800)
        ) {
            let begin = Instant::now();
            let (mut now, mut pace, mut left) = (begin, ReadPace::new(begin, BYTES_PER_S), &sizes[..]);
            let (mut free_at, mut bytes) = (begin, 0);
            while !left.is_empty() {
                now = now.max(pace.next());
                prop_assert!(now >= free_at, "read {:?} too early", free_at - now);
                pace.begins(now, GAP);
                let (page, rest) = left.split_at(pace.limit(PAGE, 10_000).min(left.len()));
                let page_bytes: usize = page.iter().sum();
                pace.answered(now, page.len(), page_bytes);
                free_at = now + Duration::from_secs_f64(page_bytes as f64 / BYTES_PER_S as f64);
                (left, bytes) = (rest, bytes + page_bytes);
            }
            let least = bytes as f64 / BYTES_PER_S as f64;
            let reads_of_small_records = 400.0 * GAP.as_secs_f64() / 8.0;
            prop_assert!((now - begin).as_secs_f64() <= least + reads_of_small_records, "{:?} for {} bytes", now - begin, bytes);
        }
    }

    #[test]
    fn a_page_stays_small_once_the_size_of_records_is_known() {
        let now = Instant::now();
        let mut pace = ReadPace::new(now, BYTES_PER_S);
        assert_eq!(pace.limit(PAGE, 10_000), 64);
        pace.answered(now, 64, 64 * 20_000);
        assert_eq!(pace.limit(PAGE, 10_000), PAGE / 20_000);
        pace.answered(now, 1, 2_000_000);
        assert_eq!(pace.limit(PAGE, 10_000), 1);
    }

    #[test]
    fn a_refused_read_is_tried_again_within_a_second() {
        let now = Instant::now();
        let mut pace = ReadPace::new(now, BYTES_PER_S);
        for _ in 0..50 {
            pace.refused(now);
        }
        assert_eq!(pace.next() - now, REFUSED_PAUSE_MAX);
    }
}
