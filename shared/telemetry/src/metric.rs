//! The declaration of a metric, from which `/metrics`, `docs/metrics.md` and their tests are
//! made.

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It grows and falls.
    Gauge,
    /// It counts observations by size.
    Histogram,
}

impl MetricKind {
    /// Prometheus's name of the type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The values of a label: a closed set, never ids of customers or events, never URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    Of(&'static [&'static str]),
    /// One value of a set that is bounded elsewhere; the text names the set.
    Bounded(&'static str),
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Its meaning, in one sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [(&'static str, Values)],
}

impl Metric {
    /// A counter without labels.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter, help, labels: &[] }
    }

    /// A gauge without labels.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge, help, labels: &[] }
    }

    /// A histogram without labels.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Histogram, help, labels: &[] }
    }

    /// The same metric with labels.
    #[must_use]
    pub const fn by(self, labels: &'static [(&'static str, Values)]) -> Self {
        Self { labels, ..self }
    }
}

/// The services that the distributed engine depends on.
const DEPENDENCIES: &[&str] = &["kinesis", "dynamodb", "sqs", "redis", "postgres"];

/// The metrics of any process.
pub const METRICS: &[Metric] = &[
    Metric::gauge("sluice_build_info", "Always 1; the label says which version runs.")
        .by(&[("version", Values::Bounded("the version of the binary"))]),
    Metric::gauge(
        "sluice_dependency_lost",
        "1 where a service of the distributed engine gives no answers, or denies what it is asked.",
    )
    .by(&[("dependency", Values::Of(DEPENDENCIES))]),
    Metric::gauge(
        "sluice_dependency_denied",
        "1 where a service refuses calls until an operator acts: no permission, expired credentials, a wrong \
         clock, a missing table, stream or queue.",
    )
    .by(&[("dependency", Values::Of(DEPENDENCIES))]),
    Metric::counter(
        "sluice_log_gaps_total",
        "Shards of which a part was never read, by why: the stream was made anew, its records grew older than \
         it keeps them, or it does not know the checkpoint.",
    )
    .by(&[("cause", Values::Of(&["stream_replaced", "retention", "unknown_position"]))]),
    Metric::gauge(
        "sluice_log_shard_load",
        "Share of what a shard of the stream takes (1 MiB and 1,000 records a second) that came in lately: from \
         0.8 on it should be split.",
    )
    .by(&[("shard", Values::Bounded("a shard that this process works"))]),
    Metric::counter(
        "sluice_log_reads_refused_total",
        "Reads of a shard that the stream refused because the shard was read too fast.",
    ),
    Metric::counter(
        "sluice_log_records_refused_total",
        "Records that the stream will never take as they are; their producers were told.",
    ),
    Metric::counter(
        "sluice_log_takeovers_cut_short_total",
        "Takeovers of a shard that stopped looking for records sent twice, so that delivery could begin.",
    ),
    Metric::counter(
        "sluice_store_refused_total",
        "Items and messages that DynamoDB or SQS refused for good; each is set aside with its bytes and the \
         reason.",
    )
    .by(&[("kind", Values::Of(&["batch", "facts", "dead_letter", "delivery", "row"]))]),
    Metric::counter(
        "sluice_queue_deliveries_split_total",
        "Deliveries split in two because their message was too large for the queue.",
    ),
    Metric::counter(
        "sluice_queue_side_calls_failed_total",
        "Calls of SQS beside a delivery's own path that failed; deliveries go on, some come again or late.",
    )
    .by(&[("call", Values::Of(SIDE_CALLS))]),
    Metric::gauge(
        "sluice_queue_depth",
        "What is in a queue, waiting or being worked: deliveries that wait for an attempt, or dead letters; of SQS \
         about that many, as it says.",
    )
    .by(&[("queue", Values::Of(QUEUES))]),
    Metric::gauge(
        "sluice_queue_age_seconds",
        "Embedded engine: how long ago the oldest event of a waiting delivery was accepted, and the oldest dead \
         letter was made. SQS tells that to CloudWatch alone (ApproximateAgeOfOldestMessage).",
    )
    .by(&[("queue", Values::Of(QUEUES))]),
    Metric::gauge(
        "sluice_settings_wrong",
        "Settings of the stream, the tables and the queues that are not as Sluice needs them, as found at the \
         start; the log names them, and `sluice provision` mends those that it may.",
    ),
];

/// The queues that are measured.
const QUEUES: &[&str] = &["deliveries", "dead_letters"];

/// Calls of SQS beside a delivery's own path.
const SIDE_CALLS: &[&str] =
    &["change_visibility", "delete_messages", "send_on", "give_up", "revive", "carry_dead_letters"];

/// Hands the metrics' help texts to the installed recorder.
pub fn describe(all: &[Metric]) {
    for Metric { name, kind, help, .. } in all {
        match kind {
            MetricKind::Counter => describe_counter!(*name, *help),
            MetricKind::Gauge => describe_gauge!(*name, *help),
            MetricKind::Histogram => describe_histogram!(*name, *help),
        }
    }
}

/// Records the version that runs.
pub(super) fn tell_version() {
    describe(METRICS);
    gauge!("sluice_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
