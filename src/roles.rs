//! The two roles over the ports of either engine, put together in one way: for
//! `up`, `up --distributed`, `demo`, `ingest` and `processor`.

use crate::config::Config;
use crate::process::{Background, RoleRuntime};
use anyhow::Context;
use futures_util::future::BoxFuture;
use sluice_catalogue::directory::{Directory, Refresher};
use sluice_catalogue::sealing::SealedCatalogue;
use sluice_ingest::{AdminTokens, BoundIngest, EndpointBreaker, IngestParts, WorkedShard};
use sluice_model::SubscriptionId;
use sluice_ports::{Checkpoints, EventStore, Idempotency, Log, LostDependency, Rates, Rows, WorkQueue};
use sluice_processor::breaker::BreakerState;
use sluice_processor::health::ShardStatus;
use sluice_processor::{Processor, ProcessorPorts};
use sluice_telemetry::emf::{EmfLines, EmfOutput, EmfRole, RoleFacts};
use sluice_telemetry::{PrometheusHandle, TelemetryConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Lists the dependencies that are lost now.
pub(crate) type Lost = Arc<dyn Fn() -> Vec<LostDependency> + Send + Sync>;

/// The parts of every process, whatever its roles: its copy of the catalogue, its
/// metrics, and the tasks that keep both up to date.
pub(crate) struct Foundation {
    pub(crate) sealed: Arc<SealedCatalogue>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) background: Background,
}

impl Foundation {
    /// Starts the tasks that keep the directory and the metrics.
    pub(crate) fn new(
        metrics: PrometheusHandle,
        sealed: Arc<SealedCatalogue>,
        (directory, refresher): (Arc<Directory>, Refresher),
    ) -> Self {
        let mut background = Background::default();
        background.spawn(|stop| refresher.run(stop));
        let kept = metrics.clone();
        background.spawn(|stop| sluice_telemetry::keep_up(kept, stop));
        Self { sealed, directory, metrics, background }
    }
}

impl Foundation {
    /// Writes a role's metrics for CloudWatch, if the configuration asks for them.
    pub(crate) fn write_emf(
        &mut self,
        telemetry: &TelemetryConfig,
        role: EmfRole,
        facts: impl Fn() -> RoleFacts + Send + 'static,
    ) {
        if !telemetry.emf {
            return;
        }
        let metrics = self.metrics.clone();
        let output = EmfOutput {
            lines: EmfLines::new(telemetry.emf_namespace.clone(), role),
            interval: Duration::from_secs(telemetry.emf_interval_s),
            render: move || metrics.render(),
            facts,
        };
        self.background.spawn(|stop| output.run(stop));
    }

    /// [`Self::write_emf`] for the ingest role.
    pub(crate) fn write_ingest_emf(&mut self, telemetry: &TelemetryConfig, bound: &BoundIngest) {
        let is_ready = bound.readiness();
        self.write_emf(telemetry, EmfRole::Ingest, move || RoleFacts { is_ready: is_ready(), shards: 0 });
    }
}

/// The stores of an engine, which both roles read and write.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) rows: Arc<dyn Rows>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    /// The lanes of the deployment.
    pub(crate) lanes: u16,
    /// The most raw bytes of a record that the log takes.
    pub(crate) record_bytes_max: usize,
    /// Which process this is; see [`ProcessorPorts::instance`].
    pub(crate) instance: u64,
}

/// The ports of an engine that only the ingest role uses.
pub(crate) struct IngestPorts {
    pub(crate) idempotency: Arc<dyn Idempotency>,
    pub(crate) rates: Arc<dyn Rates>,
    pub(crate) lost: Lost,
    pub(crate) admin_tokens: Arc<AdminTokens>,
}

/// Makes a processor over the stores, which does not run yet.
pub(crate) fn processor(
    config: &Config,
    foundation: &Foundation,
    stores: &Stores,
) -> anyhow::Result<Processor> {
    let stores = stores.clone();
    let ports = ProcessorPorts {
        log: stores.log,
        events: stores.events,
        queue: stores.queue,
        checkpoints: stores.checkpoints,
        catalogue: foundation.sealed.clone(),
        directory: foundation.directory.clone(),
        rows: stores.rows,
        lanes: stores.lanes,
        instance: stores.instance,
    };
    Processor::new(ports, config.processor.clone()).context("start the processor")
}

/// Makes an ingest role that listens but does not serve yet. `probe` sends the test
/// events that customers ask for.
pub(crate) fn bind_ingest(
    config: &Config,
    foundation: &Foundation,
    stores: &Stores,
    ports: IngestPorts,
    probe: &Processor,
) -> anyhow::Result<BoundIngest> {
    let (stores, metrics) = (stores.clone(), foundation.metrics.clone());
    let mut settings = config.ingest.clone();
    settings.transform = config.processor.transform;
    settings.lanes.record_bytes_max = settings.lanes.record_bytes_max.min(stores.record_bytes_max);
    let parts = IngestParts {
        directory: foundation.directory.clone(),
        log: stores.log,
        events: stores.events,
        queue: stores.queue,
        idempotency: ports.idempotency,
        rates: ports.rates,
        lost: Box::new(move || (ports.lost)()),
        rows: stores.rows,
        probe: probe.probe(),
        shards: Box::new(worked_shards(probe.clone())),
        breakers: Box::new(breakers(probe.clone())),
        lanes: stores.lanes,
        admin_tokens: ports.admin_tokens,
        config: settings,
        render_metrics: Box::new(move || metrics.render()),
    };
    BoundIngest::bind(parts).context("listen")
}

fn worked_shards(processor: Processor) -> impl Fn() -> Vec<WorkedShard> + Send + Sync {
    move || {
        let worked = |shard: ShardStatus| WorkedShard {
            shard: shard.shard,
            running: shard.running,
            restarts: shard.restarts,
            lag_ms: shard.lag_ms,
            unsettled_events: shard.unsettled_events,
            progress_ms: shard.progress_ms,
        };
        processor.status().shards.into_iter().map(worked).collect()
    }
}

fn breakers(processor: Processor) -> impl Fn(SubscriptionId) -> Option<EndpointBreaker> + Send + Sync {
    move |subscription| {
        Some(match processor.breaker_of(subscription)? {
            BreakerState::Closed => EndpointBreaker::Closed,
            BreakerState::Open { until_ms } => EndpointBreaker::Open { until_ms },
            BreakerState::HalfOpen => EndpointBreaker::HalfOpen,
        })
    }
}

/// A running role, which drains and ends when its token is cancelled.
pub(crate) struct RunningRole {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    /// Cancelled when the role ended without being told to.
    failed: CancellationToken,
}

impl RunningRole {
    /// Runs a role on a runtime. `failed` is cancelled if it ends by itself.
    pub(crate) fn start(
        name: &'static str,
        runtime: &Handle,
        failed: CancellationToken,
        role: impl FnOnce(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>,
    ) -> Self {
        let stop = CancellationToken::new();
        let (running, told, by_itself) = (role(stop.clone()), stop.clone(), failed.clone());
        let task = runtime.spawn(async move {
            let ended = running.await;
            if !told.is_cancelled() {
                tracing::error!(role = name, error = ?ended.as_ref().err(), "a role ended by itself");
                by_itself.cancel();
            }
            ended
        });
        Self { name, stop, task, failed }
    }

    /// Tells the role to end, and waits until it has drained.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let Self { name, task, failed, .. } = self;
        task.await.with_context(|| format!("the task of the {name} role"))??;
        anyhow::ensure!(!failed.is_cancelled(), "the {name} role ended by itself; see the log");
        Ok(())
    }
}

/// Runs the ingest role.
pub(crate) fn run_ingest(bound: BoundIngest, failed: CancellationToken) -> RunningRole {
    RunningRole::start("ingest", &Handle::current(), failed, |stop| {
        Box::pin(async move {
            bound.run(stop).await;
            Ok(())
        })
    })
}

/// Both roles in one process.
pub(crate) struct BothRoles {
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: SocketAddr,
    pub(crate) processor: Processor,
    ingest: RunningRole,
    processing: RunningRole,
    runtime: RoleRuntime,
    failed: CancellationToken,
}

impl BothRoles {
    /// Starts both roles. `work` runs the processor, on threads of its own, until its token is cancelled.
    pub(crate) fn start(
        config: &Config,
        bound: BoundIngest,
        processor: Processor,
        work: impl FnOnce(Processor, CancellationToken) -> BoxFuture<'static, anyhow::Result<()>>,
    ) -> anyhow::Result<Self> {
        let failed = CancellationToken::new();
        let runtime = RoleRuntime::start("processor", config.processor_threads)?;
        let (url, address, admin_address) =
            (bound.public_url(), bound.public_address(), bound.admin_address());
        processor.tell_through(bound.product_events());
        let ingest = run_ingest(bound, failed.clone());
        let worked = processor.clone();
        let processing =
            RunningRole::start("processor", runtime.handle(), failed.clone(), |stop| work(worked, stop));
        Ok(Self { url, address, admin_address, processor, ingest, processing, runtime, failed })
    }

    /// Returns when a role ended by itself; the process must then end.
    pub(crate) async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Ends both: deliveries go on until the ingest role has answered its last request.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let served = self.ingest.stop().await;
        let worked = self.processing.stop().await;
        drop(self.runtime);
        served.and(worked)
    }
}
