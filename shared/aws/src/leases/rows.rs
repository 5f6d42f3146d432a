//! The interface between the leases and their table: DynamoDB, or a simulation in its place.
//!
//! Each change is conditional on the row as its writer knew it. If the condition fails,
//! the row is returned, and shows whether our own write, whose answer was lost,
//! changed it.

use crate::log::{ShardInfo, ShardLoad, StreamIdentity};
use async_trait::async_trait;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};

/// A shard's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The shard.
    pub shard: ShardId,
    /// The owner; `None` if the lease was given back.
    pub owner: Option<String>,
    /// One up with every write of the row.
    pub counter: u64,
    /// How far the shard is settled.
    pub checkpoint: Position,
    /// Everything that arrived in the shard up to this time (ms since the Unix epoch) is
    /// settled. Rows of other programs lack it.
    pub settled_ms: Option<u64>,
    /// How far the inbox can be read in the shard. Rows of shards that nobody worked yet, and
    /// of other programs, lack it.
    pub readable: Option<Readable>,
    /// The shards that it was split from or merged from.
    pub parents: Vec<ShardId>,
    /// The second in which the shard's stream was made. Rows of other programs lack it.
    pub stream_made_s: Option<u64>,
    /// The orders of operators.
    pub orders: LeaseOrders,
    /// The range that its readers skip, because a range before it was worked again.
    pub skipped: Option<SkippedRange>,
    /// The recent load, as its owner saw it.
    pub load: Option<ShardLoad>,
    /// The shard's first and last point of the hash ring.
    pub points: Option<(u128, u128)>,
}

impl LeaseRow {
    /// The row of a shard that nobody works and of which nothing is settled.
    #[must_use]
    pub fn new(shard: ShardId) -> Self {
        Self {
            shard,
            owner: None,
            counter: 0,
            checkpoint: Position::START,
            settled_ms: None,
            readable: None,
            parents: Vec::new(),
            stream_made_s: None,
            orders: LeaseOrders::default(),
            skipped: None,
            load: None,
            points: None,
        }
    }

    /// Clears the positions: they belong to a stream that no longer exists.
    pub fn forget_position(&mut self) {
        if let Some(readable) = &mut self.readable {
            readable.at = Position::START;
        }
    }
}

/// The orders of operators about a shard. They stay in the row until they are done, and
/// every process obeys them at its next look at the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseOrders {
    /// Since when nobody may work the shard (ms since the Unix epoch).
    pub paused_ms: Option<u64>,
    /// The process that should work it, as long as that process lives.
    pub pinned_to: Option<String>,
    /// Where its next owner begins, if not at the checkpoint.
    pub restart: Option<LeaseRestart>,
}

/// Where the next owner of a shard begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRestart {
    /// The checkpoint behind which it begins.
    pub position: Position,
    /// Everything that arrived up to this time (ms since the Unix epoch) counts as settled.
    pub settled_ms: u64,
    /// The end of a range that is worked again: behind it the owner continues at the
    /// previous checkpoint. `None`: everything behind `position` is worked.
    pub again_until: Option<Position>,
}

/// Records that are skipped: those behind `after`, up to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRange {
    /// The last record before the range.
    pub after: Position,
    /// The last record of the range.
    pub until: Position,
}

impl LeaseRestart {
    /// The range that the owner will skip, given the checkpoint at which the shard was left.
    #[must_use]
    pub fn skips(&self, checkpoint: Position) -> Option<SkippedRange> {
        let after = self.again_until.filter(|after| *after < checkpoint)?;
        Some(SkippedRange { after, until: checkpoint })
    }
}

/// One order of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOrder {
    /// Nobody works the shard from now on.
    Pause {
        /// The time now, in milliseconds since the Unix epoch.
        now_ms: u64,
    },
    /// Takes back all orders that are not done yet.
    Resume,
    /// This process works the shard from now on, as long as it lives.
    HandOver {
        /// The process' name.
        to: String,
    },
    /// The next owner begins elsewhere.
    Restart(LeaseRestart),
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most rows of the table are leases")]
pub enum LeaseTableRow {
    /// The row of a shard.
    Lease(LeaseRow),
    /// A process and its count.
    Worker(String, u64),
    /// The stream that is worked. Leases of another stream are left and made anew.
    Stream(StreamIdentity),
}

/// How far a shard is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The checkpoint.
    pub position: Position,
    /// Everything that arrived up to this time is settled; `None` if that is not known.
    pub until_ms: Option<u64>,
    /// The load of the shard, if it is known.
    pub load: Option<ShardLoad>,
}

/// How far the inbox can be read in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readable {
    /// Every batch of the shard up to this position is in the event store.
    pub at: Position,
    /// No other batch of the shard gets a place before this time (ms since the Unix epoch).
    pub ms: u64,
}

/// Where the new owner of a lease begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeFrom {
    /// From the row's checkpoint.
    Checkpoint,
    /// From the checkpoint, although the stream no longer has the records that arrived
    /// before this time (ms since the Unix epoch).
    CheckpointWithGap(u64),
    /// From the oldest record of the stream: `START` replaces the row's checkpoint, and
    /// everything before this time counts as settled.
    TrimHorizon(u64),
    /// From the place that an operator ordered.
    Restart(LeaseRestart),
}

/// The outcome of a conditional change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is made for each change, and not kept")]
pub enum Written {
    /// It was made.
    Yes,
    /// The condition did not hold; the row as it is, if it exists.
    Refused(Option<LeaseRow>),
}

/// A table of leases. Every read sees every write that was answered before it. A call
/// that fails may have been done.
#[async_trait]
pub trait LeaseRows: std::fmt::Debug + Send + Sync + 'static {
    /// All rows.
    async fn rows(&self) -> Result<Vec<LeaseTableRow>, PortError>;

    /// A shard's row.
    async fn row(&self, shard: &ShardId) -> Result<Option<LeaseRow>, PortError>;

    /// Makes the row of a shard of the stream, unless it exists.
    async fn create(&self, shard: &ShardInfo, stream: &StreamIdentity) -> Result<(), PortError>;

    /// Makes `me` the owner and counts up, if the row's count and orders are still those of
    /// `row`. A pin to another process ends. From then on the row is marked as one of
    /// `stream`.
    async fn take(
        &self,
        row: &LeaseRow,
        me: &str,
        from: TakeFrom,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError>;

    /// Writes an order into the row, if the shard is not wholly settled and, for orders
    /// other than a pause, has the same owner as `seen` and no pending restart. The count
    /// stays, since an order does not renew a lease.
    async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<bool, PortError>;

    /// Counts up and stores how far the inbox can be read in the shard and, if given, how far
    /// the shard is settled, if the owner is `me` and the count is `counter`.
    async fn renew(
        &self,
        shard: &ShardId,
        me: &str,
        counter: u64,
        settled: Option<Settled>,
        readable: Readable,
    ) -> Result<Written, PortError>;

    /// Turns the row into that of a shard of `stream` with the same id, without an owner, with
    /// `START` as its checkpoint and as the position of [`Readable`], and counts up, if the
    /// count is `counter`.
    async fn reset(
        &self,
        shard: &ShardInfo,
        counter: u64,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError>;

    /// Marks a row without a mark, such as another program's, as one of `stream`.
    async fn adopt(&self, shard: &ShardId, stream: &StreamIdentity) -> Result<(), PortError>;

    /// Deletes the row of a shard that no longer exists, if the count is `counter`.
    async fn remove(&self, shard: &ShardId, counter: u64) -> Result<Written, PortError>;

    /// Remembers the stream, if the table remembers `known` (no stream if it is `None`).
    /// Returns whether it did.
    async fn remember_stream(
        &self,
        stream: &StreamIdentity,
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError>;

    /// Leaves the shard without an owner and counts up, if the owner is `me`
    /// and the count is `counter`.
    async fn release(&self, shard: &ShardId, me: &str, counter: u64) -> Result<Written, PortError>;

    /// Stores a checkpoint whoever owns the lease, and makes the row if it is missing.
    async fn store_checkpoint(&self, shard: &ShardId, position: Position) -> Result<(), PortError>;

    /// Shows the other processes that this process lives.
    async fn beat(&self, me: &str, count: u64) -> Result<(), PortError>;

    /// Deletes the row of a process that ends or died.
    async fn delete(&self, name: &str) -> Result<(), PortError>;
}

/// The outcome of a change that counts the row up from `counter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The row is as wanted, with this count.
    Yes(u64),
    /// Another process owns or changed the row.
    No,
}

impl Changed {
    /// The outcome of a conditional change from `counter`.
    pub(super) fn from_write(written: Written, counter: u64, is_wanted: impl Fn(&LeaseRow) -> bool) -> Self {
        match written {
            Written::Yes => Self::Yes(counter + 1),
            // An earlier try of the same change succeeded, and its answer was lost.
            Written::Refused(Some(now)) if now.counter == counter + 1 && is_wanted(&now) => {
                Self::Yes(counter + 1)
            }
            Written::Refused(_) => Self::No,
        }
    }
}
