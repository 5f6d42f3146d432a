//! `sluice up`: both roles in one process on the embedded engine.

use crate::admin_token;
use crate::config::Config;
use crate::process::stop_signal;
use crate::roles::{self, BothRoles, Foundation, IngestPorts, Stores};
use crate::waiting_room::WaitingRoom;
use anyhow::Context;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_catalogue::sealing::{SealedCatalogue, Sealer};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EmbeddedEvents, EmbeddedQueue};
use std::net::SocketAddr;
use std::sync::Arc;

/// Runs until told to stop.
#[expect(clippy::print_stdout, reason = "scripts wait for this line")]
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    #[cfg(feature = "otel")]
    let exporter = crate::otlp::Exporter::start(&config.telemetry)?;
    let sluice = Sluice::start(config).await?;
    tracing::info!(public = %sluice.address(), admin = %sluice.admin_address(), "listening");
    println!("ready {}", sluice.roles.url);
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

/// A running Sluice on the embedded engine.
pub(crate) struct Sluice {
    engine: Arc<EmbeddedEngine>,
    catalogue: Arc<SqliteCatalogue>,
    foundation: Foundation,
    roles: BothRoles,
}

impl Sluice {
    /// Opens the engine, recovers, binds and runs both roles.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let metrics = sluice_telemetry::start_metrics()?;
        let waiting = WaitingRoom::open(&config.edge_addresses()).await?;
        let data_dir = &config.data_dir;
        waiting.waits_for(format!("opening and recovering {}", data_dir.display()));
        let opened = EmbeddedEngine::open(data_dir, config.engine.settings()).await;
        let engine = Arc::new(opened.with_context(|| format!("open {}", data_dir.display()))?);
        let admin_token = admin_token::load_or_make(config.admin_token.as_deref(), data_dir)?;
        let catalogue = Arc::new(SqliteCatalogue::open(data_dir).await?);
        let sealer = Sealer::load(&config.secrets)?;
        let sealed = Arc::new(SealedCatalogue::open(catalogue.clone(), sealer).await?);
        let loaded = Directory::load(sealed.clone(), DirectorySettings::default()).await;
        let mut foundation = Foundation::new(metrics, sealed, loaded.context("load the catalogue")?);
        let kept = engine.clone();
        foundation.background.spawn(|stop| async move { kept.maintain(stop).await });

        let stores = stores(&engine);
        let asked = engine.clone();
        let ports = IngestPorts {
            idempotency: engine.idempotency.clone(),
            rates: Arc::new(LocalRates::new(foundation.directory.clone())),
            lost: Arc::new(move || asked.lost()),
            admin_token,
        };
        let processor = roles::processor(config, &foundation, &stores)?;
        waiting.close().await;
        let bound = roles::bind_ingest(config, &foundation, &stores, ports, &processor)?;
        let roles = BothRoles::start(bound, processor, |processor, stop| {
            Box::pin(async move { processor.run(stop).await.context("the processor") })
        });
        Ok(Self { engine, catalogue, foundation, roles })
    }

    /// Where customers connect.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.roles.address
    }

    /// Where operators connect.
    pub(crate) const fn admin_address(&self) -> SocketAddr {
        self.roles.admin_address
    }

    pub(crate) const fn directory(&self) -> &Arc<Directory> {
        &self.foundation.directory
    }

    pub(crate) fn events(&self) -> &EmbeddedEvents {
        &self.engine.events
    }

    pub(crate) fn queue(&self) -> &EmbeddedQueue {
        &self.engine.queue
    }

    /// The number of (event × subscription) that were matched and are not settled yet.
    pub(crate) fn unsettled(&self) -> u64 {
        self.roles.processor.status().shards.iter().map(|shard| shard.unsettled_events).sum()
    }

    /// Returns when a role ended by itself: the process is of no more use.
    pub(crate) async fn failed(&self) {
        self.roles.failed().await;
    }

    /// Drains: no more requests, then no more deliveries, then everything is on disk.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let drained = self.roles.stop().await;
        self.foundation.background.end().await?;
        self.catalogue.close().await.context("close the catalogue")?;
        self.engine.close().await;
        drained
    }
}

fn stores(engine: &EmbeddedEngine) -> Stores {
    Stores {
        log: engine.log.clone(),
        events: engine.events.clone(),
        queue: engine.queue.clone(),
        rows: engine.rows.clone(),
        checkpoints: engine.checkpoints.clone(),
        lanes: engine.data_dir.lanes,
        record_bytes_max: usize::MAX,
        instance: 0,
    }
}
