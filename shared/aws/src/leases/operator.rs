//! Listing the leases and giving orders about them, for `sluice leases`.
//!
//! An order is written into a shard's row, on condition that the row is still as the
//! operator saw it; the processes obey at their next look. So an order outlives the
//! command, and no order is lost or given twice.

mod advice;
mod place;
#[cfg(all(test, feature = "paused-time"))]
mod tests;

pub use advice::{ShardAdvice, advise};

use super::rows::{LeaseOrder, LeaseRestart, LeaseRow, LeaseRows, LeaseTableRow};
use crate::log::Stream;
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum LeaseOrderError {
    /// The table or the stream did not answer, or refused the call.
    #[error(transparent)]
    Port(#[from] PortError),
    /// There is no lease of that shard.
    #[error("there is no shard {0}: `sluice leases` lists them")]
    NoSuchShard(ShardId),
    /// The shard was split or merged, and is wholly settled.
    #[error(
        "{0} is closed and wholly settled: nobody works it any more; to deliver its events again, start a replay"
    )]
    Finished(ShardId),
    /// No process of that name lives.
    #[error("no process {0} lives: `sluice leases` lists those that do")]
    NoSuchWorker(String),
    /// The process works the shard already, and there is no other.
    #[error("{worker} works {shard} already, and no other process lives that could take it")]
    NobodyElse {
        /// The process.
        worker: String,
        /// The shard.
        shard: ShardId,
    },
    /// Somebody changed the lease since it was read.
    #[error("the lease of {0} changed meanwhile, or an order to begin elsewhere is not done yet: look again")]
    Changed(ShardId),
    /// The range is empty.
    #[error("nothing of {0} arrived in that range")]
    NothingThere(ShardId),
}

/// A lease as an operator sees it.
#[derive(Debug, Clone)]
pub struct ListedLease {
    /// Its row.
    pub row: LeaseRow,
    /// Whether its owner renewed it while the table was watched.
    pub is_renewed: bool,
}

/// The table as an operator sees it.
#[derive(Debug, Clone, Default)]
pub struct LeaseListing {
    /// All shards' leases, by shard.
    pub leases: Vec<ListedLease>,
    /// The processes that live, each with the number of shards that it works.
    pub workers: BTreeMap<String, usize>,
}

impl LeaseListing {
    /// The lease of a shard that can take orders.
    ///
    /// # Errors
    /// If there is none, or the shard is wholly settled.
    pub fn lease(&self, shard: &ShardId) -> Result<&ListedLease, LeaseOrderError> {
        let found = self.leases.iter().find(|lease| lease.row.shard == *shard);
        let found = found.ok_or_else(|| LeaseOrderError::NoSuchShard(shard.clone()))?;
        if found.row.checkpoint == Position::END {
            return Err(LeaseOrderError::Finished(shard.clone()));
        }
        Ok(found)
    }

    /// The process that should take a shard over: the `named` one, else the one with the
    /// fewest shards of those that do not have it.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn successor(&self, shard: &ShardId, named: Option<&str>) -> Result<String, LeaseOrderError> {
        let owner = self.lease(shard)?.row.owner.as_deref();
        if let Some(name) = named {
            let lives = self.workers.contains_key(name);
            return if lives {
                Ok(name.to_owned())
            } else {
                Err(LeaseOrderError::NoSuchWorker(name.to_owned()))
            };
        }
        let others = self.workers.iter().filter(|(name, _)| Some(name.as_str()) != owner);
        let least = others.min_by_key(|(_, shards)| **shards).map(|(name, _)| name.clone());
        least.ok_or_else(|| LeaseOrderError::NobodyElse {
            worker: owner.unwrap_or("nobody").to_owned(),
            shard: shard.clone(),
        })
    }
}

/// Where a shard should be worked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record that the stream keeps.
    Oldest,
    /// Behind the newest record.
    Newest,
    /// At the first record that arrived at that time (ms since the Unix epoch) or later.
    Time(u64),
}

/// An order to begin elsewhere that is planned but not given yet.
#[derive(Debug, Clone)]
pub struct PlannedRestart {
    /// The row that it was planned for.
    pub row: LeaseRow,
    /// Where the shard would begin.
    pub restart: LeaseRestart,
}

impl PlannedRestart {
    /// Whether the order skips events that nobody settled.
    #[must_use]
    pub fn skips(&self) -> bool {
        self.restart.position > self.row.checkpoint
    }
}

/// Reads the leases and gives orders.
pub struct LeaseOperator {
    table: Arc<dyn LeaseRows>,
    stream: Arc<dyn Stream>,
}

impl LeaseOperator {
    /// Over a table of leases and their stream.
    #[must_use]
    pub fn new(table: Arc<dyn LeaseRows>, stream: Arc<dyn Stream>) -> Self {
        Self { table, stream }
    }

    /// Reads the table twice, `apart` from each other: owners whose rows were counted up in
    /// between live.
    ///
    /// # Errors
    /// If the table does not answer.
    pub async fn look(&self, apart: Duration) -> Result<LeaseListing, PortError> {
        let mut before = BTreeMap::new();
        for row in self.table.rows().await? {
            if let Some((key, counter)) = counted(&row) {
                before.insert(key, counter);
            }
        }
        tokio::time::sleep(apart).await;
        let mut listing = LeaseListing::default();
        let rows = self.table.rows().await?;
        // A row that was made in between is new, so it lives.
        let moved = |row: &LeaseTableRow| {
            counted(row).is_some_and(|(key, counter)| before.get(&key) != Some(&counter))
        };
        for row in &rows {
            match row {
                LeaseTableRow::Lease(lease) => {
                    let is_renewed = lease.owner.is_some() && moved(row);
                    listing.leases.push(ListedLease { row: lease.clone(), is_renewed });
                }
                LeaseTableRow::Worker(name, _) if moved(row) => {
                    listing.workers.insert(name.clone(), 0);
                }
                LeaseTableRow::Worker(..) | LeaseTableRow::Stream(_) => {}
            }
        }
        listing.leases.sort_by(|one, other| one.row.shard.cmp(&other.row.shard));
        for lease in &listing.leases {
            if let Some(shards) = lease.row.owner.as_ref().and_then(|owner| listing.workers.get_mut(owner)) {
                *shards += 1;
            }
        }
        Ok(listing)
    }

    /// Gives an order for the shard of `seen`.
    ///
    /// # Errors
    /// If the lease is no longer as `seen`.
    pub async fn order(&self, seen: &LeaseRow, order: &LeaseOrder) -> Result<(), LeaseOrderError> {
        match self.table.order(seen, order).await? {
            true => Ok(()),
            false => Err(LeaseOrderError::Changed(seen.shard.clone())),
        }
    }

    /// Plans where a shard would begin.
    ///
    /// # Errors
    /// If the stream does not answer.
    pub async fn plan_start(
        &self,
        row: &LeaseRow,
        start: StartAt,
    ) -> Result<PlannedRestart, LeaseOrderError> {
        let now_ms = clock::now_ms();
        let (position, settled_ms) = match start {
            StartAt::Oldest => (Position::START, now_ms),
            StartAt::Newest => (self.before(&row.shard, u64::MAX).await?, now_ms),
            StartAt::Time(ms) => (self.before(&row.shard, ms).await?, ms),
        };
        let restart = LeaseRestart { position, settled_ms, again_until: None };
        Ok(PlannedRestart { row: row.clone(), restart })
    }

    /// Plans to work a range again: the records that arrived from the first time on and
    /// before the second one, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// If the stream does not answer, or nothing arrived in the range.
    pub async fn plan_work_again(
        &self,
        row: &LeaseRow,
        [from_ms, to_ms]: [u64; 2],
    ) -> Result<PlannedRestart, LeaseOrderError> {
        let position = self.before(&row.shard, from_ms).await?;
        let until = self.before(&row.shard, to_ms).await?;
        if position >= until {
            return Err(LeaseOrderError::NothingThere(row.shard.clone()));
        }
        let restart = LeaseRestart { position, settled_ms: from_ms, again_until: Some(until) };
        Ok(PlannedRestart { row: row.clone(), restart })
    }

    /// Gives a planned order.
    ///
    /// # Errors
    /// If the lease is no longer as it was when the order was planned.
    pub async fn begin(&self, planned: &PlannedRestart) -> Result<(), LeaseOrderError> {
        self.order(&planned.row, &LeaseOrder::Restart(planned.restart)).await
    }

    async fn before(&self, shard: &ShardId, ms: u64) -> Result<Position, PortError> {
        place::last_before(&*self.stream, shard, ms).await
    }
}

/// A row that is counted up, and its count.
fn counted(row: &LeaseTableRow) -> Option<(String, u64)> {
    match row {
        LeaseTableRow::Lease(lease) => Some((lease.shard.to_string(), lease.counter)),
        LeaseTableRow::Worker(name, count) => Some((name.clone(), *count)),
        LeaseTableRow::Stream(_) => None,
    }
}
