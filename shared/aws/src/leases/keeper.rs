//! The task that keeps this process' leases: it decides, takes, renews and hands over.

use super::decide::{Decision, SeenLease, decide};
use super::fence::fence;
use super::gap::LogGap;
use super::held::{Held, LeaseCheckpoints};
use super::observed::Observed;
use super::rows::{Changed, LeaseRow, LeaseRows, Readable, TakeFrom};
use super::stream_watch::StreamWatch;
#[cfg(feature = "services")]
use super::table::LeaseTable;
use super::unworked::UnworkedShards;
#[cfg(feature = "services")]
use crate::clients::Clients;
use crate::config::{AwsConfig, OnGap};
use crate::health::{Dependency, DependencyHealth};
use crate::log::KinesisLog;
use crate::metrics::count_gap;
use async_trait::async_trait;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_ports::leases::{Grant, Leases};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The most grants that wait for the processor.
const GRANTS_MAX: usize = 64;

/// Receives this process' grants, for the processor.
pub struct ShardLeases {
    grants: Mutex<mpsc::Receiver<Grant>>,
    processes: Arc<AtomicUsize>,
}

#[async_trait]
impl Leases for ShardLeases {
    async fn granted(&self) -> Option<Grant> {
        self.grants.lock().await.recv().await
    }

    fn processes(&self) -> usize {
        self.processes.load(Ordering::Relaxed)
    }
}

/// Keeps the leases of a process.
pub struct Keeper {
    held: Arc<Held>,
    health: Arc<DependencyHealth>,
    on_gap: OnGap,
    lease: Duration,
    renew_every: Duration,
    grants: mpsc::Sender<Grant>,
    /// The number of processes that work shards, as last seen.
    processes: Arc<AtomicUsize>,
    observed: Observed,
    stream: StreamWatch,
    unworked: UnworkedShards,
    beats: u64,
    /// A task for each lease, which ends when its shard is no longer worked.
    watching: JoinSet<()>,
    /// Whether the process is ending: it takes no more leases, and other processes know.
    left: bool,
}

impl Keeper {
    /// A keeper for this process, the leases that it will grant, and the store of their
    /// checkpoints.
    #[cfg(feature = "services")]
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: &AwsConfig,
        log: Arc<KinesisLog>,
    ) -> (Self, ShardLeases, LeaseCheckpoints) {
        let me = format!("sluice-{}-{:08x}", std::process::id(), random_u128() as u32);
        let table = Arc::new(LeaseTable::new(clients, config));
        Self::over(table, me, config, log, Arc::clone(clients.health()))
    }

    /// [`Self::new`] over any table, as the process `me`.
    #[must_use]
    pub fn over(
        table: Arc<dyn LeaseRows>,
        me: String,
        config: &AwsConfig,
        log: Arc<KinesisLog>,
        health: Arc<DependencyHealth>,
    ) -> (Self, ShardLeases, LeaseCheckpoints) {
        let lease = Duration::from_millis(config.lease_ms);
        let observed = Observed::new(me.clone(), lease);
        let held = Arc::new(Held::new(table, me, Arc::clone(&log) as _));
        let (grants, receiver) = mpsc::channel(GRANTS_MAX);
        let checkpoints = LeaseCheckpoints::fenced(&held);
        let processes = Arc::new(AtomicUsize::new(1));
        let keeper = Self {
            held,
            stream: StreamWatch::new(log, config),
            health,
            on_gap: config.on_gap,
            lease,
            renew_every: Duration::from_millis(config.lease_renew_ms),
            grants,
            processes: Arc::clone(&processes),
            observed,
            unworked: UnworkedShards::default(),
            beats: random_u128() as u64 >> 24,
            watching: JoinSet::new(),
            left: false,
        };
        (keeper, ShardLeases { grants: Mutex::new(receiver), processes }, checkpoints)
    }

    /// Keeps leases until told to stop; then gives all back, once none of their shards is
    /// worked here. After `leaving` it takes no more leases, and gives each back as soon as
    /// its shard is left.
    pub async fn run(mut self, stop: CancellationToken, leaving: CancellationToken) {
        let fencing = CancellationToken::new();
        let fence = tokio::spawn(fence(Arc::clone(&self.held), self.lease, fencing.clone()));
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                next = Instant::now() + self.renew_every;
                // A table that does not answer must not delay the next try. The fence watches the
                // leases meanwhile.
                let ticked = tokio::time::timeout(self.lease / 2, self.tick(&leaving)).await;
                match ticked {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the leases could not be read or renewed; trying again");
                    }
                    Err(_elapsed) => tracing::warn!("the lease table does not answer; trying again"),
                }
                // The next tick comes early if another process' lease expires before it.
                next = next.min(self.observed.next_expiry(Instant::now()).unwrap_or(next));
            }
            // Cancel safe: waits.
            tokio::select! {
                () = stop.cancelled() => break,
                () = leaving.cancelled(), if !self.left => next = Instant::now(),
                Some(_) = self.watching.join_next() => next = Instant::now(),
                () = self.stream.listed() => next = Instant::now(),
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
        // The leases that are held come first.
        self.renew_all().await;
        self.hand_back_ended().await;
        self.held.table.beat(&self.held.me, self.beats).await?;
        let rows = self.held.table.rows().await?;
        let view = self.observed.look(rows, Instant::now());
        self.processes.store(view.workers.len().max(1), Ordering::Relaxed);
        for name in view.dead {
            let table = Arc::clone(&self.held.table);
            tokio::spawn(async move { table.delete(&name).await });
        }
        let known = view.stream.as_ref();
        self.stream.sync(&self.held, &view.leases, known).await?;
        if let Some(refusal) = self.stream.refusal() {
            self.health.failed(Dependency::Kinesis, FailureClass::Denied, "work the stream", refusal);
        }
        let owned: Vec<_> = view.leases.iter().map(|row| (row, self.owner(row))).collect();
        let worked = owned.iter().map(|(row, owner)| (*row, owner.is_some()));
        self.unworked.tell(worked, clock::now_ms());
        if !self.stream.may_be_worked(&self.held, &owned, known).await? {
            return Ok(());
        }
        let seen: Vec<SeenLease> = owned.into_iter().map(|(row, owner)| see(row, owner)).collect();
        let decision = decide(&self.held.me, &seen, &view.workers, self.stream.shards());
        self.hand_over(&decision);
        self.take_all(decision, &view.leases, leaving).await
    }

    async fn renew_all(&self) {
        let leases = self.held.all();
        let renewals = leases.iter().map(|lease| async {
            if let Err(error) = self.held.keep(lease).await {
                tracing::warn!(shard = %lease.shard, %error, "a lease was not renewed");
            }
        });
        futures_util::future::join_all(renewals).await;
    }

    /// Gives back the leases of shards that are no longer worked here. If such a shard is
    /// settled, its children can begin.
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
                // The stream may have children of this shard that are not listed yet.
                self.stream.list_again();
            }
            tracing::info!(shard = %lease.shard, "gave the lease back");
            self.held.forget(&lease.shard);
            self.stream.leave(&lease.shard);
        }
    }

    /// The owner of a shard, if it renews its lease.
    fn owner(&self, row: &LeaseRow) -> Option<String> {
        let idle = self.observed.idle(&row.shard, Instant::now());
        match self.held.get(&row.shard) {
            Some(_) => Some(self.held.me.clone()),
            // A row that names us, of a shard that we do not hold, has no owner: we took it and
            // the answer was lost.
            None => row.owner.clone().filter(|owner| *owner != self.held.me && idle < self.lease),
        }
    }

    fn hand_over(&self, decision: &Decision) {
        for shard in &decision.hand_over {
            if let Some(lease) = self.held.get(shard).filter(|lease| !lease.leave.is_cancelled()) {
                tracing::info!(%shard, "handing the shard over");
                lease.leave.cancel();
            }
        }
    }

    async fn take_all(
        &mut self,
        decision: Decision,
        leases: &[LeaseRow],
        leaving: &CancellationToken,
    ) -> Result<(), PortError> {
        let rows: BTreeMap<&ShardId, &LeaseRow> = leases.iter().map(|row| (&row.shard, row)).collect();
        let wanted = decision.take.iter().filter_map(|shard| rows.get(shard).copied());
        let stream = &self.stream;
        let gaps = wanted.map(|row| async move {
            // If an operator ordered where to begin, the checkpoint does not matter.
            let gap = if row.orders.restart.is_some() { None } else { stream.find_gap(row).await };
            (row, gap)
        });
        for (row, gap) in futures_util::future::join_all(gaps).await {
            if leaving.is_cancelled() {
                return Ok(());
            }
            if let (Some(gap), OnGap::Refuse) = (gap, self.on_gap) {
                tracing::error!(shard = %row.shard, "{gap}; it is not worked, since aws.on_gap is \"refuse\"");
                let operation = format!("work {}", row.shard);
                self.health.failed(Dependency::Kinesis, FailureClass::Denied, &operation, &gap.to_string());
                continue;
            }
            let told = row.parents.iter().filter_map(|parent| rows.get(parent)?.readable);
            let told_ms = told.map(|readable| readable.ms).max().unwrap_or(0);
            self.take(row, gap, told_ms).await?;
        }
        Ok(())
    }

    /// Takes a lease. `told_ms` is how far readers of the inbox may have read the shard's
    /// parents.
    async fn take(&mut self, row: &LeaseRow, gap: Option<LogGap>, told_ms: u64) -> Result<(), PortError> {
        let (shard, me) = (&row.shard, &*self.held.me);
        let from = match (row.orders.restart, gap) {
            (Some(restart), _) => TakeFrom::Restart(restart),
            (None, Some(gap)) => gap.take_from(),
            (None, None) => TakeFrom::Checkpoint,
        };
        let begun = Instant::now();
        let Some(stream) = self.stream.stream().cloned() else { return Ok(()) };
        let written = self.held.table.take(row, me, from, &stream).await?;
        let ours = |now: &LeaseRow| now.owner.as_deref() == Some(me);
        let Changed::Yes(counter) = Changed::from_write(written, row.counter, ours) else { return Ok(()) };
        tracing::info!(%shard, "took the lease");
        if let Some(gap) = gap {
            tracing::error!(%shard, "{gap}: these records are lost; continuing from the oldest record");
            count_gap(gap.cause());
        }
        let (checkpoint, skipped) = match from {
            TakeFrom::TrimHorizon(_) => (Position::START, None),
            TakeFrom::Restart(restart) => {
                tracing::warn!(%shard, ?restart, "beginning where an operator ordered");
                (restart.position, restart.skips(row.checkpoint))
            }
            TakeFrom::Checkpoint | TakeFrom::CheckpointWithGap(_) => (row.checkpoint, row.skipped),
        };
        self.stream.pass_over(shard, skipped.filter(|range| checkpoint < range.until));
        // Records from before the stream was made are in none of its shards.
        let told_ms = told_ms.max(stream.created_ms);
        let before = row.readable.unwrap_or(Readable { at: Position::START, ms: told_ms });
        let is_anew = matches!(from, TakeFrom::TrimHorizon(_));
        let at = if is_anew { Position::START } else { before.at };
        let readable = Readable { at, ms: before.ms.max(told_ms) };
        self.stream.take_up(shard, readable);
        let (grant, ended) = Grant::new(shard.clone());
        let tokens = [grant.lost.clone(), grant.leave.clone(), ended.clone()];
        self.watching.spawn(ended.cancelled_owned());
        self.held.insert(shard.clone(), counter, (checkpoint, readable), begun, tokens);
        // If the processor is gone, it drops the grant, which gives the lease back.
        drop(self.grants.send(grant).await);
        Ok(())
    }

    /// Ends gracefully: all shards are left, then all leases are given back.
    async fn leave(mut self) {
        let leases = self.held.all();
        leases.iter().for_each(|lease| lease.leave.cancel());
        let all = async {
            for lease in &leases {
                // A lost lease is not waited for.
                tokio::select! {
                    () = lease.ended.cancelled() => {}
                    () = lease.lost.cancelled() => {}
                }
            }
        };
        if tokio::time::timeout(self.lease, all).await.is_err() {
            tracing::warn!("some shards are still worked; their leases will expire");
        }
        let within = self.lease / 2;
        let given_back = async {
            self.hand_back_ended().await;
            if let Err(error) = self.held.table.delete(&self.held.me).await {
                tracing::warn!(%error, "this process' row was not deleted; it will expire");
            }
        };
        // A table that does not answer must not delay the end of the process.
        if tokio::time::timeout(within, given_back).await.is_err() {
            tracing::warn!("the lease table does not answer; leases that are left will expire");
        }
    }
}

/// A row in the form that the rule takes.
fn see(row: &LeaseRow, owner: Option<String>) -> SeenLease {
    let finished = row.checkpoint == Position::END;
    SeenLease {
        shard: row.shard.clone(),
        owner,
        finished,
        parents: row.parents.clone(),
        is_paused: row.orders.paused_ms.is_some(),
        restarts: row.orders.restart.is_some(),
        pinned_to: row.orders.pinned_to.clone(),
    }
}
