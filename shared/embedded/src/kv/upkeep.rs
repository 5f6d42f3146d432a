//! A thread that keeps replays short: it flushes the state cache to its tables
//! once enough has been written, and merges the tables.

use super::cache::Cache;
use super::flushed::Flushed;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The time between two attempts to flush.
const RETRY: Duration = Duration::from_secs(1);
/// Unflushed bytes at which changes wait, in units of `flush_bytes`.
const WAIT_AT: u64 = 4;
/// Merges in a row before the next flush gets its turn.
const MERGES_MAX: usize = 16;

#[derive(Default)]
struct UpkeepState {
    /// All changes below this LSN are in the tables.
    flushed: u64,
    /// All changes below this LSN are applied to the cache and must be flushed.
    wanted: u64,
    /// Why the last flush failed, until a flush succeeds.
    failing: Option<String>,
    stopped: bool,
}

/// Shared by the ledger's thread and the thread of upkeep.
pub(super) struct Upkeep {
    cache: Arc<Cache>,
    path: PathBuf,
    flush_bytes: u64,
    state: Mutex<UpkeepState>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Upkeep {
    /// `path` is the file of [`Flushed`]; `flushed` is the LSN in it.
    pub(super) fn new(cache: Arc<Cache>, path: PathBuf, flush_bytes: u64, flushed: u64) -> Self {
        let state = Mutex::new(UpkeepState { flushed, wanted: flushed, failing: None, stopped: false });
        Self { cache, path, flush_bytes, state, changed: Condvar::new(), thread: Mutex::new(None) }
    }

    pub(super) fn start(self: &Arc<Self>) -> io::Result<()> {
        let worker = self.clone();
        let thread = std::thread::Builder::new().name("sluice-state".into()).spawn(move || worker.run())?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    pub(super) fn flushed(&self) -> u64 {
        self.state.lock().flushed
    }

    /// Notes that all changes below `lsn` are applied. If the tables are far behind, this
    /// waits, so that memory is bounded. If the tables cannot be written, it calls `stuck`
    /// with the reason.
    pub(super) fn applied(&self, lsn: u64, stuck: impl Fn(&str)) {
        let mut state = self.state.lock();
        if lsn.saturating_sub(state.flushed.max(state.wanted)) >= self.flush_bytes {
            state.wanted = lsn;
            self.changed.notify_all();
        }
        while lsn.saturating_sub(state.flushed) >= WAIT_AT * self.flush_bytes && !state.stopped {
            if state.wanted < lsn {
                state.wanted = lsn;
                self.changed.notify_all();
            }
            if let Some(error) = &state.failing {
                stuck(error);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Ends the thread. From then on only the caller changes the cache.
    pub(super) fn stop(&self) {
        self.release();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the upkeep of the state cache ended in a panic");
        }
    }

    /// Ends all waits for the tables.
    pub(super) fn release(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    fn run(&self) {
        loop {
            let wanted = {
                let mut state = self.state.lock();
                while state.wanted <= state.flushed && !state.stopped {
                    self.changed.wait(&mut state);
                }
                if state.stopped {
                    return;
                }
                state.wanted
            };
            if let Err(error) = self.flush(wanted).and_then(|()| self.merge(wanted)) {
                let mut state = self.state.lock();
                if state.failing.is_none() {
                    tracing::warn!(%error, "the state cache was not flushed; trying again");
                }
                state.failing = Some(format!("the tables of the state cannot be written: {error}"));
                self.changed.notify_all();
                if !state.stopped {
                    self.changed.wait_for(&mut state, RETRY);
                }
            }
        }
    }

    /// Flushes if enough changes are applied. For the replay, before the thread starts.
    pub(super) fn flush_if_due(&self, lsn: u64) -> io::Result<()> {
        if lsn.saturating_sub(self.flushed()) < self.flush_bytes {
            return Ok(());
        }
        self.flush(lsn)?;
        self.merge(lsn)
    }

    /// Writes all changes below `lsn` into the tables. They must be applied.
    pub(super) fn flush(&self, lsn: u64) -> io::Result<()> {
        let proof = self.cache.flush().map_err(io::Error::other)?;
        Flushed { lsn, proof }.write(&self.path)?;
        let mut state = self.state.lock();
        (state.flushed, state.failing) = (lsn, None);
        self.changed.notify_all();
        Ok(())
    }

    fn merge(&self, lsn: u64) -> io::Result<()> {
        for _ in 0..MERGES_MAX {
            match self.cache.compact().map_err(io::Error::other)? {
                Some(proof) => Flushed { lsn, proof }.write(&self.path)?,
                None => break,
            }
        }
        Ok(())
    }
}
