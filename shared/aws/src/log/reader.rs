//! Reading shards: by polling, paced to what a shard allows, or as they push.

use super::stream::{Aside, From, Got, GotRecord, Stream, Subscription};
use parking_lot::Mutex;
use sluice_ports::PortError;
use sluice_ports::log::{LogItem, LogPage, LogRecord, Position, ShardId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A reader that was not asked for this long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// How shards are read.
pub(super) struct ReaderSettings {
    /// The shortest time between two reads of a shard.
    pub(super) poll: Duration,
    pub(super) records_max: i32,
    /// After so long without a pushed record it is made sure that the shard is not over.
    pub(super) watchdog: Duration,
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
    record: GotRecord,
    detail: String,
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
pub(crate) struct Readers {
    stream: Arc<dyn Stream>,
    aside: Arc<dyn Aside>,
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
    pub(super) fn new(stream: Arc<dyn Stream>, aside: Arc<dyn Aside>, settings: ReaderSettings) -> Self {
        Self { stream, aside, settings, shards: Mutex::default() }
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

    /// [`Log::read`](sluice_ports::Log::read).
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
            if reader.pushed.is_none() {
                reader.pushed = self.stream.subscribe(shard, after);
            }
            match reader.pushed {
                None => self.poll_once(shard, &mut reader).await?,
                Some(_) => self.receive_once(shard, &mut reader, deadline).await?,
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
            if let Some(Damage { record, detail }) = &arrived.damage {
                self.aside.put(shard, record, detail).await?;
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
        shard: &ShardId,
        reader: &mut ShardReader,
        deadline: Instant,
    ) -> Result<(), PortError> {
        let position = reader.position;
        let Some(pushed) = &mut reader.pushed else { return Ok(()) };
        if let Ok(got) = tokio::time::timeout_at(deadline, pushed.next()).await {
            reader.looked(self.arrived(got?));
        }
        if !reader.buffered.is_empty() {
            reader.moved = Instant::now();
        } else if !reader.closed && reader.moved.elapsed() >= self.settings.watchdog {
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
        self.stream.iterator(shard, from).await
    }

    /// Reads once, without a pause.
    pub(super) async fn look(&self, shard: &ShardId, iterator: String) -> Result<Look, PortError> {
        Ok(self.arrived(self.stream.get(shard, iterator, self.settings.records_max).await?))
    }

    fn arrived(&self, got: Got) -> Look {
        let Got { records, behind_ms, closed, next } = got;
        let at_end = behind_ms == 0 && records.len() < self.settings.records_max as usize;
        Look { records: records.into_iter().map(decode).collect(), at_end, closed, next }
    }

    pub(super) const fn poll(&self) -> Duration {
        self.settings.poll
    }
}

/// A stored record's items; what is damaged of it is named.
fn decode(record: GotRecord) -> Arrived {
    let (position, at_ms, bytes) = (record.position, record.at_ms, record.bytes.len());
    let (whole, damage) = LogRecord::read(&record.bytes, position);
    let mut items: Vec<LogItem> = whole.map(LogItem::Record).into_iter().collect();
    let damage = (!damage.is_empty()).then(|| {
        let detail = format!("record {} of {bytes} bytes: {}", position.to_decimal(), damage.join("; "));
        items.push(LogItem::Damaged { position, detail: detail.clone() });
        Damage { record, detail }
    });
    Arrived { items, position, bytes, at_ms, damage }
}
