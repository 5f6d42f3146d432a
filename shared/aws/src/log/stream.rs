//! What the log asks of a stream: Kinesis, or what a simulation puts in its place.

use super::shard_map::ShardInfo;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
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
    /// The shard takes no more now; it was not stored.
    Throttled,
    /// Nobody knows.
    Unclear,
}

/// What is known after a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The service refused it for now; nothing was done.
    Throttled,
    /// It never reached the service.
    NotSent,
    /// The service refused it for good; nothing was done.
    Refused,
    /// It may have been done.
    Ambiguous,
}

/// Where to begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Behind a position; at the oldest record for `START`.
    After(Position),
    /// At the record that stands there.
    At(Position),
    /// At the first record that arrived then or later.
    Time(u64),
}

/// A record as it is stored.
#[derive(Debug, Clone)]
pub struct GotRecord {
    /// Its sequence number.
    pub position: Position,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What one look at a shard gave, or a push of it.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// In the shard's order.
    pub records: Vec<GotRecord>,
    /// How far the end of the shard is.
    pub behind_ms: u64,
    /// Whether the shard is closed and this is the last of it.
    pub closed: bool,
    /// Where a look goes on.
    pub next: Option<String>,
}

/// A shard's records as they are pushed, until it is dropped.
pub struct Subscription {
    pub(super) pushed: mpsc::Receiver<Result<Got, PortError>>,
    pub(super) _pump: AbortOnDropHandle<()>,
}

impl Subscription {
    /// What came next. Cancel safe.
    ///
    /// # Errors
    /// If the subscription failed for now; it goes on.
    pub async fn next(&mut self) -> Result<Got, PortError> {
        let ended = || PortError::unavailable("read a shard", "its subscription ended");
        self.pushed.recv().await.unwrap_or_else(|| Err(ended()))
    }
}

/// A stream of records in shards, as Kinesis is one: records of one shard
/// are read in the order in which they were stored, closed shards take no more,
/// and what is in their part of the ring then goes to their children.
#[async_trait]
pub trait Stream: Send + Sync + 'static {
    /// Its shards as they are now, closed ones included.
    async fn shards(&self) -> Result<Vec<ShardInfo>, PortError>;

    /// Stores records. Each is stored or not by itself; the answers are in the
    /// order of the records. An error says what is known of all of them.
    async fn put(&self, records: Vec<PutRecord>) -> Result<Vec<PutAnswer>, (Failure, String)>;

    /// An iterator of a shard; it expires after a few minutes.
    async fn iterator(&self, shard: &ShardId, from: From) -> Result<String, PortError>;

    /// Reads at most `limit` records once, without a pause.
    async fn get(&self, shard: &ShardId, iterator: String, limit: i32) -> Result<Got, PortError>;

    /// Has a shard's records pushed, where the stream does that; else it is polled.
    fn subscribe(&self, shard: &ShardId, after: Position) -> Option<Subscription> {
        let _ = (shard, after);
        None
    }
}

/// Keeps records that cannot be read, as they came.
#[async_trait]
pub trait Aside: Send + Sync + 'static {
    /// Stores a record; once more changes nothing.
    async fn put(&self, shard: &ShardId, record: &GotRecord, detail: &str) -> Result<(), PortError>;
}
