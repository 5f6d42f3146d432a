//! A key-value store for all small state: facts, acknowledgements, the work
//! queue, dead letters, checkpoints, idempotency keys, rows.
//!
//! A change is written to the ledger, a log of checksummed segments like the
//! events' own, with group commit. Once it is durable it is applied to the
//! cache, which holds the current values. Only the ledger must be right: the
//! cache can be made anew from it.
//!
//! - The cache's tables hold everything below the ledger LSN in `flushed`; from
//!   there the ledger is replayed at each start. Changes are absolute (a key
//!   and its value, or its removal), so replaying over newer values ends in the
//!   same state, and the cache is never ahead of the ledger.
//! - If `flushed` or the cache is missing or damaged, the cache is emptied and
//!   the whole ledger is replayed.
//! - When the ledger has grown much larger than the current values, or damage was
//!   found in it, all current values are written to it again, a piece at a time.
//!   Then everything before them is deleted.

mod cache;
mod flushed;
mod ledger_thread;
mod opening;
mod staged;
#[cfg(test)]
mod tests;
mod upkeep;
mod view;

pub(crate) use staged::StagedChanges;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use staged::decode as decode_changes;
pub(crate) use view::KvView;

use super::durable_file;
use super::segment_writer::SegmentWriter;
use super::segments::LogSegments;
use flushed::Flushed;
use ledger_thread::{CommitEnd, FinishChange, LedgerJob, LedgerThread};
use parking_lot::Mutex;
use sluice_ports::PortError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use upkeep::Upkeep;

/// How many changes may wait for the ledger's thread; further callers wait.
const JOBS_MAX: usize = 4096;
/// About how many bytes of values are written to the ledger again in one change.
const AGAIN_BYTES: usize = 1 << 20;

/// The layout and the limits of the store.
#[derive(Debug, Clone)]
pub struct KvSettings {
    /// Bytes of a ledger segment.
    pub segment_bytes: u64,
    /// The longest that a change waits to be committed with others.
    pub linger: Duration,
    /// The memory for the cache's blocks, in bytes.
    pub cache_bytes: u64,
    /// Ledger bytes between two flushes of the cache to its tables. Up to four
    /// times this is kept in memory, and replayed at a start.
    pub flush_bytes: u64,
}

/// The store.
pub(crate) struct Kv {
    view: KvView,
    /// `None` after the store was closed.
    jobs: Mutex<Option<mpsc::Sender<LedgerJob>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    /// Why changes cannot be made durable now.
    failing: watch::Receiver<Option<Arc<str>>>,
    segments: Arc<LogSegments>,
    segment_bytes: u64,
    upkeep: Arc<Upkeep>,
    /// Whether the ledger is damaged, so that all values must be written to it again.
    heal: AtomicBool,
    /// The ledger from this LSN on holds all current values.
    complete_from: AtomicU64,
    findings: Vec<String>,
}

impl Kv {
    /// Opens or makes the store in `dir`. Blocks.
    pub(crate) fn open(dir: &Path, settings: &KvSettings) -> io::Result<Self> {
        let (segments, mut recovered) = LogSegments::open(&dir.join("ledger"))?;
        let rebuild_marker = Arc::new(dir.join("rebuild"));
        let flushed_path = dir.join("flushed");
        let flushed = Flushed::read(&flushed_path);
        let known_end = flushed.as_ref().map_or(0, |flushed| flushed.lsn);
        if known_end > recovered.end {
            let (ledger, end) = (segments.dir().display(), recovered.end);
            let finding = format!("{ledger}: the ledger was read up to {known_end} and ends at {end}");
            recovered.findings.push(finding);
        }
        let (cache, flushed, reason) = match opening::open_cache(dir, flushed, &rebuild_marker, settings) {
            Ok((cache, lsn)) => (cache, lsn, None),
            Err(reason) => (opening::make_cache(dir, settings)?, 0, Some(reason)),
        };
        let (cache, segments) = (Arc::new(cache), Arc::new(segments));
        let upkeep = Upkeep::new(cache.clone(), flushed_path, settings.flush_bytes, flushed);
        let upkeep = Arc::new(upkeep);
        opening::replay(&segments, flushed, &cache, &upkeep, &mut recovered.findings)?;
        let heal = AtomicBool::new(!recovered.findings.is_empty());
        if let Some(reason) = reason.filter(|_| segments.last().is_some()) {
            let cache = dir.join("cache");
            recovered.findings.push(format!("{}: {reason}: made anew from the ledger", cache.display()));
        }
        for finding in &recovered.findings {
            tracing::error!(finding, "the state is damaged");
        }
        durable_file::remove(&rebuild_marker)?;

        let writer =
            SegmentWriter::start(segments.clone(), &recovered, known_end, settings.segment_bytes, 0)?;
        let view = KvView { cache, rebuild_marker };
        let closing = Arc::new(AtomicBool::new(false));
        let (failing_sender, failing) = watch::channel(None);
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        upkeep.start()?;
        let thread = LedgerThread {
            writer,
            view: view.clone(),
            linger: settings.linger,
            closing: closing.clone(),
            failing: failing_sender,
            upkeep: upkeep.clone(),
        };
        let thread =
            std::thread::Builder::new().name("sluice-ledger".into()).spawn(move || thread.run(receiver))?;
        Ok(Self {
            view,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            closing,
            failing,
            segments,
            segment_bytes: settings.segment_bytes,
            upkeep,
            heal,
            complete_from: AtomicU64::new(0),
            findings: recovered.findings,
        })
    }

    pub(crate) const fn view(&self) -> &KvView {
        &self.view
    }

    /// The damage that was found when the store was opened.
    pub(crate) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Why changes cannot be made durable now; `None` if they can.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        self.failing.borrow().clone()
    }

    /// Makes the changes durable that `compute` stages, all or none. No other change is made
    /// meanwhile. If `compute` fails, nothing is staged.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut StagedChanges<'_>) -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        self.update_then(compute, |_| {}).await
    }

    /// As [`update`](Self::update), and runs `then` once the change is durable and in the
    /// view, whether or not the caller still waits, and before the `then` of any later
    /// change.
    ///
    /// Fails at once while the disk refuses changes. A change that was handed over before is
    /// made once the disk takes it, although its caller is told that the store is
    /// unavailable.
    pub(crate) async fn update_then<R: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut StagedChanges<'_>) -> Result<R, PortError> + Send + 'static,
        then: impl FnOnce(&R) + Send + 'static,
    ) -> Result<R, PortError> {
        let mut failing = self.failing.clone();
        if let Some(detail) = failing.borrow_and_update().clone() {
            return Err(refused(&detail));
        }
        let (done, outcome) = oneshot::channel();
        let stage = Box::new(move |staged: &mut StagedChanges<'_>| staged_job(staged, compute, then, done));
        let jobs = self.jobs.lock().clone().ok_or_else(closed)?;
        let made = async {
            jobs.send(LedgerJob { stage }).await.map_err(|_closed| closed())?;
            outcome.await.map_err(|_gone| closed())?
        };
        // Cancel safe: a change that was handed over is made anyway.
        tokio::select! {
            biased;
            result = made => result,
            Ok(detail) = failing.wait_for(Option::is_some) => Err(refused(detail.as_deref().unwrap_or_default())),
        }
    }

    /// Ends the ledger's thread after all changes handed to it are on disk. If the
    /// disk refuses them, they are given up. Blocks.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        self.closing.store(true, Ordering::Release);
        self.upkeep.release();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer ended in a panic");
        }
    }

    /// Keeps the ledger small and whole: writes all current values to it again when that is
    /// due, and deletes segments that are no longer needed.
    pub(crate) async fn compact(&self) -> Result<(), PortError> {
        let failed = |error| PortError::unavailable("look for the segments of the ledger", error);
        let complete_from = self.complete_from.load(Ordering::Acquire);
        if self.segments.is_file_missing(complete_from).map_err(failed)? {
            let ledger = self.segments.dir().display();
            tracing::error!(%ledger, "a segment was deleted: all of the state is written again");
            self.heal.store(true, Ordering::Release);
        }
        if self.is_rewrite_due() {
            let start = self.segments.end();
            let mut from = Some(Vec::new());
            while let Some(key) = from {
                from = self.update(move |staged| staged.write_again(&key, AGAIN_BYTES)).await?;
            }
            self.complete_from.store(start, Ordering::Release);
            self.heal.store(false, Ordering::Release);
        }
        // Only below the flushed LSN, or a replay could miss the removal of a key.
        let droppable = self.complete_from.load(Ordering::Acquire).min(self.upkeep.flushed());
        for segment in self.segments.all().iter().take_while(|segment| segment.limit() <= droppable) {
            let removed = self.segments.remove_oldest(segment.base);
            removed.map_err(|error| PortError::unavailable("delete an old ledger segment", error))?;
        }
        Ok(())
    }

    fn is_rewrite_due(&self) -> bool {
        const SEGMENTS_MIN: usize = 4;
        if self.heal.load(Ordering::Acquire) {
            return true;
        }
        let complete_from = self.complete_from.load(Ordering::Acquire);
        let segments = self.segments.all();
        // Segments below the last rewrite are deleted soon.
        let kept = segments.iter().filter(|segment| segment.limit() > complete_from);
        let (count, bytes) = kept.fold((0, 0), |(n, bytes), segment| (n + 1, bytes + segment.size));
        count >= SEGMENTS_MIN && bytes >= 2 * self.segment_bytes + 4 * self.view.cache.disk_bytes()
    }
}

impl Drop for Kv {
    /// Waits for the threads: they must not write once another store owns the directory.
    fn drop(&mut self) {
        self.close();
    }
}

/// Computes a change on the ledger's thread. A computed change counts whether or not its
/// caller still waits.
fn staged_job<R: Send + 'static>(
    staged: &mut StagedChanges<'_>,
    compute: impl FnOnce(&mut StagedChanges<'_>) -> Result<R, PortError>,
    then: impl FnOnce(&R) + Send + 'static,
    done: oneshot::Sender<Result<R, PortError>>,
) -> Option<FinishChange> {
    match compute(staged) {
        Ok(result) => Some(Box::new(move |end| {
            let _gone = match end {
                CommitEnd::Durable => {
                    then(&result);
                    done.send(Ok(result))
                }
                CommitEnd::GivenUp => done.send(Err(closed())),
            };
        })),
        Err(error) => {
            let _gone = done.send(Err(error));
            None
        }
    }
}

const COMMIT: &str = "commit a change of state";

fn closed() -> PortError {
    PortError::Closed { attempted: COMMIT.into() }
}

fn refused(detail: &str) -> PortError {
    PortError::unavailable(COMMIT, format!("the disk refuses it: {detail}"))
}
