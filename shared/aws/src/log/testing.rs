//! A stream for tests, which bounds reads as Kinesis does.

use super::shard_map::ShardInfo;
use super::stream::{Aside, PutAnswer, PutRecord, ReadFrom, ShardPage, StoredRecord, Stream, StreamIdentity};
use super::{Deduplicated, KinesisLog};
use crate::AwsConfig;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::wire::record::{BlockCodec, RecordEncoder};
use sluice_model::{Batch, Lane};
use sluice_ports::log::{LogItem, LogRecord, Position, RecordDraft, ShardId};
use sluice_ports::sample::Batches;
use sluice_ports::{FailureClass, Log as _, PortError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of the payload of each record.
const RECORD_BYTES: usize = 80_000;
/// The most bytes of a page.
const PAGE_BYTES_MAX: usize = 10 << 20;
/// How long an iterator is valid.
const ITERATOR_LIFE: Duration = Duration::from_secs(300);

/// A shard's records, and the state of its read limits.
struct FakeShard {
    info: ShardInfo,
    records: Vec<StoredRecord>,
    /// No read is allowed before this time.
    free_at: Instant,
    reads: VecDeque<Instant>,
}

/// The requests that the stream got.
#[derive(Debug, Default, Clone)]
pub(super) struct Asked {
    pub(super) reads: usize,
    pub(super) refused: usize,
    pub(super) bytes: usize,
    pub(super) iterators: usize,
}

struct FakeState {
    shards: Vec<FakeShard>,
    iterators: HashMap<String, (usize, usize, Instant)>,
    /// Failures of the next reads.
    failures: VecDeque<FailureClass>,
    /// Whether every other page is empty, though it is not the end.
    gappy: bool,
    asked: Asked,
    puts: VecDeque<Result<Vec<PutAnswer>, FailureClass>>,
    put_panics: bool,
    sent: Vec<Vec<PutRecord>>,
    /// When the stream was made, and the least position that it knows.
    created_ms: u64,
    known_from: u64,
}

/// A stream in memory.
pub(crate) struct FakeStream {
    state: Mutex<FakeState>,
    batch: Arc<Batch>,
}

pub(crate) fn shard_id(number: usize) -> ShardId {
    ShardId(format!("shardId-{number:012}").into())
}

impl FakeStream {
    /// A stream with one shard.
    pub(crate) fn new() -> Arc<Self> {
        let state = FakeState {
            shards: Vec::new(),
            iterators: HashMap::new(),
            failures: VecDeque::new(),
            gappy: false,
            asked: Asked::default(),
            puts: VecDeque::new(),
            put_panics: false,
            sent: Vec::new(),
            created_ms: 1,
            known_from: 0,
        };
        let batch = Batches::new(Lane::new(1).unwrap()).next(1, RECORD_BYTES);
        let stream = Self { state: Mutex::new(state), batch };
        stream.add_shard(Vec::new());
        Arc::new(stream)
    }

    /// Deletes the stream and makes it again with this many shards.
    pub(crate) fn replace(&self, shards: usize) {
        {
            let mut state = self.state.lock();
            state.shards.clear();
            state.iterators.clear();
            (state.created_ms, state.known_from) = (state.created_ms + 60_000, 1_000_000);
        }
        (0..shards).for_each(|_| self.add_shard(Vec::new()));
    }

    /// Makes positions below `lsn` unknown, as those of another stream.
    pub(crate) fn forget_below(&self, lsn: u64) {
        self.state.lock().known_from = lsn;
    }

    pub(crate) fn add_shard(&self, parents: Vec<ShardId>) {
        let mut state = self.state.lock();
        for shard in &mut state.shards {
            shard.info.closed |= parents.contains(&shard.info.id);
        }
        let id = shard_id(state.shards.len());
        let info = ShardInfo { id, parents, first: 0, last: u128::MAX, closed: false };
        let free_at = Instant::now();
        state.shards.push(FakeShard { info, records: Vec::new(), free_at, reads: VecDeque::new() });
    }

    fn encoded(&self, sequence: u64) -> Vec<u8> {
        let batches = vec![Arc::clone(&self.batch)];
        let draft =
            RecordDraft { lane: Some(self.batch.lane()), producer: 7, sequence, batches, parts: Vec::new() };
        let mut bytes = Vec::new();
        RecordEncoder::new(BlockCodec::Zstd(1)).unwrap().encode(&draft, &mut bytes);
        bytes
    }

    /// Stores a record with the producer's count `sequence`, arriving at `at_ms`.
    pub(crate) fn store(&self, shard: usize, sequence: u64, at_ms: u64) -> Position {
        self.store_bytes(shard, self.encoded(sequence), at_ms)
    }

    /// Stores bytes that arrive at `at_ms`.
    pub(crate) fn store_bytes(&self, shard: usize, bytes: Vec<u8>, at_ms: u64) -> Position {
        let mut state = self.state.lock();
        let count: usize = state.shards.iter().map(|shard| shard.records.len()).sum();
        let position = Position::from_lsn(1 + count as u64);
        state.shards[shard].records.push(StoredRecord { position, bytes: bytes.into(), at_ms });
        position
    }

    /// Makes the record at a position readable, as the producer's record with the count
    /// `sequence`.
    pub(super) fn understand(&self, shard: usize, position: Position, sequence: u64) {
        let bytes = self.encoded(sequence);
        let mut state = self.state.lock();
        let mut records = state.shards[shard].records.iter_mut();
        records.find(|record| record.position == position).expect("it is stored").bytes = bytes.into();
    }

    /// The bytes of all records that were sent.
    pub(super) fn sent_bytes(&self) -> Vec<bytes::Bytes> {
        self.state.lock().sent.iter().flatten().map(|record| record.bytes.clone()).collect()
    }

    pub(super) fn fail_reads(&self, failures: impl IntoIterator<Item = FailureClass>) {
        self.state.lock().failures = failures.into_iter().collect();
    }

    /// When the last record of a shard arrived.
    pub(super) fn last_ms(&self, shard: usize) -> u64 {
        self.state.lock().shards[shard].records.last().unwrap().at_ms
    }

    /// The size of a record.
    pub(super) fn record_bytes(&self) -> usize {
        self.state.lock().shards[0].records[0].bytes.len()
    }

    pub(super) fn make_gappy(&self) {
        self.state.lock().gappy = true;
    }

    pub(super) fn answer_puts(
        &self,
        answers: impl IntoIterator<Item = Result<Vec<PutAnswer>, FailureClass>>,
    ) {
        self.state.lock().puts = answers.into_iter().collect();
    }

    pub(super) fn panic_at_next_put(&self) {
        self.state.lock().put_panics = true;
    }

    pub(super) fn sent(&self) -> Vec<Vec<u16>> {
        let lanes = |request: &Vec<PutRecord>| request.iter().map(|record| record.lane).collect();
        self.state.lock().sent.iter().map(lanes).collect()
    }

    pub(super) fn asked(&self) -> Asked {
        self.state.lock().asked.clone()
    }

    /// Refuses a shard's reads for a while, as if its previous owner had read a large page.
    pub(super) fn read_by_another(&self, shard: usize, bytes: usize) {
        self.state.lock().shards[shard].free_at =
            Instant::now() + Duration::from_secs_f64(bytes as f64 / f64::from(2 << 20));
    }
}

impl FakeShard {
    /// Whether a read is allowed now, by Kinesis' two limits.
    fn admits(&mut self, now: Instant) -> bool {
        while self.reads.front().is_some_and(|at| now - *at >= Duration::from_secs(1)) {
            self.reads.pop_front();
        }
        let admits = now >= self.free_at && self.reads.len() < 5;
        if admits {
            self.reads.push_back(now);
        }
        admits
    }
}

#[async_trait]
impl Stream for FakeStream {
    async fn identity(&self) -> Result<StreamIdentity, PortError> {
        let created_ms = self.state.lock().created_ms;
        Ok(StreamIdentity { arn: "arn".into(), created_ms, retention: Duration::from_secs(86_400) })
    }

    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError> {
        Ok(self.state.lock().shards.iter().map(|shard| shard.info.clone()).collect())
    }

    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)> {
        let panics = std::mem::take(&mut self.state.lock().put_panics);
        assert!(!panics, "the test says so");
        let mut state = self.state.lock();
        let stored = vec![PutAnswer::Stored(None); records.len()];
        state.sent.push(records);
        let answer = state.puts.pop_front().unwrap_or(Ok(stored));
        answer.map_err(|class| (class, "the test says so".into()))
    }

    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError> {
        // The way to the stream and back.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut state = self.state.lock();
        state.asked.iterators += 1;
        if let ReadFrom::After(position) | ReadFrom::At(position) = from
            && position != Position::START
            && position < Position::from_lsn(state.known_from)
        {
            return Err(PortError::failed(FailureClass::Refused, "begin to read", "an unknown position"));
        }
        let number = state.shards.iter().position(|known| known.info.id == *shard).unwrap();
        let records = &state.shards[number].records;
        let place = records.partition_point(|record| match from {
            ReadFrom::After(position) => record.position <= position,
            ReadFrom::At(position) => record.position < position,
            ReadFrom::Time(ms) => record.at_ms < ms,
        });
        let name = format!("iterator {}", state.asked.iterators);
        state.iterators.insert(name.clone(), (number, place, Instant::now()));
        Ok(name)
    }

    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = Instant::now();
        let mut state = self.state.lock();
        state.asked.reads += 1;
        let failed = |class| Err(PortError::failed(class, format!("read {shard}"), "the test says so"));
        if let Some(class) = state.failures.pop_front() {
            return failed(class);
        }
        let Some((number, place, made)) = state.iterators.get(iterator).copied() else {
            return failed(FailureClass::Refused);
        };
        if now - made > ITERATOR_LIFE {
            return failed(FailureClass::Refused);
        }
        if !state.shards[number].admits(now) {
            state.asked.refused += 1;
            return failed(FailureClass::Busy);
        }
        let empty = state.gappy && state.asked.reads % 2 == 1;
        let (mut records, mut bytes) = (Vec::new(), 0);
        let rest = &state.shards[number].records[place..];
        for record in rest.iter().take(if empty { 0 } else { limit }) {
            if bytes + record.bytes.len() > PAGE_BYTES_MAX {
                break;
            }
            bytes += record.bytes.len();
            records.push(record.clone());
        }
        let left = &rest[records.len()..];
        let behind_ms = left.last().map_or(0, |last| 1 + last.at_ms - left[0].at_ms);
        let closed = state.shards[number].info.closed && left.is_empty();
        let next = (!closed).then(|| format!("iterator at {number} {}", place + records.len()));
        if let Some(next) = &next {
            state.iterators.insert(next.clone(), (number, place + records.len(), now));
        }
        state.asked.bytes += bytes;
        state.shards[number].free_at = now + Duration::from_secs_f64(bytes as f64 / f64::from(2 << 20));
        Ok(ShardPage { records, behind_ms, closed, next })
    }
}

/// Panics, since no record of these tests is damaged.
struct NothingAside;

#[async_trait]
impl Aside for NothingAside {
    async fn put(&self, shard: &ShardId, _: &StoredRecord, detail: &str) -> Result<(), PortError> {
        panic!("a record of {shard} cannot be read: {detail}");
    }
}

/// The log over a stream, as a new owner of its shards opens it.
pub(crate) async fn opened(stream: &Arc<FakeStream>) -> (Arc<KinesisLog>, Deduplicated) {
    let config = AwsConfig::default();
    let log = KinesisLog::over(Arc::clone(stream) as _, Arc::new(NothingAside), &config).await;
    let log = Arc::new(log.unwrap());
    let window = Duration::from_millis(config.resend_window_ms);
    (Arc::clone(&log), Deduplicated::new(log, window))
}

/// Reads a shard as its consumer does, waiting after errors. Returns the first `wanted`
/// records with their times since the beginning.
pub(super) async fn consume(
    log: &Deduplicated,
    shard: usize,
    mut after: Position,
    wanted: usize,
) -> Vec<(Duration, LogRecord)> {
    let (begin, mut records) = (Instant::now(), Vec::new());
    while records.len() < wanted && begin.elapsed() < Duration::from_secs(120) {
        match log.read(&shard_id(shard), after, 1 << 20, Duration::from_millis(100)).await {
            Ok(page) => {
                for item in page.items {
                    let LogItem::Record(record) = item else { panic!("damage: {item:?}") };
                    after = record.position;
                    records.push((begin.elapsed(), record));
                }
            }
            Err(error) => {
                assert_ne!(error.class(), FailureClass::Busy, "the reader waits for its turn itself");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    records
}
