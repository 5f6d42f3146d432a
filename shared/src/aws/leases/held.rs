//! The leases that this process holds, and checkpoints fenced by them.

use super::table::{Changed, LeaseTable};
use crate::ports::PortError;
use crate::ports::log::{Position, ShardId};
use foldhash::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) shard: ShardId,
    /// One write of the row at a time; its count as we know it.
    counter: tokio::sync::Mutex<u64>,
    state: Mutex<State>,
    /// Cancelled when the lease may be another's.
    pub(super) lost: CancellationToken,
    /// Cancelled to hand it over in order.
    pub(super) leave: CancellationToken,
    /// Cancelled when nothing of the shard is worked here any more.
    pub(super) ended: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// When the last write that succeeded was begun: the lease holds from then on.
    renewed: Instant,
    checkpoint: Position,
}

impl Lease {
    pub(super) fn checkpoint(&self) -> Position {
        self.state.lock().checkpoint
    }

    /// How long ago the lease was surely ours.
    pub(super) fn age(&self) -> Duration {
        self.state.lock().renewed.elapsed()
    }
}

/// All leases of this process.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) table: LeaseTable,
    pub(super) me: String,
    leases: Mutex<HashMap<ShardId, Arc<Lease>>>,
}

impl Held {
    pub(super) fn new(table: LeaseTable, me: String) -> Self {
        Self { table, me, leases: Mutex::default() }
    }

    pub(super) fn all(&self) -> Vec<Arc<Lease>> {
        self.leases.lock().values().cloned().collect()
    }

    pub(super) fn get(&self, shard: &ShardId) -> Option<Arc<Lease>> {
        self.leases.lock().get(shard).cloned()
    }

    pub(super) fn forget(&self, shard: &ShardId) {
        self.leases.lock().remove(shard);
    }

    /// Takes note of a lease that was just taken: its row's count, when the
    /// take was begun, and the tokens of its grant.
    pub(super) fn insert(
        &self,
        shard: ShardId,
        counter: u64,
        checkpoint: Position,
        begun: Instant,
        [lost, leave, ended]: [CancellationToken; 3],
    ) {
        let lease = Lease {
            shard: shard.clone(),
            counter: tokio::sync::Mutex::new(counter),
            state: Mutex::new(State { renewed: begun, checkpoint }),
            lost,
            leave,
            ended,
        };
        self.leases.lock().insert(shard, Arc::new(lease));
    }

    /// Renews a lease, with a checkpoint where there is one.
    pub(super) async fn renew(&self, lease: &Lease, checkpoint: Option<Position>) -> Result<(), PortError> {
        let what = || format!("checkpoint {}", lease.shard);
        let mut counter = lease.counter.lock().await;
        if lease.lost.is_cancelled() {
            return Err(PortError::unavailable(what(), "the lease is lost"));
        }
        let begun = Instant::now();
        match self.table.renew(&lease.shard, &self.me, *counter, checkpoint).await? {
            Changed::Yes(now) => {
                *counter = now;
                let mut state = lease.state.lock();
                state.renewed = begun;
                state.checkpoint = checkpoint.unwrap_or(state.checkpoint);
                Ok(())
            }
            Changed::No => {
                tracing::warn!(shard = %lease.shard, "the lease is another's now");
                lease.lost.cancel();
                Err(PortError::unavailable(what(), "the lease is another's"))
            }
        }
    }

    /// Gives a lease back.
    pub(super) async fn release(&self, lease: &Lease) -> Result<Changed, PortError> {
        let mut counter = lease.counter.lock().await;
        let changed = self.table.release(&lease.shard, &self.me, *counter).await?;
        if let Changed::Yes(now) = changed {
            *counter = now;
        }
        Ok(changed)
    }
}

/// Where checkpoints go: to the rows of leases that this process holds.
#[derive(Debug)]
pub struct Checkpoints {
    table: LeaseTable,
    held: Option<Arc<Held>>,
}

impl Checkpoints {
    /// Of a process that works no shards: it stores checkpoints whoever has the lease (tools, tests).
    #[must_use]
    pub const fn unfenced(table: LeaseTable) -> Self {
        Self { table, held: None }
    }

    pub(super) fn fenced(held: &Arc<Held>) -> Self {
        Self { table: held.table.clone(), held: Some(Arc::clone(held)) }
    }

    pub(in crate::aws) async fn store(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        let Some(held) = &self.held else { return self.table.store_checkpoint(shard, position).await };
        match held.get(shard) {
            Some(lease) => held.renew(&lease, Some(position)).await,
            None => Err(PortError::unavailable(format!("checkpoint {shard}"), "its lease is not held here")),
        }
    }

    pub(in crate::aws) async fn load(&self, shard: &ShardId) -> Result<Position, PortError> {
        Ok(self.table.row(shard).await?.map_or(Position::START, |row| row.checkpoint))
    }
}
