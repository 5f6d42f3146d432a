//! The task that keeps this process' leases: looks, decides, takes, renews, hands over.

use super::decide::{Decision, Seen, decide};
use super::held::{Checkpoints, Held, Lease};
use super::rows::{Changed, LeaseRow, LeaseRows, Row};
#[cfg(feature = "services")]
use super::table::LeaseTable;
#[cfg(feature = "services")]
use crate::clients::Clients;
use crate::config::AwsConfig;
use crate::log::{KinesisLog, ShardInfo};
use async_trait::async_trait;
use sluice_model::ids::random_u128;
use sluice_ports::PortError;
use sluice_ports::leases::{Grant, Leases};
use sluice_ports::log::{Position, ShardId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};
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
    /// The stream's shards, being listed: a stream that does not answer holds up no lease.
    listing: JoinSet<Result<Vec<ShardInfo>, PortError>>,
    listed: Option<Vec<ShardInfo>>,
    beats: u64,
    /// One task a lease, which ends when nothing of its shard is worked any more.
    watching: JoinSet<()>,
    /// The process ends: nothing is taken any more, and others know it.
    left: bool,
}

impl Keeper {
    /// A keeper for this process, the leases that it will grant, and where
    /// their checkpoints go.
    #[cfg(feature = "services")]
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
            listing: JoinSet::new(),
            listed: None,
            beats: random_u128() as u64 >> 24,
            watching: JoinSet::new(),
            left: false,
        };
        (keeper, ShardLeases { grants: Mutex::new(receiver) }, checkpoints)
    }

    /// Keeps leases until told to stop; then gives all back, once nothing of
    /// their shards is worked here any more. From `leaving` on it takes no
    /// more, and gives each back as soon as its shard is left.
    pub async fn run(mut self, stop: CancellationToken, leaving: CancellationToken) {
        let fencing = CancellationToken::new();
        let fence = tokio::spawn(fence(Arc::clone(&self.held), self.lease, fencing.clone()));
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                next = Instant::now() + self.renew_every;
                // A table that does not answer must not hold up the next try;
                // the fence keeps the time meanwhile.
                let ticked = tokio::time::timeout(self.lease / 2, self.tick(&leaving)).await;
                match ticked {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "leases could not be kept; trying again"),
                    Err(_elapsed) => tracing::warn!("the lease table does not answer; trying again"),
                }
            }
            // Cancel safe: waits.
            tokio::select! {
                () = stop.cancelled() => break,
                () = leaving.cancelled(), if !self.left => next = Instant::now(),
                Some(_) = self.watching.join_next() => next = Instant::now(),
                Some(listed) = self.listing.join_next() => {
                    self.listed(listed);
                    if self.listed.is_some() {
                        next = Instant::now();
                    }
                }
                () = tokio::time::sleep_until(next) => {}
            }
        }
        self.leave().await;
        fencing.cancel();
        if let Err(error) = fence.await {
            tracing::error!(%error, "the leases' fence died");
        }
    }

    async fn tick(&mut self, leaving: &CancellationToken) -> Result<(), PortError> {
        if leaving.is_cancelled() {
            self.left = true;
            self.hand_back_ended().await;
            self.renew_all().await;
            return self.held.table.delete(&self.held.me).await;
        }
        self.beats += 1;
        // What is held comes first.
        self.renew_all().await;
        self.hand_back_ended().await;
        self.held.table.beat(&self.held.me, self.beats).await?;
        let rows = self.held.table.rows().await?;
        let (leases, workers) = self.observe(rows);
        if let Some(shards) = self.listed.take() {
            self.sync(shards, &leases).await?;
        }
        if self.synced.is_none_or(|at| at.elapsed() >= self.sync_every) && self.listing.is_empty() {
            self.synced = Some(Instant::now());
            let log = Arc::clone(&self.log);
            self.listing.spawn(async move { log.describe().await });
        }
        if self.in_stream.is_empty() {
            // What may be worked is not known yet.
            return Ok(());
        }
        let seen: Vec<Seen> = leases.iter().map(|row| self.see(row)).collect();
        let decision = decide(&self.held.me, &seen, &workers, &self.in_stream);
        self.act(decision, &leases, leaving).await
    }

    fn listed(&mut self, listed: Result<Result<Vec<ShardInfo>, PortError>, JoinError>) {
        match listed {
            Ok(Ok(shards)) => self.listed = Some(shards),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the stream's shards are not known anew; trying again");
                self.synced = None;
            }
            Err(error) => tracing::error!(%error, "listing the stream's shards died"),
        }
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
    async fn sync(&mut self, shards: Vec<ShardInfo>, leases: &[LeaseRow]) -> Result<(), PortError> {
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
        Ok(())
    }

    async fn act(
        &mut self,
        decision: Decision,
        leases: &[LeaseRow],
        leaving: &CancellationToken,
    ) -> Result<(), PortError> {
        for shard in decision.hand_over {
            if let Some(lease) = self.held.get(&shard).filter(|lease| !lease.leave.is_cancelled()) {
                tracing::info!(%shard, "handing the shard over");
                lease.leave.cancel();
            }
        }
        let rows: BTreeMap<&ShardId, &LeaseRow> = leases.iter().map(|row| (&row.shard, row)).collect();
        for shard in decision.take {
            let Some(row) = rows.get(&shard).filter(|_| !leaving.is_cancelled()) else { continue };
            let begun = Instant::now();
            let me = &*self.held.me;
            let written = self.held.table.take(&shard, me, row.counter).await?;
            let ours = |now: &LeaseRow| now.owner.as_deref() == Some(me);
            let Changed::Yes(counter) = Changed::of(written, row.counter, ours) else { continue };
            tracing::info!(%shard, "took the lease");
            let (grant, ended) = Grant::new(shard.clone());
            let tokens = [grant.lost.clone(), grant.leave.clone(), ended.clone()];
            self.watching.spawn(ended.cancelled_owned());
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
