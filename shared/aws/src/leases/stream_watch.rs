//! The stream as the keeper of leases knows it: which stream it is, its shards,
//! and whether a part of one is lost.

use super::gap::LogGap;
use super::held::Held;
use super::rows::LeaseRow;
use crate::config::{AwsConfig, OnGap};
use crate::log::{KinesisLog, ShardInfo, StreamIdentity};
use crate::metrics::{GapCause, count_gap};
use sluice_model::clock;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a take may wait to hear whether the stream knows the checkpoint.
const PROBE_WITHIN: Duration = Duration::from_millis(1000);

/// The stream as it was listed.
struct Listing {
    stream: StreamIdentity,
    shards: Vec<ShardInfo>,
}

/// Lists the stream now and then, and keeps the table of leases in step with it.
pub(super) struct StreamWatch {
    log: Arc<KinesisLog>,
    on_gap: OnGap,
    sync_every: Duration,
    /// The shards that the stream has; none until it was listed.
    shards: BTreeSet<ShardId>,
    /// How long the stream keeps a record.
    retention: Duration,
    /// Why no shard is worked, where an operator must decide.
    refusal: Option<String>,
    /// When the last listing began that did not fail.
    begun: Option<Instant>,
    /// The listing under way: a stream that does not answer holds up no lease.
    listing: JoinSet<Result<Listing, PortError>>,
    listed: Option<Listing>,
}

impl StreamWatch {
    pub(super) fn new(log: Arc<KinesisLog>, config: &AwsConfig) -> Self {
        Self {
            log,
            on_gap: config.on_gap,
            sync_every: Duration::from_millis(config.shard_sync_ms),
            shards: BTreeSet::new(),
            retention: Duration::ZERO,
            refusal: None,
            begun: None,
            listing: JoinSet::new(),
            listed: None,
        }
    }

    /// The shards that may be worked; none while that is not known.
    pub(super) const fn shards(&self) -> &BTreeSet<ShardId> {
        &self.shards
    }

    /// Why no shard is worked, where an operator must decide.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Lists the stream at the next look, however recent the last listing is.
    pub(super) fn list_again(&mut self) {
        self.begun = None;
    }

    /// Returns once the stream is listed anew. Cancel safe: the listing goes on.
    pub(super) async fn listed(&mut self) {
        loop {
            match self.listing.join_next().await {
                Some(Ok(Ok(listing))) => {
                    self.listed = Some(listing);
                    return;
                }
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, "the stream's shards are not known anew; trying again");
                    self.begun = None;
                }
                Some(Err(error)) => tracing::error!(%error, "listing the stream's shards died"),
                // Nothing is listed now.
                None => return std::future::pending().await,
            }
        }
    }

    /// Brings the table in step with the last listing, and begins another one
    /// when it is time. `known` is the stream that the leases were made for.
    pub(super) async fn sync(
        &mut self,
        held: &Held,
        leases: &[LeaseRow],
        known: Option<StreamIdentity>,
    ) -> Result<(), PortError> {
        if let Some(listing) = self.listed.take() {
            let synced = self.sync_with(held, listing, leases, known).await;
            synced.inspect_err(|_| self.begun = None)?;
        }
        if self.begun.is_none_or(|begun| begun.elapsed() >= self.sync_every) && self.listing.is_empty() {
            self.begun = Some(Instant::now());
            let log = Arc::clone(&self.log);
            self.listing.spawn(async move {
                Ok(Listing { stream: log.identity().await?, shards: log.describe().await? })
            });
        }
        Ok(())
    }

    /// Makes leases for shards that have none, and deletes those of settled
    /// shards that the stream has forgotten.
    async fn sync_with(
        &mut self,
        held: &Held,
        Listing { stream, shards }: Listing,
        leases: &[LeaseRow],
        known: Option<StreamIdentity>,
    ) -> Result<(), PortError> {
        match known {
            Some(known) if !known.is_same(&stream) => {
                return self.stream_replaced(held, known, stream, &shards, leases).await;
            }
            Some(_) => {}
            None => {
                held.table.remember_stream(&stream, None).await?;
            }
        }
        self.refusal = None;
        self.retention = stream.retention;
        let known: BTreeSet<&ShardId> = leases.iter().map(|row| &row.shard).collect();
        for shard in shards.iter().filter(|shard| !known.contains(&shard.id)) {
            tracing::info!(shard = %shard.id, "a new shard");
            held.table.create(shard).await?;
        }
        self.shards = shards.into_iter().map(|shard| shard.id).collect();
        for row in leases {
            if row.checkpoint == Position::END && !self.shards.contains(&row.shard) {
                held.table.delete(&row.shard.0).await?;
            }
        }
        Ok(())
    }

    /// The stream was deleted and made again: checkpoints point nowhere.
    /// Nothing is worked until all leases begin at the oldest record, or an
    /// operator has decided.
    async fn stream_replaced(
        &mut self,
        held: &Held,
        known: StreamIdentity,
        stream: StreamIdentity,
        shards: &[ShardInfo],
        leases: &[LeaseRow],
    ) -> Result<(), PortError> {
        self.shards.clear();
        // Positions of the old stream must not be stored for the new one.
        held.all().iter().for_each(|lease| lease.lost.cancel());
        let replaced = format!("the stream {stream} is not {known}, whose shards the leases are of");
        if self.on_gap == OnGap::Refuse {
            tracing::error!("{replaced}; nothing is worked, since aws.on_gap is \"refuse\"");
            self.refusal = Some(format!("{replaced}; set aws.on_gap to \"trim_horizon\" to go on"));
            return Ok(());
        }
        for row in leases {
            tracing::error!(shard = %row.shard, checkpoint = %row.checkpoint.to_decimal(),
                "{replaced}: what followed the checkpoint is lost; going on from the oldest record");
            match shards.iter().find(|shard| shard.id == row.shard) {
                Some(shard) => drop(held.table.reset(shard, row.counter).await?),
                None => held.table.delete(&row.shard.0).await?,
            }
        }
        if held.table.remember_stream(&stream, Some(&known)).await? {
            // The one process that is first counts.
            leases.iter().for_each(|_| count_gap(GapCause::StreamReplaced));
        }
        self.begun = None;
        Ok(())
    }

    /// The part of the shard that is lost, if one is. A stream that does not
    /// answer delays nothing.
    pub(super) async fn find_gap(&self, row: &LeaseRow) -> Option<LogGap> {
        let now_ms = clock::now_ms();
        let by_retention = LogGap::by_retention(row, self.retention, now_ms);
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
