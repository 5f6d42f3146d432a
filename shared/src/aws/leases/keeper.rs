//! The task that keeps this process' leases: looks, decides, takes, renews, hands over.

use super::decide::{Decision, Seen, decide};
use super::held::{Checkpoints, Held, Lease};
use super::rows::{Changed, LeaseRow, LeaseRows, Row};
#[cfg(feature = "aws")]
use super::table::LeaseTable;
#[cfg(feature = "aws")]
use crate::aws::clients::Clients;
use crate::aws::config::AwsConfig;
use crate::aws::log::KinesisLog;
use crate::model::ids::random_u128;
use crate::ports::PortError;
use crate::ports::leases::{Grant, Leases};
use crate::ports::log::{Position, ShardId};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Grants that wait for the processor to take them up.
const GRANTS_MAX: usize = 64;
/// A process' row that was not counted up for this many leases' time is deleted.
const DEAD_LEASES: u32 = 6;

/// The processor's end: grants as they come.
pub struct ShardLeases {
    grants: Mutex<mpsc::Receiver<Grant>>,
}

#[async_trait]
impl Leases for ShardLeases {
    async fn granted(&self) -> Option<Grant> {
        self.grants.lock().await.recv().await
    }
}

/// Who was seen with which count, since when.
type Observed = HashMap<String, (u64, Instant)>;

/// Keeps the leases of a process.
pub struct Keeper {
    held: Arc<Held>,
    log: Arc<KinesisLog>,
    lease: Duration,
    renew_every: Duration,
    sync_every: Duration,
    grants: mpsc::Sender<Grant>,
    observed: Observed,
    in_stream: BTreeSet<ShardId>,
    synced: Option<Instant>,
    beats: u64,
}

impl Keeper {
    /// A keeper for this process, the leases that it will grant, and where
    /// their checkpoints go.
    #[cfg(feature = "aws")]
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: &AwsConfig,
        log: Arc<KinesisLog>,
    ) -> (Self, ShardLeases, Checkpoints) {
        let me = format!("sluice-{}-{:08x}", std::process::id(), random_u128() as u32);
        Self::over(Arc::new(LeaseTable::new(clients, config)), me, config, log)
    }

    /// [`Self::new`] over any such table, as the process of that name.
    #[must_use]
    pub fn over(
        table: Arc<dyn LeaseRows>,
        me: String,
        config: &AwsConfig,
        log: Arc<KinesisLog>,
    ) -> (Self, ShardLeases, Checkpoints) {
        let held = Arc::new(Held::new(table, me));
        let (grants, receiver) = mpsc::channel(GRANTS_MAX);
        let checkpoints = Checkpoints::fenced(&held);
        let keeper = Self {
            held,
            log,
            lease: Duration::from_millis(config.lease_ms),
            renew_every: Duration::from_millis(config.lease_renew_ms),
            sync_every: Duration::from_millis(config.shard_sync_ms),
            grants,
            observed: Observed::new(),
            in_stream: BTreeSet::new(),
            synced: None,
            beats: random_u128() as u64 >> 24,
        };
        (keeper, ShardLeases { grants: Mutex::new(receiver) }, checkpoints)
    }

    /// Keeps leases until told to stop; then gives all back, once nothing of
    /// their shards is worked here any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let fencing = CancellationToken::new();
        let fence = tokio::spawn(fence(Arc::clone(&self.held), self.lease, fencing.clone()));
        loop {
            let began = Instant::now();
            // A table that does not answer must not hold up the next try; the
            // fence keeps the time meanwhile.
            let ticked = tokio::time::timeout(self.lease / 2, self.tick()).await;
            match ticked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "leases could not be kept; trying again"),
                Err(_elapsed) => tracing::warn!("the lease table does not answer; trying again"),
            }
            // Cancel safe: a wait.
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(began + self.renew_every) => {}
            }
        }
        self.leave().await;
        fencing.cancel();
        if let Err(error) = fence.await {
            tracing::error!(%error, "the leases' fence died");
        }
    }

    async fn tick(&mut self) -> Result<(), PortError> {
        self.beats += 1;
        self.held.table.beat(&self.held.me, self.beats).await?;
        self.renew_all().await;
        self.hand_back_ended().await;
        let rows = self.held.table.rows().await?;
        let (leases, workers) = self.observe(rows);
        if self.synced.is_none_or(|at| at.elapsed() >= self.sync_every) {
            self.sync(&leases).await?;
        }
        let seen: Vec<Seen> = leases.iter().map(|row| self.see(row)).collect();
        let decision = decide(&self.held.me, &seen, &workers, &self.in_stream);
        self.act(decision, &leases).await
    }

    async fn renew_all(&self) {
        let leases = self.held.all();
        let renewals = leases.iter().map(|lease| async {
            if let Err(error) = self.held.renew(lease, None).await {
                tracing::warn!(shard = %lease.shard, %error, "a lease was not renewed");
            }
        });
        futures_util::future::join_all(renewals).await;
    }

    /// Gives back leases whose shard is no longer worked here; those of
    /// settled shards let their children begin.
    async fn hand_back_ended(&mut self) {
        for lease in self.held.all() {
            if !lease.ended.is_cancelled() {
                continue;
            }
            if !lease.lost.is_cancelled()
                && let Err(error) = self.held.release(&lease).await
            {
                tracing::warn!(shard = %lease.shard, %error, "a lease was not given back; it will expire");
                if lease.age() < self.lease {
                    continue;
                }
            }
            if lease.checkpoint() == Position::END {
                // Its children may be new to us.
                self.synced = None;
            }
            tracing::info!(shard = %lease.shard, "gave the lease back");
            self.held.forget(&lease.shard);
        }
    }

    /// Rows apart by kind; notes who changed since the last look.
    fn observe(&mut self, rows: Vec<Row>) -> (Vec<LeaseRow>, BTreeSet<String>) {
        let now = Instant::now();
        let (mut leases, mut workers, mut observed) = (Vec::new(), BTreeSet::new(), Observed::new());
        workers.insert(self.held.me.clone());
        for row in rows {
            let (key, counter) = match &row {
                Row::Lease(lease) => (lease.shard.to_string(), lease.counter),
                Row::Worker(name, count) => (name.clone(), *count),
            };
            let known = self.observed.get(&key).filter(|(count, _)| *count == counter);
            let since = known.map_or(now, |(_, since)| *since);
            observed.insert(key, (counter, since));
            match row {
                Row::Lease(lease) => leases.push(lease),
                Row::Worker(name, _) if since.elapsed() < self.lease => {
                    workers.insert(name);
                }
                Row::Worker(name, _) if since.elapsed() > self.lease * DEAD_LEASES => {
                    let table = Arc::clone(&self.held.table);
                    tokio::spawn(async move { table.delete(&name).await });
                }
                Row::Worker(..) => {}
            }
        }
        self.observed = observed;
        (leases, workers)
    }

    /// A row as the rule wants it: an owner that does not renew is none.
    fn see(&self, row: &LeaseRow) -> Seen {
        let since = self.observed.get(&*row.shard.0).map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let owner = match self.held.get(&row.shard) {
            Some(_) => Some(self.held.me.clone()),
            // What says that it is ours and is not held here is of nobody: a take whose answer was lost.
            None => row.owner.clone().filter(|owner| *owner != self.held.me && since < self.lease),
        };
        let finished = row.checkpoint == Position::END;
        Seen { shard: row.shard.clone(), owner, finished, parents: row.parents.clone() }
    }

    /// Makes leases for shards that have none, and deletes those of settled
    /// shards that the stream has forgotten.
    async fn sync(&mut self, leases: &[LeaseRow]) -> Result<(), PortError> {
        let shards = self.log.describe().await?;
        let known: BTreeSet<&ShardId> = leases.iter().map(|row| &row.shard).collect();
        for shard in shards.iter().filter(|shard| !known.contains(&shard.id)) {
            tracing::info!(shard = %shard.id, "a new shard");
            self.held.table.create(shard).await?;
        }
        self.in_stream = shards.into_iter().map(|shard| shard.id).collect();
        for row in leases {
            if row.checkpoint == Position::END && !self.in_stream.contains(&row.shard) {
                self.held.table.delete(&row.shard.0).await?;
            }
        }
        self.synced = Some(Instant::now());
        Ok(())
    }

    async fn act(&mut self, decision: Decision, leases: &[LeaseRow]) -> Result<(), PortError> {
        for shard in decision.hand_over {
            if let Some(lease) = self.held.get(&shard).filter(|lease| !lease.leave.is_cancelled()) {
                tracing::info!(%shard, "handing the shard over");
                lease.leave.cancel();
            }
        }
        let rows: BTreeMap<&ShardId, &LeaseRow> = leases.iter().map(|row| (&row.shard, row)).collect();
        for shard in decision.take {
            let Some(row) = rows.get(&shard) else { continue };
            let begun = Instant::now();
            let me = &*self.held.me;
            let written = self.held.table.take(&shard, me, row.counter).await?;
            let ours = |now: &LeaseRow| now.owner.as_deref() == Some(me);
            let Changed::Yes(counter) = Changed::of(written, row.counter, ours) else { continue };
            tracing::info!(%shard, "took the lease");
            let (grant, ended) = Grant::new(shard.clone());
            let tokens = [grant.lost.clone(), grant.leave.clone(), ended];
            self.held.insert(shard, counter, row.checkpoint, begun, tokens);
            // A processor that is gone drops the grant, which gives the lease back.
            drop(self.grants.send(grant).await);
        }
        Ok(())
    }

    /// Ends in order: all shards are left, all leases given back.
    async fn leave(mut self) {
        let leases = self.held.all();
        leases.iter().for_each(|lease| lease.leave.cancel());
        let all = async {
            for lease in &leases {
                // A lost one is nobody's to wait for.
                tokio::select! {
                    () = lease.ended.cancelled() => {}
                    () = lease.lost.cancelled() => {}
                }
            }
        };
        if tokio::time::timeout(self.lease, all).await.is_err() {
            tracing::warn!("shards are still worked; their leases will expire");
        }
        self.hand_back_ended().await;
        if let Err(error) = self.held.table.delete(&self.held.me).await {
            tracing::warn!(%error, "this process' row was not deleted; it will expire");
        }
    }
}

/// Gives leases up that could not be renewed, before others may take them.
async fn fence(held: Arc<Held>, lease: Duration, stop: CancellationToken) {
    // Others wait for the whole of it, by clocks that run a little differently.
    let give_up = lease * 3 / 4;
    let look = (lease / 40).max(Duration::from_millis(10));
    while stop.run_until_cancelled(tokio::time::sleep(look)).await.is_some() {
        for of in held.all() {
            fence_one(&of, give_up);
        }
    }
}

fn fence_one(lease: &Lease, give_up: Duration) {
    if lease.age() >= give_up && !lease.lost.is_cancelled() {
        tracing::error!(shard = %lease.shard, "the lease could not be renewed in time; the shard is left at once");
        lease.lost.cancel();
    }
}
