//! The edge: what its handlers work with, bound and then run.

use crate::admission::Admission;
use crate::appenders::Appenders;
use crate::auth::AdminToken;
use crate::body::BodyLimits;
use crate::config::{EdgeConfig, ms};
use crate::cors::Cors;
use crate::decode::EventLimits;
use crate::lanes::LaneLimits;
use crate::metrics::EdgeMetrics;
use crate::openapi;
use crate::produce::{Producer, ProducerSettings};
use crate::router::Router;
use crate::server::{self, BindError, Listening};
use crate::service::Door;
use crate::streams::Streams;
use crate::tls::{Tls, TlsError};
use bytes::Bytes;
use sluice_catalogue::directory::Directory;
use sluice_history::attempts::AttemptHistory;
use sluice_history::replay::ReplayStore;
use sluice_ports::{EventStore, Idempotency, Log, Rates, Rows, WebhookProbe, WorkQueue};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Past this age of its directory an edge says that it is not ready: it
/// could miss a key that was revoked or made long ago.
const DIRECTORY_AGE_MAX: Duration = Duration::from_secs(5);

/// Test events and dry runs that may be under way at one time.
const TRIALS_MAX: usize = 16;

/// What the binary puts together for an edge.
pub struct EdgeParts {
    /// Its configuration, validated.
    pub config: EdgeConfig,
    /// What it knows of the catalogue; its refresher runs.
    pub directory: Arc<Directory>,
    /// Where events are read.
    pub events: Arc<dyn EventStore>,
    /// Where redriven deliveries go.
    pub queue: Arc<dyn WorkQueue>,
    /// Where events go.
    pub log: Arc<dyn Log>,
    /// Keys of repeatable requests.
    pub idempotency: Arc<dyn Idempotency>,
    /// Customers' rate limits.
    pub rates: Arc<dyn Rates>,
    /// Names the dependencies that are lost now, for readiness.
    pub lost: Box<dyn Fn() -> Vec<&'static str> + Send + Sync>,
    /// Where attempts and replays are kept.
    pub rows: Arc<dyn Rows>,
    /// Sends test events.
    pub probe: Arc<dyn WebhookProbe>,
    /// Lanes of the deployment.
    pub lanes: u16,
    /// The operators' token.
    pub admin_token: String,
    /// Writes the metrics of the process.
    pub render_metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// What handlers work with.
pub(crate) struct Edge {
    pub config: EdgeConfig,
    pub directory: Arc<Directory>,
    pub events: Arc<dyn EventStore>,
    pub queue: Arc<dyn WorkQueue>,
    pub log: Arc<dyn Log>,
    pub lanes: u16,
    pub producer: Producer,
    pub admission: Admission,
    pub admin_token: AdminToken,
    pub metrics: EdgeMetrics,
    pub render_metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub cors: Cors,
    pub public: Router,
    pub admin: Router,
    pub descriptions: Descriptions,
    pub draining: AtomicBool,
    pub lost: Box<dyn Fn() -> Vec<&'static str> + Send + Sync>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
    pub streams: Arc<Streams>,
    pub history: AttemptHistory,
    pub replays: ReplayStore,
    pub probe: Arc<dyn WebhookProbe>,
    /// Test events and dry runs under way.
    pub trials: Semaphore,
    /// Held while a replay is let in.
    pub replay_starts: tokio::sync::Mutex<()>,
    /// Held while a customer is read, changed and stored.
    pub customer_changes: tokio::sync::Mutex<()>,
}

/// What `/openapi.json` answers, on each listener.
pub(crate) struct Descriptions {
    pub public: Bytes,
    pub admin: Bytes,
}

impl Descriptions {
    fn new(public: &Router, admin: &Router, config: &EdgeConfig) -> Self {
        let of = |door, router| Bytes::from(openapi::document(door, router, config).to_string());
        Self { public: of(Door::Public, public), admin: of(Door::Admin, admin) }
    }
}

impl Edge {
    fn new(parts: EdgeParts) -> Self {
        let EdgeParts { config, directory, events, queue, log, idempotency, lanes, .. } = parts;
        let settings = producer_settings(&config, lanes);
        let limits = &config.limits;
        let (public, admin) = (Router::public(config.metrics_on_public), Router::admin());
        Self {
            descriptions: Descriptions::new(&public, &admin, &config),
            producer: Producer::new(Arc::clone(&log), idempotency, parts.rates, settings),
            admission: Admission::new(limits.in_flight_bytes_max, limits.in_flight_customer_bytes_max),
            admin_token: AdminToken::new(&parts.admin_token),
            metrics: EdgeMetrics::new(),
            render_metrics: parts.render_metrics,
            cors: Cors::new(&config.cors_origins),
            public,
            admin,
            draining: AtomicBool::new(false),
            lost: parts.lost,
            drain: CancellationToken::new(),
            streams: Arc::new(Streams::new(config.stream.streams_max, config.stream.customer_max)),
            history: AttemptHistory::new(Arc::clone(&parts.rows), 0),
            replays: ReplayStore::new(parts.rows),
            probe: parts.probe,
            trials: Semaphore::new(TRIALS_MAX),
            replay_starts: tokio::sync::Mutex::new(()),
            customer_changes: tokio::sync::Mutex::new(()),
            config,
            directory,
            events,
            queue,
            log,
            lanes,
        }
    }

    /// How bodies with events may be.
    pub(crate) fn event_bodies(&self) -> BodyLimits {
        BodyLimits {
            bytes_max: self.config.limits.body_bytes_max,
            timeout: ms(self.config.http.body_timeout_ms),
        }
    }

    /// Whether requests should be sent here, or why not.
    pub(crate) fn ready(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining");
        }
        if self.directory.age() > DIRECTORY_AGE_MAX {
            return Err("the catalogue cannot be read");
        }
        self.log.accepting().map_err(|_| "the log takes nothing")
    }
}

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the configuration says of taking events.
pub(crate) fn producer_settings(config: &EdgeConfig, lanes: u16) -> ProducerSettings {
    ProducerSettings {
        events: EventLimits {
            event_bytes_max: config.limits.event_bytes_max,
            request_events_max: config.limits.request_events_max as usize,
        },
        lanes: LaneLimits {
            bytes_max: config.lanes.bytes_max,
            customer_bytes_max: config.lanes.customer_bytes_max,
            record_bytes_max: config.lanes.record_bytes_max,
        },
        lane_count: lanes,
        append_timeout: ms(config.lanes.append_timeout_ms),
    }
}

/// An edge that listens and does not serve yet.
pub struct BoundEdge {
    edge: Arc<Edge>,
    tls: Option<Arc<Tls>>,
    public: Listening,
    admin: Listening,
}

impl BoundEdge {
    /// Listens at the configured addresses.
    ///
    /// # Errors
    /// If one of them cannot be had, or the certificate cannot be used.
    pub fn bind(parts: EdgeParts) -> Result<Self, EdgeError> {
        let edge = Edge::new(parts);
        let tls = Tls::load(&edge.config.tls)?;
        let (public, admin) = Listening::both(&edge.config, tls.as_ref())?;
        Ok(Self { edge: Arc::new(edge), tls, public, admin })
    }

    /// The URL that customers connect to.
    #[must_use]
    pub fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.public_address())
    }

    /// Where customers connect: the port is the real one where 0 was asked for.
    #[must_use]
    pub const fn public_address(&self) -> SocketAddr {
        self.public.address()
    }

    /// Where operators connect.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Serves until told to stop; then finishes the requests in flight, at
    /// most for the configured time, and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { edge, tls, public, admin } = self;
        let appenders = Appenders::start(edge.producer.lanes());
        let fresh = tls.map(|tls| tokio::spawn(tls.keep_fresh(shutdown.clone())));
        server::run(&edge, public, admin, shutdown).await;
        if let Some(Err(error)) = join(fresh).await {
            tracing::error!(%error, "the task that exchanges certificates failed");
        }
        appenders.stop().await;
    }
}

/// Waits for a task, where there is one.
async fn join(task: Option<tokio::task::JoinHandle<()>>) -> Option<Result<(), tokio::task::JoinError>> {
    match task {
        Some(task) => Some(task.await),
        None => None,
    }
}
