//! The log on Kinesis.
//!
//! An append unit is a lane. One task gathers the records of all lanes into
//! PutRecords requests; a lane has one record in flight. A record that was throttled,
//! or whose answer was lost, is sent again with the same bytes until its deadline.
//! So the stream may hold a record twice; [`Deduplicated`] reads each record once.

mod append_door;
mod arrivals;
#[cfg(feature = "services")]
mod aside;
mod deduplicated;
#[cfg(feature = "services")]
mod fan_out;
#[cfg(feature = "services")]
mod kinesis;
mod learning;
mod load;
mod look;
mod marks;
mod outbox;
mod pace;
mod read_pace;
mod reader;
mod sender;
#[cfg(all(test, feature = "paused-time"))]
mod sender_tests;
mod shard_map;
mod stream;
mod stream_clock;
#[cfg(all(test, feature = "paused-time"))]
mod takeover_tests;
#[cfg(all(test, feature = "paused-time"))]
pub(crate) mod testing;

pub use deduplicated::Deduplicated;
pub use load::ShardLoad;
pub use shard_map::{ShardInfo, ShardMap, point_of};
pub use stream::{
    Aside, PutAnswer, PutRecord, ReadFrom, ShardPage, ShardSubscription, StoredRecord, Stream, StreamIdentity,
};

#[cfg(feature = "services")]
use super::clients::Clients;
use super::config::AwsConfig;
use super::leases::Readable;
use append_door::AppendDoor;
use async_trait::async_trait;
use parking_lot::Mutex;
use reader::{ReaderSettings, Readers};
use sender::{Sender, Submission};
use sluice_model::Lane;
use sluice_model::wire::record::{BlockCodec, RecordEncoder};
use sluice_ports::PortError;
use sluice_ports::log::{AppendError, Log, LogPage, Position, RecordDraft, ShardId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A record with its partition key has at most 1 MiB (Kinesis' default quota).
const RECORD_BYTES_MAX: usize = (1 << 20) - 16;
/// The raw bytes at which a record should be cut: one more batch and its tables
/// still fit, even if nothing compresses.
pub const RECORD_RAW_BYTES: usize = 600_000;
/// The most encoders that are kept for later records.
const ENCODERS_MAX: usize = 16;

/// The log on Kinesis.
pub struct KinesisLog {
    stream: Arc<dyn Stream>,
    lanes: u16,
    zstd_level: i32,
    encoders: Mutex<Vec<RecordEncoder>>,
    submissions: mpsc::Sender<Submission>,
    door: Arc<AppendDoor>,
    readers: Readers,
    sender: Mutex<Option<JoinHandle<()>>>,
}

/// The configured stream, for a process that neither writes to it nor works its shards.
#[cfg(feature = "services")]
#[must_use]
pub fn configured_stream(clients: &Clients, config: &AwsConfig) -> Arc<dyn Stream> {
    Arc::new(kinesis::KinesisStream::new(&clients.kinesis, config))
}

impl KinesisLog {
    /// Reads the stream's shards and starts the task that writes to it.
    ///
    /// # Errors
    /// If the stream cannot be described.
    #[cfg(feature = "services")]
    pub async fn open(clients: &Clients, config: &AwsConfig) -> Result<Self, PortError> {
        let stream = Arc::new(kinesis::KinesisStream::new(&clients.kinesis, config));
        let aside = Arc::new(aside::RowsAside::new(clients, config));
        let mut log = Self::over(stream, aside, config).await?;
        log.readers.health = Some(Arc::clone(clients.health()));
        Ok(log)
    }

    /// The log on any stream. Records that cannot be read are set aside.
    ///
    /// # Errors
    /// If the stream cannot be described.
    pub async fn over(
        stream: Arc<dyn Stream>,
        aside: Arc<dyn Aside>,
        config: &AwsConfig,
    ) -> Result<Self, PortError> {
        let shards = stream.shards().await?;
        let door = Arc::new(AppendDoor::default());
        let (submissions, receiver) = mpsc::channel(usize::from(config.lanes).max(64));
        let sender =
            Sender::new(Arc::clone(&stream), config, ShardMap::new(&shards), Arc::clone(&door), receiver);
        let readers = Readers::new(
            Arc::clone(&stream),
            aside,
            ReaderSettings {
                poll: Duration::from_millis(config.poll_ms),
                records_max: config.read_records_max as usize,
                bytes_max: config.read_bytes_max,
                bytes_per_s: config.shard_bytes_per_s,
                watchdog: Duration::from_millis(config.fan_out_watchdog_ms),
                learn: Duration::from_millis(config.learn_ms_max),
                late_ms: config.inbox_late_ms,
            },
        );
        Ok(Self {
            stream,
            lanes: config.lanes,
            zstd_level: config.zstd_level,
            encoders: Mutex::default(),
            submissions,
            door,
            readers,
            sender: Mutex::new(Some(tokio::spawn(sender.run()))),
        })
    }

    /// The stream's shards as they are now, closed ones included.
    ///
    /// # Errors
    /// If the stream cannot be described.
    pub async fn describe(&self) -> Result<Vec<ShardInfo>, PortError> {
        self.stream.shards().await
    }

    /// The identity of the stream.
    ///
    /// # Errors
    /// If the stream cannot be described.
    pub async fn identity(&self) -> Result<StreamIdentity, PortError> {
        self.stream.identity().await
    }

    /// Checks that the stream can be read behind a position. If the stream does not know
    /// the position, the error is [`PortError::Refused`].
    ///
    /// # Errors
    /// If it cannot be read, or does not answer.
    pub async fn can_read_behind(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        self.stream.iterator(shard, ReadFrom::After(position)).await.map(drop)
    }

    /// The latest time such that every record of the shard that arrived by then is at
    /// `position` or before it, as far as this process read the shard.
    #[must_use]
    pub fn arrived_until_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        self.readers.arrived_until_ms(shard, position)
    }

    /// No record of the shard behind `position` gives its batches a place in the inbox
    /// before that time (ms since the Unix epoch), as far as this process read the shard.
    pub(crate) fn readable_ms(&self, shard: &ShardId, position: Position) -> Option<u64> {
        self.readers.readable_ms(shard, position)
    }

    /// Begins to work the shard. `told` is how far readers of the inbox may have read it.
    pub(crate) fn take_up(&self, shard: &ShardId, told: Readable) {
        self.readers.take_up(shard, told);
    }

    /// Forgets the reading positions: the stream was made anew, and its shards have the
    /// names of the earlier stream's shards.
    pub(crate) fn forget_shards(&self) {
        self.readers.forget();
    }

    /// The recent load of the shard, as far as this process read it.
    #[must_use]
    pub fn load(&self, shard: &ShardId) -> Option<ShardLoad> {
        self.readers.load(shard)
    }

    /// Forgets a shard that another process reads from now on.
    pub fn leave(&self, shard: &ShardId) {
        self.readers.leave(shard);
    }

    /// Makes every reader of this process skip the shard's records behind the first
    /// position, up to the second. `None` ends the skipping.
    pub fn pass_over(&self, shard: &ShardId, range: Option<(Position, Position)>) {
        self.readers.pass_over(shard, range);
    }

    /// The position where a reader at `position` continues: the end of the skipped range
    /// if `position` is in it, else `position`.
    #[must_use]
    pub fn reached(&self, shard: &ShardId, position: Position) -> Position {
        self.readers.skip(shard, position)
    }

    /// The readers of the shards.
    pub(super) const fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Encodes a record in the first version, which processes of any version read: no
    /// block is LZ4, and no body is compressed beforehand (`body_codec`).
    fn encode(&self, record: &RecordDraft) -> Result<Vec<u8>, AppendError> {
        let kept = self.encoders.lock().pop();
        let mut encoder = kept
            .map_or_else(|| RecordEncoder::new(BlockCodec::Zstd(self.zstd_level)), Ok)
            .map_err(|error| AppendError::NotTaken {
                detail: error.to_string().into(),
                retry_after: Duration::from_secs(1),
            })?;
        let mut bytes = Vec::new();
        encoder.encode(record, &mut bytes);
        let mut encoders = self.encoders.lock();
        if encoders.len() < ENCODERS_MAX {
            encoders.push(encoder);
        }
        Ok(bytes)
    }
}

impl Drop for KinesisLog {
    fn drop(&mut self) {
        // No append is waiting any more, since each holds a reference.
        if let Some(sender) = self.sender.lock().take() {
            sender.abort();
        }
    }
}

#[async_trait]
impl Log for KinesisLog {
    fn append_units(&self) -> usize {
        usize::from(self.lanes)
    }

    fn append_unit(&self, lane: Lane) -> usize {
        usize::from(lane.number() % self.lanes)
    }

    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        let closed = || AppendError::NotTaken {
            detail: "the log is closed".into(),
            retry_after: Duration::from_secs(1),
        };
        let bytes = self.encode(&record)?;
        drop(record);
        if bytes.len() > RECORD_BYTES_MAX {
            // The stream would refuse it for good.
            self.readers.metrics.records_refused.increment(1);
            let detail = format!("a record of {} bytes is larger than the stream takes", bytes.len());
            return Err(AppendError::NotTaken { detail: detail.into(), retry_after: Duration::from_secs(1) });
        }
        let (reply, outcome) = oneshot::channel();
        let submission = Submission { lane: unit as u16, bytes: bytes.into(), reply };
        self.submissions.send(submission).await.map_err(|_closed| closed())?;
        outcome
            .await
            .unwrap_or_else(|_gone| Err(AppendError::Unknown { detail: "the log's writer ended".into() }))
    }

    fn accepting(&self) -> Result<(), AppendError> {
        self.door.accepting()
    }

    fn recovered_ms(&self) -> u64 {
        0
    }

    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        Ok(self.describe().await?.into_iter().map(|shard| shard.id).collect())
    }

    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        let found = self.describe().await?.into_iter().find(|info| info.id == *shard);
        let found = found.ok_or_else(|| PortError::Damaged {
            attempted: format!("find the lanes of shard {shard}"),
            detail: "the stream has no such shard".into(),
        })?;
        Ok(found.lanes(self.lanes).collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        self.readers.read(shard, after, max_bytes, wait).await
    }
}
