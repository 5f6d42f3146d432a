//! The keeper's knowledge of the stream: its identity, its shards, and whether a part of
//! a shard is lost.

use super::gap::LogGap;
use super::held::Held;
use super::rows::{LeaseRow, Readable, SkippedRange, Written};
use crate::config::{AwsConfig, OnGap};
use crate::log::{KinesisLog, ShardInfo, StreamIdentity};
use crate::metrics::{GapCause, count_gap};
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long taking a lease may wait for the stream to tell whether it knows the checkpoint.
const PROBE_WITHIN: Duration = Duration::from_millis(1000);

/// How often the stream is listed while a lease is of a shard that the last listing lacks.
const SYNC_UNKNOWN: Duration = Duration::from_secs(2);

/// The identity and the shards of the stream.
struct Listing {
    stream: StreamIdentity,
    shards: Vec<ShardInfo>,
}

/// Lists the stream. Fails if it was made anew in between, since the shards could be either's.
async fn list(log: &KinesisLog) -> Result<Listing, PortError> {
    let before = log.identity().await?;
    let shards = log.describe().await?;
    let stream = log.identity().await?;
    if !stream.is_same(&before) {
        return Err(PortError::unavailable("list the stream", "it was made anew meanwhile"));
    }
    Ok(Listing { stream, shards })
}

/// Lists the stream at intervals, and keeps the table of leases in step with it.
pub(super) struct StreamWatch {
    log: Arc<KinesisLog>,
    on_gap: OnGap,
    sync_every: Duration,
    /// The stream as last listed; `None` before the first listing.
    stream: Option<StreamIdentity>,
    listed_shards: Vec<ShardInfo>,
    shards: BTreeSet<ShardId>,
    /// Leases of the previous stream that had no owner at the last look, with their counts.
    former: BTreeMap<ShardId, u64>,
    /// Why no shard is worked, if an operator must decide.
    refusal: Option<String>,
    /// When the last successful listing began.
    begun: Option<Instant>,
    /// The listing under way, in a task: a stream that does not answer delays no lease.
    listing: JoinSet<Result<Listing, PortError>>,
    listed: Option<Listing>,
}

impl StreamWatch {
    pub(super) fn new(log: Arc<KinesisLog>, config: &AwsConfig) -> Self {
        Self {
            log,
            on_gap: config.on_gap,
            sync_every: Duration::from_millis(config.shard_sync_ms),
            stream: None,
            listed_shards: Vec::new(),
            shards: BTreeSet::new(),
            former: BTreeMap::new(),
            refusal: None,
            begun: None,
            listing: JoinSet::new(),
            listed: None,
        }
    }

    /// The stream; `None` before it was listed.
    pub(super) const fn stream(&self) -> Option<&StreamIdentity> {
        self.stream.as_ref()
    }

    /// The shards of the stream.
    pub(super) const fn shards(&self) -> &BTreeSet<ShardId> {
        &self.shards
    }

    /// Makes this process skip a range of a shard; `None` ends the skipping.
    pub(super) fn pass_over(&self, shard: &ShardId, range: Option<SkippedRange>) {
        self.log.pass_over(shard, range.map(|SkippedRange { after, until }| (after, until)));
    }

    /// Begins to work the shard. `told` is how far readers of the inbox may have read it.
    pub(super) fn take_up(&self, shard: &ShardId, told: Readable) {
        self.log.take_up(shard, told);
    }

    /// Notes that this process no longer works the shard.
    pub(super) fn leave(&self, shard: &ShardId) {
        self.log.leave(shard);
    }

    /// Why no shard is worked, if an operator must decide.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Lists the stream at the next look, however recent the last listing is.
    pub(super) fn list_again(&mut self) {
        self.begun = None;
    }

    /// Returns when the listing under way ends. Cancel safe: the listing continues.
    pub(super) async fn listed(&mut self) {
        loop {
            match self.listing.join_next().await {
                Some(Ok(Ok(listing))) => {
                    self.listed = Some(listing);
                    return;
                }
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, "cannot list the stream's shards; trying again");
                    self.begun = None;
                }
                Some(Err(error)) => tracing::error!(%error, "listing the stream's shards died"),
                // No listing is under way.
                None => return std::future::pending().await,
            }
        }
    }

    /// Brings the table in step with the last listing, and begins another listing when it is
    /// due. `known` is the stream that the table remembers.
    pub(super) async fn sync(
        &mut self,
        held: &Held,
        leases: &[LeaseRow],
        known: Option<&StreamIdentity>,
    ) -> Result<(), PortError> {
        if let Some(listing) = self.listed.take() {
            let synced = self.sync_with(held, listing, leases, known).await;
            synced.inspect_err(|_| self.begun = None)?;
        }
        // A lease of a shard that the last listing lacks is of a newer shard, or of one that the
        // stream has forgotten. Until the next listing tells, nobody here takes it.
        let is_unknown =
            |row: &LeaseRow| row.checkpoint != Position::END && !self.shards.contains(&row.shard);
        let every = if leases.iter().any(is_unknown) { SYNC_UNKNOWN } else { self.sync_every };
        let is_due = self.begun.is_none_or(|begun| begun.elapsed() >= every.min(self.sync_every));
        if is_due && self.listing.is_empty() {
            self.begun = Some(Instant::now());
            let log = Arc::clone(&self.log);
            self.listing.spawn(async move { list(&log).await });
        }
        Ok(())
    }

    /// Makes leases for shards without one, and deletes those of settled shards that the
    /// stream has forgotten.
    async fn sync_with(
        &mut self,
        held: &Held,
        Listing { stream, shards }: Listing,
        leases: &[LeaseRow],
        known: Option<&StreamIdentity>,
    ) -> Result<(), PortError> {
        match known {
            Some(known) if known.is_made_after(&stream) => {
                // Another process saw a newer stream while this one listed the previous one.
                self.begun = None;
                return Ok(());
            }
            Some(known) if !known.is_same(&stream) => {
                return self.replaced(held, known, stream, shards, leases).await;
            }
            Some(_) => {}
            None => drop(held.table.remember_stream(&stream, None).await?),
        }
        self.refusal = None;
        self.is(stream.clone(), shards);
        let known: BTreeSet<&ShardId> = leases.iter().map(|row| &row.shard).collect();
        for shard in self.listed_shards.iter().filter(|shard| !known.contains(&shard.id)) {
            tracing::info!(shard = %shard.id, "a new shard");
            held.table.create(shard, &stream).await?;
        }
        for row in leases.iter().filter(|row| row.stream_made_s.is_none()) {
            held.table.adopt(&row.shard, &stream).await?;
        }
        let settled = leases.iter().filter(|row| row.checkpoint == Position::END);
        for row in settled.filter(|row| !self.shards.contains(&row.shard)) {
            held.table.remove(&row.shard, row.counter).await?;
        }
        self.give_up_forgotten(held, &stream, leases).await
    }

    /// Deletes the rows of shards that the stream has forgotten before they were settled: what
    /// was left of them is lost. The gap tells them from newer shards, which a listing may lack.
    async fn give_up_forgotten(
        &self,
        held: &Held,
        stream: &StreamIdentity,
        leases: &[LeaseRow],
    ) -> Result<(), PortError> {
        for row in leases.iter().filter(|row| !self.shards.contains(&row.shard)) {
            let Some(gap) = LogGap::by_retention(row, stream.retention, clock::now_ms()) else { continue };
            if self.on_gap == OnGap::Refuse {
                tracing::error!(shard = %row.shard, "the stream has forgotten the shard: {gap}");
            } else if matches!(held.table.remove(&row.shard, row.counter).await?, Written::Yes) {
                tracing::error!(shard = %row.shard, "the stream has forgotten the shard: {gap}; it is given up");
                count_gap(gap.cause());
            }
        }
        Ok(())
    }

    /// Sets the stream and its shards.
    fn is(&mut self, stream: StreamIdentity, shards: Vec<ShardInfo>) {
        if self.stream.as_ref().is_some_and(|before| !before.is_same(&stream)) {
            self.log.forget_shards();
        }
        self.shards = shards.iter().map(|shard| shard.id.clone()).collect();
        (self.stream, self.listed_shards) = (Some(stream), shards);
    }

    /// Handles a stream that was deleted and made again, whose checkpoints are of no use. All
    /// processes learn of it by the table, or an operator must decide.
    async fn replaced(
        &mut self,
        held: &Held,
        known: &StreamIdentity,
        stream: StreamIdentity,
        shards: Vec<ShardInfo>,
        leases: &[LeaseRow],
    ) -> Result<(), PortError> {
        let replaced = format!("the stream {stream} is not {known}, whose shards the leases are of");
        self.is(stream.clone(), shards);
        if self.on_gap == OnGap::Refuse {
            tracing::error!("{replaced}; nothing is worked, since aws.on_gap is \"refuse\"");
            self.refusal = Some(format!("{replaced}; set aws.on_gap to \"trim_horizon\" to go on"));
            return Ok(());
        }
        if held.table.remember_stream(&stream, Some(known)).await? {
            tracing::error!("{replaced}: what was not settled is lost; going on from the oldest records");
            // Only the process that was first counts the gaps.
            leases.iter().for_each(|_| count_gap(GapCause::StreamReplaced));
        }
        Ok(())
    }

    /// Ends the work on a stream that no longer exists. Returns whether leases may be taken:
    /// not while a process may still work a lease of the previous stream, since the same
    /// lanes are in shards of the new one.
    ///
    /// `seen` are the rows, each with its owner if that one renews it; `known` is the stream
    /// that the table remembers.
    pub(super) async fn may_be_worked(
        &mut self,
        held: &Held,
        seen: &[(&LeaseRow, Option<String>)],
        known: Option<&StreamIdentity>,
    ) -> Result<bool, PortError> {
        // The stream's shards are not known yet.
        let Some(stream) = self.stream.clone() else { return Ok(false) };
        if known.is_some_and(|known| !known.is_same(&stream)) {
            // Another process saw a newer stream, or an operator must decide.
            held.all().iter().for_each(|lease| lease.leave.cancel());
            if self.refusal.is_none() {
                self.list_again();
            }
            return Ok(false);
        }
        let is_former = |row: &LeaseRow| row.stream_made_s.is_some_and(|made_s| made_s != stream.made_s());
        let former: Vec<_> = seen.iter().filter(|(row, _)| is_former(row)).collect();
        let seen_before = std::mem::take(&mut self.former);
        for (row, owner) in &former {
            match owner {
                Some(owner) if *owner == held.me => {
                    held.get(&row.shard).inspect(|lease| lease.leave.cancel());
                }
                Some(_) => {}
                // Rows are not read at one moment: if a row changed after the stream's row was read, it
                // may only seem to be a previous stream's.
                None if seen_before.get(&row.shard) != Some(&row.counter) => {
                    self.former.insert(row.shard.clone(), row.counter);
                }
                None => self.renew_former(held, row, &stream).await?,
            }
        }
        Ok(former.is_empty())
    }

    /// Turns a row of the previous stream, which nobody works, into one of this stream.
    async fn renew_former(
        &self,
        held: &Held,
        row: &LeaseRow,
        stream: &StreamIdentity,
    ) -> Result<(), PortError> {
        tracing::error!(shard = %row.shard, checkpoint = %row.checkpoint.to_decimal(),
            "the lease is of a stream that is no more: what followed its checkpoint is lost");
        match self.listed_shards.iter().find(|shard| shard.id == row.shard) {
            Some(shard) => held.table.reset(shard, row.counter, stream).await,
            None => held.table.remove(&row.shard, row.counter).await,
        }
        .map(drop)
    }

    /// The lost part of a shard, if there is one. A stream that does not answer delays
    /// nothing.
    pub(super) async fn find_gap(&self, row: &LeaseRow) -> Option<LogGap> {
        let now_ms = clock::now_ms();
        let retention = self.stream.as_ref().map_or(Duration::ZERO, |stream| stream.retention);
        let by_retention = LogGap::by_retention(row, retention, now_ms);
        if matches!(row.checkpoint, Position::START | Position::END) {
            return by_retention;
        }
        let probe = self.log.can_read_behind(&row.shard, row.checkpoint);
        match tokio::time::timeout(PROBE_WITHIN, probe).await {
            Ok(Err(PortError::Refused { .. })) => {
                Some(LogGap::UnknownPosition { checkpoint: row.checkpoint, now_ms })
            }
            _ => by_retention,
        }
    }
}
