//! The thread that writes the ledger. It alone changes the cache's values.

use super::KvView;
use super::staged::{ChangedValues, StagedChanges};
use super::upkeep::Upkeep;
use crate::segment_writer::SegmentWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// A frame of the ledger takes no more changes beyond this many bytes.
const FRAME_BYTES_MAX: usize = 4 << 20;
/// The time between two attempts to make a frame durable.
const RETRY: Duration = Duration::from_millis(500);

/// The outcome of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum CommitEnd {
    /// The change is durable and applied.
    Durable,
    /// The store was closed while its disk refused the change.
    GivenUp,
}

/// Tells the caller the outcome of its change.
pub(super) type FinishChange = Box<dyn FnOnce(CommitEnd) + Send>;

/// A change that waits for the thread.
pub(super) struct LedgerJob {
    /// Computes the change; returns `None` if that failed.
    pub(super) stage: Box<dyn FnOnce(&mut StagedChanges<'_>) -> Option<FinishChange> + Send>,
}

/// The thread and its part of the store.
pub(super) struct LedgerThread {
    pub(super) writer: SegmentWriter,
    pub(super) view: KvView,
    /// The longest that a change waits for others.
    pub(super) linger: Duration,
    pub(super) closing: Arc<AtomicBool>,
    /// Why changes cannot be made durable now.
    pub(super) failing: watch::Sender<Option<Arc<str>>>,
    pub(super) upkeep: Arc<Upkeep>,
}

impl LedgerThread {
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<LedgerJob>) {
        let mut synced = Instant::now();
        let mut end = None;
        while let Some(first) = jobs.blocking_recv() {
            let wait = (synced + self.linger).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            end = self.commit(first, &mut jobs).or(end);
            synced = Instant::now();
        }
        self.upkeep.stop();
        if let Some(end) = end
            && let Err(error) = self.upkeep.flush(end)
        {
            tracing::warn!(%error, "the state cache was not flushed; the next start replays the ledger");
        }
    }

    /// Commits all waiting changes as one frame. Returns the new end of the ledger if it
    /// grew.
    fn commit(&mut self, first: LedgerJob, jobs: &mut mpsc::Receiver<LedgerJob>) -> Option<u64> {
        let (mut frame, mut changes, mut waiting) = (Vec::new(), ChangedValues::default(), Vec::new());
        let mut next = Some(first);
        while let Some(LedgerJob { stage }) = next {
            let mut staged = StagedChanges::new(&self.view, &changes);
            if let Some(finish) = stage(&mut staged) {
                let own = staged.finish(&mut frame);
                changes.extend(own);
                waiting.push(finish);
            }
            next = if frame.len() < FRAME_BYTES_MAX { jobs.try_recv().ok() } else { None };
        }
        let end = if frame.is_empty() { None } else { self.append(&frame) };
        let ended = if frame.is_empty() || end.is_some() { CommitEnd::Durable } else { CommitEnd::GivenUp };
        if end.is_some() {
            self.view.cache.apply(changes);
        }
        for finish in waiting {
            finish(ended);
        }
        if let Some(end) = end {
            self.bound_memory(end);
        }
        end
    }

    /// Waits while the cache's tables are far behind the ledger.
    fn bound_memory(&self, end: u64) {
        self.upkeep.applied(end, |detail| {
            self.failing.send_replace(Some(detail.into()));
        });
        self.failing.send_if_modified(|failing| failing.take().is_some());
    }

    /// Appends a frame and returns the new end of the ledger. Tries until the
    /// frame is on disk or the store is closed.
    fn append(&mut self, frame: &[u8]) -> Option<u64> {
        loop {
            match self.writer.append(|out| out.extend_from_slice(frame)) {
                Ok(appended) => {
                    if self.failing.send_replace(None).is_some() {
                        tracing::info!("state can be made durable again");
                    }
                    return Some(appended.next);
                }
                Err(error) => {
                    if self.failing.send_replace(Some(error.to_string().into())).is_none() {
                        tracing::error!(%error, "state cannot be made durable; trying again");
                    }
                    if self.closing.load(Ordering::Acquire) {
                        return None;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}
