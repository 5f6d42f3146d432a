//! Reading shards, by polling at the pace that a shard allows, or by push.

use super::arrivals::ShardArrivals;
use super::load::{LoadMeter, ShardLoad};
use super::look::{Arrived, Look, RecordDamage};
use super::read_pace::ReadPace;
use super::stream::{Aside, ReadFrom, ShardSubscription, Stream};
use super::stream_clock::StreamClock;
use crate::health::{Dependency, DependencyHealth};
use crate::leases::Readable;
use crate::metrics::{LogMetrics, ShardLoadMetrics};
use parking_lot::Mutex;
use sluice_ports::log::{IdTimes, LogItem, LogPage, Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A reader is forgotten when nobody used it for this long.
const IDLE: Duration = Duration::from_secs(60);
/// Kinesis pushes an event, perhaps empty, every few seconds. A lag that the stream told
/// longer ago than this grows by the time since then.
const PUSH_EVERY: Duration = Duration::from_secs(10);

/// Settings of the readers.
pub(super) struct ReaderSettings {
    /// The shortest time between two reads of a shard.
    pub(super) poll: Duration,
    pub(super) records_max: usize,
    /// About how many bytes a read fetches.
    pub(super) bytes_max: usize,
    /// The bytes a second that a shard gives.
    pub(super) bytes_per_s: u64,
    /// After this long without a pushed record the reader asks whether the shard has ended.
    pub(super) watchdog: Duration,
    /// How long a new owner may spend on learning before it delivers.
    pub(super) learn: Duration,
    /// How many milliseconds a batch's id may differ from its arrival for readers of the
    /// inbox to find the batch at its id's place.
    pub(super) late_ms: u64,
}

/// The readers of the shards.
pub(crate) struct Readers {
    stream: Arc<dyn Stream>,
    aside: Arc<dyn Aside>,
    pub(super) settings: ReaderSettings,
    pub(super) metrics: LogMetrics,
    /// Where the readers report that they may not continue, if anybody asks.
    pub(super) health: Option<Arc<DependencyHealth>>,
    shards: Mutex<HashMap<ShardId, Arc<tokio::sync::Mutex<ShardReader>>>>,
    /// Ranges that are skipped: behind the first position, up to the second.
    skipped: Mutex<HashMap<ShardId, (Position, Position)>>,
    /// Data of a shard that outlives its readers: the pace of reads, and the arrival times of
    /// positions.
    known: Mutex<HashMap<ShardId, KnownShard>>,
    clock: StreamClock,
}

struct KnownShard {
    pace: ReadPace,
    arrivals: ShardArrivals,
    load: LoadMeter,
    metrics: ShardLoadMetrics,
    /// How far readers of the inbox may have read the shard before this process took it up;
    /// `None` while this process does not work the shard.
    told: Option<Readable>,
    used: Instant,
}

impl KnownShard {
    fn new(shard: &ShardId, bytes_per_s: u64) -> Self {
        let now = Instant::now();
        Self {
            pace: ReadPace::new(now, bytes_per_s),
            arrivals: ShardArrivals::default(),
            load: LoadMeter::default(),
            metrics: ShardLoadMetrics::new(shard),
            told: None,
            used: now,
        }
    }

    /// The times at which readers of the inbox may find the batches of the next record.
    /// Until a record is stored, readers are told of no time later than the arrival of the
    /// record before it.
    fn id_times(&self, arrived: &Arrived, late_ms: u64) -> IdTimes {
        // Without an arrival time, no id counts as too late.
        let until_ms = if arrived.at_ms == 0 { u64::MAX } else { arrived.at_ms.saturating_add(late_ms) };
        let told = self.told.unwrap_or(Readable { at: Position::START, ms: 0 });
        if arrived.position <= told.at {
            // An earlier owner stored the record before readers were told this. If it gave a
            // batch a place of its own, readers find the batch there as before.
            return IdTimes { from_ms: 0, until_ms };
        }
        let before_ms = self.arrivals.latest_ms().saturating_sub(late_ms);
        IdTimes { from_ms: before_ms.max(told.ms), until_ms }
    }

    /// Notes the records of a look, and at the end of the shard the time of the look.
    fn note(&mut self, shard: &ShardId, last: Position, look: &mut Look, late_ms: u64) {
        let mut loads = Vec::new();
        for arrived in &mut look.records {
            let id_times = self.id_times(arrived, late_ms);
            for item in &mut arrived.items {
                if let LogItem::Record(record) = item {
                    record.id_times = id_times;
                }
            }
            self.arrivals.note(arrived.position, arrived.at_ms);
            loads.extend(self.load.note(arrived.at_ms, arrived.bytes));
        }
        if look.is_at_end() {
            self.arrivals.note(last, look.asked_ms);
            loads.extend(self.load.until(look.asked_ms));
        }
        if let Some(load) = loads.last() {
            self.metrics.set(shard, *load);
        }
    }
}

/// The state of reading one shard.
struct ShardReader {
    position: Position,
    buffered: VecDeque<Arrived>,
    iterator: Option<String>,
    pushed: Option<ShardSubscription>,
    /// How far the last good answer was behind, as the stream said, and when it said so.
    behind: Option<(u64, Instant)>,
    /// Whether that answer ended at the end of the shard.
    at_end: bool,
    closed: bool,
    /// When a record was last pushed, or the reader last asked whether the shard has ended.
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
            behind: None,
            at_end: false,
            closed: after == Position::END,
            moved: now,
            asked: now,
        }
    }

    /// Adds the records of a look.
    fn looked(&mut self, look: Look) {
        self.behind = Some((look.behind_ms, Instant::now()));
        self.at_end = look.is_at_end();
        self.closed = look.closed;
        self.iterator = look.next;
        self.buffered = look.records.into();
    }

    /// How far the reader is behind the end of the shard: the lag that the stream told last,
    /// and the time since then if it is longer than `fresh`.
    fn behind_ms(&self, fresh: Duration) -> Option<u64> {
        let (behind_ms, said) = self.behind?;
        let since = said.elapsed();
        Some(behind_ms + if since > fresh { since.as_millis() as u64 } else { 0 })
    }

    /// Why the next record must not be passed; `None` if it may.
    fn newer(&self) -> Option<&String> {
        self.buffered.front()?.newer.as_ref()
    }

    /// Takes about `max_bytes` of the records before the next one that must not be passed.
    fn take(&mut self, max_bytes: usize, fresh: Duration) -> LogPage {
        let (mut page, mut bytes) = (LogPage::default(), 0);
        while bytes < max_bytes || page.items.is_empty() {
            if self.newer().is_some() {
                break;
            }
            let Some(arrived) = self.buffered.pop_front() else { break };
            bytes += arrived.bytes;
            self.position = arrived.position;
            page.items.extend(arrived.items);
        }
        let is_all = self.buffered.is_empty();
        page.behind_ms = self.behind_ms(fresh);
        page.at_end = is_all && (self.closed || (self.at_end && page.behind_ms == Some(0)));
        page.closed = self.closed && is_all;
        page
    }
}

impl Readers {
    pub(super) fn new(stream: Arc<dyn Stream>, aside: Arc<dyn Aside>, settings: ReaderSettings) -> Self {
        let (shards, skipped, known) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (metrics, clock) = (LogMetrics::new(), StreamClock::default());
        Self { stream, aside, settings, metrics, health: None, shards, skipped, known, clock }
    }

    fn reader(&self, shard: &ShardId, after: Position) -> Arc<tokio::sync::Mutex<ShardReader>> {
        let mut shards = self.shards.lock();
        shards.retain(|id, reader| {
            id == shard || reader.try_lock().map_or(true, |reader| reader.asked.elapsed() < IDLE)
        });
        let reader = shards.entry(shard.clone());
        let new = || Arc::new(tokio::sync::Mutex::new(ShardReader::new(after)));
        Arc::clone(reader.or_insert_with(new))
    }

    /// Forgets all shards: the stream was replaced.
    pub(super) fn forget(&self) {
        self.shards.lock().clear();
        self.known.lock().clear();
        self.skipped.lock().clear();
    }

    /// Skips a range of a shard from now on; `None` ends the skipping.
    pub(super) fn pass_over(&self, shard: &ShardId, range: Option<(Position, Position)>) {
        let mut skipped = self.skipped.lock();
        match range {
            Some(range) => drop(skipped.insert(shard.clone(), range)),
            None => drop(skipped.remove(shard)),
        }
    }

    /// Where a reader at `after` continues.
    pub(super) fn skip(&self, shard: &ShardId, after: Position) -> Position {
        match self.skipped.lock().get(shard) {
            Some((from, until)) if (*from..*until).contains(&after) => *until,
            _ => after,
        }
    }

    /// Drops the buffered records of a skipped range. After them the reader is at the end of
    /// the range.
    fn drop_skipped(&self, shard: &ShardId, reader: &mut ShardReader) {
        let Some((from, until)) = self.skipped.lock().get(shard).copied() else { return };
        let is_skipped = |arrived: &Arrived| arrived.position > from && arrived.position <= until;
        match reader.buffered.iter().position(is_skipped) {
            Some(0) => *reader = ShardReader::new(until),
            // The records before the range are delivered first; then reading continues after it.
            Some(at) => {
                reader.buffered.truncate(at);
                (reader.iterator, reader.pushed) = (None, None);
                (reader.closed, reader.at_end) = (false, false);
            }
            None => {}
        }
    }

    fn with_known<T>(&self, shard: &ShardId, act: impl FnOnce(&mut KnownShard) -> T) -> T {
        let now = Instant::now();
        let mut known = self.known.lock();
        if !known.contains_key(shard) {
            known.retain(|_, shard| shard.told.is_some() || shard.used.elapsed() < IDLE);
            known.insert(shard.clone(), KnownShard::new(shard, self.settings.bytes_per_s));
        }
        let shard = known.get_mut(shard).expect("just inserted");
        shard.used = now;
        act(shard)
    }

    /// The latest time such that every record of the shard that arrived by then is at
    /// `position` or before it, as far as this process read the shard.
    pub(super) fn arrived_until_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        self.known.lock().get(shard)?.arrivals.until_ms(position)
    }

    /// No record of the shard behind `position` gives its batches a place in the inbox before
    /// that time, as far as this process read the shard.
    pub(super) fn readable_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        Some(self.arrived_until_ms(shard, position)?.saturating_sub(self.settings.late_ms))
    }

    /// Begins to work the shard. `told` is how far readers of the inbox may have read it.
    pub(super) fn take_up(&self, shard: &ShardId, told: Readable) {
        self.with_known(shard, |known| known.told = Some(told));
    }

    /// The recent load of the shard, as far as this process read it.
    pub(super) fn load(&self, shard: &ShardId) -> Option<ShardLoad> {
        self.known.lock().get(shard)?.load.latest()
    }

    /// Forgets a shard that another process works from now on. The pace of its reads is
    /// kept, since Kinesis counts the reads of all processes.
    pub(super) fn leave(&self, shard: &ShardId) {
        self.skipped.lock().remove(shard);
        if let Some(known) = self.known.lock().get_mut(shard) {
            (known.load, known.metrics) = (LoadMeter::default(), ShardLoadMetrics::new(shard));
            known.told = None;
        }
    }

    /// [`Log::read`](sluice_ports::Log::read).
    pub(super) async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let after = self.skip(shard, after);
        let reader = self.reader(shard, after);
        let mut reader = reader.lock().await;
        reader.asked = Instant::now();
        if reader.position != after {
            *reader = ShardReader::new(after);
        }
        let deadline = Instant::now() + wait;
        let mut tried = false;
        loop {
            let fresh = if reader.pushed.is_some() { PUSH_EVERY } else { self.settings.poll * 2 };
            self.drop_skipped(shard, &mut reader);
            if let Some(newer) = reader.newer() {
                return Err(self.must_not_pass(shard, newer));
            }
            if !reader.buffered.is_empty() {
                self.set_aside(shard, &mut reader).await?;
                return Ok(reader.take(max_bytes, fresh));
            }
            if reader.closed || (tried && Instant::now() >= deadline) {
                return Ok(reader.take(max_bytes, fresh));
            }
            if reader.pushed.is_none() {
                reader.pushed = self.stream.subscribe(shard, reader.position);
            }
            match reader.pushed {
                None => self.poll_once(shard, &mut reader, deadline).await?,
                Some(_) => self.receive_once(shard, &mut reader, deadline).await?,
            }
            reader.asked = Instant::now();
            tried = true;
        }
    }

    /// Continues with a look that was read behind `after`.
    pub(super) async fn resume(&self, shard: &ShardId, after: Position, mut look: Look) {
        let reader = self.reader(shard, after);
        let mut reader = reader.lock().await;
        *reader = ShardReader::new(after);
        let last = look.records.last().map_or(after, |arrived| arrived.position);
        self.note_arrivals(shard, last, &mut look);
        reader.looked(look);
    }

    /// The error at a record of a newer version: the shard waits for a newer process, and
    /// the health says so.
    fn must_not_pass(&self, shard: &ShardId, newer: &str) -> PortError {
        let operation = format!("read {shard}");
        if let Some(health) = &self.health {
            health.failed(Dependency::Kinesis, FailureClass::Denied, &operation, newer);
        }
        PortError::newer(operation, newer)
    }

    /// Stores the bytes of unreadable records before anybody passes them.
    async fn set_aside(&self, shard: &ShardId, reader: &mut ShardReader) -> Result<(), PortError> {
        for arrived in &mut reader.buffered {
            if let Some(RecordDamage { record, detail }) = &arrived.damage {
                self.aside.put(shard, record, detail).await?;
                arrived.damage = None;
            }
        }
        Ok(())
    }

    /// Reads once, if the shard's pace allows it before the deadline. Cancel safe: the
    /// iterator is kept until an answer brings a newer one.
    async fn poll_once(
        &self,
        shard: &ShardId,
        reader: &mut ShardReader,
        deadline: Instant,
    ) -> Result<(), PortError> {
        let limit = self.limit(shard, self.settings.bytes_max);
        let from = ReadFrom::After(reader.position);
        if let Some(mut look) = self.look(shard, from, &mut reader.iterator, limit, deadline).await? {
            let last = look.records.last().map_or(reader.position, |arrived| arrived.position);
            self.note_arrivals(shard, last, &mut look);
            reader.looked(look);
        }
        Ok(())
    }

    /// How many records to ask for to get about `bytes`.
    pub(super) fn limit(&self, shard: &ShardId, bytes: usize) -> usize {
        self.with_known(shard, |known| known.pace.limit(bytes, self.settings.records_max))
    }

    /// Reads once, when the shard's pace allows it. Returns `None` if that is after `until`,
    /// or if the shard refused the read as too fast. If `iterator` is empty it is made from
    /// `from`; it is kept for the next call unless it expired.
    pub(super) async fn look(
        &self,
        shard: &ShardId,
        from: ReadFrom,
        iterator: &mut Option<String>,
        limit: usize,
        until: Instant,
    ) -> Result<Option<Look>, PortError> {
        let turn = self.with_known(shard, |known| known.pace.next());
        tokio::time::sleep_until(turn.min(until)).await;
        if turn > until {
            return Ok(None);
        }
        let used = match iterator {
            Some(iterator) => iterator.clone(),
            None => iterator.insert(self.stream.iterator(shard, from).await?).clone(),
        };
        self.with_known(shard, |known| known.pace.begins(Instant::now(), self.settings.poll));
        let asked_ms = self.clock.now_ms();
        match self.stream.get(shard, &used, limit).await {
            Ok(page) => {
                let look = Look::new(page, limit, asked_ms);
                let (records, bytes) = (look.records.len(), look.bytes());
                self.with_known(shard, |known| known.pace.answered(Instant::now(), records, bytes));
                Ok(Some(look))
            }
            Err(error) if error.class() == FailureClass::Busy => {
                self.metrics.reads_refused.increment(1);
                self.with_known(shard, |known| known.pace.refused(Instant::now()));
                Ok(None)
            }
            Err(error) => {
                // The iterator expired; the next look makes another.
                if error.class() == FailureClass::Refused {
                    *iterator = None;
                }
                Err(error)
            }
        }
    }

    /// Notes the arrival times of the records of a look, and the times at which readers of
    /// the inbox may find them.
    fn note_arrivals(&self, shard: &ShardId, last: Position, look: &mut Look) {
        if let Some(arrived) = look.records.last() {
            self.clock.saw(arrived.at_ms);
        }
        self.with_known(shard, |known| known.note(shard, last, look, self.settings.late_ms));
    }

    /// Waits for the next push, until the deadline at the latest. Cancel safe: a push that
    /// was not received stays in the subscription.
    async fn receive_once(
        &self,
        shard: &ShardId,
        reader: &mut ShardReader,
        deadline: Instant,
    ) -> Result<(), PortError> {
        let position = reader.position;
        let Some(pushed) = &mut reader.pushed else { return Ok(()) };
        let asked_ms = self.clock.now_ms();
        if let Ok(page) = tokio::time::timeout_at(deadline, pushed.next()).await {
            let mut look = Look::new(page?, usize::MAX, asked_ms);
            let last = look.records.last().map_or(position, |arrived| arrived.position);
            self.note_arrivals(shard, last, &mut look);
            reader.looked(look);
        }
        if !reader.buffered.is_empty() {
            reader.moved = Instant::now();
        } else if !reader.closed && reader.moved.elapsed() >= self.settings.watchdog {
            reader.moved = Instant::now();
            // Ask, because a missed end would block the shard's children for ever.
            match self.is_over(shard, position, deadline).await {
                Ok(over) => reader.closed = over,
                Err(error) => tracing::debug!(%shard, %error, "whether the shard is over is not known"),
            }
        }
        Ok(())
    }

    /// Whether a shard is closed and has no record behind a position.
    async fn is_over(&self, shard: &ShardId, after: Position, deadline: Instant) -> Result<bool, PortError> {
        let look = self.look(shard, ReadFrom::After(after), &mut None, 1, deadline).await?;
        Ok(look.is_some_and(|look| look.closed && look.records.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::stream::{ShardPage, StoredRecord};
    use sluice_ports::log::LogRecord;

    const LATE_MS: u64 = 100;

    fn look(records: impl IntoIterator<Item = (u64, u64)>, asked_ms: u64) -> Look {
        let stored = |(position, at_ms)| {
            let (position, at_ms) = (Position::from_lsn(position), at_ms);
            StoredRecord { position, bytes: Vec::new().into(), at_ms }
        };
        let records = records.into_iter().map(stored).collect();
        let mut look =
            Look::new(ShardPage { records, behind_ms: 0, closed: false, next: None }, 10, asked_ms);
        for arrived in &mut look.records {
            let (position, id_times) = (arrived.position, IdTimes::ALL);
            let record = LogRecord { position, producer: 1, sequence: 1, batches: Vec::new(), id_times };
            arrived.items = vec![LogItem::Record(record)];
        }
        look
    }

    fn times(look: &Look) -> Vec<(u64, u64)> {
        let items = look.records.iter().flat_map(|arrived| &arrived.items);
        let times = items.filter_map(|item| match item {
            LogItem::Record(record) => Some((record.id_times.from_ms, record.id_times.until_ms)),
            LogItem::Damaged { .. } => None,
        });
        times.collect()
    }

    #[test]
    fn an_answer_that_came_late_says_nothing_of_what_arrived_meanwhile() {
        let (shard, last) = (ShardId("s".into()), Position::from_lsn(3));
        let mut known = KnownShard::new(&shard, 1);
        known.note(&shard, last, &mut look([], 5_000), LATE_MS);
        assert_eq!(known.arrivals.until_ms(last), Some(5_000));
    }

    #[test]
    fn a_record_s_batches_come_behind_what_readers_may_have_been_told_before_it() {
        let (shard, last) = (ShardId("s".into()), Position::from_lsn);
        let mut known = KnownShard::new(&shard, 1);
        known.told = Some(Readable { at: last(2), ms: 4_000 });
        let mut first = look([(2, 3_000), (3, 4_050), (4, 9_000), (5, 9_500)], 10_000);
        known.note(&shard, last(5), &mut first, LATE_MS);
        assert_eq!(
            times(&first),
            [
                // An earlier owner stored it before readers were told.
                (0, 3_100),
                // The time that an earlier owner told counts as long as nothing later is known.
                (4_000, 4_150),
                (4_000, 9_100),
                (8_900, 9_600)
            ]
        );
        // Nothing more had arrived by then, and readers may have been told so.
        known.note(&shard, last(5), &mut look([], 12_000), LATE_MS);
        let mut late = look([(6, 11_990), (7, 12_400)], 12_500);
        known.note(&shard, last(7), &mut late, LATE_MS);
        assert_eq!(times(&late), [(11_900, 12_090), (11_900, 12_500)]);
    }
}
