//! Reading shards by polling, paced to what a shard allows.

use super::stream::{From, GotRecord, Stream};
use crate::model::Batch;
use crate::ports::PortError;
use crate::ports::log::{LogItem, LogPage, LogRecord, Position, ShardId};
use crate::wire::record::Directory;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A reader that was not asked for this long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// How shards are read.
#[derive(Debug, Clone)]
pub(super) struct ReaderSettings {
    /// The shortest time between two reads of a shard.
    pub(super) poll: Duration,
    pub(super) records_max: i32,
}

/// A record's items, its size, and when it arrived.
pub(super) struct Arrived {
    pub(super) items: Vec<LogItem>,
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) at_ms: u64,
}

/// One look at a shard.
pub(super) struct Look {
    pub(super) records: Vec<Arrived>,
    /// Whether it reached the end, for now.
    pub(super) at_end: bool,
    /// Where to go on, unless the shard is closed and wholly read.
    pub(super) next: Option<String>,
}

/// Reads shards.
pub(in crate::aws) struct Readers {
    stream: Arc<dyn Stream>,
    settings: ReaderSettings,
    shards: Mutex<HashMap<ShardId, Arc<tokio::sync::Mutex<ShardReader>>>>,
}

/// Where the reading of a shard stands.
struct ShardReader {
    position: Position,
    buffered: VecDeque<Arrived>,
    iterator: Option<String>,
    at_end: bool,
    closed: bool,
    poll_at: Instant,
    asked: Instant,
}

impl ShardReader {
    fn new(after: Position) -> Self {
        let now = Instant::now();
        Self {
            position: after,
            buffered: VecDeque::new(),
            iterator: None,
            at_end: false,
            closed: after == Position::END,
            poll_at: now,
            asked: now,
        }
    }

    /// What is at hand, about `max_bytes` of it.
    fn take(&mut self, max_bytes: usize) -> LogPage {
        let (mut page, mut bytes) = (LogPage::default(), 0);
        while bytes < max_bytes || page.items.is_empty() {
            let Some(arrived) = self.buffered.pop_front() else { break };
            bytes += arrived.bytes;
            self.position = arrived.position;
            page.items.extend(arrived.items);
        }
        page.at_end = self.at_end && self.buffered.is_empty();
        page.closed = self.closed && self.buffered.is_empty();
        page
    }
}

impl Readers {
    pub(super) fn new(stream: Arc<dyn Stream>, settings: ReaderSettings) -> Self {
        Self { stream, settings, shards: Mutex::default() }
    }

    fn of(&self, shard: &ShardId, after: Position) -> Arc<tokio::sync::Mutex<ShardReader>> {
        let mut shards = self.shards.lock();
        shards.retain(|id, reader| {
            id == shard || reader.try_lock().map_or(true, |reader| reader.asked.elapsed() < IDLE)
        });
        let reader = shards.entry(shard.clone());
        let new = || Arc::new(tokio::sync::Mutex::new(ShardReader::new(after)));
        Arc::clone(reader.or_insert_with(new))
    }

    /// [`Log::read`](crate::ports::Log::read).
    pub(super) async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let reader = self.of(shard, after);
        let mut reader = reader.lock().await;
        reader.asked = Instant::now();
        if reader.position != after {
            let poll_at = reader.poll_at;
            *reader = ShardReader { poll_at, ..ShardReader::new(after) };
        }
        let deadline = Instant::now() + wait;
        loop {
            if !reader.buffered.is_empty() {
                return Ok(reader.take(max_bytes));
            }
            if reader.closed {
                return Ok(LogPage { at_end: true, closed: true, ..LogPage::default() });
            }
            // Dropping the future here, or at the request, loses nothing: the
            // iterator is kept until an answer with a newer one has come.
            tokio::time::sleep_until(reader.poll_at).await;
            reader.poll_at = Instant::now() + self.settings.poll;
            let iterator = match reader.iterator.clone() {
                Some(iterator) => iterator,
                None => self.iterator(shard, From::After(after)).await?,
            };
            reader.iterator = Some(iterator.clone());
            match self.look(shard, iterator).await {
                Ok(look) => {
                    reader.at_end = look.at_end;
                    reader.closed = look.next.is_none();
                    reader.iterator = look.next;
                    reader.buffered = look.records.into();
                }
                Err(error) => {
                    // It may have expired; another one is a small price in any case.
                    reader.iterator = None;
                    return Err(error);
                }
            }
            reader.asked = Instant::now();
            if reader.buffered.is_empty() && !reader.closed && Instant::now() >= deadline {
                return Ok(LogPage { at_end: reader.at_end, ..LogPage::default() });
            }
        }
    }

    /// An iterator of a shard.
    pub(super) async fn iterator(&self, shard: &ShardId, from: From) -> Result<String, PortError> {
        self.stream.iterator(shard, from).await
    }

    /// Reads once, without a pause.
    pub(super) async fn look(&self, shard: &ShardId, iterator: String) -> Result<Look, PortError> {
        let limit = self.settings.records_max;
        let got = self.stream.get(shard, iterator, limit).await?;
        let at_end = got.behind_ms == 0 && got.records.len() < limit as usize;
        Ok(Look { records: got.records.iter().map(decode).collect(), at_end, next: got.next })
    }

    pub(super) const fn poll(&self) -> Duration {
        self.settings.poll
    }
}

/// A stored record's items; what is damaged of it is named.
fn decode(record: &GotRecord) -> Arrived {
    let (position, at_ms, bytes) = (record.position, record.at_ms, &record.bytes[..]);
    let (mut items, mut damage) = (Vec::new(), Vec::new());
    match Directory::parse(bytes) {
        Ok(directory) => {
            let mut batches: Vec<Arc<Batch>> = Vec::with_capacity(directory.batches.len());
            for (row, batch) in directory.read_all(bytes) {
                match batch {
                    Ok(batch) => batches.push(Arc::new(batch)),
                    Err(error) => damage.push(format!(
                        "batch {:?} of customer {} with {} events: {error}",
                        row.id, row.customer, row.events
                    )),
                }
            }
            let (producer, sequence) = (directory.producer, directory.sequence);
            items.push(LogItem::Record(LogRecord { position, producer, sequence, batches }));
        }
        Err(error) => damage.push(error.to_string()),
    }
    if !damage.is_empty() {
        let detail =
            format!("record {} of {} bytes: {}", position.to_decimal(), bytes.len(), damage.join("; "));
        items.push(LogItem::Damaged { position, detail });
    }
    Arrived { items, position, bytes: bytes.len(), at_ms }
}
