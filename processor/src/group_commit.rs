//! Group commit of one task: one write at a time, while the next commit gathers changes.
//!
//! Usage is counted here, too: that of a shard's records before the checkpoint that passes them,
//! and that of other deliveries in the commit that ends them.

use crate::commit::Commit;
use crate::context::Context;
use crate::store_wait::store_wait;
use crate::watermark::Watermark;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sluice_history::usage::{SessionUsage, ShardUsage, UsageTally};
use sluice_model::ids::random_u128;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::{PortError, Rows};
use std::sync::Arc;

/// A commit of this many changes is written without waiting for more.
const FULL: usize = 512;

/// The result of a write.
pub(crate) enum GroupWrite {
    /// A commit is durable, and the events that it settles are settled.
    Committed(Box<Commit>),
    /// The checkpoint was stored; `None` if it could not be.
    Checkpointed(Option<Position>),
    /// The usage of the shard was added up, or the attempt failed.
    AddedUp,
}

/// The result of a write, with the parts that were lent to it.
enum EndedWrite {
    Committed(Box<Commit>),
    Checkpoint(Box<CheckpointWrite>),
}

/// A write of a shard's checkpoint and of its usage.
struct CheckpointWrite {
    shard: ShardId,
    usage: ShardUsage,
    /// The usage of the records up to `position` that is not counted yet.
    counted: Option<UsageTally>,
    /// The new position of the checkpoint, if it moves.
    position: Option<Position>,
    /// Whether waiting usage is added to the customers' rows.
    add_up: bool,
    is_done: bool,
}

/// The shard whose checkpoint and usage are stored.
struct KeptShard {
    id: ShardId,
    /// `None` while the write under way has it.
    usage: Option<ShardUsage>,
    /// The usage of settled records that no write has taken.
    counted: Option<UsageTally>,
    /// When usage is added to the customers' rows.
    add_up_due_ms: u64,
}

/// How far the batches of a shard are in the event store.
#[derive(Debug)]
struct ReadableMark {
    /// The batches of all records up to here are in the pending commit or an earlier one.
    reached: Position,
    /// The batches up to here are in the commit under way or an earlier one.
    writing: Option<Position>,
    /// The batches up to here are durable.
    stored: Position,
}

/// Pending changes, the write under way, and the checkpoint.
pub(crate) struct GroupCommit {
    context: Arc<Context>,
    /// The shard whose checkpoint is kept, if the task has one.
    shard: Option<KeptShard>,
    /// Counts deliveries that end beside the log.
    session: SessionUsage,
    pub(crate) pending: Commit,
    /// Since when `pending` is not empty.
    since_ms: Option<u64>,
    writing: Option<BoxFuture<'static, Result<EndedWrite, PortError>>>,
    readable: ReadableMark,
    checkpointed: Position,
    checkpoint_due_ms: u64,
}

impl GroupCommit {
    /// Without pending changes; `checkpointed` is the stored checkpoint of `shard`.
    pub(crate) fn new(
        context: Arc<Context>,
        shard: Option<(ShardId, ShardUsage)>,
        checkpointed: Position,
    ) -> Self {
        let config = &context.config.usage;
        let session = SessionUsage::new(random_u128() as u64, config.types_max, config.retention());
        let kept = |(id, usage)| KeptShard { id, usage: Some(usage), counted: None, add_up_due_ms: 0 };
        Self {
            shard: shard.map(kept),
            session,
            context,
            pending: Commit::numbered(1),
            since_ms: None,
            writing: None,
            // Batches of settled records are stored.
            readable: ReadableMark { reached: checkpointed, writing: None, stored: checkpointed },
            checkpointed,
            checkpoint_due_ms: 0,
        }
    }

    /// Starts a write, if none is under way and one is due; with `flush`, all pending changes are
    /// due. The watermark of the shard tells the usage of the settled records.
    pub(crate) fn start(
        &mut self,
        now_ms: u64,
        settled: Position,
        watermark: Option<&mut Watermark>,
        flush: bool,
    ) {
        if self.pending.is_empty() {
            self.since_ms = None;
        } else {
            self.since_ms.get_or_insert(now_ms);
        }
        if self.writing.is_some() {
            return;
        }
        let checkpoint_due = settled > self.checkpointed && now_ms >= self.checkpoint_due_ms;
        let linger_ms = self.context.config.shard.commit_linger_ms;
        let commit_due = self.since_ms.is_some_and(|since| now_ms >= since + linger_ms);
        if commit_due || self.pending.len() >= FULL || (flush && !self.pending.is_empty()) {
            self.since_ms = None;
            let next = Commit::numbered(self.pending.generation + 1);
            let mut commit = std::mem::replace(&mut self.pending, next);
            commit.count_in(&mut self.session);
            self.readable.writing = Some(self.readable.reached);
            self.writing = Some(write(Arc::clone(&self.context), commit).boxed());
            return;
        }
        let Some(shard) = &mut self.shard else { return };
        let moves = checkpoint_due || (flush && settled > self.checkpointed);
        let add_up = shard.is_due(now_ms);
        if (moves || add_up)
            && let Some(usage) = shard.usage.take()
        {
            let config = &self.context.config;
            if moves {
                self.checkpoint_due_ms = now_ms + config.shard.checkpoint_interval_ms;
                shard.gather(watermark.and_then(Watermark::take_usage));
            }
            if add_up {
                shard.add_up_due_ms = now_ms + config.usage.add_up_ms;
            }
            let counted = if moves { shard.counted.take() } else { None };
            let position = moves.then_some(settled);
            let id = shard.id.clone();
            let write = CheckpointWrite { shard: id, usage, counted, position, add_up, is_done: false };
            self.writing = Some(write.make(Arc::clone(&self.context)).boxed());
        }
    }

    /// When [`Self::start`] should be called again, if nothing happens before.
    pub(crate) fn wake_ms(&self, settled: Position) -> Option<u64> {
        if self.writing.is_some() {
            return None;
        }
        let commit = self.since_ms.map(|since| since + self.context.config.shard.commit_linger_ms);
        let checkpoint = (settled > self.checkpointed).then_some(self.checkpoint_due_ms);
        let add_up = self.shard.as_ref().and_then(KeptShard::add_up_ms);
        commit.into_iter().chain(checkpoint).chain(add_up).min()
    }

    /// Notes that the batches of the record at `position`, and of all before it, are in the pending
    /// commit or an earlier one.
    pub(crate) fn reach(&mut self, position: Position) {
        self.readable.reached = position;
    }

    /// The batches of all records up to this position are in the event store.
    pub(crate) fn readable(&self) -> Position {
        // Commits are written one after the other.
        let is_all = self.readable.writing.is_none() && !self.pending.has_batches();
        if is_all { self.readable.reached } else { self.readable.stored }
    }

    /// Whether nothing is pending or under way, and every settled position is checkpointed.
    pub(crate) fn is_idle(&self, settled: Position) -> bool {
        self.pending.is_empty() && self.writing.is_none() && settled <= self.checkpointed
    }

    /// Whether the shard is closed and durably settled to its end.
    pub(crate) fn is_settled_for_ever(&self) -> bool {
        self.checkpointed == Position::END
    }

    /// Waits for the end of the write under way; for ever, if there is none. Cancel safe: the write
    /// stays in `self` when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<GroupWrite, PortError> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let ended = writing.await;
        self.writing = None;
        let write = match ended? {
            EndedWrite::Committed(commit) => {
                if let Some(stored) = self.readable.writing.take() {
                    self.readable.stored = stored;
                }
                return Ok(GroupWrite::Committed(commit));
            }
            EndedWrite::Checkpoint(write) => *write,
        };
        if let Some(shard) = &mut self.shard {
            shard.usage = Some(write.usage);
            shard.gather(write.counted);
        }
        let Some(position) = write.position else { return Ok(GroupWrite::AddedUp) };
        if !write.is_done {
            return Ok(GroupWrite::Checkpointed(None));
        }
        self.checkpointed = position;
        Ok(GroupWrite::Checkpointed(Some(position)))
    }
}

impl KeptShard {
    /// Adds to the usage that no write has taken.
    fn gather(&mut self, counted: Option<UsageTally>) {
        match (&mut self.counted, counted) {
            (Some(known), Some(more)) => known.merge(&more),
            (None, Some(more)) => self.counted = Some(more),
            (_, None) => {}
        }
    }

    /// When waiting usage must be added up.
    fn add_up_ms(&self) -> Option<u64> {
        let waits = self.usage.as_ref().is_some_and(ShardUsage::is_waiting);
        waits.then_some(self.add_up_due_ms)
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.add_up_ms().is_some_and(|due_ms| now_ms >= due_ms)
    }
}

impl CheckpointWrite {
    /// Makes the write. If it fails, the next one repeats all of it.
    async fn make(mut self, context: Arc<Context>) -> Result<EndedWrite, PortError> {
        match self.write(&context).await {
            Ok(()) => self.is_done = true,
            Err(error @ PortError::Closed { .. }) => return Err(error),
            // The next interval stores a later position; a crash before it makes more records be
            // read again.
            Err(error) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, 0)).await;
            }
        }
        Ok(EndedWrite::Checkpoint(Box::new(self)))
    }

    /// Stores usage before the checkpoint that passes its records.
    async fn write(&mut self, context: &Context) -> Result<(), PortError> {
        match self.count(&*context.stores.rows).await {
            // Trying again would not help, and usage must not stop deliveries.
            Err(error @ (PortError::Refused { .. } | PortError::Damaged { .. })) => {
                tracing::error!(shard = %self.shard, %error, "usage cannot be stored: some of it is lost");
            }
            counted => counted?,
        }
        match self.position {
            Some(position) => context.stores.checkpoints.store(&self.shard, position).await,
            None => Ok(()),
        }
    }

    async fn count(&mut self, rows: &dyn Rows) -> Result<(), PortError> {
        if self.add_up {
            self.usage.add_up(rows).await?;
        }
        let Some(position) = self.position else { return Ok(()) };
        self.usage.count(rows, &mut self.counted, position).await?;
        if position == Position::END {
            // The shard has ended, so no later owner adds its usage up.
            self.usage.add_up(rows).await?;
        }
        Ok(())
    }
}

async fn write(context: Arc<Context>, commit: Commit) -> Result<EndedWrite, PortError> {
    let now_ms = || context.clock().now_ms();
    commit.write_until_durable(&context.stores, now_ms, |error| context.store_failed(error)).await?;
    if commit.has_puts() {
        context.queue_wake.notify_one();
    }
    Ok(EndedWrite::Committed(Box::new(commit)))
}
