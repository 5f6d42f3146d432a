//! Logs and metrics of a process.

pub mod emf;
mod exposition;
mod metric;

pub use metric::{METRICS, Metric, MetricKind, Values, describe};
pub use metrics_exporter_prometheus::PrometheusHandle;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use serde::{Deserialize, Serialize};
use sluice_model::config::{ConfigError, SecretValue, within};
use std::io::IsTerminal;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The configuration of logs, metrics and traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How logs are written, to standard error.
    pub log_format: LogFormat,
    /// Which logs are written: a level, and levels of single modules (`info,sluice_processor=debug`).
    pub log_filter: String,
    /// Where spans of sampled traces go: the base URL of an OpenTelemetry
    /// collector that takes OTLP over HTTP. Needs a binary built with `otel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<SecretValue>,
    /// Whether each role writes its metrics for CloudWatch to standard output,
    /// a line of Embedded Metric Format an interval.
    pub emf: bool,
    /// Seconds from one such line to the next.
    pub emf_interval_s: u64,
    /// The namespace of these metrics in CloudWatch.
    pub emf_namespace: String,
    /// Seconds from one look at the depth of the queues to the next.
    pub queue_sample_s: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            log_filter: "info,lsm_tree=warn".into(),
            otlp_endpoint: None,
            emf: false,
            emf_interval_s: 60,
            emf_namespace: "Sluice".into(),
            queue_sample_s: 30,
        }
    }
}

impl TelemetryConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within([
            ("emf_interval_s", self.emf_interval_s.into(), 1, 3600),
            ("queue_sample_s", self.queue_sample_s.into(), 1, 3600),
        ])?;
        // CloudWatch, "PutMetricData": the characters of a namespace.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#:".contains(c);
        let namespace = &self.emf_namespace;
        let is_namespace = (1..=255).contains(&namespace.len()) && namespace.chars().all(is_allowed);
        if is_namespace && !namespace.starts_with("AWS/") {
            return Ok(());
        }
        Err(ConfigError {
            field: "emf_namespace",
            problem: format!(
                "`{namespace}` is not 1 to 255 letters, digits and . - _ / # :, or begins with AWS/, which is AWS's own"
            ),
        })
    }
}

/// Why logs or metrics cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("telemetry.log_filter: {0}")]
    Filter(#[from] ParseError),
    /// Buckets or recorder were refused.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// Something in the process already listens.
    #[error("logs or metrics are already set up in this process")]
    Installed,
}

/// Buckets of histograms in seconds: 100 µs to a minute.
const SECONDS: [f64; 18] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];
/// Buckets of the time from acceptance to receipt, in seconds: a millisecond to
/// a week, since a delivery may be retried for days.
const RECEIPT_SECONDS: [f64; 22] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    1_800.0, 3_600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0,
];
/// Buckets of counts: events of a batch, of a webhook.
const COUNTS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 4096.0];

/// Starts logs.
///
/// # Errors
/// If the filter is not one, or logs were started before.
pub fn start_logs(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let filter: Targets = config.log_filter.parse()?;
    // A line that cannot be written is dropped: telling so on stderr would panic
    // the thread that logs, which a full disk must not do.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.log_format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            registry.with(layer.with_ansi(ansi).with_target(false)).try_init()
        }
    };
    started.map_err(|_already_set| TelemetryError::Installed)
}

/// Starts metrics; the handle renders them. Run [`keep_up`] beside it.
///
/// # Errors
/// If metrics were started before.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("sluice_processor_receipt_seconds".into()), &RECEIPT_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".into()), &COUNTS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_set| TelemetryError::Installed)?;
    metric::tell_version();
    Ok(handle)
}

/// Folds recorded samples into the histograms; without it they grow without bound.
pub async fn keep_up(handle: PrometheusHandle, shutdown: CancellationToken) {
    const INTERVAL: Duration = Duration::from_secs(5);
    while shutdown.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
        handle.run_upkeep();
    }
}
