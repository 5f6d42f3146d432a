//! A key-value store whose truth is a checksummed log.
//!
//! Everything small that changes (facts, acknowledgements, the work queue,
//! dead letters, checkpoints, idempotency keys) lives here. A change goes to
//! the ledger, a log of segments like the events' own, with group commit; once
//! it is durable it is applied to the cache, which holds the current values.
//!
//! - The cache's tables hold everything below the ledger LSN in `flushed`; from
//!   there the ledger is replayed at each start. Changes are absolute (a key
//!   and its value, or its removal), so replaying over newer values ends in the
//!   same state, and the cache is never ahead of the ledger.
//! - If `flushed` or the cache is missing or damaged, the cache is emptied and
//!   the whole ledger is replayed.
//! - When the ledger has grown much larger than what is true, or damage was
//!   found in it, all current values are written to it again, a piece at a
//!   time; what lies before is deleted then.

use super::durable_file;
use super::segment_writer::{SegmentWriter, WriteError};
use super::segments::{Segments, Step};
use parking_lot::Mutex;
use sluice_ports::PortError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

mod cache;
mod flushed;
mod staged;
#[cfg(test)]
mod tests;
mod upkeep;

use cache::{Cache, Proof, Slice};
use flushed::Flushed;
pub(crate) use staged::Staged;
use staged::{Changes, decode};
use upkeep::Upkeep;

/// Changes of one ledger frame: past this the next frame begins.
const FRAME_BYTES_MAX: usize = 4 << 20;
/// How many commits wait for the writer at the most.
const JOBS_MAX: usize = 4096;
/// How long between two tries to make a frame durable.
const RETRY: Duration = Duration::from_millis(500);
/// Values that are written to the ledger again in one change.
const AGAIN_BYTES: usize = 1 << 20;

/// How the store is laid out and bounded.
#[derive(Debug, Clone)]
pub struct KvSettings {
    /// Bytes of a ledger segment.
    pub segment_bytes: u64,
    /// How long a commit waits for company at the most.
    pub linger: Duration,
    /// Bytes of the cache's blocks in memory.
    pub cache_bytes: u64,
    /// Ledger bytes between two flushes of the cache to its tables. Up to four
    /// times this is kept in memory, and replayed at a start.
    pub flush_bytes: u64,
}

/// How a change ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    /// It is durable and applied.
    Durable,
    /// The store was closed while its disk took nothing.
    GivenUp,
}

type Finish = Box<dyn FnOnce(Ended) + Send>;

struct Job {
    /// Works the change out; nothing where it came to an error.
    stage: Box<dyn FnOnce(&mut Staged<'_>) -> Option<Finish> + Send>,
}

/// The current values, as far as they are durable.
#[derive(Clone)]
pub(crate) struct KvView {
    cache: Arc<Cache>,
    rebuild_marker: Arc<PathBuf>,
}

/// The store.
pub(crate) struct Kv {
    view: KvView,
    /// Taken when the store closes.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    segments: Arc<Segments>,
    segment_bytes: u64,
    upkeep: Arc<Upkeep>,
    /// Damage was found in the ledger: its values are to be written again.
    heal: AtomicBool,
    /// What is true is in the ledger from here on.
    complete_from: AtomicU64,
    findings: Vec<String>,
}

impl Kv {
    /// Opens or makes the store in `dir`. Blocks.
    pub(crate) fn open(dir: &Path, settings: &KvSettings) -> io::Result<Self> {
        let (segments, mut recovered) = Segments::open(&dir.join("ledger"))?;
        let rebuild_marker = Arc::new(dir.join("rebuild"));
        let flushed_path = dir.join("flushed");
        let flushed = Flushed::read(&flushed_path);
        let known_end = flushed.as_ref().map_or(0, |flushed| flushed.lsn);
        if known_end > recovered.end {
            let (ledger, end) = (segments.dir().display(), recovered.end);
            let finding = format!("{ledger}: the ledger was read up to {known_end} and ends at {end}");
            recovered.findings.push(finding);
        }
        let (cache, flushed, reason) = match open_cache(dir, flushed, &rebuild_marker, settings) {
            Ok((cache, lsn)) => (cache, lsn, None),
            Err(reason) => (make_cache(dir, settings)?, 0, Some(reason)),
        };
        let (cache, segments) = (Arc::new(cache), Arc::new(segments));
        let upkeep = Upkeep::new(cache.clone(), flushed_path, settings.flush_bytes, flushed);
        let upkeep = Arc::new(upkeep);
        replay(&segments, flushed, &cache, &upkeep, &mut recovered.findings)?;
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
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        upkeep.start()?;
        let thread = LedgerThread {
            writer,
            view: view.clone(),
            linger: settings.linger,
            closing: closing.clone(),
            upkeep: upkeep.clone(),
        };
        let thread =
            std::thread::Builder::new().name("sluice-ledger".into()).spawn(move || thread.run(receiver))?;
        Ok(Self {
            view,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            closing,
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

    /// What was found damaged when it was opened.
    pub(crate) fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Makes durable what `compute` stages, all or nothing of it; nothing else
    /// changes values meanwhile. If it fails, nothing was staged.
    pub(crate) async fn update<R: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Staged<'_>) -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        self.update_then(compute, |_| {}).await
    }

    /// [`update`](Self::update), and `then` once the change is durable and in
    /// the view, whether or not the caller still waits; before any later
    /// change's `then`.
    pub(crate) async fn update_then<R: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Staged<'_>) -> Result<R, PortError> + Send + 'static,
        then: impl FnOnce(&R) + Send + 'static,
    ) -> Result<R, PortError> {
        let closed = || PortError::Closed { what: "commit a change of state".into() };
        let (done, outcome) = oneshot::channel();
        // Whoever asked may be gone; the change counts all the same.
        let stage = move |staged: &mut Staged<'_>| match compute(staged) {
            Ok(result) => Some(Box::new(move |ended| {
                let _gone = match ended {
                    Ended::Durable => {
                        then(&result);
                        done.send(Ok(result))
                    }
                    Ended::GivenUp => done.send(Err(closed())),
                };
            }) as Finish),
            Err(error) => {
                let _gone = done.send(Err(error));
                None
            }
        };
        let jobs = self.jobs.lock().clone().ok_or_else(closed)?;
        jobs.send(Job { stage: Box::new(stage) }).await.map_err(|_closed| closed())?;
        outcome.await.map_err(|_gone| closed())?
    }

    /// Ends the writer; what it was given is on disk then, unless the disk
    /// takes nothing. Blocks.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        self.closing.store(true, Ordering::Release);
        self.upkeep.release();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer ended in a panic");
        }
    }

    /// Keeps the ledger small: writes what is true to it again where that is
    /// due, and deletes segments that nothing needs.
    pub(crate) async fn compact(&self) -> Result<(), PortError> {
        if self.is_rewrite_due() {
            let start = self.segments.end();
            let mut from = Some(Vec::new());
            while let Some(key) = from {
                from = self.update(move |staged| staged.write_again(&key, AGAIN_BYTES)).await?;
            }
            self.complete_from.store(start, Ordering::Release);
            self.heal.store(false, Ordering::Release);
        }
        // Below what is flushed, or a replay could miss a removal.
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
        // What the last rewrite made droppable is as good as gone.
        let kept = segments.iter().filter(|segment| segment.limit() > complete_from);
        let (count, bytes) = kept.fold((0, 0), |(n, bytes), segment| (n + 1, bytes + segment.size));
        count >= SEGMENTS_MIN && bytes >= 2 * self.segment_bytes + 4 * self.view.cache.disk_bytes()
    }
}

/// Opens the cache, with the ledger LSN to replay from; or says why it is not usable.
fn open_cache(
    dir: &Path,
    flushed: io::Result<Flushed>,
    rebuild_marker: &Path,
    settings: &KvSettings,
) -> Result<(Cache, u64), String> {
    if rebuild_marker.exists() {
        return Err("it could not be read".to_owned());
    }
    let flushed = flushed.map_err(|error| format!("`flushed`: {error}"))?;
    let cache = dir.join("cache");
    match Proof::read(&cache) {
        Ok(proof) if proof == flushed.proof => {
            let cache = Cache::open(&cache, settings.cache_bytes).map_err(|error| error.to_string())?;
            Ok((cache, flushed.lsn))
        }
        Ok(_) => Err("its list of tables is not the one that was flushed".to_owned()),
        Err(error) => Err(format!("its list of tables: {error}")),
    }
}

/// Makes an empty cache, whatever was there.
fn make_cache(dir: &Path, settings: &KvSettings) -> io::Result<Cache> {
    let (path, flushed) = (dir.join("cache"), dir.join("flushed"));
    durable_file::remove(&flushed)?;
    durable_file::remove_dir(&path)?;
    let cache = Cache::open(&path, settings.cache_bytes).map_err(io::Error::other)?;
    Flushed { lsn: 0, proof: Proof::read(&path)? }.write(&flushed)?;
    Ok(cache)
}

/// Applies the ledger from `from` on.
fn replay(
    segments: &Segments,
    from: u64,
    cache: &Cache,
    upkeep: &Upkeep,
    findings: &mut Vec<String>,
) -> io::Result<()> {
    let mut at = from;
    loop {
        match segments.read(at)? {
            Step::End => return Ok(()),
            Step::Frame { next, payload, .. } => {
                cache.apply(decode(&payload).map_err(io::Error::other)?);
                at = next;
                upkeep.flush_if_due(at)?;
            }
            Step::Damaged { next, detail, .. } => {
                if !findings.contains(&detail) {
                    findings.push(detail);
                }
                at = next;
            }
        }
    }
}

impl KvView {
    fn damaged(&self, what: &str, error: &lsm_tree::Error) -> PortError {
        // The next start makes the cache anew from the ledger.
        if let Err(error) = std::fs::write(&*self.rebuild_marker, b"") {
            tracing::error!(%error, "the state cache could not be marked as damaged");
        }
        PortError::Damaged { what: what.to_owned(), detail: format!("state cache: {error}") }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>, PortError> {
        self.cache.get(key).map_err(|error| self.damaged("read a value", &error))
    }

    /// Keys from `from` on that begin with `prefix`, ascending, until `each` says stop.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, PortError>,
    ) -> Result<(), PortError> {
        for entry in self.cache.range(from.max(prefix)) {
            let (key, value) = entry.map_err(|error| self.damaged("scan values", &error))?;
            if !key.starts_with(prefix) || !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}

/// Writes the ledger; the only one to change the cache's values.
struct LedgerThread {
    writer: SegmentWriter,
    view: KvView,
    linger: Duration,
    closing: Arc<AtomicBool>,
    upkeep: Arc<Upkeep>,
}

impl LedgerThread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
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

    /// Commits what waits as one frame; says where the ledger ends if it grew.
    fn commit(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Option<u64> {
        let (mut frame, mut changes, mut waiting) = (Vec::new(), Changes::default(), Vec::new());
        let mut next = Some(first);
        while let Some(Job { stage }) = next {
            let mut staged = Staged::new(&self.view, &changes);
            if let Some(finish) = stage(&mut staged) {
                let own = staged.finish(&mut frame);
                changes.extend(own);
                waiting.push(finish);
            }
            next = if frame.len() < FRAME_BYTES_MAX { jobs.try_recv().ok() } else { None };
        }
        let end = if frame.is_empty() { None } else { self.append(&frame) };
        let ended = if frame.is_empty() || end.is_some() { Ended::Durable } else { Ended::GivenUp };
        if end.is_some() {
            self.view.cache.apply(changes);
        }
        for finish in waiting {
            finish(ended);
        }
        if let Some(end) = end {
            self.upkeep.applied(end);
        }
        end
    }

    /// Appends a frame and says where the ledger ends then; tries until it is
    /// on disk or the store is closed.
    fn append(&mut self, frame: &[u8]) -> Option<u64> {
        loop {
            match self.writer.append(|out| out.extend_from_slice(frame)) {
                Ok(appended) => return Some(appended.next),
                Err(WriteError::NotTaken(error) | WriteError::Unknown(error)) => {
                    tracing::error!(%error, "state cannot be made durable; trying again");
                    if self.closing.load(Ordering::Acquire) {
                        return None;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
/// For the fuzz targets.
pub(crate) mod fuzzing {
    /// Decodes a frame of the ledger.
    pub(crate) fn decode(frame: &[u8]) {
        std::hint::black_box(super::staged::decode(frame).is_ok());
    }
}
