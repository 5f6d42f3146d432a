//! The lease table: conditional writes whose answers may be lost.

use crate::plan::Service;
use crate::planted::Planted;
use crate::world::{Caller, NoAnswer, World, unavailable};
use async_trait::async_trait;
use sluice_aws::leases::{
    LeaseOrder, LeaseOrders, LeaseRow, LeaseRows, LeaseTableRow, Readable, Settled, TakeFrom, Written,
};
use sluice_aws::log::{ShardInfo, StreamIdentity};
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) leases: BTreeMap<ShardId, LeaseRow>,
    workers: BTreeMap<String, u64>,
    /// The stream of the leases.
    pub(crate) stream: Option<StreamIdentity>,
    /// Shards that were left because an operator paused them.
    pub(crate) left_paused: BTreeSet<ShardId>,
}

/// The table as one process sees it.
pub(crate) struct SimTable {
    pub(crate) world: Arc<World>,
    pub(crate) who: Caller,
}

impl std::fmt::Debug for SimTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimTable").field("who", &self.who).finish_non_exhaustive()
    }
}

impl SimTable {
    async fn ask<T: Send + 'static>(
        &self,
        attempted: &str,
        effect: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        self.world.ask(self.who, Service::Leases, attempted, effect).await
    }

    /// Changes a lease if `holds`; the change may be made late.
    async fn change(
        &self,
        shard: &ShardId,
        holds: impl FnOnce(&LeaseRow) -> bool + Send + 'static,
        change: impl FnOnce(&mut LeaseRow, &World) + Send + 'static,
    ) -> Result<Written, PortError> {
        self.change_and(shard, holds, change, |_, _| ()).await
    }

    /// As [`Self::change`], and notes more in the table.
    async fn change_and(
        &self,
        shard: &ShardId,
        holds: impl FnOnce(&LeaseRow) -> bool + Send + 'static,
        change: impl FnOnce(&mut LeaseRow, &World) + Send + 'static,
        note: impl FnOnce(&LeaseRow, &mut Table) + Send + 'static,
    ) -> Result<Written, PortError> {
        let shard = shard.clone();
        let effect = move |world: &World| {
            let mut table = world.table.lock();
            let Some(row) = table.leases.get_mut(&shard) else { return Written::Refused(None) };
            if !holds(row) {
                return Written::Refused(Some(row.clone()));
            }
            row.counter += 1;
            world.tally("write units, leases and checkpoints", 1);
            change(row, world);
            let row = row.clone();
            note(&row, &mut table);
            Written::Yes
        };
        let called = self.world.call(self.who, Service::Leases, true, effect).await;
        called.map_err(|why: NoAnswer| unavailable("change a lease", why))
    }
}

#[async_trait]
impl LeaseRows for SimTable {
    async fn rows(&self) -> Result<Vec<LeaseTableRow>, PortError> {
        let effect = |world: &World| {
            let table = world.table.lock();
            let leases = table.leases.values().cloned().map(|mut row| {
                // The planted fault: pauses are ignored.
                row.orders.paused_ms.take_if(|_| world.planted == Some(Planted::IgnoredPause));
                LeaseTableRow::Lease(row)
            });
            let workers = table.workers.iter();
            let workers = workers.map(|(name, count)| LeaseTableRow::Worker(name.clone(), *count));
            leases.chain(workers).chain(table.stream.clone().map(LeaseTableRow::Stream)).collect()
        };
        self.ask("read the leases", effect).await
    }

    async fn row(&self, shard: &ShardId) -> Result<Option<LeaseRow>, PortError> {
        let shard = shard.clone();
        self.ask("read a lease", move |world| world.table.lock().leases.get(&shard).cloned()).await
    }

    async fn create(&self, shard: &ShardInfo, stream: &StreamIdentity) -> Result<(), PortError> {
        let row = LeaseRow {
            parents: shard.parents.clone(),
            stream_made_s: Some(stream.made_s()),
            settled_ms: Some(clock::now_ms()),
            points: Some((shard.first, shard.last)),
            ..LeaseRow::new(shard.id.clone())
        };
        let effect = move |world: &World| {
            world.table.lock().leases.entry(row.shard.clone()).or_insert(row);
        };
        self.ask("make a lease", effect).await
    }

    async fn take(
        &self,
        row: &LeaseRow,
        me: &str,
        from: TakeFrom,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        let (me, who, made_s, seen) = (me.to_owned(), self.who, stream.made_s(), row.clone());
        let change = move |row: &mut LeaseRow, world: &World| {
            world.tell(|| format!("{} is taken by p{who} from {:?}", row.shard, row.owner));
            world.ledger.lock().count("leases taken");
            if row.orders.paused_ms.is_some() {
                world.broken("nobody takes a paused shard", &format!("{} by p{who}", row.shard));
            }
            row.orders.pinned_to.take_if(|pinned| *pinned != me);
            (row.owner, row.stream_made_s) = (Some(me), Some(made_s));
            match from {
                TakeFrom::Checkpoint => {}
                TakeFrom::CheckpointWithGap(ms) => row.settled_ms = Some(ms),
                TakeFrom::TrimHorizon(ms) => {
                    world.tell(|| format!("{} begins at its oldest record", row.shard));
                    row.forget_position();
                    (row.settled_ms, row.checkpoint) = (Some(ms), Position::START);
                }
                TakeFrom::Restart(restart) => {
                    world.tell(|| format!("{} begins as ordered: {restart:?}", row.shard));
                    world.restarts(row, restart);
                    row.skipped = restart.skips(row.checkpoint);
                    (row.settled_ms, row.checkpoint) = (Some(restart.settled_ms), restart.position);
                    row.orders.restart = None;
                }
            }
        };
        let ignores_pauses = self.world.planted == Some(Planted::IgnoredPause);
        let holds = move |row: &LeaseRow| {
            row.counter == seen.counter && (row.orders == seen.orders || ignores_pauses)
        };
        self.change(&row.shard, holds, change).await
    }

    async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<bool, PortError> {
        let (seen, order) = (seen.clone(), order.clone());
        let effect = move |world: &World| {
            let mut table = world.table.lock();
            let Some(row) = table.leases.get_mut(&seen.shard) else { return false };
            let is_seen = row.owner == seen.owner;
            let holds = row.checkpoint != Position::END
                && match order {
                    LeaseOrder::Pause { .. } | LeaseOrder::Resume => true,
                    LeaseOrder::HandOver { .. } => is_seen,
                    LeaseOrder::Restart(_) => is_seen && row.orders.restart.is_none(),
                };
            if !holds {
                return false;
            }
            world.tell(|| format!("ordered for {}: {order:?}", row.shard));
            match order {
                LeaseOrder::Pause { now_ms } => drop(row.orders.paused_ms.get_or_insert(now_ms)),
                LeaseOrder::Resume => row.orders = LeaseOrders::default(),
                LeaseOrder::HandOver { to } => row.orders.pinned_to = Some(to),
                LeaseOrder::Restart(restart) => row.orders.restart = Some(restart),
            }
            if row.orders.paused_ms.is_none() {
                table.left_paused.remove(&seen.shard);
            }
            true
        };
        // Orders are never made late: a pause after its resume would last for ever.
        self.ask("order", effect).await
    }

    async fn renew(
        &self,
        shard: &ShardId,
        me: &str,
        counter: u64,
        settled: Option<Settled>,
        readable: Readable,
    ) -> Result<Written, PortError> {
        let me = me.to_owned();
        let holds = move |row: &LeaseRow| row.counter == counter && row.owner.as_deref() == Some(&*me);
        let change = move |row: &mut LeaseRow, world: &World| {
            row.readable = Some(readable);
            let Some(settled) = settled else { return };
            if settled.position != row.checkpoint {
                world.checkpointed(row, settled.position);
            }
            row.checkpoint = settled.position;
            row.settled_ms = settled.until_ms.or(row.settled_ms);
            if world.planted == Some(Planted::SettledAhead) {
                row.settled_ms = Some(world.now_ms() + 2_000);
            }
        };
        self.change(shard, holds, change).await
    }

    async fn release(&self, shard: &ShardId, me: &str, counter: u64) -> Result<Written, PortError> {
        let (me, who) = (me.to_owned(), self.who);
        let holds = move |row: &LeaseRow| row.counter == counter && row.owner.as_deref() == Some(&*me);
        let change = move |row: &mut LeaseRow, world: &World| {
            world.tell(|| format!("{} is given back by p{who}", row.shard));
            row.owner = None;
            if row.orders.paused_ms.is_some() {
                world.ledger.lock().count("shards left because they are paused");
            }
        };
        let left = move |row: &LeaseRow, table: &mut Table| {
            if row.orders.paused_ms.is_some() {
                table.left_paused.insert(row.shard.clone());
            }
        };
        self.change_and(shard, holds, change, left).await
    }

    async fn reset(
        &self,
        shard: &ShardInfo,
        counter: u64,
        stream: &StreamIdentity,
    ) -> Result<Written, PortError> {
        let (parents, made_s) = (shard.parents.clone(), stream.made_s());
        let points = (shard.first, shard.last);
        let change = move |row: &mut LeaseRow, world: &World| {
            world.tell(|| format!("{} belongs to a stream made anew", row.shard));
            (row.owner, row.checkpoint, row.parents) = (None, Position::START, parents);
            row.stream_made_s = Some(made_s);
            (row.settled_ms, row.skipped, row.orders.restart) = (Some(clock::now_ms()), None, None);
            row.forget_position();
            row.points = Some(points);
        };
        self.change(&shard.id, move |row| row.counter == counter, change).await
    }

    async fn adopt(&self, shard: &ShardId, _: &StreamIdentity) -> Result<(), PortError> {
        self.world.broken("rows are marked when they are made", &shard.to_string());
        Ok(())
    }

    async fn remove(&self, shard: &ShardId, counter: u64) -> Result<Written, PortError> {
        let shard = shard.clone();
        let effect = move |world: &World| {
            let mut table = world.table.lock();
            match table.leases.get(&shard) {
                Some(row) if row.counter == counter => {
                    table.leases.remove(&shard);
                    Written::Yes
                }
                row => Written::Refused(row.cloned()),
            }
        };
        let called = self.world.call(self.who, Service::Leases, true, effect).await;
        called.map_err(|why: NoAnswer| unavailable("delete a lease", why))
    }

    async fn remember_stream(
        &self,
        stream: &StreamIdentity,
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError> {
        let (stream, known) = (stream.clone(), known.cloned());
        let effect = move |world: &World| {
            let mut table = world.table.lock();
            let holds = table.stream == known;
            if holds {
                table.stream = Some(stream);
            }
            holds
        };
        self.ask("remember the stream", effect).await
    }

    async fn store_checkpoint(&self, shard: &ShardId, _: Position) -> Result<(), PortError> {
        self.world.broken("checkpoints are fenced", &format!("{shard} without a lease"));
        Ok(())
    }

    async fn beat(&self, me: &str, count: u64) -> Result<(), PortError> {
        let me = me.to_owned();
        let effect = move |world: &World| {
            world.table.lock().workers.insert(me, count);
        };
        self.ask("beat", effect).await
    }

    async fn delete(&self, name: &str) -> Result<(), PortError> {
        let name = name.to_owned();
        let effect = move |world: &World| {
            world.table.lock().workers.remove(&name);
        };
        self.ask("delete a row", effect).await
    }
}
