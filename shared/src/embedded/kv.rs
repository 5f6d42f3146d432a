//! A key-value store whose truth is a checksummed log.
//!
//! Everything small that changes (facts, acknowledgements, the work queue,
//! dead letters, checkpoints, idempotency keys) lives here. A change goes to
//! the ledger, a log of segments like the events' own, with group commit; fjall
//! holds the current values and is a cache of that:
//!
//! - fjall's own journal is not trusted, since its recovery does not tell a torn
//!   tail from damage in the middle. `flushed` names a ledger LSN below which
//!   everything is in fjall's tables; from there the ledger is replayed at each
//!   start. Changes are absolute (a key and its value, or its removal), so
//!   replaying over newer values ends in the same state.
//! - If `flushed` or fjall is missing or damaged, fjall is emptied and the whole
//!   ledger is replayed. Old ledger segments go only after what is still true of
//!   them was written again at the ledger's head.
//! - If the ledger is damaged, what fjall holds of the damaged frames stays.
//!
//! A ledger frame is a row a change: key length u16, value length u32
//! (0xffffffff: the key is removed), key, value; little-endian.

use super::segment_writer::{SegmentWriter, WriteError};
use super::segments::{Segments, Step};
use crate::ports::PortError;
use crate::wire::bytes_reader::{BytesReader, TooShort};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

const REMOVED: u32 = u32::MAX;
/// Changes of one ledger frame: past this the next frame begins.
const FRAME_BYTES_MAX: usize = 4 << 20;
/// How many commits wait for the writer at the most.
const JOBS_MAX: usize = 4096;
const RETRY: Duration = Duration::from_millis(500);

/// How the store is laid out and bounded.
#[derive(Debug, Clone)]
pub struct KvSettings {
    /// Bytes of a ledger segment.
    pub segment_bytes: u64,
    /// How long a commit waits for company at the most.
    pub linger: Duration,
    /// Bytes of fjall's block cache.
    pub cache_bytes: u64,
    /// Ledger bytes between two flushes of fjall's tables.
    pub flush_bytes: u64,
}

/// A key and its new value, or nothing to remove it.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

type Compute = Box<dyn FnOnce(&KvView) -> Result<Vec<Change>, PortError> + Send>;

struct Job {
    compute: Compute,
    done: oneshot::Sender<Result<(), PortError>>,
}

/// The current values.
#[derive(Clone)]
pub(crate) struct KvView {
    keyspace: Keyspace,
    rebuild_marker: Arc<PathBuf>,
}

/// The store.
pub(crate) struct Kv {
    view: KvView,
    /// Taken when the store closes.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    maintenance: Arc<Maintenance>,
}

/// What keeps replay short and the ledger small.
struct Maintenance {
    dir: PathBuf,
    view: KvView,
    segments: Arc<Segments>,
    /// Everything below is in fjall's tables.
    flushed: AtomicU64,
    flush_bytes: u64,
    running: Mutex<()>,
}

impl Kv {
    /// Opens or makes the store in `dir`. Blocks.
    pub(crate) fn open(dir: &Path, settings: &KvSettings) -> io::Result<Self> {
        let (segments, recovered) = Segments::open(&dir.join("ledger"))?;
        for finding in &recovered.findings {
            tracing::error!(finding, "the ledger is damaged");
        }
        let marker = dir.join("rebuild");
        let rebuild_marker = Arc::new(marker.clone());
        let flushed = read_flushed(&dir.join("flushed"));
        let cache = dir.join("cache");
        let opened = match flushed {
            Some(_) if !marker.exists() => open_cache(&cache, settings),
            _ => Err("it is new, marked as damaged, or its ledger position is unknown".to_owned()),
        };
        let (database, replay_from) = match opened {
            Ok(database) => (database, flushed.unwrap_or(0)),
            Err(reason) => {
                if recovered.end > 0 {
                    tracing::warn!(reason, "the state cache is made anew from the ledger");
                }
                remove_if_there(&cache)?;
                (open_cache(&cache, settings).map_err(io::Error::other)?, 0)
            }
        };
        let keyspace =
            database.keyspace("state", KeyspaceCreateOptions::default).map_err(io::Error::other)?;
        let view = KvView { keyspace, rebuild_marker };
        let segments = Arc::new(segments);
        replay(&segments, replay_from, &view)?;

        let mut writer = SegmentWriter::new(segments.clone(), &recovered, settings.segment_bytes);
        writer.skip_to(flushed.unwrap_or(0));
        let maintenance = Arc::new(Maintenance {
            dir: dir.to_owned(),
            view: view.clone(),
            segments,
            flushed: AtomicU64::new(replay_from),
            flush_bytes: settings.flush_bytes,
            running: Mutex::new(()),
        });
        // From here a start needs to replay only what comes.
        maintenance.flush(recovered.end.max(flushed.unwrap_or(0)))?;
        match std::fs::remove_file(&marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }

        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        let thread = LedgerThread {
            writer,
            view: view.clone(),
            linger: settings.linger,
            maintenance: maintenance.clone(),
            _database: database,
        };
        let thread =
            std::thread::Builder::new().name("sluice-ledger".into()).spawn(move || thread.run(receiver))?;
        let (jobs, thread) = (Mutex::new(Some(jobs)), Mutex::new(Some(thread)));
        Ok(Self { view, jobs, thread, maintenance })
    }

    pub(crate) const fn view(&self) -> &KvView {
        &self.view
    }

    /// Makes changes durable, all or none of them.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), PortError> {
        self.update(move |_| Ok(changes)).await
    }

    /// Makes durable what `compute` makes of the current values; nothing else
    /// changes them meanwhile.
    pub(crate) async fn update(
        &self,
        compute: impl FnOnce(&KvView) -> Result<Vec<Change>, PortError> + Send + 'static,
    ) -> Result<(), PortError> {
        let (done, outcome) = oneshot::channel();
        let closed = || PortError::Closed { what: "commit a change of state".into() };
        let job = Job { compute: Box::new(compute), done };
        let jobs = self.jobs.lock().clone().ok_or_else(closed)?;
        jobs.send(job).await.map_err(|_closed| closed())?;
        outcome.await.map_err(|_gone| closed())?
    }

    /// Ends the writer; what it was given is on disk then. Blocks.
    pub(crate) fn close(&self) {
        self.jobs.lock().take();
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer ended in a panic");
        }
    }

    /// Drops ledger segments that nothing needs, after writing again what is
    /// still true of them.
    pub(crate) async fn compact(&self) -> Result<(), PortError> {
        let Some((base, changes)) = self.maintenance.oldest_live().map_err(unavailable)? else {
            return Ok(());
        };
        let view_changes = move |view: &KvView| {
            let mut live = Vec::new();
            for (key, value) in changes {
                if view.get(&key)?.as_deref() == Some(&value[..]) {
                    live.push((key, Some(value)));
                }
            }
            Ok(live)
        };
        self.update(view_changes).await?;
        self.maintenance.segments.remove(base).map_err(unavailable)
    }
}

fn unavailable(error: io::Error) -> PortError {
    PortError::unavailable("maintain the state ledger", error)
}

impl KvView {
    fn damaged(&self, what: &str, error: &fjall::Error) -> PortError {
        // The next start makes the cache anew from the ledger.
        if let Err(error) = std::fs::write(&*self.rebuild_marker, b"") {
            tracing::error!(%error, "the state cache could not be marked as damaged");
        }
        PortError::Damaged { what: what.to_owned(), detail: format!("state cache: {error}") }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, PortError> {
        self.keyspace.get(key).map_err(|error| self.damaged("read a value", &error))
    }

    /// Keys from `from` on that begin with `prefix`, ascending, until `each` says stop.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, PortError>,
    ) -> Result<(), PortError> {
        for entry in self.keyspace.range(from.max(prefix).to_vec()..) {
            let (key, value) = entry.into_inner().map_err(|error| self.damaged("scan values", &error))?;
            if !key.starts_with(prefix) || !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: &[Change]) -> Result<(), fjall::Error> {
        for (key, value) in changes {
            match value {
                Some(value) => self.keyspace.insert(key.as_slice(), value.as_slice())?,
                None => self.keyspace.remove(key.as_slice())?,
            }
        }
        Ok(())
    }
}

fn open_cache(path: &Path, settings: &KvSettings) -> Result<Database, String> {
    Database::builder(path)
        .cache_size(settings.cache_bytes)
        .manual_journal_persist(true)
        .worker_threads(1)
        .open()
        .map_err(|error| error.to_string())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `flushed`: an LSN u64 and its CRC32C u32, little-endian.
fn read_flushed(path: &Path) -> Option<u64> {
    let bytes: [u8; 12] = std::fs::read(path).ok()?.try_into().ok()?;
    let (lsn, crc) = bytes.split_first_chunk::<8>()?;
    (crc32c::crc32c(lsn).to_le_bytes() == *crc).then(|| u64::from_le_bytes(*lsn))
}

fn write_flushed(path: &Path, lsn: u64) -> io::Result<()> {
    let mut bytes = lsn.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&lsn.to_le_bytes()).to_le_bytes());
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, &bytes)?;
    std::fs::File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, path)?;
    super::segment::sync_dir(path.parent().expect("the file is in a directory"))
}

fn encode(changes: &[Change], out: &mut Vec<u8>) {
    for (key, value) in changes {
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        let len = value.as_ref().map_or(REMOVED, |value| value.len() as u32);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
}

fn decode(payload: &[u8]) -> Result<Vec<Change>, TooShort> {
    let mut reader = BytesReader::new(payload);
    let mut changes = Vec::new();
    while reader.position() < payload.len() {
        let key_len = usize::from(reader.u16()?);
        let value_len = reader.u32()?;
        let key = reader.take(key_len)?.to_vec();
        let value = match value_len {
            REMOVED => None,
            len => Some(reader.take(len as usize)?.to_vec()),
        };
        changes.push((key, value));
    }
    Ok(changes)
}

fn replay(segments: &Segments, from: u64, view: &KvView) -> io::Result<()> {
    let mut at = from;
    loop {
        match segments.read(at)? {
            Step::End => return Ok(()),
            Step::Frame { next, payload, .. } => {
                let changes = decode(&payload).map_err(io::Error::other)?;
                view.apply(&changes).map_err(io::Error::other)?;
                at = next;
            }
            Step::Damaged { next, detail, .. } => {
                tracing::error!(detail, "the ledger is damaged; what the state cache holds of it stays");
                at = next;
            }
        }
    }
}

struct LedgerThread {
    writer: SegmentWriter,
    view: KvView,
    linger: Duration,
    maintenance: Arc<Maintenance>,
    /// Kept open as long as its keyspace is used.
    _database: Database,
}

impl LedgerThread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut synced = Instant::now();
        while let Some(first) = jobs.blocking_recv() {
            let wait = (synced + self.linger).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            self.commit(first, &mut jobs);
            synced = Instant::now();
        }
        self.maintenance.flush_logged(self.maintenance.segments.end());
    }

    fn commit(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) {
        let (mut frame, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(Job { compute, done }) = next {
            match self.stage(compute, &mut frame) {
                Ok(()) => waiting.push(done),
                // Whoever asked may be gone.
                Err(error) => drop(done.send(Err(error))),
            }
            next = if frame.len() < FRAME_BYTES_MAX { jobs.try_recv().ok() } else { None };
        }
        if !frame.is_empty() {
            self.append(&frame);
        }
        for done in waiting {
            let _gone = done.send(Ok(()));
        }
        self.maintenance.flush_if_due();
    }

    /// Applies a job's changes to the cache and to the frame. Until the frame is
    /// durable nobody is told, so a crash in between undoes only what nobody knows.
    fn stage(&self, compute: Compute, frame: &mut Vec<u8>) -> Result<(), PortError> {
        let changes = compute(&self.view)?;
        let start = frame.len();
        encode(&changes, frame);
        self.view.apply(&changes).map_err(|error| {
            frame.truncate(start);
            self.view.damaged("apply a change", &error)
        })
    }

    /// Appends a frame; tries until it is on disk, since its changes are applied.
    fn append(&mut self, frame: &[u8]) {
        loop {
            match self.writer.append(|out| out.extend_from_slice(frame)) {
                Ok(_appended) => return,
                Err(WriteError::NotTaken(error) | WriteError::Unknown(error)) => {
                    tracing::error!(%error, "state cannot be made durable; trying again");
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

impl Maintenance {
    /// Flushes fjall's tables in the background once enough has been written.
    fn flush_if_due(self: &Arc<Self>) {
        let end = self.segments.end();
        if end.saturating_sub(self.flushed.load(Ordering::Acquire)) < self.flush_bytes {
            return;
        }
        let this = self.clone();
        if this.running.is_locked() {
            return;
        }
        let started = std::thread::Builder::new().name("sluice-flush".into()).spawn(move || {
            let Some(_running) = this.running.try_lock() else { return };
            this.flush_logged(end);
        });
        if let Err(error) = started {
            tracing::warn!(%error, "the state cache was not flushed");
        }
    }

    fn flush_logged(&self, applied: u64) {
        if let Err(error) = self.flush(applied) {
            tracing::warn!(%error, "the state cache was not flushed; a start will replay more");
        }
    }

    /// Brings everything below ledger position `applied` into fjall's tables.
    fn flush(&self, applied: u64) -> io::Result<()> {
        self.view.keyspace.rotate_memtable_and_wait().map_err(io::Error::other)?;
        write_flushed(&self.dir.join("flushed"), applied)?;
        self.flushed.store(applied, Ordering::Release);
        Ok(())
    }

    /// The oldest segment and its values, if the ledger is much larger than
    /// what is true.
    fn oldest_live(&self) -> io::Result<Option<(u64, Vec<(Vec<u8>, Vec<u8>)>)>> {
        const SLACK_BYTES: u64 = 128 << 20;
        let all = self.segments.all();
        let total: u64 = all.iter().map(|segment| segment.size).sum();
        let Some(oldest) = all.first().filter(|_| all.len() > 2) else { return Ok(None) };
        if total < SLACK_BYTES + 4 * self.view.keyspace.disk_space()
            || oldest.end() > self.flushed.load(Ordering::Acquire)
        {
            return Ok(None);
        }
        let mut values = Vec::new();
        let mut at = oldest.base;
        while at < oldest.end() {
            match self.segments.read(at)? {
                Step::Frame { lsn, .. } if lsn >= oldest.end() => break,
                Step::Frame { next, payload, .. } => {
                    let changes = decode(&payload).map_err(io::Error::other)?;
                    values.extend(changes.into_iter().filter_map(|(key, value)| Some((key, value?))));
                    at = next;
                }
                Step::Damaged { next, .. } => at = next,
                Step::End => break,
            }
        }
        Ok(Some((oldest.base, values)))
    }
}
