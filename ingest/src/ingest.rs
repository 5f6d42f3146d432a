//! The ingest role: bound, and then run.

mod assemble;

use crate::appenders::Appenders;
use crate::audit_trimmer;
use crate::auth::AdminTokens;
use crate::config::{IngestConfig, ms};
use crate::lanes::LaneBuffers;
use crate::occupancy::Occupancy;
use crate::product_events::LaneProductEvents;
use crate::readiness::LostDependencies;
use crate::server::{self, BindError, BoundListener, ServedListener};
use crate::tls::{Tls, TlsError};
pub(crate) use assemble::producer_settings;
use assemble::{Assembled, assemble};
use sluice_catalogue::directory::Directory;
use sluice_model::SubscriptionId;
use sluice_ports::{EventStore, Idempotency, Log, ProductEvents, Rates, Rows, WebhookProbe, WorkQueue};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// A shard that this process works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkedShard {
    /// Its name.
    pub shard: String,
    /// Whether its task runs.
    pub running: bool,
    /// How often its task had to be started again.
    pub restarts: u64,
    /// How far matching lags behind acceptance, in milliseconds.
    pub lag_ms: u64,
    /// The number of (event, subscription) pairs that are matched and not settled.
    pub unsettled_events: u64,
    /// When it last settled something or had nothing to settle, in milliseconds
    /// since the Unix epoch.
    pub progress_ms: u64,
}

/// Tells the shards that this process works; none if it has the ingest role alone.
pub type WorkedShards = Box<dyn Fn() -> Vec<WorkedShard> + Send + Sync>;

/// The breaker of an endpoint: whether webhooks are sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointBreaker {
    /// They are sent.
    Closed,
    /// None is sent for now.
    Open {
        /// When the next one may be sent, in milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// One is in flight, to test whether the endpoint is back.
    HalfOpen,
}

/// Tells the breaker of a subscription's endpoint; nothing if this process has
/// not sent to it lately.
pub type EndpointBreakers = Box<dyn Fn(SubscriptionId) -> Option<EndpointBreaker> + Send + Sync>;

/// The parts that the binary gives to the ingest role.
pub struct IngestParts {
    /// The configuration, validated.
    pub config: IngestConfig,
    /// The process's copy of the catalogue; the caller runs its refresher.
    pub directory: Arc<Directory>,
    /// The store from which events are read.
    pub events: Arc<dyn EventStore>,
    /// The queue that takes redriven deliveries.
    pub queue: Arc<dyn WorkQueue>,
    /// The log to which events are appended.
    pub log: Arc<dyn Log>,
    /// The idempotency keys.
    pub idempotency: Arc<dyn Idempotency>,
    /// The customers' rate limits.
    pub rates: Arc<dyn Rates>,
    /// Tells the dependencies that are lost now, each with its reason.
    pub lost: LostDependencies,
    /// The store of attempts and replays.
    pub rows: Arc<dyn Rows>,
    /// Sends test events.
    pub probe: Arc<dyn WebhookProbe>,
    /// How many lanes the deployment has.
    pub lanes: u16,
    /// The operators' tokens.
    pub admin_tokens: Arc<AdminTokens>,
    /// Tells the shards that the process works.
    pub shards: WorkedShards,
    /// Tells the breaker of a subscription's endpoint.
    pub breakers: EndpointBreakers,
    /// Writes the metrics of the process.
    pub render_metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// Why the ingest role does not start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An ingest role that is bound and does not serve yet.
pub struct BoundIngest {
    config: IngestConfig,
    tls: Option<Arc<Tls>>,
    directory: Arc<Directory>,
    public: ServedListener,
    admin: ServedListener,
    lanes: Arc<LaneBuffers>,
    lane_count: u16,
    occupancy: Occupancy,
    draining: CancellationToken,
}

impl BoundIngest {
    /// Listens at the configured addresses.
    ///
    /// # Errors
    /// If one of them cannot be bound, or the certificate cannot be used.
    pub fn bind(parts: IngestParts) -> Result<Self, IngestError> {
        let (config, lane_count) = (parts.config.clone(), parts.lanes);
        let directory = Arc::clone(&parts.directory);
        let tls = Tls::load(&config.tls)?;
        let public = BoundListener::public(&config, tls.as_ref())?;
        let admin = BoundListener::admin(&config, tls.as_ref())?;
        let Assembled { public: public_service, admin: admin_service, lanes, occupancy, draining } =
            assemble(parts);
        Ok(Self {
            config,
            tls,
            directory,
            public: ServedListener { listener: public, service: public_service },
            admin: ServedListener { listener: admin, service: admin_service },
            lanes,
            lane_count,
            occupancy,
            draining,
        })
    }

    /// Appends Sluice's own events while the role runs.
    #[must_use]
    pub fn product_events(&self) -> Arc<dyn ProductEvents> {
        let timeout = ms(self.config.lanes.append_timeout_ms);
        Arc::new(LaneProductEvents { lanes: Arc::clone(&self.lanes), lane_count: self.lane_count, timeout })
    }

    /// The URL to which customers connect.
    #[must_use]
    pub fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.public_address())
    }

    /// The address to which customers connect: its port is the real one even if 0 was asked for.
    #[must_use]
    pub const fn public_address(&self) -> SocketAddr {
        self.public.listener.address()
    }

    /// The address to which operators connect.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.listener.address()
    }

    /// Tells whether requests should be sent here, as `/readyz` does.
    #[must_use]
    pub fn readiness(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let readiness = Arc::clone(&self.public.service.shared.contexts.health.readiness);
        Box::new(move || readiness.is_ready())
    }

    /// Serves until told to stop; then finishes the requests in flight, for at
    /// most the configured time, and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { config, tls, directory, public, admin, lanes, lane_count: _, occupancy, draining } = self;
        let appenders = Appenders::start(&lanes);
        let certificates = tls.map(|tls| tokio::spawn(tls.keep_fresh(shutdown.clone())));
        let trimming = tokio::spawn(audit_trimmer::run(directory, config.audit, shutdown.clone()));
        let measured = CancellationToken::new();
        let measuring = tokio::spawn(occupancy.measure(measured.clone()));
        server::run(public, admin, &config.http, shutdown, &draining).await;
        if let Some(Err(error)) = join(certificates).await {
            tracing::error!(%error, "the task that exchanges certificates failed");
        }
        if let Err(error) = trimming.await {
            tracing::error!(%error, "the task that trims the audit log failed");
        }
        measured.cancel();
        if let Err(error) = measuring.await {
            tracing::error!(%error, "the task that measures the buffers failed");
        }
        appenders.stop().await;
    }
}

/// Waits for a task if there is one.
async fn join(task: Option<JoinHandle<()>>) -> Option<Result<(), JoinError>> {
    match task {
        Some(task) => Some(task.await),
        None => None,
    }
}
