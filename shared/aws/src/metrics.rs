//! Handles of the distributed engine's metrics. `telemetry::METRICS` declares them.

use super::health::DependencyHealth;
use super::log::ShardLoad;
use metrics::{Counter, Gauge, counter, gauge};
use sluice_ports::log::ShardId;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Metrics of the dependencies' health.
pub struct HealthMetrics {
    /// By the dependency's name: whether it is lost, and whether it denies a call.
    gauges: HashMap<&'static str, (Gauge, Gauge)>,
}

impl Default for HealthMetrics {
    fn default() -> Self {
        let gauges = DependencyHealth::names().map(|name| {
            let lost = gauge!("sluice_dependency_lost", "dependency" => name);
            (name, (lost, gauge!("sluice_dependency_denied", "dependency" => name)))
        });
        Self { gauges: gauges.collect() }
    }
}

impl HealthMetrics {
    pub(super) fn set(&self, dependency: &'static str, is_lost: bool, is_denied: bool) {
        if let Some((lost, denied)) = self.gauges.get(dependency) {
            lost.set(f64::from(u8::from(is_lost)));
            denied.set(f64::from(u8::from(is_denied)));
        }
    }
}

/// Why a part of the log was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapCause {
    /// The stream was deleted and made again under its name.
    StreamReplaced,
    /// Records grew older than the stream keeps them before they were settled.
    Retention,
    /// The stream does not know the checkpoint's position.
    UnknownPosition,
}

impl GapCause {
    const fn label(self) -> &'static str {
        match self {
            Self::StreamReplaced => "stream_replaced",
            Self::Retention => "retention",
            Self::UnknownPosition => "unknown_position",
        }
    }
}

/// Metrics of the log.
pub(super) struct LogMetrics {
    pub(super) reads_refused: Counter,
    pub(super) records_refused: Counter,
    pub(super) learning_cut_short: Counter,
}

impl LogMetrics {
    pub(super) fn new() -> Self {
        Self {
            reads_refused: counter!("sluice_log_reads_refused_total"),
            records_refused: counter!("sluice_log_records_refused_total"),
            learning_cut_short: counter!("sluice_log_takeovers_cut_short_total"),
        }
    }
}

/// From this load on, in percent, a shard is logged as hot.
const HOT_PERCENT: u64 = 80;
/// How often a hot shard is logged.
const HOT_TOLD_EVERY: Duration = Duration::from_secs(600);

/// The load of one shard. Dropping this sets it to 0: from then on another process tells
/// the shard's load.
pub(super) struct ShardLoadMetrics {
    load: Gauge,
    told: Option<Instant>,
}

impl ShardLoadMetrics {
    pub(super) fn new(shard: &ShardId) -> Self {
        let load = gauge!("sluice_log_shard_load", "shard" => shard.to_string());
        load.set(0.0);
        Self { load, told: None }
    }

    /// Sets a shard's load, and logs it if it is too high.
    pub(super) fn set(&mut self, shard: &ShardId, load: ShardLoad) {
        self.load.set(load.percent as f64 / 100.0);
        let may_tell = self.told.is_none_or(|told| told.elapsed() >= HOT_TOLD_EVERY);
        if load.percent >= HOT_PERCENT && may_tell {
            self.told = Some(Instant::now());
            tracing::warn!(%shard, percent = load.percent, kb_per_s = load.kbps,
                "the shard takes nearly all that it may: split it; `sluice leases` says what else is hot");
        }
    }
}

impl Drop for ShardLoadMetrics {
    fn drop(&mut self) {
        self.load.set(0.0);
    }
}

/// Counts a shard whose log has a gap.
pub(super) fn count_gap(cause: GapCause) {
    counter!("sluice_log_gaps_total", "cause" => cause.label()).increment(1);
}
