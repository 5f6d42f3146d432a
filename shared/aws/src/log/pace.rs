//! How fast an ingest process writes to each shard: pure.
//!
//! A shard takes 1,000 records and 1 MB a second (Kinesis quotas) of all ingest processes
//! together, and no ingest process knows the others. So each ingest process keeps a share of both limits
//! for each shard. The share grows a little while the shard takes the records, and
//! shrinks by a factor when the shard throttles (additive increase, multiplicative
//! decrease). Events of a lane that waits join its next record, so a smaller share
//! makes larger records, not a queue.

use sluice_ports::log::ShardId;
use std::collections::HashMap;

/// Records a second that a shard takes.
const RECORDS_PER_S: f64 = 1000.0;
/// Bytes a second that a shard takes.
const BYTES_PER_S: f64 = 1_048_576.0;
/// The burst after a rest, in seconds' worth of the share; Kinesis allows bursts of a second.
const BURST_S: f64 = 0.5;
/// The least share; it lets more than sixteen processes write to one shard.
const SHARE_MIN: f64 = 0.03;
/// By how much of the whole limits a share grows each second.
const GROWTH_PER_S: f64 = 0.05;
/// The factor by which a throttled share shrinks.
const CUT: f64 = 0.7;
/// A share is cut at most once in this time, so one burst of throttled records cuts it once.
const CUT_GAP_MS: u64 = 200;

/// One shard's share.
#[derive(Debug, Clone, Copy)]
struct ShardShare {
    share: f64,
    records: f64,
    bytes: f64,
    at_ms: u64,
    cut_ms: u64,
}

impl ShardShare {
    const fn new(now_ms: u64) -> Self {
        let (records, bytes) = (RECORDS_PER_S * BURST_S, BYTES_PER_S * BURST_S);
        Self { share: 1.0, records, bytes, at_ms: now_ms, cut_ms: 0 }
    }

    fn refill(&mut self, now_ms: u64) {
        let seconds = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.at_ms = self.at_ms.max(now_ms);
        self.share = (self.share + GROWTH_PER_S * seconds).min(1.0);
        let fill = |tokens: f64, rate: f64| (tokens + rate * self.share * seconds).min(rate * BURST_S);
        (self.records, self.bytes) = (fill(self.records, RECORDS_PER_S), fill(self.bytes, BYTES_PER_S));
    }
}

/// The shares of all shards.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    shares: HashMap<ShardId, ShardShare>,
}

impl Pacer {
    /// Takes room for a record, or returns when to ask again. A record larger than a burst
    /// passes when no debt is left.
    pub(super) fn admit(&mut self, shard: &ShardId, bytes: usize, now_ms: u64) -> Result<(), u64> {
        if !self.shares.contains_key(shard) {
            self.shares.insert(shard.clone(), ShardShare::new(now_ms));
        }
        let share = self.shares.get_mut(shard).expect("just inserted");
        share.refill(now_ms);
        if share.records >= 1.0 && share.bytes >= 0.0 {
            share.records -= 1.0;
            // May go below zero: later records wait until the debt is paid.
            share.bytes -= bytes as f64;
            return Ok(());
        }
        let wait = |missing: f64, rate: f64| missing.max(0.0) / (rate * share.share) * 1000.0;
        let ms = wait(1.0 - share.records, RECORDS_PER_S).max(wait(-share.bytes, BYTES_PER_S));
        Err(now_ms + (ms.ceil() as u64).max(1))
    }

    /// Shrinks the share of a shard that throttled a record.
    pub(super) fn throttled(&mut self, shard: &ShardId, now_ms: u64) {
        let Some(share) = self.shares.get_mut(shard) else { return };
        if now_ms >= share.cut_ms + CUT_GAP_MS {
            share.refill(now_ms);
            share.share = (share.share * CUT).max(SHARE_MIN);
            (share.records, share.bytes) = (share.records.min(0.0), share.bytes.min(0.0));
            share.cut_ms = now_ms;
        }
    }

    /// Forgets the shards that are no longer open.
    pub(super) fn retain(&mut self, open: impl Fn(&ShardId) -> bool) {
        self.shares.retain(|id, _| open(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A shard that several pacers write to, which counts records in each second as Kinesis does.
    fn run(processes: usize, seconds: u64, bytes: usize) -> (u64, u64) {
        let shard = ShardId("s".into());
        let mut pacers: Vec<Pacer> = (0..processes).map(|_| Pacer::default()).collect();
        let (mut taken, mut refused, mut records, mut sum) = (0, 0, 0.0, 0.0);
        for ms in 0..seconds * 1000 {
            if ms % 1000 == 0 {
                (records, sum) = (0.0, 0.0);
            }
            for pacer in &mut pacers {
                while pacer.admit(&shard, bytes, ms).is_ok() {
                    if records < RECORDS_PER_S && sum + bytes as f64 <= BYTES_PER_S {
                        (records, sum) = (records + 1.0, sum + bytes as f64);
                        taken += u64::from(ms >= 5000);
                    } else {
                        refused += u64::from(ms >= 5000);
                        pacer.throttled(&shard, ms);
                    }
                }
            }
        }
        (taken / (seconds - 5), refused / (seconds - 5))
    }

    #[test]
    fn several_edges_use_a_shard_well_and_are_seldom_refused() {
        for (processes, bytes, capacity) in [(1, 100, 1000), (3, 100, 1000), (8, 10_000, 104)] {
            let (taken, refused) = run(processes, 40, bytes);
            assert!(taken * 100 >= capacity * 75, "{processes} processes: {taken} of {capacity} a second");
            assert!(refused * 100 <= capacity * 15, "{processes} processes: {refused} refused a second");
        }
    }

    proptest! {
        #[test]
        fn a_pace_never_passes_the_shard_s_limits_and_never_stops(
            sizes in prop::collection::vec(1usize..1_000_000, 1..60), throttles in prop::collection::vec(any::<bool>(), 60)
        ) {
            let (shard, mut pacer, mut now) = (ShardId("s".into()), Pacer::default(), 0u64);
            let mut sent = 0usize;
            for (size, throttle) in sizes.iter().zip(throttles) {
                while let Err(at) = pacer.admit(&shard, *size, now) {
                    prop_assert!(at > now && at < now + 3_600_000);
                    now = at;
                }
                let allowed = BYTES_PER_S * (BURST_S + now as f64 / 1000.0);
                prop_assert!((sent as f64) <= allowed + 1_000_000.0, "{} sent by {} ms", sent, now);
                sent += size;
                if throttle {
                    pacer.throttled(&shard, now);
                }
            }
        }
    }
}
