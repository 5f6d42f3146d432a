//! Adds up the results of workers, or of whole runs, into one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::warnings;
use super::{RunReport, WorkerResult};
use crate::process::ProcessUse;
use crate::sender::tally::Tally;
use crate::sender::totals::{AnswerExcerpt, Totals};
use crate::summary::Latencies;

/// All latencies of a run, each an HDR histogram (format V2) in base64.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Histograms {
    /// Of `latency_us`.
    pub latency: String,
    /// Of `service_time_us`.
    pub service_time: String,
    /// Of `generator_lag_us`.
    pub generator_lag: String,
    /// Of `latency_by_status_us`.
    pub by_status: BTreeMap<String, String>,
}

/// A result has no histograms, or ones that cannot be read.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("the result has no histograms that can be read: it is of an older version, or damaged")]
pub struct HistogramError;

/// The sum of results.
#[derive(Debug)]
pub(super) struct Gathered {
    measured_s: f64,
    /// Requests, events and bytes per second: several runs may measure for
    /// different times.
    rates: [f64; 3],
    measured: Totals,
    whole_run: Totals,
    unsent: u64,
    connections: usize,
    latency: Latencies,
    service_time: Latencies,
    lag: Latencies,
    by_status: BTreeMap<String, Latencies>,
    answers: BTreeMap<u16, u64>,
    excerpts: Vec<AnswerExcerpt>,
    first_failure: Option<String>,
    cores: Option<f64>,
    watched: Option<ProcessUse>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            measured_s: 0.0,
            rates: [0.0; 3],
            measured: Totals::default(),
            whole_run: Totals::default(),
            unsent: 0,
            connections: 0,
            latency: Latencies::new(),
            service_time: Latencies::new(),
            lag: Latencies::new(),
            by_status: BTreeMap::new(),
            answers: BTreeMap::new(),
            excerpts: Vec::new(),
            first_failure: None,
            cores: None,
            watched: None,
        }
    }
}

impl Gathered {
    pub(super) fn add_worker(&mut self, result: WorkerResult) {
        let WorkerResult { tally, unsent, connections, ended, lag, cores, watched } = result;
        self.lag.add(&lag);
        self.watched = self.watched.or(watched);
        let measured_s = tally.measured_for(ended).as_secs_f64();
        self.measured_s = self.measured_s.max(measured_s);
        let Tally {
            all, measured, latency, service_time, by_status, answers, excerpts, first_failure, ..
        } = tally;
        self.add_counts(&measured, &all, measured_s);
        self.unsent += unsent;
        self.connections += connections;
        self.latency.add(&latency);
        self.service_time.add(&service_time);
        for (status, latencies) in by_status {
            let name = if status == 0 { "none".to_owned() } else { status.to_string() };
            self.status(name).add(&latencies);
        }
        self.add_answers(answers, excerpts, first_failure);
        self.add_cores(cores);
    }

    pub(super) fn add_report(&mut self, report: &RunReport) -> Result<(), HistogramError> {
        let read = |text: &str| Latencies::from_base64(text).ok_or(HistogramError);
        self.latency.add(&read(&report.histograms.latency)?);
        self.service_time.add(&read(&report.histograms.service_time)?);
        self.lag.add(&read(&report.histograms.generator_lag)?);
        for (status, text) in &report.histograms.by_status {
            self.status(status.clone()).add(&read(text)?);
        }
        self.measured_s = self.measured_s.max(report.measured_s);
        self.add_counts(&report.measured, &report.whole_run, report.measured_s);
        self.unsent += report.unsent_requests;
        self.connections += report.connections;
        self.add_answers(report.answers.clone(), report.excerpts.clone(), report.first_failure.clone());
        self.add_cores(report.generator_cores);
        self.watched = self.watched.or(report.watched);
        Ok(())
    }

    fn add_counts(&mut self, measured: &Totals, whole_run: &Totals, measured_s: f64) {
        self.measured.add(measured);
        self.whole_run.add(whole_run);
        if measured_s > 0.0 {
            let counts = [measured.requests, measured.events_accepted, measured.bytes_sent];
            self.rates.iter_mut().zip(counts).for_each(|(rate, count)| *rate += count as f64 / measured_s);
        }
    }

    fn status(&mut self, name: String) -> &mut Latencies {
        self.by_status.entry(name).or_default()
    }

    fn add_answers(
        &mut self,
        answers: BTreeMap<u16, u64>,
        excerpts: Vec<AnswerExcerpt>,
        first_failure: Option<String>,
    ) {
        answers.into_iter().for_each(|(status, count)| *self.answers.entry(status).or_default() += count);
        for excerpt in excerpts {
            if self.excerpts.iter().all(|known| known.status != excerpt.status) {
                self.excerpts.push(excerpt);
            }
        }
        self.first_failure = self.first_failure.take().or(first_failure);
    }

    fn add_cores(&mut self, cores: Option<f64>) {
        self.cores = match (self.cores, cores) {
            (Some(sum), Some(more)) => Some(sum + more),
            (sum, more) => sum.or(more),
        };
    }

    /// Adds the figures to a report that has the settings of its run.
    pub(super) fn fill(self, facts: RunReport) -> RunReport {
        let [requests_per_s, events_per_s, bytes_per_s] = self.rates;
        let mut report = RunReport {
            connections: self.connections,
            measured_s: self.measured_s,
            requests_per_s,
            events_per_s,
            bytes_per_s,
            measured: self.measured,
            whole_run: self.whole_run,
            unsent_requests: self.unsent,
            latency_us: self.latency.summary(),
            service_time_us: self.service_time.summary(),
            latency_by_status_us: self
                .by_status
                .iter()
                .map(|(name, all)| (name.clone(), all.summary()))
                .collect(),
            latency_curve: self.latency.curve(),
            service_time_curve: self.service_time.curve(),
            generator_lag_us: self.lag.summary(),
            answers: self.answers,
            excerpts: self.excerpts,
            first_failure: self.first_failure,
            generator_cores: self.cores,
            watched: self.watched,
            warnings: Vec::new(),
            histograms: Histograms {
                latency: self.latency.to_base64(),
                service_time: self.service_time.to_base64(),
                generator_lag: self.lag.to_base64(),
                by_status: self.by_status.iter().map(|(name, all)| (name.clone(), all.to_base64())).collect(),
            },
            ..facts
        };
        report.warnings = warnings::warnings(&report);
        report
    }
}
