//! The state of the processor's tasks, for readiness: the tasks write it, anyone reads it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The state of one shard's task.
#[derive(Debug)]
pub(crate) struct ShardHealth {
    running: AtomicBool,
    restarts: AtomicU64,
    lag_ms: AtomicU64,
    /// Since when the shard's log is unknown, because the shard is not worked.
    blind_since_ms: AtomicU64,
    unsettled_events: AtomicU64,
    progress_ms: AtomicU64,
}

/// The state of a shard's task at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStatus {
    /// The shard.
    pub shard: String,
    /// Whether its task runs.
    pub running: bool,
    /// How often its task was restarted.
    pub restarts: u64,
    /// How far matching lags behind acceptance, in milliseconds.
    pub lag_ms: u64,
    /// Unsettled (event × subscription).
    pub unsettled_events: u64,
    /// When the shard last settled something or had nothing to settle, in milliseconds since the
    /// Unix epoch.
    pub progress_ms: u64,
}

impl ShardHealth {
    /// The health of a shard that this process owns from now on.
    pub(crate) fn granted(now_ms: u64) -> Self {
        Self {
            running: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
            blind_since_ms: AtomicU64::new(now_ms),
            unsettled_events: AtomicU64::new(0),
            progress_ms: AtomicU64::new(0),
        }
    }

    /// Since when the log of a shard is unknown, for a task that begins.
    pub(crate) fn blind_since_ms(&self) -> u64 {
        self.blind_since_ms.load(Relaxed)
    }

    pub(crate) fn started(&self, now_ms: u64) {
        self.running.store(true, Relaxed);
        self.progress_ms.store(now_ms, Relaxed);
    }

    pub(crate) fn stopped(&self) {
        self.running.store(false, Relaxed);
    }

    /// Notes that the task ended and is started again: its lag continues.
    pub(crate) fn restarted(&self, now_ms: u64) {
        if self.running.swap(false, Relaxed) {
            self.blind_since_ms.store(now_ms.saturating_sub(self.lag_ms.load(Relaxed)), Relaxed);
        }
        self.restarts.fetch_add(1, Relaxed);
    }

    /// The lag of a shard whose task is not running yet.
    pub(crate) fn blind_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.blind_since_ms())
    }

    pub(crate) fn progressed(&self, now_ms: u64) {
        self.progress_ms.store(now_ms, Relaxed);
    }

    pub(crate) fn observe(&self, lag_ms: u64, unsettled_events: usize) {
        self.lag_ms.store(lag_ms, Relaxed);
        self.unsettled_events.store(unsettled_events as u64, Relaxed);
    }

    pub(crate) fn status(&self, shard: &str) -> ShardStatus {
        ShardStatus {
            shard: shard.to_owned(),
            running: self.running.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            lag_ms: self.lag_ms.load(Relaxed),
            unsettled_events: self.unsettled_events.load(Relaxed),
            progress_ms: self.progress_ms.load(Relaxed),
        }
    }
}

/// The state of the queue's worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerHealth {
    running: AtomicBool,
}

impl WorkerHealth {
    pub(crate) fn started(&self) {
        self.running.store(true, Relaxed);
    }

    pub(crate) fn stopped(&self) {
        self.running.store(false, Relaxed);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Relaxed)
    }
}

/// The state of the whole processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorStatus {
    /// Every shard.
    pub shards: Vec<ShardStatus>,
    /// Whether the queue's worker runs.
    pub worker_running: bool,
    /// Whether all tasks run and every shard made progress recently.
    pub ready: bool,
}
