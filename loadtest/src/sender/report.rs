//! The result of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Protocol;
use super::tally::{Tally, Totals};
use super::worker::{Plan, WorkerResult};
use crate::process::ProcessUse;
use crate::summary::{CurvePoint, Latencies, LatencySummary};

mod text;
mod warnings;

/// Which part of a run is measured, from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Duration,
    pub(super) to: Option<Duration>,
}

/// What a run did and how fast it was answered. The field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Identifies the run's events, 16 hex digits.
    pub run: String,
    /// Where requests went.
    pub url: String,
    /// `open` (a fixed rate) or `closed` (as fast as answered).
    pub loop_kind: &'static str,
    /// Of an open loop whose rate is constant, events per second.
    pub rate: Option<f64>,
    /// Connections.
    pub connections: usize,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// Requests in flight on each connection.
    pub streams: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Of everything that is drawn; the same seed repeats the same choices.
    pub seed: u64,
    /// Customers.
    pub keys: usize,
    /// Events a request.
    pub batch: usize,
    /// Size of an event asked for, in bytes.
    pub event_bytes: usize,
    /// Length of the measured window, in seconds; all below is of requests due
    /// within it, unless it says otherwise.
    pub measured_s: f64,
    /// Requests with an outcome, per second.
    pub requests_per_s: f64,
    /// Events that answers said were taken, per second.
    pub events_per_s: f64,
    /// Request bytes per second, heads included.
    pub bytes_per_s: f64,
    /// Counts of the measured window; the fields about connections, timeouts
    /// and retries are 0 here and stand in `whole_run`.
    pub measured: Totals,
    /// Counts of the whole run, with warm-up and what was in flight at the end.
    pub whole_run: Totals,
    /// Requests that an open loop should have sent by the end of the run and
    /// could not, because all connections were waiting.
    pub unsent_requests: u64,
    /// From when a request was due to its answer, µs. In a closed loop it is
    /// due when it is sent.
    pub latency_us: LatencySummary,
    /// From writing a request to its answer, µs.
    pub service_time_us: LatencySummary,
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
    /// Processor time of the generator, in cores (1.0 is one core), while
    /// measuring; none where the system does not tell.
    pub generator_cores: Option<f64>,
    /// What the watched process used while measuring.
    pub watched: Option<ProcessUse>,
    /// Why the figures may say more about the generator than about the server.
    pub warnings: Vec<String>,
}

/// The start of an unhappy answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AnswerExcerpt {
    /// HTTP status.
    pub status: u16,
    /// At most 500 bytes of the body.
    pub body: String,
}

/// What a result says of how it came about.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) run_id: u64,
    pub(crate) url: String,
    pub(crate) loop_kind: &'static str,
    pub(crate) rate: Option<f64>,
    pub(crate) connections: usize,
    pub(crate) protocol: Protocol,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) keys: usize,
    pub(crate) batch: usize,
    pub(crate) event_bytes: usize,
}

impl Facts {
    pub(super) fn of(plan: &Plan) -> Self {
        let config = &plan.config;
        Self {
            run_id: plan.run_id,
            url: config.url.clone(),
            loop_kind: if config.load().is_some() { "open" } else { "closed" },
            rate: config.load().and_then(|load| load.constant_rate()),
            connections: config.connections,
            protocol: config.protocol,
            threads: config.threads,
            seed: config.seed,
            keys: config.keys.len(),
            batch: config.batch,
            event_bytes: config.event_bytes,
        }
    }
}

pub(crate) fn report(facts: Facts, results: Vec<WorkerResult>) -> RunReport {
    let mut sum = Sum::default();
    results.into_iter().for_each(|result| sum.add(result));
    let per_s = |count: u64| if sum.measured_s > 0.0 { count as f64 / sum.measured_s } else { 0.0 };
    let mut report = RunReport {
        run: format!("{:016x}", facts.run_id),
        url: facts.url,
        loop_kind: facts.loop_kind,
        rate: facts.rate,
        connections: facts.connections,
        protocol: match facts.protocol {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::Http2 { .. } => "HTTP/2",
        },
        streams: facts.protocol.streams(),
        threads: facts.threads,
        seed: facts.seed,
        keys: facts.keys,
        batch: facts.batch,
        event_bytes: facts.event_bytes,
        measured_s: sum.measured_s,
        requests_per_s: per_s(sum.measured.requests),
        events_per_s: per_s(sum.measured.events_accepted),
        bytes_per_s: per_s(sum.measured.bytes_sent),
        measured: sum.measured,
        whole_run: sum.whole_run,
        unsent_requests: sum.unsent,
        latency_us: sum.latency.summary(),
        service_time_us: sum.service_time.summary(),
        latency_curve: sum.latency.curve(),
        service_time_curve: sum.service_time.curve(),
        generator_lag_us: sum.lag.summary(),
        answers: sum.answers,
        excerpts: sum.excerpts,
        first_failure: sum.first_failure,
        generator_cores: sum.cores,
        watched: sum.watched,
        warnings: Vec::new(),
    };
    report.warnings = warnings::of(&report);
    report
}

struct Sum {
    measured_s: f64,
    measured: Totals,
    whole_run: Totals,
    unsent: u64,
    latency: Latencies,
    service_time: Latencies,
    lag: Latencies,
    answers: BTreeMap<u16, u64>,
    excerpts: Vec<AnswerExcerpt>,
    first_failure: Option<String>,
    cores: Option<f64>,
    watched: Option<ProcessUse>,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            measured_s: 0.0,
            measured: Totals::default(),
            whole_run: Totals::default(),
            unsent: 0,
            latency: Latencies::new(),
            service_time: Latencies::new(),
            lag: Latencies::new(),
            answers: BTreeMap::new(),
            excerpts: Vec::new(),
            first_failure: None,
            cores: None,
            watched: None,
        }
    }
}

impl Sum {
    fn add(&mut self, result: WorkerResult) {
        let WorkerResult { tally, unsent, ended, lag, cores, watched } = result;
        self.lag.add(&lag);
        self.watched = self.watched.or(watched);
        self.measured_s = self.measured_s.max(tally.measured_for(ended).as_secs_f64());
        let Tally { all, measured, latency, service_time, answers, excerpts, first_failure, .. } = tally;
        self.measured.add(&measured);
        self.whole_run.add(&all);
        self.unsent += unsent;
        self.latency.add(&latency);
        self.service_time.add(&service_time);
        answers.into_iter().for_each(|(status, count)| *self.answers.entry(status).or_default() += count);
        for excerpt in excerpts {
            if self.excerpts.iter().all(|known| known.status != excerpt.status) {
                self.excerpts.push(excerpt);
            }
        }
        self.first_failure = self.first_failure.take().or(first_failure);
        self.cores = match (self.cores, cores) {
            (Some(sum), Some(more)) => Some(sum + more),
            (sum, more) => sum.or(more),
        };
    }
}
