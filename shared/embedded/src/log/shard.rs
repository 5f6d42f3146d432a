//! One shard of the log: its segments, their index, its newest records and the
//! thread that appends to it.

use super::LogSettings;
use super::known::{newer, parse_known};
use super::tail::Tail;
use super::writer::{LogReaders, LogWriter};
use crate::log_index::LogIndex;
use crate::segment_writer::SegmentWriter;
use crate::segments::{LogSegments, LogStep};
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_model::wire::record::{RecordDirectory, RecordEncoder, RecordError, directory_end};
use sluice_model::{Batch, BatchId, CustomerId};
use sluice_ports::log::{LogItem, LogPage, LogRecord, Position, ShardId};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// An open shard.
pub(crate) struct LogShard {
    pub(crate) id: ShardId,
    pub(crate) segments: Arc<LogSegments>,
    pub(crate) index: Arc<LogIndex>,
    pub(super) tail: Arc<Mutex<Tail>>,
    /// The position at which the durable log ends.
    pub(super) end: watch::Receiver<u64>,
    pub(super) writer: LogWriter,
    /// When it was opened.
    opened: Instant,
    /// When records were last given out, in microseconds since then.
    given: AtomicU64,
    /// The damage that was found when the shard was opened.
    pub(super) findings: Vec<String>,
}

/// The name of shard `number`.
pub(crate) fn shard_id(number: u16) -> ShardId {
    ShardId(format!("shard-{number}").into())
}

impl LogShard {
    /// Opens or makes the shard in `dir`. New records go above `beyond`.
    pub(super) fn open(dir: &Path, number: u16, settings: &LogSettings, beyond: u64) -> io::Result<Self> {
        let (segments, mut recovered) = LogSegments::open(dir)?;
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
        let end = recovered.end.max(beyond);
        let tail = Arc::new(Mutex::new(Tail::new(settings.tail_bytes, end)));
        let (end_sender, end) = watch::channel(end);
        let readers = LogReaders { index: index.clone(), tail: tail.clone(), end: end_sender };
        let encoder = RecordEncoder::new(settings.codec)?;
        let writer = LogWriter::start(number, writer, encoder, readers)?;
        let (id, findings) = (shard_id(number), recovered.findings);
        let (opened, given) = (Instant::now(), AtomicU64::new(0));
        Ok(Self { id, segments, index, tail, end, writer, opened, given, findings })
    }

    /// Notes that newest records are given out now.
    pub(super) fn gave(&self) {
        self.given.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    /// How long ago newest records were given out.
    pub(super) fn since_given(&self) -> Duration {
        let given = Duration::from_micros(self.given.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(given)
    }

    /// Reads frames of about `max_bytes` unpacked bytes from the disk. Ends before a record
    /// that a newer Sluice wrote, and fails if the first record is one. Blocks.
    pub(super) fn read_disk(&self, after: u64, max_bytes: usize) -> io::Result<DiskPage> {
        let mut page = DiskPage { frames: Vec::new(), at_end: false };
        let (mut at, mut read) = (after, 0);
        while page.frames.is_empty() || read < max_bytes {
            let (next, payload, damage) = match self.segments.read(at)? {
                LogStep::End => {
                    page.at_end = true;
                    break;
                }
                LogStep::Frame { next, payload, .. } => (next, payload, None),
                LogStep::Damaged { next, detail, rest } => (next, rest.unwrap_or_default(), Some(detail)),
            };
            let directory = match parse_known(&payload, || self.segments.name(at)) {
                Err(_newer) if !page.frames.is_empty() => break,
                parsed => parsed?,
            };
            read += payload.len().max(directory.map_or(0, |directory| directory.raw_bytes()));
            at = next;
            page.frames.push((next, payload, damage));
        }
        Ok(page)
    }

    /// A customer's wanted batches in the frame at `lsn`, or a description of the
    /// damage for each that cannot be read. Empty if the frame was deleted. Blocks.
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
            Err(error) if error.is_newer() => return Err(newer(self.segments.name(lsn), error)),
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

/// Frames that were read from the disk.
pub(super) struct DiskPage {
    /// The position behind each frame, its payload, and its damage.
    frames: Vec<(u64, Bytes, Option<String>)>,
    at_end: bool,
}

impl DiskPage {
    /// Unpacks the frames. Called where the batches are used and dropped: memory
    /// that another thread allocated would stay with that thread.
    pub(super) fn unpacked(self) -> LogPage {
        let mut page = LogPage { at_end: self.at_end, ..LogPage::default() };
        for (next, payload, damage) in self.frames {
            decode_frame(&payload, next, damage, &mut page.items);
        }
        page
    }
}

/// Turns a frame's payload into items. A damaged payload gives its whole batches
/// and one item that describes the damage.
fn decode_frame(payload: &[u8], next: u64, damage: Option<String>, items: &mut Vec<LogItem>) {
    let position = Position::from_lsn(next);
    // The reader of the disk ends before a newer record.
    let (whole, damaged) =
        LogRecord::read(payload, position).unwrap_or_else(|newer| (None, vec![newer.to_string()]));
    items.extend(whole.map(LogItem::Record));
    let details: Vec<String> = damage.into_iter().chain(damaged).collect();
    if !details.is_empty() {
        items.push(LogItem::Damaged { position, detail: details.join("; ") });
    }
}
