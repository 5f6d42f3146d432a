//! What the log asks of a stream: Kinesis, or what a simulation puts in its place.

use super::shard_map::ShardInfo;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A record to be stored.
#[derive(Debug, Clone)]
pub struct PutRecord {
    /// Its lane, which is its partition key.
    pub lane: u16,
    /// The lane's point of the hash ring.
    pub point: u128,
    /// Its bytes: the same each time it is sent.
    pub bytes: Bytes,
}

/// What became of one record of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutAnswer {
    /// It has a sequence number, in this shard where the answer said so.
    Stored(Option<ShardId>),
    /// The shard takes no more now; the record was not stored.
    Throttled,
    /// Nobody knows whether the record was stored.
    Unclear,
}

/// Where reading of a shard begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// Behind a position; at the oldest record for `START`.
    After(Position),
    /// At the record of that position.
    At(Position),
    /// At the first record that arrived at that time (ms since the Unix epoch) or later.
    Time(u64),
}

/// A record as the stream stores it.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Its sequence number.
    pub position: Position,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What one read of a shard gave, or one push of it.
#[derive(Debug, Clone, Default)]
pub struct ShardPage {
    /// In the shard's order. A page without records is not the end of a shard.
    pub records: Vec<StoredRecord>,
    /// How far the page is behind the end of the shard.
    pub behind_ms: u64,
    /// Whether the shard is closed and this is the last of it.
    pub closed: bool,
    /// The iterator of the next read.
    pub next: Option<String>,
}

/// Which stream this is: one that was deleted and made again under the same
/// name is another.
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
    /// Whether both name the same stream. Times may be told rounded to seconds.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.arn == other.arn && self.created_ms.abs_diff(other.created_ms) < 1000
    }

    /// Whether this stream took the place of the other under its name.
    #[must_use]
    pub fn is_made_after(&self, other: &Self) -> bool {
        self.arn == other.arn && !self.is_same(other) && self.created_ms > other.created_ms
    }

    /// The second in which it was made: rows of the lease table are marked with it.
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

/// A shard's records as they are pushed, until it is dropped.
pub struct ShardSubscription {
    pub(super) pushed: mpsc::Receiver<Result<ShardPage, PortError>>,
    pub(super) _pump: AbortOnDropHandle<()>,
}

impl ShardSubscription {
    /// The next push. Cancel safe.
    ///
    /// # Errors
    /// If the subscription failed for now; it goes on.
    pub async fn next(&mut self) -> Result<ShardPage, PortError> {
        let ended = || PortError::unavailable("read a shard", "its subscription ended");
        self.pushed.recv().await.unwrap_or_else(|| Err(ended()))
    }
}

/// A stream of records in shards, as Kinesis is one: records of one shard
/// are read in the order in which they were stored, closed shards take no more,
/// and what is in their part of the ring then goes to their children.
#[async_trait]
pub trait Stream: Send + Sync + 'static {
    /// Which stream it is.
    async fn identity(&self) -> Result<StreamIdentity, PortError>;

    /// Its shards as they are now, closed ones included.
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError>;

    /// Stores records. Each is stored or not by itself; the answers are in the
    /// order of the records. An error says what is known of all of them.
    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (FailureClass, String)>;

    /// An iterator of a shard; it expires after a few minutes. A position that
    /// the stream does not know is [`PortError::Refused`].
    async fn iterator(&self, shard: &ShardId, from: ReadFrom) -> Result<String, PortError>;

    /// Reads at most `limit` records once, without a pause. An iterator that
    /// expired is [`PortError::Refused`]; a shard that is read too fast is
    /// [`FailureClass::Busy`], and the iterator stays good.
    async fn get(&self, shard: &ShardId, iterator: &str, limit: usize) -> Result<ShardPage, PortError>;

    /// Has a shard's records pushed, where the stream does that; else it is polled.
    fn subscribe(&self, shard: &ShardId, after: Position) -> Option<ShardSubscription> {
        let _ = (shard, after);
        None
    }
}

/// Keeps records that cannot be read, as they came.
#[async_trait]
pub trait Aside: Send + Sync + 'static {
    /// Stores a record; once more changes nothing.
    async fn put(&self, shard: &ShardId, record: &StoredRecord, detail: &str) -> Result<(), PortError>;
}
