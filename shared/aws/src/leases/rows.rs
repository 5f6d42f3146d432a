//! What the leases ask of their table: DynamoDB, or what a simulation puts in its place.
//!
//! Each change is conditional on the row as its writer knew it; where the
//! condition fails, the row comes back and shows whether it was our own write,
//! whose answer was lost, that changed it.

use crate::log::{ShardInfo, ShardLoad, StreamIdentity};
use async_trait::async_trait;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};

/// A shard's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The shard.
    pub shard: ShardId,
    /// Whose it is; nobody's where it was given back.
    pub owner: Option<String>,
    /// One up with every write of the row.
    pub counter: u64,
    /// How far the shard is settled.
    pub checkpoint: Position,
    /// Everything that arrived in the shard up to that time (ms since the Unix
    /// epoch) is settled. Rows of other programs lack it.
    pub settled_ms: Option<u64>,
    /// How far the inbox can be read in the shard. Rows of shards that nobody has worked
    /// yet, and of other programs, lack it.
    pub readable: Option<Readable>,
    /// Whom the shard was split off from, or merged from.
    pub parents: Vec<ShardId>,
    /// The second in which the stream was made whose shard this is. Rows of
    /// other programs lack it.
    pub stream_made_s: Option<u64>,
    /// What operators want of the shard.
    pub orders: LeaseOrders,
    /// What is passed over when the shard is read: a range behind it was worked again.
    pub skipped: Option<SkippedRange>,
    /// What came in lately, as its owner saw it.
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

    /// Its positions are those of a stream that is no more.
    pub fn forget_position(&mut self) {
        if let Some(readable) = &mut self.readable {
            readable.at = Position::START;
        }
    }
}

/// What operators want of a shard. It stands in the row until it is done, and
/// every process obeys it at its next look at the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseOrders {
    /// Nobody may work the shard, since that time (ms since the Unix epoch).
    pub paused_ms: Option<u64>,
    /// The process that should work it, as long as that one lives.
    pub pinned_to: Option<String>,
    /// Its next owner begins elsewhere than at the checkpoint.
    pub restart: Option<LeaseRestart>,
}

/// Where the next owner of a shard begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRestart {
    /// The checkpoint that it begins behind.
    pub position: Position,
    /// Up to which time (ms since the Unix epoch) everything that arrived then counts as settled.
    pub settled_ms: u64,
    /// Where a range that is worked again ends: from there it goes on at the
    /// checkpoint that the shard had. None: everything is worked from there on.
    pub again_until: Option<Position>,
}

/// Records that are passed over: those behind `after`, up to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedRange {
    /// The last record before the range.
    pub after: Position,
    /// The last record of the range.
    pub until: Position,
}

impl LeaseRestart {
    /// What its owner will pass over, given the checkpoint that is left behind.
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
    /// All orders that are not done yet are taken back.
    Resume,
    /// This process works it from now on, as long as it lives.
    HandOver {
        /// The process' name.
        to: String,
    },
    /// It is worked from somewhere else.
    Restart(LeaseRestart),
}

/// A row of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most rows of the table are leases")]
pub enum LeaseTableRow {
    /// A shard's.
    Lease(LeaseRow),
    /// A process and its count.
    Worker(String, u64),
    /// The stream that is worked. Leases of another one are left and made anew.
    Stream(StreamIdentity),
}

/// How far a shard is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The checkpoint.
    pub position: Position,
    /// Up to which time everything that arrived is settled, where it is known.
    pub until_ms: Option<u64>,
    /// What comes into the shard, where it is known.
    pub load: Option<ShardLoad>,
}

/// How far the inbox can be read in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readable {
    /// Every batch of the shard up to there is in the event store.
    pub at: Position,
    /// No other batch of the shard gets a place before that time (ms since the Unix epoch).
    pub ms: u64,
}

/// From where the new owner of a lease works the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeFrom {
    /// From the row's checkpoint.
    Checkpoint,
    /// From the same checkpoint, of which the stream no longer has what
    /// arrived before that time (ms since the Unix epoch).
    CheckpointWithGap(u64),
    /// From the oldest record that the stream has: the row's checkpoint is
    /// replaced by `START`, which settles everything before that time.
    TrimHorizon(u64),
    /// From where an operator wants it, in place of the row's checkpoint.
    Restart(LeaseRestart),
}

/// What became of a conditional change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is made for each change, and not kept")]
pub enum Written {
    /// It was made.
    Yes,
    /// The condition did not hold: the row as it is, if there is one.
    Refused(Option<LeaseRow>),
}

/// A table of leases. Every read sees every write that was answered before it.
/// A call that fails may have been done.
#[async_trait]
pub trait LeaseRows: std::fmt::Debug + Send + Sync + 'static {
    /// All rows.
    async fn rows(&self) -> Result<Vec<LeaseTableRow>, PortError>;

    /// A shard's row.
    async fn row(&self, shard: &ShardId) -> Result<Option<LeaseRow>, PortError>;

    /// Makes the row of a shard of the stream where there is none.
    async fn create(&self, shard: &ShardInfo, stream: &StreamIdentity) -> Result<(), PortError>;

    /// Makes `me` the owner if the row's count and its orders are still those
    /// of `row`, and counts up. A pin to another process ends. From then on the
    /// row is marked as one of `stream`.
    async fn take(
        &self,
        row: &LeaseRow,
        me: &str,
        from: TakeFrom,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError>;

    /// Writes an order into the row, if the shard is not wholly settled and,
    /// beside a pause, still has the owner that `seen` has and no other restart
    /// before it. The count stays: an order renews no lease.
    async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<bool, PortError>;

    /// Counts up, and stores how far the inbox can be read in the shard, and how far the
    /// shard is settled where that is given, if the owner is `me` and the count is `counter`.
    async fn renew(
        &self,
        shard: &ShardId,
        me: &str,
        counter: u64,
        settled: Option<Settled>,
        readable: Readable,
    ) -> Result<Written, PortError>;

    /// Makes the row that of a shard of `stream` with the same id, without an owner and with
    /// `START` as its checkpoint and the position of [`Readable`], and counts up, if the count
    /// is `counter`.
    async fn reset(
        &self,
        shard: &ShardInfo,
        counter: u64,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError>;

    /// Marks a row that has no mark, such as another program's, as one of `stream`.
    async fn adopt(&self, shard: &ShardId, stream: &StreamIdentity) -> Result<(), PortError>;

    /// Deletes the row of a shard that is no more, if the count is `counter`.
    async fn remove(&self, shard: &ShardId, counter: u64) -> Result<Written, PortError>;

    /// Remembers the stream, if the table remembers `known` or, where that is
    /// none, no stream. Returns whether it did.
    async fn remember_stream(
        &self,
        stream: &StreamIdentity,
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError>;

    /// Leaves the shard without an owner and counts up, if the owner is `me`
    /// and the count is `counter`.
    async fn release(&self, shard: &ShardId, me: &str, counter: u64) -> Result<Written, PortError>;

    /// Stores a checkpoint whoever has the lease, making the row where there is none.
    async fn store_checkpoint(&self, shard: &ShardId, position: Position) -> Result<(), PortError>;

    /// Says that a process lives.
    async fn beat(&self, me: &str, count: u64) -> Result<(), PortError>;

    /// Deletes the row of a process that ends or died.
    async fn delete(&self, name: &str) -> Result<(), PortError>;
}

/// What a change that counts the row up from `counter` came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The row is as wanted, with this count.
    Yes(u64),
    /// It is another's, or was changed by somebody else.
    No,
}

impl Changed {
    /// Reads what a conditional change from `counter` came to.
    pub(super) fn from_write(written: Written, counter: u64, is_wanted: impl Fn(&LeaseRow) -> bool) -> Self {
        match written {
            Written::Yes => Self::Yes(counter + 1),
            // An earlier try of this very change: only its answer was lost.
            Written::Refused(Some(now)) if now.counter == counter + 1 && is_wanted(&now) => {
                Self::Yes(counter + 1)
            }
            Written::Refused(_) => Self::No,
        }
    }
}
