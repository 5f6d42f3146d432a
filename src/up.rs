//! `sluice up`: both roles in one process on the embedded engine.

use crate::admin_token::AdminTokenSource;
use crate::cli::Purpose;
use crate::config::Config;
use crate::development;
use crate::output::{complain, say};
use crate::process::stop_signal;
use crate::queue_depths::{self, KnowsAge, QueueSample, QueueSamples};
use crate::roles::{self, BothRoles, Foundation, IngestPorts, Stores};
use crate::waiting_room::WaitingRoom;
use anyhow::Context;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_catalogue::sealing::{SealedCatalogue, Sealer};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EmbeddedEvents, EmbeddedQueue};
use sluice_ports::{EventStore as _, PortError, WorkQueue as _};
use sluice_telemetry::emf::{EmfRole, RoleFacts};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Runs until told to stop.
pub(crate) async fn run(config: &Config, purpose: Purpose) -> anyhow::Result<()> {
    let stop = stop_signal(config)?;
    #[cfg(feature = "otel")]
    let exporter = crate::otlp::Exporter::start(&config.telemetry)?;
    let sluice = Sluice::start(config, purpose).await?;
    if let Purpose::Development = purpose {
        complain(&development::introduction(&sluice.roles.url, sluice.admin_address()));
    }
    tracing::info!(public = %sluice.address(), admin = %sluice.admin_address(), "listening");
    say!("ready {}", sluice.roles.url)?;
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
    pub(crate) async fn start(config: &Config, purpose: Purpose) -> anyhow::Result<Self> {
        let metrics = sluice_telemetry::start_metrics()?;
        let waiting = WaitingRoom::open(&config.ingest_addresses()).await?;
        let data_dir = &config.data_dir;
        waiting.waits_for(format!("opening and recovering {}", data_dir.display()));
        let opened = EmbeddedEngine::open(data_dir, config.engine.settings()).await;
        let engine = Arc::new(opened.with_context(|| format!("open {}", data_dir.display()))?);
        let tokens = AdminTokenSource::load(config, Some(data_dir))?;
        let admin_tokens = tokens.tokens();
        let catalogue = Arc::new(SqliteCatalogue::open(data_dir).await?);
        let sealer = Sealer::load(&config.secrets)?;
        let sealed = Arc::new(SealedCatalogue::open(catalogue.clone(), sealer).await?);
        let loaded = Directory::load(sealed.clone(), DirectorySettings::default()).await;
        let mut foundation = Foundation::new(metrics, sealed, loaded.context("load the catalogue")?);
        let kept = engine.clone();
        foundation.background.spawn(|stop| async move { kept.maintain(stop).await });
        foundation.background.spawn(|stop| tokens.watch(stop));
        let (measured, every) = (engine.clone(), Duration::from_secs(config.telemetry.queue_sample_s));
        let sample = move || queue_samples(measured.clone());
        foundation.background.spawn(move |stop| queue_depths::measure(every, KnowsAge::Yes, sample, stop));

        match purpose {
            Purpose::Development => development::open(&foundation.directory).await?,
            Purpose::Service => development::close(&foundation.directory).await?,
        }

        let stores = stores(&engine);
        let asked = engine.clone();
        let ports = IngestPorts {
            idempotency: engine.idempotency.clone(),
            rates: Arc::new(LocalRates::new(foundation.directory.clone())),
            lost: Arc::new(move || asked.lost()),
            admin_tokens,
        };
        let processor = roles::processor(config, &foundation, &stores)?;
        waiting.close().await;
        let bound = roles::bind_ingest(config, &foundation, &stores, ports, &processor)?;
        foundation.write_ingest_emf(&config.telemetry, &bound);
        let told = processor.clone();
        foundation.write_emf(&config.telemetry, EmfRole::Processor, move || {
            let status = told.status();
            RoleFacts { is_ready: status.ready, shards: status.shards.len() }
        });
        let roles = BothRoles::start(config, bound, processor, |processor, stop| {
            Box::pin(async move { processor.run(stop).await.context("the processor") })
        })?;
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

    /// The number of (event, subscription) pairs that were matched and are not settled yet.
    pub(crate) fn unsettled(&self) -> u64 {
        self.roles.processor.status().shards.iter().map(|shard| shard.unsettled_events).sum()
    }

    /// Returns when a role ended by itself; the process must then end.
    pub(crate) async fn failed(&self) {
        self.roles.failed().await;
    }

    /// Drains: ends requests first, then deliveries, then writes everything to disk.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let drained = self.roles.stop().await;
        self.foundation.background.end().await?;
        self.catalogue.close().await.context("close the catalogue")?;
        self.engine.close().await;
        drained
    }
}

/// The exact contents of the engine's queues.
async fn queue_samples(engine: Arc<EmbeddedEngine>) -> Result<QueueSamples, PortError> {
    let (queue, events) = (&engine.queue, &engine.events);
    let deliveries = QueueSample { depth: queue.total().deliveries, oldest_ms: queue.oldest_event_ms() };
    let oldest_ms = events.oldest_dead_letter_ms().await?;
    Ok(QueueSamples {
        deliveries,
        dead_letters: QueueSample { depth: events.dead_letter_count(), oldest_ms },
    })
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
