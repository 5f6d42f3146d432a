//! The engine: opening all ports on one data directory, maintaining and closing them.

use super::checkpoints::{self, EmbeddedCheckpoints};
use super::clock::EngineClock;
use super::data_dir::{DataDir, DataDirError};
use super::events::EmbeddedEvents;
use super::idempotency::{self, EmbeddedIdempotency};
use super::kv::{Kv, KvSettings};
use super::log::{self, EmbeddedLog, LogSettings};
use super::queue::EmbeddedQueue;
use super::retention::{Retention, RetentionSettings};
use super::rows::EmbeddedRows;
use sluice_ports::{Log, LostDependency, PortError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The layout and the limits of the engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The number of lanes of a new deployment.
    pub lanes: u16,
    /// The number of log shards of a new deployment.
    pub shards: u16,
    /// The log.
    pub log: LogSettings,
    /// The state store.
    pub kv: KvSettings,
    /// How long events are kept.
    pub retention: RetentionSettings,
    /// How long idempotency keys are kept.
    pub idempotency_keep: Duration,
    /// How many requests with an idempotency key may be in flight.
    pub idempotency_pending_max: usize,
    /// The clock of expiry and retention.
    pub clock: EngineClock,
}

/// Why the engine cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenEngineError {
    /// The data directory is not usable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The disk failed.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] std::io::Error),
    /// Stored data cannot be used.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The open engine, with its ports.
pub struct EmbeddedEngine {
    /// The data directory, locked as long as the engine lives.
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
    pub(crate) kv: Arc<Kv>,
    retention: Retention,
    clock: EngineClock,
    findings: Vec<String>,
}

impl EmbeddedEngine {
    /// Opens or makes the engine in `path`, and recovers from a crash. The engine's threads
    /// get the priority of the thread that polls the future first.
    ///
    /// # Errors
    /// If the directory is in use, has another format, is unreadable, or is damaged beyond
    /// recovery.
    pub async fn open(path: &Path, settings: EngineSettings) -> Result<Self, OpenEngineError> {
        let path = path.to_owned();
        let open = move || {
            match Self::open_blocking(&path, settings.clone()) {
                // The damaged cache is marked now, so the second attempt makes it anew from the ledger.
                Err(OpenEngineError::Port(PortError::Damaged { attempted, detail })) => {
                    tracing::error!(attempted, detail, "the state cannot be read; opening it once more");
                    Self::open_blocking(&path, settings)
                }
                opened => opened,
            }
        };
        let (sender, opened) = tokio::sync::oneshot::channel();
        // A thread of the runtime's would hand its own priority on.
        let started = std::thread::Builder::new().name("sluice-open".into()).spawn(move || {
            // Nobody waits any longer if the caller has gone away.
            let _gone = sender.send(open());
        });
        let failed = |error| OpenEngineError::Io("open the engine", error);
        started.map_err(failed)?;
        let (engine, claims) = opened.await.map_err(|panicked| failed(io::Error::other(panicked)))??;
        engine.idempotency.store(claims).await?;
        Ok(engine)
    }

    fn open_blocking(
        path: &Path,
        settings: EngineSettings,
    ) -> Result<(Self, idempotency::RecoveredClaims), OpenEngineError> {
        let data_dir = DataDir::open(path, settings.lanes, settings.shards)?;
        let kv = Kv::open(&data_dir.join("state"), &settings.kv)
            .map_err(|e| OpenEngineError::Io("open the state", e))?;
        let kv = Arc::new(kv);
        let beyond: Vec<u64> = (0..data_dir.shards)
            .map(|n| {
                let shard = log::shard_id(n);
                let settled = checkpoints::read_checkpoint(kv.view(), &shard)?.lsn();
                Ok(settled.max(idempotency::read_progress(kv.view(), &shard)?))
            })
            .collect::<Result<_, PortError>>()?;
        let log = EmbeddedLog::open(&data_dir.join("log"), data_dir.shards, &settings.log, &beyond)
            .map_err(|error| OpenEngineError::Io("open the log", error))?;
        let log = Arc::new(log);
        let checkpoints = Arc::new(EmbeddedCheckpoints::open(&log, kv.clone())?);
        let events = Arc::new(EmbeddedEvents::open(
            log.clone(),
            kv.clone(),
            checkpoints.clone(),
            settings.clock.clone(),
            settings.retention.age,
        )?);
        let queue = Arc::new(EmbeddedQueue::open(kv.clone())?);
        let rows = Arc::new(EmbeddedRows::open(kv.clone(), settings.clock.clone())?);
        let (idempotency, claims) = EmbeddedIdempotency::open(
            kv.clone(),
            log.clone(),
            settings.idempotency_keep,
            settings.idempotency_pending_max,
        )?;
        let idempotency = Arc::new(idempotency);
        let findings =
            data_dir.findings().iter().chain(kv.findings()).chain(log.findings()).cloned().collect();
        let retention = Retention::new(
            log.clone(),
            checkpoints.clone(),
            events.clone(),
            queue.clone(),
            rows.clone(),
            settings.retention,
        );
        let clock = settings.clock;
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
            clock,
            findings,
        };
        Ok((engine, claims))
    }

    /// The damage that was found when the engine was opened, each with its place.
    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// The parts of the engine that accept nothing now, each with the reason, for readiness.
    #[must_use]
    pub fn lost(&self) -> Vec<LostDependency> {
        let lost = |name, reason| LostDependency { name, reason };
        let refused = self.log.accepting().err().map(|error| error.to_string());
        let log = refused.or_else(|| self.log.newer()).map(|reason| lost("log", reason));
        let state = self.kv.failing().map(|detail| lost("state", detail.to_string()));
        log.into_iter().chain(state).collect()
    }

    /// Enforces retention, deletes expired data and compacts the state, until
    /// `shutdown` is cancelled.
    pub async fn maintain(&self, shutdown: CancellationToken) {
        const TICK: Duration = Duration::from_secs(1);
        const HOURLY: u32 = 3600;
        let mut ticks = 0u32;
        while shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
            if let Err(error) = self.idempotency.tidy().await {
                tracing::warn!(%error, "idempotency keys were not tidied");
            }
            if ticks.is_multiple_of(10) {
                self.enforce_retention().await;
            }
            if ticks % HOURLY == HOURLY - 1
                && let Err(error) = self.idempotency.expire(self.clock.now_ms()).await
            {
                tracing::warn!(%error, "old idempotency keys were not deleted");
            }
            if ticks % HOURLY == HOURLY - 1
                && let Err(error) = self.rows.expire(self.clock.now_ms()).await
            {
                tracing::warn!(%error, "old rows were not deleted");
            }
            ticks = ticks.wrapping_add(1);
        }
    }

    pub(crate) async fn enforce_retention(&self) {
        if let Err(error) = self.retention.enforce(self.clock.now_ms()).await {
            tracing::warn!(%error, "retention was not enforced");
        }
        if let Err(error) = self.kv.compact().await {
            tracing::warn!(%error, "the state ledger was not compacted");
        }
    }

    /// Ends the threads after everything handed to them is on disk. From then on
    /// the ports answer `Closed`.
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
