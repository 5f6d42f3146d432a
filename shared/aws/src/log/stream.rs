//! The interface between the log and a stream: Kinesis, or a simulation in its place.

use super::shard_map::ShardInfo;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A record to store.
#[derive(Debug, Clone)]
pub struct PutRecord {
    /// Its lane, which is its partition key.
    pub lane: u16,
    /// The lane's point of the hash ring.
    pub point: u128,
    /// Its bytes: the same each time it is sent.
    pub bytes: Bytes,
}

/// The outcome of one record of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutAnswer {
    /// It was stored, in this shard if the answer named it.
    Stored(Option<ShardId>),
    /// The shard takes no more now, and the record was not stored.
    Throttled,
    /// The record may or may not be stored.
    Unclear,
}

/// The record with which reading of a shard begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The record behind a position; the oldest record for `START`.
    After(Position),
    /// The record at a position.
    At(Position),
    /// The first record that arrived at this time (ms since the Unix epoch) or later.
    Time(u64),
}

/// A record as it is stored in the stream.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Its sequence number.
    pub position: Position,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The answer to one read of a shard, or one push.
#[derive(Debug, Clone, Default)]
pub struct ShardPage {
    /// The records, in the shard's order. A page without records does not mean the end of the shard.
    pub records: Vec<StoredRecord>,
    /// How far the page is behind the end of the shard.
    pub behind_ms: u64,
    /// Whether the shard is closed and this is its last page.
    pub closed: bool,
    /// The iterator of the next read.
    pub next: Option<String>,
}

/// The identity of a stream. A stream that was deleted and made again under the same
/// name is another stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIdentity {
    /// Its ARN.
    pub arn: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How long it keeps a record.
    pub retention: Duration,
}

impl StreamIdentity {
    /// Whether both are the same stream. Their times may be rounded to seconds.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.arn == other.arn && self.created_ms.abs_diff(other.created_ms) < 1000
    }

    /// Whether this stream replaced the other under its name.
    #[must_use]
    pub fn is_made_after(&self, other: &Self) -> bool {
        self.arn == other.arn && !self.is_same(other) && self.created_ms > other.created_ms
    }

    /// The second in which the stream was made, with which rows of the lease table are marked.
    #[must_use]
    pub const fn made_s(&self) -> u64 {
        self.created_ms / 1000
    }
}

impl fmt::Display for StreamIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = jiff::Timestamp::from_millisecond(self.created_ms as i64).unwrap_or_default();
        write!(f, "{} made at {made:.0}", self.arn)
    }
}

/// A subscription to a shard, which ends when it is dropped.
pub struct ShardSubscription {
    pub(super) pushed: mpsc::Receiver<Result<ShardPage, PortError>>,
    pub(super) _pump: AbortOnDropHandle<()>,
}

impl ShardSubscription {
    /// The next push. Cancel safe.
    ///
    /// # Errors
    /// If the subscription failed for now; a later call may succeed.
    pub async fn next(&mut self) -> Result<ShardPage, PortError> {
        let ended = || PortError::unavailable("read a shard", "its subscription ended");
        self.pushed.recv().await.unwrap_or_else(|| Err(ended()))
    }
}

/// A stream of records in shards, as in Kinesis: the records of a shard are read in the
/// order in which they were stored; a closed shard takes no more, and later records of
/// its part of the ring go to its children.
#[async_trait]
pub trait Stream: Send + Sync + 'static {
    /// The identity of the stream.
    async fn identity(&self) -> Result<StreamIdentity, PortError>;

    /// Its shards as they are now, closed ones included.
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError>;

    /// Stores records. Each may succeed or fail alone; the answers are in the order of the
    /// records. An error holds for all of them.
    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)>;

    /// An iterator of a shard, which expires after a few minutes. For a position that the
    /// stream does not know the error is [`PortError::Refused`].
    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError>;

    /// Reads at most `limit` records once, without a pause. The error is
    /// [`PortError::Refused`] if the iterator expired, and [`FailureClass::Busy`] if the
    /// shard is read too fast; then the iterator can still be used.
    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError>;

    /// Subscribes to a shard's records. `None` if the stream does not push: then it is polled.
    fn subscribe(&self, shard: &ShardId, after: Position) -> Option<ShardSubscription> {
        let _ = (shard, after);
        None
    }
}

/// A store for records that cannot be read.
#[async_trait]
pub trait Aside: Send + Sync + 'static {
    /// Stores the bytes of a record. Idempotent.
    async fn put(&self, shard: &ShardId, record: &StoredRecord, detail: &str) -> Result<(), PortError>;
}
