//! The log on one machine: shards of segment files, group commit.
//!
//! A lane belongs to shard `lane % shards`; the number of shards is fixed when
//! the data directory is made. Each shard has one record in flight: an append
//! encodes, writes and syncs on its caller's thread, which saves two changes of
//! thread a record. The newest records are kept in memory, so that a consumer
//! that keeps up never reads the disk.

use super::log_index::LogIndex;
use super::segment_prepare::PreparerStatus;
use super::segment_writer::{SegmentWriter, WriteError};
use super::segments::{Segments, Step};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_model::ids::LANES_MAX;
use sluice_model::wire::record::{RecordDirectory, RecordEncoder, RecordError, directory_end};
use sluice_model::{Batch, BatchId, CustomerId, Lane};
use sluice_ports::PortError;
use sluice_ports::log::{AppendError, Log, LogItem, LogPage, LogRecord, Position, RecordDraft, ShardId};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

mod tail;
use tail::Tail;

/// How the log is laid out and bounded.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Bytes of a segment file.
    pub segment_bytes: u64,
    /// The zstd level of records; negative levels are faster and pack less.
    pub zstd_level: i32,
    /// Bytes of the newest records that a shard keeps in memory.
    pub tail_bytes: usize,
}

/// One shard: its segments, its index and its writer.
pub(crate) struct LogShard {
    pub(crate) id: ShardId,
    pub(crate) segments: Arc<Segments>,
    pub(crate) index: Arc<LogIndex>,
    tail: Arc<Mutex<Tail>>,
    /// Where the durable log ends.
    end: watch::Receiver<u64>,
    /// Taken when the log closes.
    writer: Mutex<Option<ShardWriter>>,
    preparer: PreparerStatus,
    /// An append found no segment to go on with.
    blocked: Arc<AtomicBool>,
    /// What was found damaged when it was opened.
    findings: Vec<String>,
}

/// The embedded log.
pub struct EmbeddedLog {
    shards: Vec<Arc<LogShard>>,
    recovered_ms: u64,
}

impl EmbeddedLog {
    /// Opens or makes the log in `dir`. `beyond` says for each shard how far it
    /// was read: new records go above that, even if the log lost its end.
    ///
    /// # Errors
    /// If the directory cannot be read or written.
    pub fn open(dir: &Path, shards: u16, settings: &LogSettings, beyond: &[u64]) -> io::Result<Self> {
        let shards: Vec<Arc<LogShard>> = (0..shards)
            .map(|n| {
                let beyond = beyond.get(usize::from(n)).copied().unwrap_or(0);
                LogShard::open(&dir.join(format!("shard-{n}")), n, settings, beyond).map(Arc::new)
            })
            .collect::<io::Result<_>>()?;
        let recovered_ms = shards.iter().map(|shard| shard.index.max_ms()).max().unwrap_or(0);
        Ok(Self { shards, recovered_ms })
    }

    /// The shard that holds a lane.
    pub(crate) fn shard_of(&self, lane: Lane) -> &Arc<LogShard> {
        &self.shards[usize::from(lane.number()) % self.shards.len()]
    }

    pub(crate) fn all_shards(&self) -> &[Arc<LogShard>] {
        &self.shards
    }

    /// What was found damaged when it was opened.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &String> {
        self.shards.iter().flat_map(|shard| &shard.findings)
    }

    /// Ends the writers after the appends that are under way. Blocks.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            shard.writer.lock().take();
        }
    }

    fn shard(&self, id: &ShardId) -> Result<&Arc<LogShard>, PortError> {
        let shard = self.shards.iter().find(|shard| shard.id == *id);
        shard.ok_or_else(|| PortError::Damaged {
            what: format!("read shard {id}"),
            detail: "the log has no such shard".into(),
        })
    }
}

/// The name of shard `n`.
pub(crate) fn shard_id(n: u16) -> ShardId {
    ShardId(format!("shard-{n}").into())
}

impl LogShard {
    fn open(dir: &Path, number: u16, settings: &LogSettings, beyond: u64) -> io::Result<Self> {
        let (segments, mut recovered) = Segments::open(dir)?;
        if beyond > recovered.end {
            let end = recovered.end;
            let finding = format!("{}: the log was read up to {beyond} and ends at {end}", dir.display());
            recovered.findings.push(finding);
        }
        for finding in &recovered.findings {
            tracing::error!(finding, "the log is damaged");
        }
        let segments = Arc::new(segments);
        let index = Arc::new(LogIndex::open(segments.clone())?);
        let bytes = settings.segment_bytes;
        let writer = SegmentWriter::start(segments.clone(), &recovered, beyond, bytes, bytes)?;
        let preparer = writer.status();
        let end = recovered.end.max(beyond);
        let tail = Arc::new(Mutex::new(Tail::new(settings.tail_bytes, end)));
        let (end_sender, end) = watch::channel(end);
        let blocked = Arc::new(AtomicBool::new(false));
        let writer = ShardWriter {
            writer,
            encoder: RecordEncoder::new(settings.zstd_level)?,
            index: index.clone(),
            tail: tail.clone(),
            end: end_sender,
            blocked: blocked.clone(),
        };
        let writer = Mutex::new(Some(writer));
        let (id, findings) = (shard_id(number), recovered.findings);
        Ok(Self { id, segments, index, tail, end, writer, preparer, blocked, findings })
    }

    /// Reads items from the disk; blocks.
    fn read_disk(&self, after: u64, max_bytes: usize) -> io::Result<LogPage> {
        let mut page = LogPage::default();
        let (mut at, mut read) = (after, 0);
        while page.items.is_empty() || read < max_bytes {
            match self.segments.read(at)? {
                Step::End => {
                    page.at_end = true;
                    break;
                }
                Step::Frame { next, payload, .. } => {
                    read += payload.len();
                    at = next;
                    decode_frame(&payload, next, None, &mut page.items);
                }
                Step::Damaged { next, detail, rest } => {
                    read += rest.as_ref().map_or(0, Bytes::len);
                    at = next;
                    decode_frame(&rest.unwrap_or_default(), next, Some(detail), &mut page.items);
                }
            }
        }
        Ok(page)
    }

    /// A customer's wanted batches of the frame at `lsn`, or what is damaged of
    /// them; nothing where the frame was deleted. Blocks.
    pub(crate) fn frame_batches(
        &self,
        lsn: u64,
        customer: CustomerId,
        wanted: impl Fn(BatchId) -> bool,
    ) -> io::Result<Vec<Result<Batch, String>>> {
        let damaged = |error: RecordError| format!("{}: {error}", self.segments.name(lsn));
        let directory = match self.frame_directory(lsn) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let directory = match directory {
            Ok(directory) => directory,
            Err(error) => return Ok(vec![Err(damaged(error))]),
        };
        let mut batches = Vec::new();
        for row in directory.batches.iter().filter(|row| row.customer == customer && wanted(row.id)) {
            let batch = match directory.data_range(row) {
                Ok(range) => {
                    let data = self.segments.read_payload(lsn, range.start, range.len())?;
                    directory.read(row, &data)
                }
                Err(error) => Err(error),
            };
            batches.push(batch.map_err(damaged));
        }
        Ok(batches)
    }

    fn frame_directory(&self, lsn: u64) -> io::Result<Result<RecordDirectory, RecordError>> {
        const GUESS: usize = 16 * 1024;
        let mut head = self.segments.read_payload(lsn, 0, GUESS)?;
        let end = match directory_end(&head) {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        if end > head.len() {
            head = self.segments.read_payload(lsn, 0, end)?;
        }
        Ok(RecordDirectory::parse(&head))
    }
}

/// Turns a frame's payload into items; a damaged one gives what is whole of it.
fn decode_frame(payload: &[u8], next: u64, damage: Option<String>, items: &mut Vec<LogItem>) {
    let position = Position::from_lsn(next);
    let (whole, damaged) = LogRecord::read(payload, position);
    items.extend(whole.map(LogItem::Record));
    let details: Vec<String> = damage.into_iter().chain(damaged).collect();
    if !details.is_empty() {
        items.push(LogItem::Damaged { position, detail: details.join("; ") });
    }
}

/// What appends to a shard.
struct ShardWriter {
    writer: SegmentWriter,
    encoder: RecordEncoder,
    index: Arc<LogIndex>,
    tail: Arc<Mutex<Tail>>,
    end: watch::Sender<u64>,
    blocked: Arc<AtomicBool>,
}

impl ShardWriter {
    fn append(&mut self, record: RecordDraft) -> Result<(), AppendError> {
        let encoder = &mut self.encoder;
        let appended =
            self.writer.append(|out| encoder.encode(&record, out)).map_err(|error| match error {
                WriteError::NotTaken(error) => {
                    self.blocked.store(true, Ordering::Release);
                    not_taken(&error.to_string())
                }
                WriteError::Unknown(error) => {
                    tracing::error!(%error, "a write to the log failed");
                    AppendError::Unknown { detail: error.to_string().into() }
                }
            })?;
        self.blocked.store(false, Ordering::Release);
        self.index.push(appended.base, appended.lsn, &record.batches);
        self.tail.lock().push(
            appended.next,
            LogRecord {
                position: Position::from_lsn(appended.next),
                producer: record.producer,
                sequence: record.sequence,
                batches: record.batches,
            },
        );
        self.end.send_replace(appended.next);
        Ok(())
    }
}

fn not_taken(detail: &str) -> AppendError {
    AppendError::NotTaken { detail: detail.into(), retry_after: Duration::from_secs(1) }
}

#[async_trait]
impl Log for EmbeddedLog {
    fn append_units(&self) -> usize {
        self.shards.len()
    }

    fn append_unit(&self, lane: Lane) -> usize {
        usize::from(lane.number()) % self.shards.len()
    }

    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        match &mut *self.shards[unit].writer.lock() {
            Some(writer) => writer.append(record),
            None => Err(not_taken("the log is closed")),
        }
    }

    fn append_blocks(&self) -> bool {
        true
    }

    fn accepting(&self) -> Result<(), AppendError> {
        for shard in &self.shards {
            if shard.blocked.load(Ordering::Acquire) {
                match shard.preparer.failing() {
                    Some(detail) => return Err(not_taken(&detail)),
                    None => shard.blocked.store(false, Ordering::Release),
                }
            }
        }
        Ok(())
    }

    fn recovered_ms(&self) -> u64 {
        self.recovered_ms
    }

    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        Ok(self.shards.iter().map(|shard| shard.id.clone()).collect())
    }

    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        let shard = self.shard(shard)?;
        // A lane that no deployment has holds nothing.
        let all = (0..LANES_MAX).filter_map(Lane::new);
        Ok(all.filter(|lane| Arc::ptr_eq(self.shard_of(*lane), shard)).collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let shard = self.shard(shard)?;
        let after = after.lsn();
        let mut end = shard.end.clone();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let durable = *end.borrow_and_update();
            if let Some(page) = shard.tail.lock().read(after, max_bytes) {
                if !page.items.is_empty() {
                    return Ok(page);
                }
            } else if after < durable {
                let of = shard.clone();
                let read = tokio::task::spawn_blocking(move || of.read_disk(after, max_bytes));
                let page = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                let page =
                    page.map_err(|error| PortError::unavailable(format!("read {}", shard.id), error))?;
                if !page.items.is_empty() {
                    return Ok(page);
                }
            }
            match tokio::time::timeout_at(deadline, end.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_closed)) => return Err(PortError::Closed { what: format!("read {}", shard.id) }),
                Err(_elapsed) => return Ok(LogPage { at_end: true, ..LogPage::default() }),
            }
        }
    }
}
