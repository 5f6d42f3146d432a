//! All roles in one process on the embedded engine: open, bind, run, drain.

use crate::admin_token;
use crate::config::Config;
use anyhow::Context;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_catalogue::sealing::{SealedCatalogue, Sealer};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EmbeddedEvents, EmbeddedQueue};
use sluice_ingest::{BoundEdge, EdgeParts};
use sluice_processor::{Processor, ProcessorPorts};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs a command's future on a runtime of the configured size.
pub(crate) fn block_on(
    config: &Config,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    sluice_telemetry::start_logs(&config.telemetry).context("start logs")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.threads > 0 {
        runtime.worker_threads(config.threads);
    }
    runtime.enable_all().build().context("start the runtime")?.block_on(work)
}

/// Two providers may be linked; rustls panics unless one is named.
pub(crate) fn install_tls_provider() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_installed| anyhow::anyhow!("a TLS provider is already installed"))
}

/// `sluice up`.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn up(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    #[cfg(feature = "otel")]
    let exporter = crate::otlp::Exporter::start(&config.telemetry)?;
    let sluice = Sluice::start(config).await?;
    tracing::info!(public = %sluice.address, admin = %sluice.admin_address, "listening");
    println!("ready {}", sluice.url);
    // Cancel safe: both are waits.
    tokio::select! {
        () = stop.cancelled() => tracing::info!("draining"),
        () = sluice.failed() => {}
    }
    let stopped = sluice.stop().await;
    #[cfg(feature = "otel")]
    exporter.stop().await;
    stopped
}

/// Cancelled by SIGTERM or SIGINT.
pub(crate) fn stop_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

/// A running Sluice.
pub(crate) struct Sluice {
    engine: Arc<EmbeddedEngine>,
    catalogue: Arc<SqliteCatalogue>,
    directory: Arc<Directory>,
    /// Where customers connect.
    url: String,
    address: SocketAddr,
    admin_address: SocketAddr,
    /// Ends the edge; the rest goes on until what it took is safe.
    edge_stop: CancellationToken,
    edge: JoinHandle<()>,
    /// Ends the processor.
    processor_stop: CancellationToken,
    processor: Processor,
    processor_task: JoinHandle<()>,
    /// Ends what serves both.
    background_stop: CancellationToken,
    background: Vec<JoinHandle<()>>,
    failed: CancellationToken,
}

impl Sluice {
    /// Opens the engine, recovers, binds and runs every role.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let metrics = sluice_telemetry::start_metrics()?;
        let data_dir = &config.data_dir;
        let opened = EmbeddedEngine::open(data_dir, config.engine.settings()).await;
        let engine = Arc::new(opened.with_context(|| format!("open {}", data_dir.display()))?);
        let admin_token = admin_token::load_or_make(config.admin_token.as_deref(), data_dir)?;
        let catalogue = Arc::new(SqliteCatalogue::open(data_dir).await?);
        let settings = DirectorySettings {
            request_events_max: config.edge.limits.request_events_max,
            ..DirectorySettings::default()
        };
        let sealer = Sealer::load(&config.secrets)?;
        let sealed = Arc::new(SealedCatalogue::open(catalogue.clone(), sealer).await?);
        let (directory, refresher) =
            Directory::load(sealed.clone(), settings).await.context("load the catalogue")?;

        let background_stop = CancellationToken::new();
        let mut background = vec![
            tokio::spawn(refresher.run(background_stop.clone())),
            tokio::spawn(sluice_telemetry::keep_up(metrics.clone(), background_stop.clone())),
        ];
        let (kept, stop) = (engine.clone(), background_stop.clone());
        background.push(tokio::spawn(async move { kept.maintain(stop).await }));

        let processor = Processor::new(
            ProcessorPorts {
                log: engine.log.clone(),
                events: engine.events.clone(),
                checkpoints: engine.checkpoints.clone(),
                queue: engine.queue.clone(),
                catalogue: sealed,
                directory: directory.clone(),
                rows: engine.rows.clone(),
                lanes: engine.data_dir.lanes,
                instance: 0,
            },
            config.processor.clone(),
        )
        .context("start the processor")?;
        let parts = EdgeParts {
            directory: directory.clone(),
            log: engine.log.clone(),
            events: engine.events.clone(),
            queue: engine.queue.clone(),
            idempotency: engine.idempotency.clone(),
            rates: Arc::new(LocalRates::new(directory.clone())),
            lost: Box::new(Vec::new),
            rows: engine.rows.clone(),
            probe: processor.probe(),
            lanes: engine.data_dir.lanes,
            admin_token,
            config: config.edge.clone(),
            render_metrics: Box::new(move || metrics.render()),
        };
        let bound = BoundEdge::bind(parts).context("listen")?;
        let (address, admin_address) = (bound.public_address(), bound.admin_address());
        let url = bound.public_url();

        let failed = CancellationToken::new();
        let (edge_stop, processor_stop) = (CancellationToken::new(), CancellationToken::new());
        let edge = tokio::spawn(run_edge(bound, edge_stop.clone(), failed.clone()));
        let processor_task =
            tokio::spawn(run_processor(processor.clone(), processor_stop.clone(), failed.clone()));
        Ok(Self {
            engine,
            catalogue,
            directory,
            url,
            address,
            admin_address,
            edge_stop,
            edge,
            processor_stop,
            processor,
            processor_task,
            background_stop,
            background,
            failed,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    pub(crate) const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) fn events(&self) -> &EmbeddedEvents {
        &self.engine.events
    }

    pub(crate) fn queue(&self) -> &EmbeddedQueue {
        &self.engine.queue
    }

    /// (Event × subscription) that were matched and are not settled yet.
    pub(crate) fn unsettled(&self) -> u64 {
        self.processor.status().shards.iter().map(|shard| shard.unsettled_events).sum()
    }

    /// Returns when a role ended by itself: the process is of no more use.
    pub(crate) async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Drains: no more requests, then no more deliveries, then everything on disk.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.edge_stop.cancel();
        self.edge.await.context("the edge's task")?;
        self.processor_stop.cancel();
        self.processor_task.await.context("the processor's task")?;
        self.background_stop.cancel();
        for task in self.background {
            task.await.context("a background task")?;
        }
        self.catalogue.close().await.context("close the catalogue")?;
        self.engine.close().await;
        anyhow::ensure!(!self.failed.is_cancelled(), "a role ended by itself; see the log");
        Ok(())
    }
}

async fn run_processor(processor: Processor, stop: CancellationToken, failed: CancellationToken) {
    if let Err(error) = processor.run(stop).await {
        tracing::error!(%error, "the processor ended by itself");
        failed.cancel();
    }
}

pub(crate) async fn run_edge(bound: BoundEdge, stop: CancellationToken, failed: CancellationToken) {
    bound.run(stop.clone()).await;
    if !stop.is_cancelled() {
        tracing::error!("the edge ended by itself");
        failed.cancel();
    }
}
