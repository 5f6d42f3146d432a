//! The load of a shard, as a share of what a shard takes: pure.
//!
//! A shard takes 1 MiB and 1,000 records a second (Kinesis, "Quotas and
//! limits"). Its owner counts the records by their time of arrival, so the load is
//! that of the producers even if the owner is behind.

use std::time::Duration;

/// Bytes that a shard takes a second.
const BYTES_PER_S: f64 = (1 << 20) as f64;
const RECORDS_PER_S: f64 = 1000.0;
/// The load is the mean over about this many milliseconds.
const WINDOW_MS: u64 = 30_000;

/// The recent load of a shard, as its owner saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLoad {
    /// KB (1,024 bytes) a second.
    pub kbps: u64,
    /// The load in percent of what the shard takes, in bytes or in records, whichever is larger.
    pub percent: u64,
}

/// Counts arriving records.
#[derive(Debug, Default)]
pub(super) struct LoadMeter {
    /// The beginning of the window, as a time of arrival.
    since_ms: Option<u64>,
    bytes: u64,
    records: u64,
    latest: Option<ShardLoad>,
}

impl LoadMeter {
    /// Counts a record. Returns the load of a window that ended before it.
    pub(super) fn note(&mut self, at_ms: u64, bytes: usize) -> Option<ShardLoad> {
        let ended = self.until(at_ms);
        self.since_ms.get_or_insert(at_ms);
        self.bytes += bytes as u64;
        self.records += 1;
        ended
    }

    /// Notes that nothing more arrived by `now_ms`.
    pub(super) fn until(&mut self, now_ms: u64) -> Option<ShardLoad> {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        let span = Duration::from_millis(now_ms.saturating_sub(since_ms));
        if span < Duration::from_millis(WINDOW_MS) {
            return None;
        }
        let [bytes, records] = [self.bytes, self.records].map(|count| count as f64 / span.as_secs_f64());
        let share = (bytes / BYTES_PER_S).max(records / RECORDS_PER_S);
        let load =
            ShardLoad { kbps: (bytes / 1024.0).round() as u64, percent: (share * 100.0).round() as u64 };
        *self = Self { since_ms: Some(now_ms), latest: Some(load), ..Self::default() };
        Some(load)
    }

    /// The load of the last complete window.
    pub(super) const fn latest(&self) -> Option<ShardLoad> {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_larger_of_bytes_and_records() {
        let mut meter = LoadMeter::default();
        assert_eq!(meter.latest(), None);
        // 512 KiB a second in ten records.
        let mut ended = Vec::new();
        for n in 0..600 {
            ended.extend(meter.note(1_000 + n * 100, 52_429));
        }
        assert_eq!(ended, [ShardLoad { kbps: 512, percent: 50 }]);
        // 900 small records a second.
        let mut meter = LoadMeter::default();
        for n in 0..40_000 {
            meter.note(n * 10 / 9, 10);
        }
        assert_eq!(meter.latest().unwrap().percent, 90);
    }

    #[test]
    fn a_quiet_shard_s_load_goes_to_zero_with_time() {
        let mut meter = LoadMeter::default();
        meter.note(0, 1 << 20);
        assert_eq!(meter.until(29_999), None);
        assert_eq!(meter.until(32_000), Some(ShardLoad { kbps: 32, percent: 3 }));
        assert_eq!(meter.until(80_000), Some(ShardLoad { kbps: 0, percent: 0 }));
        // A clock that goes back counts nothing.
        assert_eq!(meter.until(10), None);
    }
}
