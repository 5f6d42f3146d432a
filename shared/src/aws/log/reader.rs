//! Reading shards: by polling, paced to what a shard allows, or as they push.

use super::aside::Aside;
use super::fan_out::{FanOut, Subscription};
use crate::aws::failure;
use crate::model::Batch;
use crate::ports::PortError;
use crate::ports::log::{LogItem, LogPage, LogRecord, Position, ShardId};
use crate::wire::record::Directory;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A reader that was not asked for this long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// How shards are read.
pub(super) struct ReaderSettings {
    pub(super) stream: String,
    /// The shortest time between two reads of a shard.
    pub(super) poll: Duration,
    pub(super) records_max: i32,
    /// The consumer that shards push to, instead of being polled.
    pub(super) fan_out: Option<Arc<FanOut>>,
    /// Where unreadable records go.
    pub(super) aside: Aside,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Behind a position; at the oldest record for `START`.
    After(Position),
    /// At the record that stands there.
    At(Position),
    /// At the first record that arrived then or later.
    Time(u64),
}

/// A record's items, its size, and when it arrived.
pub(super) struct Arrived {
    pub(super) items: Vec<LogItem>,
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) at_ms: u64,
    /// Of a record that cannot be read, or not all of it.
    pub(super) damage: Option<Damage>,
}

/// A record as it came, and what is wrong with it.
pub(super) struct Damage {
    sequence: String,
    detail: String,
    bytes: Vec<u8>,
}

/// One look at a shard.
pub(super) struct Look {
    pub(super) records: Vec<Arrived>,
    /// Whether it reached the end, for now.
    pub(super) at_end: bool,
    /// Whether the shard is closed and this is the last of it.
    pub(super) closed: bool,
    /// Where to go on reading, where that is known.
    pub(super) next: Option<String>,
}

/// Reads shards.
pub(in crate::aws) struct Readers {
    client: aws_sdk_kinesis::Client,
    settings: ReaderSettings,
    shards: Mutex<HashMap<ShardId, Arc<tokio::sync::Mutex<ShardReader>>>>,
}

/// Where the reading of a shard stands.
struct ShardReader {
    position: Position,
    buffered: VecDeque<Arrived>,
    iterator: Option<String>,
    pushed: Option<Subscription>,
    at_end: bool,
    closed: bool,
    poll_at: Instant,
    /// When a record was pushed last, or it was made sure that none will be.
    moved: Instant,
    asked: Instant,
}

impl ShardReader {
    fn new(after: Position) -> Self {
        let now = Instant::now();
        Self {
            position: after,
            buffered: VecDeque::new(),
            iterator: None,
            pushed: None,
            at_end: false,
            closed: after == Position::END,
            poll_at: now,
            moved: now,
            asked: now,
        }
    }

    /// Takes over what came.
    fn looked(&mut self, look: Look) {
        self.at_end = look.at_end;
        self.closed = look.closed;
        self.iterator = look.next;
        self.buffered = look.records.into();
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
    pub(super) fn new(client: aws_sdk_kinesis::Client, settings: ReaderSettings) -> Self {
        Self { client, settings, shards: Mutex::default() }
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
                self.set_aside(shard, &mut reader).await?;
                return Ok(reader.take(max_bytes));
            }
            if reader.closed {
                return Ok(LogPage { at_end: true, closed: true, ..LogPage::default() });
            }
            match &self.settings.fan_out {
                None => self.poll_once(shard, &mut reader).await?,
                Some(of) => self.receive_once(of, shard, &mut reader, deadline).await?,
            }
            reader.asked = Instant::now();
            if reader.buffered.is_empty() && !reader.closed && Instant::now() >= deadline {
                return Ok(LogPage { at_end: reader.at_end, ..LogPage::default() });
            }
        }
    }

    /// Stores what cannot be read before anybody passes it.
    async fn set_aside(&self, shard: &ShardId, reader: &mut ShardReader) -> Result<(), PortError> {
        for arrived in &mut reader.buffered {
            if let Some(Damage { sequence, detail, bytes }) = &arrived.damage {
                self.settings.aside.put(shard, sequence, detail, bytes).await?;
                arrived.damage = None;
            }
        }
        Ok(())
    }

    /// Reads once, when the shard's pace allows it. Dropping the future loses
    /// nothing: the iterator is kept until an answer with a newer one has come.
    async fn poll_once(&self, shard: &ShardId, reader: &mut ShardReader) -> Result<(), PortError> {
        tokio::time::sleep_until(reader.poll_at).await;
        reader.poll_at = Instant::now() + self.settings.poll;
        let iterator = match reader.iterator.clone() {
            Some(iterator) => iterator,
            None => self.iterator(shard, From::After(reader.position)).await?,
        };
        reader.iterator = Some(iterator.clone());
        let look = self.look(shard, iterator).await;
        // It may have expired; another one is a small price in any case.
        let look = look.inspect_err(|_error| reader.iterator = None)?;
        reader.looked(look);
        Ok(())
    }

    /// Waits for what is pushed, at most until the deadline. Cancel safe: what
    /// was not received stays where it is.
    async fn receive_once(
        &self,
        of: &Arc<FanOut>,
        shard: &ShardId,
        reader: &mut ShardReader,
        deadline: Instant,
    ) -> Result<(), PortError> {
        let position = reader.position;
        let pushed = reader.pushed.get_or_insert_with(|| of.subscribe(shard.clone(), position));
        if let Ok(look) = tokio::time::timeout_at(deadline, pushed.next()).await {
            reader.looked(look?);
        }
        if !reader.buffered.is_empty() {
            reader.moved = Instant::now();
        } else if !reader.closed && reader.moved.elapsed() >= of.watchdog() {
            reader.moved = Instant::now();
            // An end that was not told would stop the shard's children for ever.
            match self.is_over(shard, position).await {
                Ok(over) => reader.closed = over,
                Err(error) => tracing::debug!(%shard, %error, "whether the shard is over is not known"),
            }
        }
        Ok(())
    }

    /// Whether a shard is closed and has nothing behind a position.
    async fn is_over(&self, shard: &ShardId, after: Position) -> Result<bool, PortError> {
        let iterator = self.iterator(shard, From::After(after)).await?;
        let look = self.look(shard, iterator).await?;
        Ok(look.closed && look.records.is_empty())
    }

    /// An iterator of a shard.
    pub(super) async fn iterator(&self, shard: &ShardId, from: From) -> Result<String, PortError> {
        let request = self.client.get_shard_iterator().stream_name(&self.settings.stream).shard_id(&*shard.0);
        let request = match from {
            From::After(Position::START) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::After(position) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(position.to_decimal()),
            From::At(position) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(position.to_decimal()),
            From::Time(ms) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(ms as i64)),
        };
        let what = || format!("begin to read {shard} at {from:?}");
        let answer = request.send().await.map_err(|error| failure::unavailable(what(), &error))?;
        answer.shard_iterator.ok_or_else(|| PortError::unavailable(what(), "no iterator came"))
    }

    /// Reads once, without a pause.
    pub(super) async fn look(&self, shard: &ShardId, iterator: String) -> Result<Look, PortError> {
        let limit = self.settings.records_max;
        let sent = self.client.get_records().shard_iterator(iterator).limit(limit).send().await;
        let answer = sent.map_err(|error| read_error(shard, &error))?;
        Ok(look(answer, limit))
    }

    pub(super) const fn poll(&self) -> Duration {
        self.settings.poll
    }
}

fn read_error(shard: &ShardId, error: &SdkError<GetRecordsError>) -> PortError {
    let wait = match failure::classify(error) {
        failure::Failure::Throttled => Duration::from_millis(500),
        _ => Duration::from_millis(200),
    };
    let (what, source) = (format!("read {shard}"), failure::words(error).into());
    PortError::Unavailable { what, retry_after: wait, source }
}

fn look(answer: GetRecordsOutput, limit: i32) -> Look {
    let behind = answer.millis_behind_latest().unwrap_or(0);
    let at_end = behind == 0 && answer.records().len() < limit as usize;
    let records = answer.records().iter().map(decode).collect();
    let next = answer.next_shard_iterator;
    Look { records, at_end, closed: next.is_none(), next }
}

/// A stored record's items; what is damaged of it is named.
pub(super) fn decode(record: &Record) -> Arrived {
    let bytes = record.data().as_ref();
    let at_ms = record.approximate_arrival_timestamp().and_then(|at| at.to_millis().ok()).unwrap_or(0) as u64;
    // A number that is none of ours is below every position: it is read again, never skipped.
    let position = Position::from_decimal(record.sequence_number()).unwrap_or(Position::START);
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
    let damage = (!damage.is_empty()).then(|| {
        let sequence = record.sequence_number().to_owned();
        let detail = format!("record {sequence} of {} bytes: {}", bytes.len(), damage.join("; "));
        items.push(LogItem::Damaged { position, detail: detail.clone() });
        Damage { sequence, detail, bytes: bytes.to_vec() }
    });
    Arrived { items, position, bytes: bytes.len(), at_ms, damage }
}
