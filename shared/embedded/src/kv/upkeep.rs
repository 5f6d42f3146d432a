//! What keeps replay short: a thread that brings the state cache into its
//! tables once enough has been written, and merges them.

use super::cache::Cache;
use super::flushed::Flushed;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long between two tries to flush.
const RETRY: Duration = Duration::from_secs(1);
/// Unflushed bytes, in units of `flush_bytes`, at which changes wait.
const WAIT_AT: u64 = 4;
/// Merges in a row before the next flush gets its turn.
const MERGES_MAX: usize = 16;

#[derive(Default)]
struct State {
    /// Everything below is in the tables.
    flushed: u64,
    /// Everything below is applied to the cache, and wanted in the tables.
    wanted: u64,
    stopped: bool,
}

/// Shared by the writer of the ledger and the thread.
pub(super) struct Upkeep {
    cache: Arc<Cache>,
    path: PathBuf,
    flush_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Upkeep {
    /// `path` is the file [`Flushed`] is kept in.
    pub(super) fn new(cache: Arc<Cache>, path: PathBuf, flush_bytes: u64, flushed: u64) -> Self {
        let state = Mutex::new(State { flushed, wanted: flushed, stopped: false });
        Self { cache, path, flush_bytes, state, changed: Condvar::new(), thread: Mutex::new(None) }
    }

    pub(super) fn start(self: &Arc<Self>) -> io::Result<()> {
        let this = self.clone();
        let thread = std::thread::Builder::new().name("sluice-state".into()).spawn(move || this.run())?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    pub(super) fn flushed(&self) -> u64 {
        self.state.lock().flushed
    }

    /// Says that everything below `lsn` is applied. Waits where the tables are
    /// far behind, so that memory is bounded.
    pub(super) fn applied(&self, lsn: u64) {
        let mut state = self.state.lock();
        if lsn.saturating_sub(state.flushed.max(state.wanted)) >= self.flush_bytes {
            state.wanted = lsn;
            self.changed.notify_all();
        }
        while lsn.saturating_sub(state.flushed) >= WAIT_AT * self.flush_bytes && !state.stopped {
            state.wanted = lsn;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
    }

    /// Ends the thread. The caller alone changes the cache from then on.
    pub(super) fn stop(&self) {
        self.release();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the upkeep of the state cache ended in a panic");
        }
    }

    /// Lets nobody wait for the tables any more.
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
                tracing::warn!(%error, "the state cache was not flushed; trying again");
                let mut state = self.state.lock();
                if !state.stopped {
                    self.changed.wait_for(&mut state, RETRY);
                }
            }
        }
    }

    /// Flushes if enough is applied; for replay, before the thread starts.
    pub(super) fn flush_if_due(&self, lsn: u64) -> io::Result<()> {
        if lsn.saturating_sub(self.flushed()) < self.flush_bytes {
            return Ok(());
        }
        self.flush(lsn)?;
        self.merge(lsn)
    }

    /// Brings everything below `lsn`, which is applied, into the tables.
    pub(super) fn flush(&self, lsn: u64) -> io::Result<()> {
        let proof = self.cache.flush().map_err(io::Error::other)?;
        Flushed { lsn, proof }.write(&self.path)?;
        self.state.lock().flushed = lsn;
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
