//! A lease table in memory that can lose answers.

use super::rows::{
    LeaseOrder, LeaseOrders, LeaseRow, LeaseRows, LeaseTableRow, Readable, Settled, TakeFrom, Written,
};
use crate::log::{ShardInfo, StreamIdentity};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(super) struct MemoryTable {
    pub(super) leases: Mutex<BTreeMap<ShardId, LeaseRow>>,
    workers: Mutex<BTreeMap<String, u64>>,
    pub(super) stream: Mutex<Option<StreamIdentity>>,
    /// Whether the next change is made but its answer lost.
    pub(super) mute: AtomicBool,
    /// Whether reads of its rows fail.
    pub(super) silent: AtomicBool,
}

pub(super) fn lease_row(shard: &str, owner: Option<&str>, checkpoint: Position) -> LeaseRow {
    let row = LeaseRow::new(ShardId(shard.into()));
    LeaseRow { owner: owner.map(str::to_owned), counter: 7, checkpoint, ..row }
}

impl MemoryTable {
    pub(super) fn with(rows: impl IntoIterator<Item = LeaseRow>) -> Self {
        let leases = rows.into_iter().map(|row| (row.shard.clone(), row)).collect();
        Self { leases: Mutex::new(leases), ..Self::default() }
    }

    pub(super) fn lease(&self, shard: &ShardId) -> LeaseRow {
        self.leases.lock()[shard].clone()
    }

    fn change(
        &self,
        shard: &ShardId,
        holds: impl FnOnce(&LeaseRow) -> bool,
        change: impl FnOnce(&mut LeaseRow),
    ) -> Result<Written, PortError> {
        let mut leases = self.leases.lock();
        let Some(row) = leases.get_mut(shard) else { return Ok(Written::Refused(None)) };
        if !holds(row) {
            return Ok(Written::Refused(Some(row.clone())));
        }
        row.counter += 1;
        change(row);
        if self.mute.swap(false, Ordering::SeqCst) {
            return Err(PortError::unavailable("change the lease", "its answer was lost"));
        }
        Ok(Written::Yes)
    }
}

#[async_trait]
impl LeaseRows for MemoryTable {
    async fn rows(&self) -> Result<Vec<LeaseTableRow>, PortError> {
        if self.silent.load(Ordering::SeqCst) {
            return Err(PortError::unavailable("read the leases", "it is silent"));
        }
        let leases = self.leases.lock().values().cloned().map(LeaseTableRow::Lease).collect::<Vec<_>>();
        let workers = self.workers.lock().clone().into_iter();
        let workers = workers.map(|(name, count)| LeaseTableRow::Worker(name, count));
        let stream = self.stream.lock().clone().map(LeaseTableRow::Stream);
        Ok(leases.into_iter().chain(workers).chain(stream).collect())
    }

    async fn row(&self, shard: &ShardId) -> Result<Option<LeaseRow>, PortError> {
        Ok(self.leases.lock().get(shard).cloned())
    }

    async fn create(&self, shard: &ShardInfo, stream: &StreamIdentity) -> Result<(), PortError> {
        let row = LeaseRow {
            stream_made_s: Some(stream.made_s()),
            ..lease_row(&shard.id.0, None, Position::START)
        };
        self.leases.lock().entry(shard.id.clone()).or_insert(row);
        Ok(())
    }

    async fn take(
        &self,
        row: &LeaseRow,
        me: &str,
        from: TakeFrom,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        let seen = row.clone();
        let change = |row: &mut LeaseRow| {
            (row.owner, row.stream_made_s) = (Some(me.to_owned()), Some(stream.made_s()));
            row.orders.pinned_to.take_if(|pinned| pinned != me);
            match from {
                TakeFrom::Checkpoint => {}
                TakeFrom::CheckpointWithGap(ms) => row.settled_ms = Some(ms),
                TakeFrom::TrimHorizon(ms) => {
                    row.forget_position();
                    (row.settled_ms, row.checkpoint) = (Some(ms), Position::START);
                }
                TakeFrom::Restart(restart) => {
                    row.skipped = restart.skips(row.checkpoint);
                    (row.settled_ms, row.checkpoint) = (Some(restart.settled_ms), restart.position);
                    row.orders.restart = None;
                }
            }
        };
        self.change(&row.shard, |row| row.counter == seen.counter && row.orders == seen.orders, change)
    }

    async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<bool, PortError> {
        let mut leases = self.leases.lock();
        let Some(row) = leases.get_mut(&seen.shard) else { return Ok(false) };
        let is_seen = row.owner == seen.owner;
        let holds = row.checkpoint != Position::END
            && match order {
                LeaseOrder::Pause { .. } | LeaseOrder::Resume => true,
                LeaseOrder::HandOver { .. } => is_seen,
                LeaseOrder::Restart(_) => is_seen && row.orders.restart.is_none(),
            };
        if holds {
            match order {
                LeaseOrder::Pause { now_ms } => row.orders.paused_ms = Some(*now_ms),
                LeaseOrder::Resume => row.orders = LeaseOrders::default(),
                LeaseOrder::HandOver { to } => row.orders.pinned_to = Some(to.clone()),
                LeaseOrder::Restart(restart) => row.orders.restart = Some(*restart),
            }
        }
        Ok(holds)
    }

    async fn renew(
        &self,
        shard: &ShardId,
        me: &str,
        counter: u64,
        settled: Option<Settled>,
        readable: Readable,
    ) -> Result<Written, PortError> {
        let holds = |row: &LeaseRow| row.owner.as_deref() == Some(me) && row.counter == counter;
        self.change(shard, holds, |row| {
            row.checkpoint = settled.map_or(row.checkpoint, |settled| settled.position);
            row.settled_ms = settled.and_then(|settled| settled.until_ms).or(row.settled_ms);
            row.readable = Some(readable);
        })
    }

    async fn reset(
        &self,
        shard: &ShardInfo,
        counter: u64,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        let change = |row: &mut LeaseRow| {
            (row.owner, row.checkpoint, row.parents) = (None, Position::START, shard.parents.clone());
            (row.stream_made_s, row.points) = (Some(stream.made_s()), Some((shard.first, shard.last)));
            row.forget_position();
        };
        self.change(&shard.id, |row| row.counter == counter, change)
    }

    async fn adopt(&self, shard: &ShardId, stream: &StreamIdentity) -> Result<(), PortError> {
        if let Some(row) = self.leases.lock().get_mut(shard) {
            row.stream_made_s.get_or_insert(stream.made_s());
        }
        Ok(())
    }

    async fn remove(&self, shard: &ShardId, counter: u64) -> Result<Written, PortError> {
        let mut leases = self.leases.lock();
        match leases.get(shard) {
            Some(row) if row.counter != counter => Ok(Written::Refused(Some(row.clone()))),
            None => Ok(Written::Refused(None)),
            Some(_) => {
                leases.remove(shard);
                Ok(Written::Yes)
            }
        }
    }

    async fn remember_stream(
        &self,
        stream: &StreamIdentity,
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError> {
        let mut remembered = self.stream.lock();
        let holds = remembered.as_ref() == known;
        if holds {
            *remembered = Some(stream.clone());
        }
        Ok(holds)
    }

    async fn release(&self, shard: &ShardId, me: &str, counter: u64) -> Result<Written, PortError> {
        let holds = |row: &LeaseRow| row.owner.as_deref() == Some(me) && row.counter == counter;
        self.change(shard, holds, |row| row.owner = None)
    }

    async fn store_checkpoint(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        self.change(shard, |_| true, |row| row.checkpoint = position).map(drop)
    }

    async fn beat(&self, me: &str, count: u64) -> Result<(), PortError> {
        self.workers.lock().insert(me.to_owned(), count);
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), PortError> {
        self.workers.lock().remove(name);
        Ok(())
    }
}
