//! Metrics for CloudWatch: each interval, a line of its Embedded Metric Format for each role of
//! the process, on standard output, where a container's agent finds it. No permission and no
//! other process is needed.
//!
//! The format: AWS, "Specification: Embedded metric format"
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//! A line is an object whose member `_aws` names the members that are metrics and dimensions.
//! The only dimension is the role: all processes of a role write to the same metrics, so alarms
//! take the sum of counts and the maximum of gauges.
//!
//! All values come from the text of `/metrics`, read once an interval; nothing is counted
//! separately.

mod buckets;
mod output;
mod table;

pub use output::EmfOutput;
pub use table::series;

use crate::exposition::{self, Sample};
use buckets::Buckets;
use serde_json::{Map, Number, Value, json};
use std::collections::HashMap;
use table::{EmfMetric, EmfSource};

/// The role of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmfRole {
    /// Takes events.
    Ingest,
    /// Matches and delivers them.
    Processor,
}

impl EmfRole {
    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Processor => "processor",
        }
    }
}

/// Facts about a role that are not in its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleFacts {
    /// Whether `/readyz` would be 200.
    pub is_ready: bool,
    /// How many shards it works.
    pub shards: usize,
}

/// The lines of one role. Remembers the counts up to the last line.
#[derive(Debug)]
pub struct EmfLines {
    namespace: String,
    role: EmfRole,
    counted: HashMap<&'static str, f64>,
    observed: HashMap<&'static str, Buckets>,
}

impl EmfLines {
    /// No line was written yet: the first one counts from the start of the process.
    #[must_use]
    pub fn new(namespace: String, role: EmfRole) -> Self {
        Self { namespace, role, counted: HashMap::new(), observed: HashMap::new() }
    }

    /// The next line, without its end, from the text of `/metrics`.
    pub fn next(&mut self, exposition: &str, facts: RoleFacts, now_ms: u64) -> String {
        let samples: Vec<Sample<'_>> = exposition::samples(exposition).collect();
        let (mut line, mut definitions) = (Map::new(), Vec::new());
        for metric in table::of(self.role) {
            let Some(value) = self.value(metric, &samples, facts).and_then(number) else { continue };
            definitions.push(json!({ "Name": metric.name, "Unit": metric.unit.as_str() }));
            line.insert(metric.name.to_owned(), Value::Number(value));
        }
        line.insert("Role".to_owned(), self.role.name().into());
        let directive =
            json!({ "Namespace": self.namespace, "Dimensions": [["Role"]], "Metrics": definitions });
        line.insert("_aws".to_owned(), json!({ "Timestamp": now_ms, "CloudWatchMetrics": [directive] }));
        Value::Object(line).to_string()
    }

    /// A metric's value; `None` without observations.
    fn value(&mut self, metric: &EmfMetric, samples: &[Sample<'_>], facts: RoleFacts) -> Option<f64> {
        match metric.source {
            EmfSource::Process => Some(1.0),
            EmfSource::Ready => Some(f64::from(u8::from(facts.is_ready))),
            EmfSource::Shards => Some(facts.shards as f64),
            EmfSource::Sum(series) => Some(series.values(samples).sum()),
            EmfSource::Max(series) => Some(series.values(samples).fold(0.0, f64::max)),
            EmfSource::Added(all) => {
                let now: f64 = all.iter().flat_map(|series| series.values(samples)).sum();
                let before = self.counted.insert(metric.name, now).unwrap_or(0.0);
                Some((now - before).max(0.0))
            }
            EmfSource::Observed(histogram) => Some(self.observe(metric, histogram, samples).total() as f64),
            EmfSource::ObservedAbove(histogram, bound) => {
                let new = self.observe(metric, histogram, samples);
                Some((new.total() - new.up_to(bound)) as f64)
            }
            EmfSource::QuantileMs(histogram, quantile) => {
                self.observe(metric, histogram, samples).quantile(quantile).map(|seconds| seconds * 1000.0)
            }
        }
    }

    /// The observations of a histogram since the last line.
    fn observe(&mut self, metric: &EmfMetric, histogram: &str, samples: &[Sample<'_>]) -> Buckets {
        let mut now = Buckets::default();
        let buckets = samples.iter().filter(|sample| sample.name.strip_suffix("_bucket") == Some(histogram));
        for sample in buckets {
            if let Some(bound) = sample.label("le").and_then(|bound| bound.parse().ok()) {
                now.add(bound, sample.value as u64);
            }
        }
        let before = self.observed.insert(metric.name, now.clone()).unwrap_or_default();
        now.since(&before)
    }
}

/// A value as a JSON number: an integer if it is whole.
fn number(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Number::from(value as i64));
    }
    // Microseconds are fine enough, and short.
    Number::from_f64((value * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests;
