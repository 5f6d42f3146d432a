//! The result of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{RequestProtocol, RunConfig};
use super::totals::{AnswerExcerpt, Totals};
use super::worker::WorkerResult;
use crate::process::ProcessUse;
use crate::summary::{CurvePoint, LatencySummary};

mod gather;
mod text;
mod warnings;

pub use gather::{HistogramError, Histograms};

use gather::Gathered;

/// How requests were timed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopKind {
    /// At a rate, whatever the answers.
    Open,
    /// Each after the answer to the one before.
    #[default]
    Closed,
    /// At recorded times.
    Replay,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Its time was over, or its number of requests reached.
    #[default]
    Planned,
    /// It was told to stop before its planned end.
    Interrupted,
}

/// The result of a run. The field names are stable.
///
/// `latency_us` and `service_time_us` are of the requests that were
/// acknowledged and of those that got no answer; a request that was refused or
/// failed counts in `latency_by_status_us` only, so that quick refusals cannot
/// make a percentile better. A request without an answer counts as long as it
/// waited, and at least as long as the time limit if it was written; one that
/// was due and never taken up counts until the end of the run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct RunReport {
    /// Identifies the run's events, 16 hex digits.
    pub run: String,
    /// Where requests went.
    pub url: String,
    /// How requests were timed.
    pub loop_kind: LoopKind,
    /// The rate of an open loop, if it is constant, in events per second.
    pub rate: Option<f64>,
    /// Why the run ended.
    pub ended: RunEnd,
    /// Connections; where their number grew, at the end.
    pub connections: usize,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// Requests in flight on each connection.
    pub streams: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Seed of everything that is drawn; the same seed repeats the same choices.
    pub seed: u64,
    /// Customers.
    pub keys: usize,
    /// Events a request.
    pub batch: usize,
    /// Size of an event asked for, in bytes.
    pub event_bytes: usize,
    /// Length of the measured window, in seconds. The figures below are of
    /// requests due within it, unless their description says otherwise.
    pub measured_s: f64,
    /// Requests with an outcome, per second.
    pub requests_per_s: f64,
    /// Events that answers said were taken, per second.
    pub events_per_s: f64,
    /// Request bytes per second, heads included.
    pub bytes_per_s: f64,
    /// Counts of the measured window; the fields about connections, timeouts and retries
    /// are 0 here and are in `whole_run`.
    pub measured: Totals,
    /// Counts of the whole run, with the warm-up and the requests in flight at its end.
    pub whole_run: Totals,
    /// Requests that an open loop should have sent by the end of the run and
    /// could not, because all connections were waiting.
    pub unsent_requests: u64,
    /// From when a request was due to its answer, µs. In a closed loop a
    /// request is due when it is sent.
    pub latency_us: LatencySummary,
    /// From writing a request to its answer, µs; from when it was due if no connection
    /// was made.
    pub service_time_us: LatencySummary,
    /// From when requests were due to their answers, by HTTP status, µs; `none`
    /// for requests without an answer.
    pub latency_by_status_us: BTreeMap<String, LatencySummary>,
    /// The distribution of `latency_us`, for its curve.
    pub latency_curve: Vec<CurvePoint>,
    /// The distribution of `service_time_us`.
    pub service_time_curve: Vec<CurvePoint>,
    /// How late the generator itself was, each time it released requests that
    /// were due (open loop, whole run), µs: part of `latency_us` and not the
    /// server's fault.
    pub generator_lag_us: LatencySummary,
    /// Answers of the whole run by HTTP status.
    pub answers: BTreeMap<u16, u64>,
    /// The first answer of each status that was not 2xx.
    pub excerpts: Vec<AnswerExcerpt>,
    /// The first failure of a connection.
    pub first_failure: Option<String>,
    /// Processor time of the generator, in cores (1.0 is one core), while measuring;
    /// `None` if the system does not tell.
    pub generator_cores: Option<f64>,
    /// Processor time and memory of the watched process while measuring.
    pub watched: Option<ProcessUse>,
    /// Reasons why the figures may say more about the generator than about the server.
    pub warnings: Vec<String>,
    /// All latencies, so that results of several generators can be merged.
    pub histograms: Histograms,
}

/// The settings that a result names.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Identifies the run's events.
    pub run_id: u64,
    /// Where requests went.
    pub url: String,
    /// How requests were timed.
    pub loop_kind: LoopKind,
    /// The rate of an open loop, if it is constant.
    pub rate: Option<f64>,
    /// Why the run ended.
    pub ended: RunEnd,
    /// How requests were put on connections.
    pub protocol: RequestProtocol,
    /// Threads of the generator.
    pub threads: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Customers.
    pub keys: usize,
    /// Events a request.
    pub batch: usize,
    /// Size of an event asked for, in bytes.
    pub event_bytes: usize,
}

impl RunFacts {
    pub(super) fn new(config: &RunConfig, run_id: u64, ended: RunEnd) -> Self {
        Self {
            run_id,
            url: config.url.clone(),
            loop_kind: if config.load().is_some() { LoopKind::Open } else { LoopKind::Closed },
            rate: config.load().and_then(|load| load.constant_rate()),
            ended,
            protocol: config.protocol,
            threads: config.threads,
            seed: config.seed,
            keys: config.keys.len(),
            batch: if config.plain.is_some() { 1 } else { config.batch },
            event_bytes: config.event_bytes,
        }
    }
}

/// Combines the results of a run's workers.
pub fn report(facts: RunFacts, results: Vec<WorkerResult>) -> RunReport {
    let mut gathered = Gathered::default();
    results.into_iter().for_each(|result| gathered.add_worker(result));
    let report = RunReport {
        run: format!("{:016x}", facts.run_id),
        url: facts.url,
        loop_kind: facts.loop_kind,
        rate: facts.rate,
        ended: facts.ended,
        protocol: match facts.protocol {
            RequestProtocol::Http1 => "HTTP/1.1".to_owned(),
            RequestProtocol::Http2 { .. } => "HTTP/2".to_owned(),
        },
        streams: facts.protocol.streams(),
        threads: facts.threads,
        seed: facts.seed,
        keys: facts.keys,
        batch: facts.batch,
        event_bytes: facts.event_bytes,
        ..RunReport::default()
    };
    gathered.fill(report)
}

impl RunReport {
    /// Merges the results of several generators that ran at the same time: counts and
    /// rates add up, percentiles are of all requests.
    pub fn merge(reports: Vec<Self>) -> Result<Self, HistogramError> {
        let (mut gathered, mut merged) = (Gathered::default(), Self::default());
        for (nth, report) in reports.into_iter().enumerate() {
            gathered.add_report(&report)?;
            if nth == 0 {
                merged = Self { connections: 0, threads: 0, rate: Some(0.0), ..report.clone() };
            } else {
                merged.run = format!("{} {}", merged.run, report.run);
                merged.keys = merged.keys.max(report.keys);
            }
            merged.rate = merged.rate.zip(report.rate).map(|(sum, rate)| sum + rate);
            merged.threads += report.threads;
            if report.ended == RunEnd::Interrupted {
                merged.ended = RunEnd::Interrupted;
            }
        }
        Ok(gathered.fill(merged))
    }

    /// Returns true if there is anything to judge: requests of the measured window were
    /// acknowledged, and not all of their events rejected.
    pub fn has_measured(&self) -> bool {
        let measured = &self.measured;
        measured.requests_acknowledged > 0 && (measured.events_accepted > 0 || measured.events_rejected == 0)
    }
}
