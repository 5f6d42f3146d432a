//! The task that keeps this process' leases: looks, decides, takes, renews, hands over.

use super::decide::{Decision, SeenLease, decide};
use super::fence::fence;
use super::gap::Gap;
use super::held::{Held, LeaseCheckpoints};
use super::observed::Observed;
use super::rows::{Changed, LeaseRow, LeaseRows, TakeFrom};
#[cfg(feature = "services")]
use super::table::LeaseTable;
#[cfg(feature = "services")]
use crate::clients::Clients;
use crate::config::{AwsConfig, OnGap};
use crate::health::{Dependency, Health};
use crate::log::{KinesisLog, ShardInfo, StreamIdentity};
use crate::metrics::{GapCause, count_gap};
use async_trait::async_trait;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_ports::leases::{Grant, Leases};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Grants that wait for the processor to take them up.
const GRANTS_MAX: usize = 64;
/// How long a take may wait to hear whether the stream knows the checkpoint.
const PROBE_WITHIN: Duration = Duration::from_millis(1000);

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

/// The stream as it was listed.
struct Listing {
    stream: StreamIdentity,
    shards: Vec<ShardInfo>,
}

/// Keeps the leases of a process.
pub struct Keeper {
    held: Arc<Held>,
    log: Arc<KinesisLog>,
    health: Arc<Health>,
    on_gap: OnGap,
    lease: Duration,
    renew_every: Duration,
    sync_every: Duration,
    grants: mpsc::Sender<Grant>,
    observed: Observed,
    /// The shards that the stream has; none until it was listed.
    in_stream: BTreeSet<ShardId>,
    /// How long the stream keeps a record.
    retention: Duration,
    /// Why no shard is worked, where an operator must decide.
    refusal: Option<String>,
    synced: Option<Instant>,
    /// The stream, being listed: a stream that does not answer holds up no lease.
    listing: JoinSet<Result<Listing, PortError>>,
    listed: Option<Listing>,
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
    ) -> (Self, ShardLeases, LeaseCheckpoints) {
        let me = format!("sluice-{}-{:08x}", std::process::id(), random_u128() as u32);
        let table = Arc::new(LeaseTable::new(clients, config));
        Self::over(table, me, config, log, Arc::clone(clients.health()))
    }

    /// [`Self::new`] over any such table, as the process of that name.
    #[must_use]
    pub fn over(
        table: Arc<dyn LeaseRows>,
        me: String,
        config: &AwsConfig,
        log: Arc<KinesisLog>,
        health: Arc<Health>,
    ) -> (Self, ShardLeases, LeaseCheckpoints) {
        let lease = Duration::from_millis(config.lease_ms);
        let observed = Observed::new(me.clone(), lease);
        let held = Arc::new(Held::new(table, me, Arc::clone(&log) as _));
        let (grants, receiver) = mpsc::channel(GRANTS_MAX);
        let checkpoints = LeaseCheckpoints::fenced(&held);
        let keeper = Self {
            held,
            log,
            health,
            on_gap: config.on_gap,
            lease,
            renew_every: Duration::from_millis(config.lease_renew_ms),
            sync_every: Duration::from_millis(config.shard_sync_ms),
            grants,
            observed,
            in_stream: BTreeSet::new(),
            retention: Duration::ZERO,
            refusal: None,
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
                // A lease that expires before the next tick is taken at once.
                next = next.min(self.observed.next_expiry(Instant::now()).unwrap_or(next));
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
        let view = self.observed.look(rows, Instant::now());
        for name in view.dead {
            let table = Arc::clone(&self.held.table);
            tokio::spawn(async move { table.delete(&name).await });
        }
        if let Some(listing) = self.listed.take() {
            self.sync(listing, &view.leases, view.stream).await?;
        }
        if self.synced.is_none_or(|at| at.elapsed() >= self.sync_every) && self.listing.is_empty() {
            self.synced = Some(Instant::now());
            let log = Arc::clone(&self.log);
            self.listing.spawn(async move {
                Ok(Listing { stream: log.identity().await?, shards: log.describe().await? })
            });
        }
        if let Some(refusal) = &self.refusal {
            self.health.failed(Dependency::Kinesis, FailureClass::Denied, "work the stream", refusal);
        }
        if self.in_stream.is_empty() {
            // What may be worked is not known yet.
            return Ok(());
        }
        let seen: Vec<SeenLease> = view.leases.iter().map(|row| self.see(row)).collect();
        let decision = decide(&self.held.me, &seen, &view.workers, &self.in_stream);
        self.hand_over(&decision);
        self.take_all(decision, &view.leases, leaving).await
    }

    fn listed(&mut self, listed: Result<Result<Listing, PortError>, JoinError>) {
        match listed {
            Ok(Ok(listing)) => self.listed = Some(listing),
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
            if let Err(error) = self.held.keep(lease).await {
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

    /// A row as the rule wants it: an owner that does not renew is none.
    fn see(&self, row: &LeaseRow) -> SeenLease {
        let idle = self.observed.idle(&row.shard, Instant::now());
        let owner = match self.held.get(&row.shard) {
            Some(_) => Some(self.held.me.clone()),
            // A row that names us, of a shard that we do not hold, has no
            // owner: the answer to a take of ours was lost.
            None => row.owner.clone().filter(|owner| *owner != self.held.me && idle < self.lease),
        };
        let finished = row.checkpoint == Position::END;
        SeenLease { shard: row.shard.clone(), owner, finished, parents: row.parents.clone() }
    }

    /// Makes leases for shards that have none, and deletes those of settled
    /// shards that the stream has forgotten. `known` is the stream that the
    /// leases were made for.
    async fn sync(
        &mut self,
        listing: Listing,
        leases: &[LeaseRow],
        known: Option<StreamIdentity>,
    ) -> Result<(), PortError> {
        let Listing { stream, shards } = listing;
        match known {
            Some(known) if !known.is_same(&stream) => {
                return self.stream_replaced(known, stream, &shards, leases).await;
            }
            Some(_) => {}
            None => {
                self.held.table.remember_stream(&stream, None).await?;
            }
        }
        self.refusal = None;
        self.retention = stream.retention;
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

    /// The stream was deleted and made again: checkpoints point nowhere.
    /// Nothing is worked until all leases begin at the oldest record, or an
    /// operator has decided.
    async fn stream_replaced(
        &mut self,
        known: StreamIdentity,
        stream: StreamIdentity,
        shards: &[ShardInfo],
        leases: &[LeaseRow],
    ) -> Result<(), PortError> {
        self.in_stream.clear();
        // Positions of the old stream must not be stored for the new one.
        self.held.all().iter().for_each(|lease| lease.lost.cancel());
        let replaced = format!("the stream {stream} is not {known}, whose shards the leases are of");
        if self.on_gap == OnGap::Refuse {
            tracing::error!("{replaced}; nothing is worked, since aws.on_gap is \"refuse\"");
            self.refusal = Some(format!("{replaced}; set aws.on_gap to \"trim_horizon\" to go on"));
            return Ok(());
        }
        for row in leases {
            tracing::error!(shard = %row.shard, checkpoint = %row.checkpoint.to_decimal(),
                "{replaced}: what followed the checkpoint is lost; going on from the oldest record");
            let is_there = shards.iter().any(|shard| shard.id == row.shard);
            if is_there {
                self.held.table.reset(&row.shard, row.counter).await?;
            } else {
                self.held.table.delete(&row.shard.0).await?;
            }
        }
        if self.held.table.remember_stream(&stream, Some(&known)).await? {
            // The one process that is first counts.
            leases.iter().for_each(|_| count_gap(GapCause::StreamReplaced));
        }
        self.synced = None;
        Ok(())
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
        let keeper = &*self;
        let gaps = wanted.map(|row| async move { (row, keeper.find_gap(row).await) });
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
            self.take(row, gap).await?;
        }
        Ok(())
    }

    /// The part of the shard that is lost, if one is. A stream that does not
    /// answer delays nothing.
    async fn find_gap(&self, row: &LeaseRow) -> Option<Gap> {
        let now_ms = clock::now_ms();
        let by_retention = Gap::by_retention(row, self.retention, now_ms);
        if matches!(row.checkpoint, Position::START | Position::END) {
            return by_retention;
        }
        let probe = self.log.can_read_behind(&row.shard, row.checkpoint);
        match tokio::time::timeout(PROBE_WITHIN, probe).await {
            Ok(Err(PortError::Refused { .. })) => {
                Some(Gap::UnknownPosition { checkpoint: row.checkpoint, now_ms })
            }
            _ => by_retention,
        }
    }

    async fn take(&mut self, row: &LeaseRow, gap: Option<Gap>) -> Result<(), PortError> {
        let (shard, me) = (&row.shard, &*self.held.me);
        let from = gap.map_or(TakeFrom::Checkpoint, Gap::take_from);
        let begun = Instant::now();
        let written = self.held.table.take(shard, me, row.counter, from).await?;
        let ours = |now: &LeaseRow| now.owner.as_deref() == Some(me);
        let Changed::Yes(counter) = Changed::from_write(written, row.counter, ours) else { return Ok(()) };
        tracing::info!(%shard, "took the lease");
        if let Some(gap) = gap {
            tracing::error!(%shard, "{gap}: it is lost; going on from the oldest record");
            count_gap(gap.cause());
        }
        let checkpoint = if let TakeFrom::TrimHorizon(_) = from { Position::START } else { row.checkpoint };
        let (grant, ended) = Grant::new(shard.clone());
        let tokens = [grant.lost.clone(), grant.leave.clone(), ended.clone()];
        self.watching.spawn(ended.cancelled_owned());
        self.held.insert(shard.clone(), counter, checkpoint, begun, tokens);
        // A processor that is gone drops the grant, which gives the lease back.
        drop(self.grants.send(grant).await);
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
