//! The embedded engine: every port on one machine, in one data directory.
//!
//! ```text
//! lock, format, format.copy   see `data_dir`
//! log/shard-<n>/              events: `segment`, `frame`, `bounds`, `wire::record`, `log_index`
//! state/ledger/               everything small that changes: `kv`
//! state/cache/, flushed       an LSM tree, a cache of the ledger
//! catalogue.db …              customers, keys, subscriptions: `catalogue`
//! ```

mod bounds;
pub mod catalogue;
mod checkpoints;
mod config;
pub mod data_dir;
mod durable_file;
mod events;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod idempotency;
mod keys;
mod kv;
mod log;
mod log_index;
mod page_file;
mod queue;
mod retention;
mod rows;
mod segment;
mod segment_prepare;
mod segment_writer;
mod segments;
#[cfg(test)]
mod tests;

pub use checkpoints::EmbeddedCheckpoints;
pub use config::EngineConfig;
pub use data_dir::{DataDir, DataDirError};
pub use events::EmbeddedEvents;
pub use idempotency::EmbeddedIdempotency;
pub use kv::KvSettings;
pub use log::{EmbeddedLog, LogSettings};
pub use queue::EmbeddedQueue;
pub use retention::RetentionSettings;
pub use rows::EmbeddedRows;

use events::Horizon;
use kv::Kv;
use parking_lot::Mutex;
use sluice_model::clock;
use sluice_ports::PortError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How the engine is laid out and bounded.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Lanes of a new deployment.
    pub lanes: u16,
    /// Log shards of a new deployment.
    pub shards: u16,
    /// The log.
    pub log: LogSettings,
    /// The state store.
    pub kv: KvSettings,
    /// What is kept, and for how long.
    pub retention: RetentionSettings,
    /// How long idempotency keys are kept.
    pub idempotency_keep: Duration,
    /// How many keyed requests may be in flight.
    pub idempotency_pending_max: usize,
    /// A key whose request has not ended after this long is settled by what the log holds.
    pub idempotency_overdue: Duration,
}

/// Why the engine does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory is not usable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The disk failed.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] std::io::Error),
    /// What is stored cannot be used.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The engine's ports, open.
pub struct EmbeddedEngine {
    /// Its data directory, locked as long as the engine lives.
    pub data_dir: DataDir,
    /// The log.
    pub log: Arc<EmbeddedLog>,
    /// How far each shard is settled.
    pub checkpoints: Arc<EmbeddedCheckpoints>,
    /// The event store.
    pub events: Arc<EmbeddedEvents>,
    /// The work queue.
    pub queue: Arc<EmbeddedQueue>,
    /// Idempotency keys.
    pub idempotency: Arc<EmbeddedIdempotency>,
    /// Small durable rows.
    pub rows: Arc<EmbeddedRows>,
    kv: Arc<Kv>,
    retention: RetentionSettings,
    idempotency_overdue: Duration,
    /// Up to where what is known of deleted events was deleted.
    expired: Mutex<Option<Horizon>>,
    findings: Vec<String>,
}

impl EmbeddedEngine {
    /// Opens or makes the engine in `path` and recovers what a crash left.
    ///
    /// # Errors
    /// If the directory is in use, of another format, unreadable or damaged
    /// beyond what can be recovered.
    pub async fn open(path: &Path, settings: EngineSettings) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            match Self::open_blocking(&path, settings.clone()) {
                // Its cache is marked as damaged now and made anew from the ledger.
                Err(OpenError::Port(PortError::Damaged { what, detail })) => {
                    tracing::error!(what, detail, "the state cannot be read; opening it once more");
                    Self::open_blocking(&path, settings)
                }
                opened => opened,
            }
        });
        let (engine, claims) = opened
            .await
            .map_err(|error| OpenError::Io("open the engine", std::io::Error::other(error)))??;
        engine.idempotency.store(claims).await?;
        Ok(engine)
    }

    fn open_blocking(
        path: &Path,
        settings: EngineSettings,
    ) -> Result<(Self, idempotency::Recovered), OpenError> {
        let data_dir = DataDir::open(path, settings.lanes, settings.shards)?;
        let kv = Kv::open(&data_dir.join("state"), &settings.kv)
            .map_err(|e| OpenError::Io("open the state", e))?;
        let kv = Arc::new(kv);
        let beyond: Vec<u64> = (0..data_dir.shards)
            .map(|n| {
                let shard = log::shard_id(n);
                let settled = checkpoints::read_checkpoint(kv.view(), &shard)?.lsn();
                Ok(settled.max(idempotency::read_progress(kv.view(), &shard)?))
            })
            .collect::<Result<_, PortError>>()?;
        let log = EmbeddedLog::open(&data_dir.join("log"), data_dir.shards, &settings.log, &beyond)
            .map_err(|error| OpenError::Io("open the log", error))?;
        let log = Arc::new(log);
        let checkpoints = Arc::new(EmbeddedCheckpoints::open(&log, kv.clone())?);
        let events = Arc::new(EmbeddedEvents::open(log.clone(), kv.clone(), checkpoints.clone())?);
        let queue = Arc::new(EmbeddedQueue::open(kv.clone())?);
        let rows = Arc::new(EmbeddedRows::open(kv.clone())?);
        let (idempotency, claims) = EmbeddedIdempotency::open(
            kv.clone(),
            log.clone(),
            settings.idempotency_keep,
            settings.idempotency_pending_max,
        )?;
        let idempotency = Arc::new(idempotency);
        let findings =
            data_dir.findings().iter().chain(kv.findings()).chain(log.findings()).cloned().collect();
        let (retention, expired) = (settings.retention, Mutex::new(None));
        let idempotency_overdue = settings.idempotency_overdue;
        let engine = Self {
            data_dir,
            log,
            checkpoints,
            events,
            queue,
            idempotency,
            rows,
            kv,
            retention,
            idempotency_overdue,
            expired,
            findings,
        };
        Ok((engine, claims))
    }

    /// What was found damaged when the engine was opened, each with its place.
    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Keeps the engine's house until told to stop: retention, expiry, compaction.
    pub async fn maintain(&self, shutdown: CancellationToken) {
        const TICK: Duration = Duration::from_secs(1);
        const HOURLY: u32 = 3600;
        let mut ticks = 0u32;
        while shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
            if let Err(error) = self.idempotency.settle_overdue(self.idempotency_overdue).await {
                tracing::warn!(%error, "idempotency keys of unknown outcome stay claimed");
            }
            if let Err(error) = self.idempotency.save_progress().await {
                tracing::warn!(%error, "the progress of idempotency claims was not saved");
            }
            if ticks.is_multiple_of(10) {
                self.enforce_retention().await;
            }
            if ticks % HOURLY == HOURLY - 1
                && let Err(error) = self.idempotency.expire(clock::now_ms()).await
            {
                tracing::warn!(%error, "old idempotency keys were not deleted");
            }
            if ticks % HOURLY == HOURLY - 1
                && let Err(error) = self.rows.expire(clock::now_ms()).await
            {
                tracing::warn!(%error, "old rows were not deleted");
            }
            ticks = ticks.wrapping_add(1);
        }
    }

    async fn enforce_retention(&self) {
        if let Err(error) = retention::enforce(self, &self.retention, clock::now_ms()).await {
            tracing::warn!(%error, "retention was not enforced");
        }
        if let Err(error) = self.kv.compact().await {
            tracing::warn!(%error, "the state ledger was not compacted");
        }
    }

    /// Deletes what is known of events below a horizon, if that has moved.
    async fn expire_below(&self, horizon: Horizon) -> Result<(), PortError> {
        if self.expired.lock().as_ref() == Some(&horizon) {
            return Ok(());
        }
        let letters = self.events.expire(&horizon).await?;
        if letters > 0 {
            tracing::warn!(letters, "dead letters expired with their events");
        }
        *self.expired.lock() = Some(horizon);
        Ok(())
    }

    /// Ends the writers after what they were given is on disk. Other handles to
    /// the ports answer `Closed` from then on.
    pub async fn close(&self) {
        let (kv, log) = (self.kv.clone(), self.log.clone());
        let ended = tokio::task::spawn_blocking(move || {
            kv.close();
            log.close();
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the engine did not close cleanly");
        }
    }
}
