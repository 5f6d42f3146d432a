//! Warns if a measurement may be of the generator rather than of the server.

use super::{LoopKind, RunEnd, RunReport};

/// Share of its threads' time from which a generator is the bottleneck.
const BUSY: f64 = 0.9;
/// Lateness of the generator itself (99th percentile) that is worth a warning, in µs.
const LATE_US: u64 = 1000;
/// The generator's lateness is reported only if it is at least this share of the latency's percentile.
const LATE_SHARE: f64 = 0.25;

pub(super) fn warnings(report: &RunReport) -> Vec<String> {
    let mut warnings = Vec::new();
    let busy = report.generator_cores.map_or(0.0, |cores| cores / report.threads as f64);
    if busy >= BUSY {
        let percent = busy * 100.0;
        warnings.push(format!(
            "the generator's threads were busy {percent:.0} % of the time: it may be the bottleneck; try more --threads or larger batches"
        ));
    }
    let (lag, latency) = (report.generator_lag_us.p99, report.latency_us.p99);
    if lag >= LATE_US && lag as f64 >= LATE_SHARE * latency as f64 {
        let lag_ms = lag as f64 / 1e3;
        warnings.push(format!(
            "the generator itself was {lag_ms:.1} ms late (p99), which is part of the latency: the machine is too busy for it"
        ));
    }
    if report.unsent_requests > 0 {
        warnings.push(format!(
            "{} requests were due and never sent, because every connection was waiting for an answer: the server is slower than the rate, or --connections too few",
            report.unsent_requests
        ));
    }
    if report.measured.requests == 0 {
        warnings.push(
            "no request was due and had an outcome in the measured window: nothing was measured".into(),
        );
    } else if !report.has_measured() {
        warnings.push("no event was accepted in the measured window".into());
    }
    if report.ended == RunEnd::Interrupted && report.loop_kind != LoopKind::Replay {
        warnings.push("the run was interrupted before its planned end".into());
    }
    warnings
}
