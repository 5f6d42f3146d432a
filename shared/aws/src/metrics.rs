//! The metrics of the distributed engine, as handles made once.
//! `telemetry::METRICS` declares them.

use super::health::DependencyHealth;
use metrics::{Counter, Gauge, counter, gauge};
use std::collections::HashMap;

/// How each dependency is.
pub struct HealthMetrics {
    /// By the dependency's name: whether it is lost, whether it denies a call.
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

/// What the log counts.
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

/// Counts a shard whose log has a gap.
pub(super) fn count_gap(cause: GapCause) {
    counter!("sluice_log_gaps_total", "cause" => cause.label()).increment(1);
}
