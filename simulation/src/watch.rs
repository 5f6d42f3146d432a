//! The failures that processes meet, and whether their readiness and metrics tell them.

use crate::plan::Service;
use crate::planted::Planted;
use crate::world::{Caller, NoAnswer, World};
use sluice_aws::health::DependencyHealth;
use sluice_ports::log::{Position, ShardId};
use std::collections::HashMap;
use std::sync::Arc;

/// How soon a denied process must report it.
const TOLD_WITHIN_MS: u64 = 100;
/// From this age on, a lag that is not updated must grow.
const BLIND_MS: u64 = 4_000;

/// The largest difference between the clocks of the stream and of processes.
const CLOCKS_APART_MS: u64 = 500;

/// The knowledge about all processes.
#[derive(Default)]
pub(crate) struct Watch {
    healths: HashMap<Caller, Arc<DependencyHealth>>,
    /// Since when each process is denied each service.
    denied_since: HashMap<(Caller, Service), u64>,
    /// When each process last read each shard.
    read_ms: HashMap<(Caller, ShardId), u64>,
}

impl Watch {
    /// Notes that a process starts. It is not ready until it has joined.
    pub(crate) fn starts(&mut self, who: Caller) {
        self.healths.remove(&who);
    }

    /// Notes that a process reports its health from now on.
    pub(crate) fn joined(&mut self, who: Caller, health: Arc<DependencyHealth>) {
        self.denied_since.retain(|(caller, _), _| *caller != who);
        self.healths.insert(who, health);
    }

    /// Notes the end of a call, and tells the process as its interceptors would.
    pub(crate) fn ended(&mut self, world: &World, who: Caller, service: Service, why: Option<NoAnswer>) {
        let denied = (who, service);
        match why {
            Some(NoAnswer::Denied) => {
                self.denied_since.entry(denied).or_insert(world.now_ms());
            }
            _ => {
                self.denied_since.remove(&denied);
            }
        }
        let Some(health) = self.healths.get(&who) else { return };
        let (dependency, operation) = (service.dependency(), format!("{service:?}"));
        match why {
            // The planted fault: a denial is an answer like any other.
            Some(NoAnswer::Denied) if world.planted == Some(Planted::DeniedIsAnswer) => {
                health.succeeded(dependency, &operation);
            }
            Some(why) => health.failed(dependency, why.class(), &operation, "simulated"),
            None => health.succeeded(dependency, &operation),
        }
    }

    /// Notes that a process read a shard.
    pub(crate) fn read(&mut self, world: &World, who: Caller, shard: ShardId) {
        self.read_ms.insert((who, shard), world.now_ms());
    }

    /// Notes that a process read a closed shard to its end: nobody reads it any more.
    pub(crate) fn read_to_its_end(&mut self, who: Caller, shard: &ShardId) {
        self.read_ms.remove(&(who, shard.clone()));
    }

    /// Notes that a process has left a shard, for example a paused one, and reads it no more.
    pub(crate) fn left(&mut self, who: Caller, shard: &ShardId) {
        self.read_ms.remove(&(who, shard.clone()));
    }

    /// Notes that a process owns a shard from now on: its lag is not known yet.
    pub(crate) fn granted(&mut self, world: &World, who: Caller, shard: &ShardId) {
        self.read(world, who, shard.clone());
    }

    /// Judges that a denied process reports which dependency denies it.
    pub(crate) fn check_denials(&self, world: &World, who: Caller, lost: &[&str]) {
        if !self.healths.contains_key(&who) {
            return;
        }
        for ((_, service), since) in self.denied_since.iter().filter(|((caller, _), _)| *caller == who) {
            let is_told = lost.contains(&service.reported());
            if world.denies(*service) && world.now_ms() >= since + TOLD_WITHIN_MS && !is_told {
                let how = format!("p{who} is denied {service:?} and reports {lost:?}");
                world.broken("a process that is denied says so", &how);
            }
        }
    }

    /// Judges that a lag without news grows.
    pub(crate) fn check_lag(&self, world: &World, who: Caller, shard: &str, lag_ms: u64) {
        let Some(read_ms) = self.read_ms.get(&(who, ShardId(shard.into()))) else { return };
        let blind_ms = world.now_ms().saturating_sub(*read_ms);
        if blind_ms > BLIND_MS && lag_ms + BLIND_MS < blind_ms {
            let how =
                format!("p{who} has not read {shard} for {blind_ms} ms and reports a lag of {lag_ms} ms");
            world.broken("a lag that is not known grows", &how);
        }
    }
}

impl World {
    /// Compares the table of leases with the stream, such that the lag of a shard that nobody works,
    /// for example a paused one, is visible.
    pub(crate) fn check_leases(&self) {
        let (shards, table, mut ledger) = (self.shards.lock(), self.table.lock(), self.ledger.lock());
        for row in table.leases.values() {
            let Some(shard) = shards.shard_of(row) else { continue };
            let is_passed = |position: Position| {
                position <= row.checkpoint
                    || row.skipped.is_some_and(|skip| position > skip.after && position <= skip.until)
            };
            let left = shard.records.iter().rev().take_while(|kept| kept.record.position > row.checkpoint);
            let left = left.filter(|kept| !is_passed(kept.record.position)).last();
            let Some(oldest) = left.filter(|_| row.checkpoint != Position::START) else { continue };
            let (arrived_ms, settled_ms) = (oldest.record.at_ms, row.settled_ms.unwrap_or(0));
            if settled_ms > arrived_ms + CLOCKS_APART_MS {
                let how = format!("{} to {settled_ms}, though not what arrived at {arrived_ms}", row.shard);
                self.broken("what arrived before a shard's settled time is settled", &how);
            }
            if table.left_paused.contains(&row.shard) && arrived_ms + 1_000 < self.now_ms() {
                ledger.fell_behind(&row.shard);
            }
        }
        for shard in &table.left_paused {
            if let Some(who) = ledger.worker_of(self, shard) {
                self.broken("a paused shard is worked by nobody", &format!("{shard} by p{who}"));
            }
        }
    }
}
