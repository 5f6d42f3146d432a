//! Leases: which shards this process works, and how far each is settled.

use super::PortError;
use super::log::{Position, ShardId};
use async_trait::async_trait;
use tokio_util::sync::{CancellationToken, DropGuard};

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// A shard to work, until one of its tokens is cancelled. Dropping the grant says that this
/// process no longer works the shard.
#[derive(Debug)]
pub struct Grant {
    /// The shard.
    pub shard: ShardId,
    /// Cancelled when the shard should be left gracefully, soon.
    pub leave: CancellationToken,
    /// Cancelled when another process may own the shard: all work must stop at once, and
    /// nothing more may be written for the shard.
    pub lost: CancellationToken,
    _ended: DropGuard,
}

impl Grant {
    /// A grant, and the token that is cancelled when it is dropped.
    #[must_use]
    pub fn new(shard: ShardId) -> (Self, CancellationToken) {
        let ended = CancellationToken::new();
        let (leave, lost) = (CancellationToken::new(), CancellationToken::new());
        (Self { shard, leave, lost, _ended: ended.clone().drop_guard() }, ended)
    }
}

/// Gives each shard to one process at a time.
///
/// - **Exclusive**: a shard is granted to one process at a time, as far as clocks run at
///   about the same speed; checkpoints of all others are refused.
/// - **Order**: a shard is granted only when its parents are wholly settled.
/// - **Cancel safety**: a dropped `granted` loses no grant.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// The next shard to work; `None` when there will be no more.
    async fn granted(&self) -> Option<Grant>;

    /// The number of processes that work shards now, as far as this one knows, itself included.
    fn processes(&self) -> usize {
        1
    }
}

/// Keeps for each shard the position up to which everything is settled.
///
/// - **Durability**: a checkpoint is durable when `store` answers.
/// - **Fencing**: a process that does not hold the lease of a shard cannot
///   store a checkpoint for it.
/// - **Idempotency**: storing the same position again changes nothing. Callers
///   never store an earlier position than before.
/// - **Cancel safety**: a dropped `store` may or may not take effect.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// Stores how far a shard is settled: nothing at or before `position` needs to be read again.
    async fn store(&self, shard: &ShardId, position: Position) -> Result<(), PortError>;

    /// Notes that all batches of a shard up to `position` are in the event store, and so can be
    /// read. The note is stored with a later `store` or, within a moment, by itself, so that the
    /// inbox need not wait for webhooks. An engine whose readers see every acknowledged event
    /// needs no note.
    fn readable(&self, shard: &ShardId, position: Position) {
        let _ = (shard, position);
    }

    /// How far a shard is settled: [`Position::START`] if nothing was ever stored.
    async fn load(&self, shard: &ShardId) -> Result<Position, PortError>;
}
