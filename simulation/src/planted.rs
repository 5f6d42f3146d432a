//! Faults that are planted on purpose, one in a run: the simulation must find each. They wrap
//! ports and rules; the product's code has no switch for them.

use crate::world::{Caller, World, sleep_ms};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_aws::log::{
    Deduplicated, KinesisLog, PutAnswer, PutRecord, ReadFrom, ShardInfo, ShardPage, Stream, StreamIdentity,
};
use sluice_model::Lane;
use sluice_model::wire::record::{BlockCodec, RecordDirectory, RecordEncoder};
use sluice_ports::log::{AppendError, LogItem, LogPage, Position, RecordDraft, ShardId};
use sluice_ports::{FailureClass, Log, PortError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Planted {
    /// Facts, dead letters and queued deliveries are acknowledged before they
    /// are stored: the checkpoint passes them.
    EarlyCheckpoint,
    /// A process does not leave its shards before its leases expire.
    NoFence,
    /// A record is acknowledged, but stored by a later retry, behind the next record.
    ReorderedRetry,
    /// A webhook counts as taken, but is sent by a later retry, behind the next one.
    HeldAttempt,
    /// Requests are answered 202 before their records have sequence numbers.
    EarlyAnswer,
    /// A record is sent again with other bytes.
    OtherBytes,
    /// A new owner of a shard reads whole pages to learn the earlier records, and begins anew
    /// after each error.
    ForgetfulTakeover,
    /// A store refuses a write for good, and its adapter says that the write may be tried
    /// again.
    RefusedForEver,
    /// Taken deliveries are forgotten when a side call fails.
    StrandedDeliveries,
    /// The queue refuses a too large message, and its adapter says that it may be tried
    /// again.
    TooLargeForQueue,
    /// A stream that was made anew is taken for the previous one, and a position that it does not
    /// know for a passing failure.
    OldCheckpoints,
    /// A denied call counts as answered.
    DeniedIsAnswer,
    /// A log that cannot be read for a while reports that it is at its end.
    FrozenLag,
    /// Processes ignore operators' pauses.
    IgnoredPause,
    /// A shard's row claims that more is settled than is.
    SettledAhead,
    /// Readers of the inbox read everything that is stored, although earlier events may still appear.
    EndlessInbox,
    /// A late batch gets its id's place, although readers may have passed it.
    LateInPlace,
    /// In cells: a copy of the catalogue applies rows in the order in which they arrive.
    OlderRows,
    /// In cells: a copy counts, however old it is.
    AgelessCopy,
    /// In cells: events that one cell accepted are also delivered by the other.
    BothDeliver,
    /// In cells: a page without a cell moves the reader's position in that cell.
    ForgottenPosition,
    /// In cells: a page holds everything that can be read, although earlier events may still appear.
    NoHorizon,
}

impl Planted {
    /// Whether only a run of cells can have this fault.
    pub(crate) const fn is_of_cells(self) -> bool {
        matches!(
            self,
            Self::OlderRows
                | Self::AgelessCopy
                | Self::BothDeliver
                | Self::ForgottenPosition
                | Self::NoHorizon
        )
    }
}

/// How long a process trusts its leases, in milliseconds.
pub(crate) fn lease_ms(planted: Option<Planted>, who: Caller, lease_ms: u64) -> u64 {
    if planted == Some(Planted::NoFence) && who.is_multiple_of(2) { lease_ms * 20 } else { lease_ms }
}

/// A log whose appends are answered at once.
pub(crate) struct EarlyAnswer(pub(crate) Arc<dyn Log>);

#[async_trait]
impl Log for EarlyAnswer {
    fn append_units(&self) -> usize {
        self.0.append_units()
    }
    fn append_unit(&self, lane: Lane) -> usize {
        self.0.append_unit(lane)
    }
    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        let log = Arc::clone(&self.0);
        tokio::spawn(async move { log.append(unit, record).await });
        Ok(())
    }
    fn accepting(&self) -> Result<(), AppendError> {
        self.0.accepting()
    }
    fn recovered_ms(&self) -> u64 {
        self.0.recovered_ms()
    }
    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.0.shards().await
    }
    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        self.0.lanes(shard).await
    }
    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        self.0.read(shard, after, max, wait).await
    }
}

/// A stream to which a repeated record is sent without its last batch.
pub(crate) struct OtherBytes<S> {
    pub(crate) stream: S,
    pub(crate) sent: Mutex<HashMap<u16, Bytes>>,
}

fn shortened(bytes: &Bytes) -> Option<Bytes> {
    let directory = RecordDirectory::parse(bytes).ok()?;
    let mut batches: Vec<_> =
        directory.read_all(bytes).filter_map(|(_, batch)| batch.ok()).map(Arc::new).collect();
    let lane = batches.first().map(|batch| batch.lane());
    batches.pop();
    let draft = RecordDraft {
        lane,
        producer: directory.producer,
        sequence: directory.sequence,
        batches,
        parts: Vec::new(),
    };
    let mut out = Vec::new();
    RecordEncoder::new(BlockCodec::Zstd(1)).ok()?.encode(&draft, &mut out);
    Some(out.into())
}

#[async_trait]
impl<S: Stream> Stream for OtherBytes<S> {
    async fn identity(&self) -> Result<StreamIdentity, PortError> {
        self.stream.identity().await
    }
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        self.stream.shards().await
    }
    async fn put(&self, mut records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)> {
        for record in &mut records {
            let before = self.sent.lock().insert(record.lane, record.bytes.clone());
            if before.is_some_and(|before| before == record.bytes)
                && let Some(other) = shortened(&record.bytes)
            {
                record.bytes = other;
            }
        }
        self.stream.put(records).await
    }
    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError> {
        self.stream.iterator(shard, from).await
    }
    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError> {
        self.stream.get(shard, iterator, limit).await
    }
}

/// A stream that hides that it was made anew.
pub(crate) struct OldCheckpoints<S>(pub(crate) S);

#[async_trait]
impl<S: Stream> Stream for OldCheckpoints<S> {
    async fn identity(&self) -> Result<StreamIdentity, PortError> {
        Ok(StreamIdentity { created_ms: 0, ..self.0.identity().await? })
    }
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        self.0.shards().await
    }
    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)> {
        self.0.put(records).await
    }
    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError> {
        let begun = self.0.iterator(shard, from).await;
        begun.map_err(|error| PortError::unavailable("begin to read", error.to_string()))
    }
    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError> {
        self.0.get(shard, iterator, limit).await
    }
}

/// The log that a processor consumes: the product's own, unless a fault is planted in it.
pub(crate) fn consumed(
    world: &World,
    stream: Arc<dyn Stream>,
    log: Arc<KinesisLog>,
    window: Duration,
) -> Arc<dyn Log> {
    let log = Arc::new(Deduplicated::new(log, window));
    match world.planted {
        Some(planted @ (Planted::ForgetfulTakeover | Planted::FrozenLag)) => {
            let (known, frozen) = (Mutex::default(), Mutex::default());
            Arc::new(FaultyReader { planted, log, stream, window, known, frozen })
        }
        _ => log,
    }
}

/// A log that is read with a fault.
struct FaultyReader {
    planted: Planted,
    log: Arc<Deduplicated>,
    stream: Arc<dyn Stream>,
    window: Duration,
    /// Where reading of each shard continues.
    known: Mutex<HashMap<ShardId, Position>>,
    /// The time until which each shard cannot be read.
    frozen: Mutex<HashMap<ShardId, Instant>>,
}

/// How long a shard cannot be read after a read of it failed.
const FROZEN: Duration = Duration::from_secs(8);

impl FaultyReader {
    fn is_frozen(&self, shard: &ShardId) -> bool {
        self.frozen.lock().get(shard).is_some_and(|until| Instant::now() < *until)
    }

    /// Reads the window before a position in whole pages, and forgets it all after an error.
    async fn learn(&self, shard: &ShardId, after: Position) -> Result<(), PortError> {
        const WHOLE_PAGE: usize = 10_000;
        let iterator = self.stream.iterator(shard, ReadFrom::At(after)).await?;
        let Some(at_ms) =
            self.stream.get(shard, &iterator, WHOLE_PAGE).await?.records.first().map(|first| first.at_ms)
        else {
            return Ok(());
        };
        let from = ReadFrom::Time(at_ms.saturating_sub(self.window.as_millis() as u64));
        let mut next = Some(self.stream.iterator(shard, from).await?);
        while let Some(iterator) = next {
            let page = self.stream.get(shard, &iterator, WHOLE_PAGE).await?;
            if page.behind_ms == 0 || page.records.iter().any(|record| record.position > after) {
                return Ok(());
            }
            next = page.next;
            sleep_ms(60).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Log for FaultyReader {
    fn append_units(&self) -> usize {
        self.log.append_units()
    }
    fn append_unit(&self, lane: Lane) -> usize {
        self.log.append_unit(lane)
    }
    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        self.log.append(unit, record).await
    }
    fn accepting(&self) -> Result<(), AppendError> {
        self.log.accepting()
    }
    fn recovered_ms(&self) -> u64 {
        self.log.recovered_ms()
    }
    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.log.shards().await
    }
    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        self.log.lanes(shard).await
    }
    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let is_known = self.known.lock().get(shard) == Some(&after);
        let is_new = !is_known && after != Position::START && after != Position::END;
        if self.planted == Planted::ForgetfulTakeover && is_new {
            self.learn(shard, after).await?;
        }
        if self.is_frozen(shard) {
            sleep_ms(100).await;
            return Ok(LogPage { at_end: true, ..LogPage::default() });
        }
        let page = match self.log.read(shard, after, max, wait).await {
            Err(_) if self.planted == Planted::FrozenLag => {
                self.frozen.lock().insert(shard.clone(), Instant::now() + FROZEN);
                LogPage { at_end: true, ..LogPage::default() }
            }
            page => page?,
        };
        let last = page.items.last().map_or(after, |item| match item {
            LogItem::Record(record) => record.position,
            LogItem::Damaged { position, .. } => *position,
        });
        self.known.lock().insert(shard.clone(), last);
        Ok(page)
    }
}
