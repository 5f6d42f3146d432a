//! The configuration of the ingest role.

pub use crate::type_checks::CheckLimits;
use serde::{Deserialize, Serialize};
use sluice_model::config::{ConfigError, within};
use sluice_schema::SchemaLimits;
use sluice_shape::ShapeLimits;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration of the ingest role. Durations are milliseconds, sizes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// The address to which customers connect.
    pub listen: SocketAddr,
    /// The address to which operators connect.
    pub admin_listen: SocketAddr,
    /// Whether customers' listener serves `/metrics` too. Metrics name no customer.
    pub metrics_on_public: bool,
    /// The environment that `/health` states. `development` and `demo` also have
    /// `/admin/test-…`.
    pub environment: String,
    /// Origins whose pages may use the API; `*` is any origin.
    pub cors_origins: Vec<String>,
    /// Whether webhooks may go to `http://` and to private addresses. The
    /// processor guards the addresses that it dials; here, plain cases are refused
    /// when the subscription is made.
    pub allow_private_webhooks: bool,
    /// The most subscriptions of a customer.
    pub subscriptions_max: usize,
    /// Limits of one subscription.
    pub subscription: SubscriptionLimits,
    /// Limits of event types and of the checks of their events.
    pub event_types: EventTypeConfig,
    /// Limits of templates, copied from the processor, which runs them.
    #[serde(skip)]
    pub transform: ShapeLimits,
    /// How connections are served.
    pub http: HttpConfig,
    /// TLS on the listeners; without a certificate they use none.
    pub tls: TlsConfig,
    /// Limits of requests.
    pub limits: LimitConfig,
    /// How events wait for the log.
    pub lanes: LaneConfig,
    /// How events are streamed to readers.
    pub stream: StreamConfig,
    /// How long the audit log is kept.
    pub audit: AuditConfig,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            metrics_on_public: true,
            environment: "production".into(),
            cors_origins: Vec::new(),
            allow_private_webhooks: false,
            subscriptions_max: 20_000,
            subscription: SubscriptionLimits::default(),
            event_types: EventTypeConfig::default(),
            transform: ShapeLimits::default(),
            http: HttpConfig::default(),
            tls: TlsConfig::default(),
            limits: LimitConfig::default(),
            lanes: LaneConfig::default(),
            stream: StreamConfig::default(),
            audit: AuditConfig::default(),
        }
    }
}

/// Limits of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriptionLimits {
    /// The most headers of its own.
    pub headers_max: usize,
    /// The most bytes of their names and values together.
    pub header_bytes_max: usize,
    /// The longest that old secrets may sign beside a new one, in seconds.
    pub rotation_keep_s_max: u64,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self { headers_max: 20, header_bytes_max: 8192, rotation_keep_s_max: 30 * 24 * 3600 }
    }
}

/// Limits of event types and of the checks of their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventTypeConfig {
    /// The most event types of a customer.
    pub customer_max: usize,
    /// The most bytes of their schemas together.
    pub customer_bytes_max: usize,
    /// Limits of a schema.
    pub schema: SchemaLimits,
    /// Limits of checking events.
    pub checks: CheckLimits,
}

impl Default for EventTypeConfig {
    fn default() -> Self {
        Self {
            customer_max: 200,
            customer_bytes_max: 1 << 20,
            schema: SchemaLimits::default(),
            checks: CheckLimits::default(),
        }
    }
}

/// TLS on the listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and its chain, PEM. It is read again when the file changes,
    /// and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Whether operators connect over TLS too.
    pub on_admin: bool,
    /// From a connection's start to the end of its handshake.
    pub handshake_timeout_ms: u64,
    /// How often the files are checked for changes.
    pub reload_check_ms: u64,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            on_admin: false,
            handshake_timeout_ms: 10_000,
            reload_check_ms: 5000,
        }
    }
}

impl TlsConfig {
    /// The certificate and its key, where both are given.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.cert_file.as_deref().zip(self.key_file.as_deref())
    }
}

/// How connections are served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// The most connections of customers; operators may have another 64.
    pub connections_max: usize,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// From a request's first byte to the last of its head.
    pub header_timeout_ms: u64,
    /// From a request's head to the end of its body.
    pub body_timeout_ms: u64,
    /// How long an unused connection is kept. Above the 60 s of common load
    /// balancers, so that they close first.
    pub idle_timeout_ms: u64,
    /// The most bytes of a request's head.
    pub head_bytes_max: usize,
    /// Requests in flight on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long requests in flight may take to finish after the stop.
    pub drain_ms: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            backlog: 4096,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            head_bytes_max: 32 << 10,
            streams_max: 128,
            drain_ms: 10_000,
        }
    }
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Bytes of a request's body, decompressed.
    pub body_bytes_max: usize,
    /// Bytes of one event.
    pub event_bytes_max: usize,
    /// Events of a request.
    pub request_events_max: u32,
    /// Bytes of the bodies of all requests in flight.
    pub in_flight_bytes_max: usize,
    /// Of these, bytes of one customer's bodies.
    pub in_flight_customer_bytes_max: usize,
    /// Pages of the inbox that are read for one customer at a time, at most half as
    /// many as the machine has cores; others wait.
    pub customer_reads_max: usize,
    /// The most tests of selectors, dry runs and resends at a time; each customer may have one.
    pub trials_max: usize,
    /// How long one of these may judge events.
    pub trial_timeout_ms: u64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 10 << 20,
            event_bytes_max: 256 << 10,
            request_events_max: 10_000,
            in_flight_bytes_max: 64 << 20,
            in_flight_customer_bytes_max: 24 << 20,
            customer_reads_max: 4,
            trials_max: 2,
            trial_timeout_ms: 5000,
        }
    }
}

/// How events wait for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaneConfig {
    /// Bytes of events that wait or are being appended.
    pub bytes_max: usize,
    /// Of these, bytes of one customer's events that wait for one append unit.
    pub customer_bytes_max: usize,
    /// Bytes of events after which a record is cut.
    pub record_bytes_max: usize,
    /// How long a request waits for the log.
    pub append_timeout_ms: u64,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            bytes_max: 128 << 20,
            customer_bytes_max: 32 << 20,
            record_bytes_max: 4 << 20,
            append_timeout_ms: 10_000,
        }
    }
}

/// How events are streamed to readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// The most streams that are open at a time.
    pub streams_max: usize,
    /// Of these, streams of one customer.
    pub customer_max: usize,
    /// How often a stream looks for events that another process accepted.
    pub poll_ms: u64,
    /// How often a stream without events sends a sign of life: below the 60 s after
    /// which common proxies give up.
    pub heartbeat_ms: u64,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { streams_max: 1000, customer_max: 32, poll_ms: 1000, heartbeat_ms: 15_000 }
    }
}

/// How long the audit log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Entries older than this are deleted.
    pub keep_days: u32,
    /// The most entries that are kept. Beyond it, the oldest entries of the customer and
    /// kind of actor with the most entries are deleted.
    pub rows_max: u64,
    /// How often entries are deleted.
    pub check_ms: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_days: 90, rows_max: 100_000, check_ms: 3_600_000 }
    }
}

impl IngestConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MIB: i128 = 1 << 20;
        const HOUR_MS: i128 = 3_600_000;
        const MAX: i128 = i64::MAX as i128;
        let (http, limits, lanes) = (&self.http, &self.limits, &self.lanes);
        let checks = self.event_types.checks;
        within(self.event_types.schema.ranges())?;
        let (body, in_flight) = (limits.body_bytes_max as i128, limits.in_flight_bytes_max as i128);
        within([
            ("subscriptions_max", self.subscriptions_max as i128, 1, MIB),
            ("subscription.headers_max", self.subscription.headers_max as i128, 0, 1000),
            ("subscription.header_bytes_max", self.subscription.header_bytes_max as i128, 0, 64 << 10),
            (
                "subscription.rotation_keep_s_max",
                self.subscription.rotation_keep_s_max.into(),
                24 * 3600,
                366 * 24 * 3600,
            ),
            ("event_types.customer_max", self.event_types.customer_max as i128, 0, 100_000),
            ("event_types.customer_bytes_max", self.event_types.customer_bytes_max as i128, 2, 1024 * MIB),
            ("event_types.checks.event_checks_max", checks.event_checks_max.into(), 1000, MAX),
            (
                "event_types.checks.request_checks_max",
                checks.request_checks_max.into(),
                checks.event_checks_max.into(),
                MAX,
            ),
            ("event_types.checks.misfits_max", checks.misfits_max as i128, 1, 1000),
            ("http.connections_max", http.connections_max as i128, 1, MIB),
            ("http.backlog", http.backlog.into(), 1, 65_535),
            ("http.header_timeout_ms", http.header_timeout_ms.into(), 1, HOUR_MS),
            ("http.body_timeout_ms", http.body_timeout_ms.into(), 1, HOUR_MS),
            ("http.idle_timeout_ms", http.idle_timeout_ms.into(), 1, HOUR_MS),
            ("http.head_bytes_max", http.head_bytes_max as i128, 8192, MIB),
            ("http.streams_max", http.streams_max.into(), 1, 10_000),
            ("http.drain_ms", http.drain_ms.into(), 0, HOUR_MS),
            ("tls.handshake_timeout_ms", self.tls.handshake_timeout_ms.into(), 1, HOUR_MS),
            ("tls.reload_check_ms", self.tls.reload_check_ms.into(), 10, HOUR_MS),
            ("limits.body_bytes_max", body, 1024, 1024 * MIB),
            ("limits.event_bytes_max", limits.event_bytes_max as i128, 64, body.min(300_000)),
            ("limits.request_events_max", limits.request_events_max.into(), 1, 1_000_000),
            ("limits.in_flight_bytes_max", in_flight, body, MAX),
            (
                "limits.in_flight_customer_bytes_max",
                limits.in_flight_customer_bytes_max as i128,
                body,
                in_flight,
            ),
            ("limits.customer_reads_max", limits.customer_reads_max as i128, 1, 1024),
            ("limits.trials_max", limits.trials_max as i128, 1, 1024),
            ("limits.trial_timeout_ms", limits.trial_timeout_ms.into(), 10, HOUR_MS),
            ("lanes.customer_bytes_max", lanes.customer_bytes_max as i128, 2 * body, MAX),
            ("lanes.bytes_max", lanes.bytes_max as i128, lanes.customer_bytes_max as i128, MAX),
            ("lanes.record_bytes_max", lanes.record_bytes_max as i128, 350_000, 64 * MIB),
            ("lanes.append_timeout_ms", lanes.append_timeout_ms.into(), 1, HOUR_MS),
            ("stream.streams_max", self.stream.streams_max as i128, 0, MIB),
            ("stream.customer_max", self.stream.customer_max as i128, 0, MIB),
            ("stream.poll_ms", self.stream.poll_ms.into(), 10, HOUR_MS),
            ("stream.heartbeat_ms", self.stream.heartbeat_ms.into(), 10, HOUR_MS),
            ("audit.keep_days", self.audit.keep_days.into(), 1, 10_000),
            ("audit.rows_max", self.audit.rows_max.into(), 1, 10_000_000),
            ("audit.check_ms", self.audit.check_ms.into(), 100, 24 * HOUR_MS),
        ])?;
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            let problem = "a certificate needs its key, and a key its certificate".to_owned();
            let field = if self.tls.cert_file.is_some() { "tls.key_file" } else { "tls.cert_file" };
            return Err(ConfigError { field, problem });
        }
        for origin in &self.cors_origins {
            if origin != "*" && !is_origin(origin) {
                let problem = format!("{origin:?} is not an origin such as https://example.com, or *");
                return Err(ConfigError { field: "cors_origins", problem });
            }
        }
        if self.environment.is_empty() || self.environment.len() > 64 {
            let problem = "is not between 1 and 64 bytes long".to_owned();
            return Err(ConfigError { field: "environment", problem });
        }
        Ok(())
    }

    /// Whether routes that only help development are served.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.environment.as_str(), "development" | "demo")
    }
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

pub(crate) const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(IngestConfig::default().validate(), Ok(()));
    }

    #[test]
    fn unknown_keys_and_absurd_values_are_refused_by_name() {
        let unknown = serde_json::from_str::<IngestConfig>(r#"{"http":{"headr_timeout_ms":1}}"#);
        assert!(unknown.unwrap_err().to_string().contains("headr_timeout_ms"));
        for (json, field) in [
            (r#"{"http":{"header_timeout_ms":0}}"#, "http.header_timeout_ms"),
            (r#"{"limits":{"body_bytes_max":67108865}}"#, "limits.in_flight_bytes_max"),
            (r#"{"limits":{"event_bytes_max":300001}}"#, "limits.event_bytes_max"),
            (r#"{"lanes":{"bytes_max":1}}"#, "lanes.bytes_max"),
            (r#"{"cors_origins":["https://example.com/"]}"#, "cors_origins"),
            (r#"{"environment":""}"#, "environment"),
            (r#"{"tls":{"cert_file":"c.pem"}}"#, "tls.key_file"),
            (r#"{"tls":{"reload_check_ms":1}}"#, "tls.reload_check_ms"),
        ] {
            let config: IngestConfig = serde_json::from_str(json).unwrap();
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }
}
