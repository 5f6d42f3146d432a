//! The metrics of each role's line, which the alarms of `terraform/` use.

use super::EmfRole;
use crate::exposition::Sample;

/// A unit of CloudWatch's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmfUnit {
    Count,
    Bytes,
    Seconds,
    Milliseconds,
}

impl EmfUnit {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// A condition on a label of a series.
#[derive(Debug, Clone, Copy)]
pub(super) enum LabelRule {
    Is(&'static str, &'static str),
    IsNot(&'static str, &'static str),
}

/// The series of a metric of `/metrics` that meet all rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmfSeries {
    name: &'static str,
    rules: &'static [LabelRule],
}

impl EmfSeries {
    /// The values of these series.
    pub(super) fn values<'a>(&'a self, samples: &'a [Sample<'_>]) -> impl Iterator<Item = f64> + 'a {
        let fits = |sample: &&Sample<'_>| {
            sample.name == self.name
                && self.rules.iter().all(|rule| match *rule {
                    LabelRule::Is(label, value) => sample.label(label) == Some(value),
                    LabelRule::IsNot(label, value) => sample.label(label) != Some(value),
                })
        };
        samples.iter().filter(fits).map(|sample| sample.value).filter(|value| value.is_finite())
    }
}

/// The source of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum EmfSource {
    /// Always 1: the sum over a minute is the number of processes.
    Process,
    /// Whether the role is ready.
    Ready,
    /// How many shards it works.
    Shards,
    /// The increase of counters since the last line.
    Added(&'static [EmfSeries]),
    /// The sum of gauges.
    Sum(EmfSeries),
    /// The largest of gauges; 0 if there is none.
    Max(EmfSeries),
    /// The number of new observations of a histogram.
    Observed(&'static str),
    /// The number of new observations above a bound of one of the buckets.
    ObservedAbove(&'static str, f64),
    /// A quantile of the new observations of a histogram of seconds, in milliseconds; left out
    /// without observations.
    QuantileMs(&'static str, f64),
}

/// One metric of a line.
#[derive(Debug)]
pub(super) struct EmfMetric {
    pub(super) name: &'static str,
    pub(super) unit: EmfUnit,
    pub(super) source: EmfSource,
}

const fn metric(name: &'static str, unit: EmfUnit, source: EmfSource) -> EmfMetric {
    EmfMetric { name, unit, source }
}

const fn count(name: &'static str, source: EmfSource) -> EmfMetric {
    metric(name, EmfUnit::Count, source)
}

const fn all(name: &'static str) -> EmfSeries {
    EmfSeries { name, rules: &[] }
}

const fn only(name: &'static str, rules: &'static [LabelRule]) -> EmfSeries {
    EmfSeries { name, rules }
}

const REQUESTS: &str = "sluice_http_requests_total";
const RECEIPT_SECONDS: &str = "sluice_processor_receipt_seconds";
const POSTS: &str = "sluice_processor_posts_total";
/// A later receipt is slow. This is a bound of the histogram's buckets.
pub(super) const SLOW_S: f64 = 5.0;

const LOST: EmfMetric = count("DependenciesLost", EmfSource::Sum(all("sluice_dependency_lost")));
const DENIED: EmfMetric = count("DependenciesDenied", EmfSource::Sum(all("sluice_dependency_denied")));
const SETTINGS: EmfMetric = count("SettingsWrong", EmfSource::Max(all("sluice_settings_wrong")));

const INGEST: &[EmfMetric] = &[
    count("Processes", EmfSource::Process),
    count("Ready", EmfSource::Ready),
    count("Requests", EmfSource::Added(&[only(REQUESTS, &[LabelRule::Is("route", "produce")])])),
    count(
        "RequestErrors",
        EmfSource::Added(&[only(
            REQUESTS,
            &[LabelRule::Is("route", "produce"), LabelRule::Is("status", "5xx")],
        )]),
    ),
    count("EventsAccepted", EmfSource::Added(&[all("sluice_ingest_accepted_total")])),
    metric("BodyBytes", EmfUnit::Bytes, EmfSource::Added(&[all("sluice_ingest_body_bytes_total")])),
    metric(
        "AcceptTimeP99",
        EmfUnit::Milliseconds,
        EmfSource::QuantileMs("sluice_ingest_accept_seconds", 0.99),
    ),
    metric(
        "AppendTimeP99",
        EmfUnit::Milliseconds,
        EmfSource::QuantileMs("sluice_ingest_append_seconds", 0.99),
    ),
    metric("LaneBytes", EmfUnit::Bytes, EmfSource::Sum(all("sluice_ingest_lane_bytes"))),
    LOST,
    DENIED,
    count("RecordsRefused", EmfSource::Added(&[all("sluice_log_records_refused_total")])),
    SETTINGS,
];

const PROCESSOR: &[EmfMetric] = &[
    count("Processes", EmfSource::Process),
    count("Ready", EmfSource::Ready),
    count(
        "EventsMatched",
        EmfSource::Added(&[only("sluice_processor_events_total", &[LabelRule::Is("result", "matched")])]),
    ),
    count("EventsDelivered", EmfSource::Added(&[all("sluice_processor_events_delivered_total")])),
    count("Receipts", EmfSource::Observed(RECEIPT_SECONDS)),
    count("ReceiptsSlow", EmfSource::ObservedAbove(RECEIPT_SECONDS, SLOW_S)),
    metric("ReceiptTimeP95", EmfUnit::Milliseconds, EmfSource::QuantileMs(RECEIPT_SECONDS, 0.95)),
    count("Posts", EmfSource::Added(&[all(POSTS)])),
    count("PostsFailed", EmfSource::Added(&[only(POSTS, &[LabelRule::IsNot("class", "2xx")])])),
    count("Retries", EmfSource::Added(&[all("sluice_processor_retries_total")])),
    count("DeadLetters", EmfSource::Added(&[all("sluice_processor_dead_letters_total")])),
    metric("LagSeconds", EmfUnit::Seconds, EmfSource::Max(all("sluice_processor_lag_seconds"))),
    metric(
        "CheckpointAgeSeconds",
        EmfUnit::Seconds,
        EmfSource::Max(all("sluice_processor_checkpoint_age_seconds")),
    ),
    count("UnsettledEvents", EmfSource::Sum(all("sluice_processor_unsettled_events"))),
    count("Shards", EmfSource::Shards),
    count(
        "SetAside",
        EmfSource::Added(&[all("sluice_store_refused_total"), all("sluice_processor_log_damage_total")]),
    ),
    count("LogGaps", EmfSource::Added(&[all("sluice_log_gaps_total")])),
    count("ReadsRefused", EmfSource::Added(&[all("sluice_log_reads_refused_total")])),
    count("StoreFailures", EmfSource::Added(&[all("sluice_processor_store_failures_total")])),
    count("TaskRestarts", EmfSource::Added(&[all("sluice_processor_task_restarts_total")])),
    count("SideCallsFailed", EmfSource::Added(&[all("sluice_queue_side_calls_failed_total")])),
    count("QueueDepth", EmfSource::Max(only("sluice_queue_depth", &[LabelRule::Is("queue", "deliveries")]))),
    metric("QueueLateSeconds", EmfUnit::Seconds, EmfSource::Max(all("sluice_processor_queue_late_seconds"))),
    count(
        "DeadLetterDepth",
        EmfSource::Max(only("sluice_queue_depth", &[LabelRule::Is("queue", "dead_letters")])),
    ),
    LOST,
    DENIED,
    SETTINGS,
];

/// The metrics of a role's line.
pub(super) const fn of(role: EmfRole) -> &'static [EmfMetric] {
    match role {
        EmfRole::Ingest => INGEST,
        EmfRole::Processor => PROCESSOR,
    }
}

/// A series of `/metrics` that a line uses, and the required labels with their values.
pub(super) type EmfSeriesUse = (&'static str, Vec<(&'static str, &'static str)>);

/// The series that all lines use: each must be declared somewhere.
#[must_use]
pub fn series() -> Vec<EmfSeriesUse> {
    let used = |series: &EmfSeries| {
        let label = |rule: &LabelRule| match *rule {
            LabelRule::Is(label, value) | LabelRule::IsNot(label, value) => (label, value),
        };
        (series.name, series.rules.iter().map(label).collect())
    };
    let of_metric = |metric: &EmfMetric| match &metric.source {
        EmfSource::Process | EmfSource::Ready | EmfSource::Shards => Vec::new(),
        EmfSource::Added(all) => all.iter().map(used).collect(),
        EmfSource::Sum(series) | EmfSource::Max(series) => vec![used(series)],
        EmfSource::Observed(name) | EmfSource::ObservedAbove(name, _) | EmfSource::QuantileMs(name, _) => {
            vec![(*name, Vec::new())]
        }
    };
    INGEST.iter().chain(PROCESSOR).flat_map(of_metric).collect()
}
