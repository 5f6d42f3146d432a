//! Group commit of one task: one write at a time, the next commit gathers meanwhile.

use crate::commit::{Commit, store_wait};
use crate::context::Context;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sluice_ports::PortError;
use sluice_ports::log::{Position, ShardId};
use std::sync::Arc;

/// A commit of this many changes is written without waiting for more.
const FULL: usize = 512;

/// A write that ended.
pub(crate) enum GroupWrite {
    /// A commit is durable: the events that it settles are settled.
    Committed(Box<Commit>),
    /// The checkpoint was stored; `None` where it could not be.
    Checkpointed(Option<Position>),
}

/// Pending changes, the write under way, and the checkpoint.
pub(crate) struct GroupCommit {
    context: Arc<Context>,
    /// The shard whose checkpoint is kept, if the task has one.
    shard: Option<ShardId>,
    pub(crate) pending: Commit,
    /// Since when `pending` is not empty.
    since_ms: Option<u64>,
    writing: Option<BoxFuture<'static, Result<GroupWrite, PortError>>>,
    checkpointed: Position,
    checkpoint_due_ms: u64,
}

impl GroupCommit {
    /// Nothing is pending; `checkpointed` is the stored checkpoint of `shard`.
    pub(crate) fn new(context: Arc<Context>, shard: Option<ShardId>, checkpointed: Position) -> Self {
        Self {
            context,
            shard,
            pending: Commit::numbered(1),
            since_ms: None,
            writing: None,
            checkpointed,
            checkpoint_due_ms: 0,
        }
    }

    /// Starts a write, if none is under way and one is due; with `flush`, all that is pending is due.
    pub(crate) fn start(&mut self, now_ms: u64, settled: Position, flush: bool) {
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
            let commit = std::mem::replace(&mut self.pending, next);
            self.writing = Some(write(Arc::clone(&self.context), commit).boxed());
        } else if let Some(shard) = &self.shard
            && (checkpoint_due || (flush && settled > self.checkpointed))
        {
            self.checkpoint_due_ms = now_ms + self.context.config.shard.checkpoint_interval_ms;
            self.writing = Some(checkpoint(Arc::clone(&self.context), shard.clone(), settled).boxed());
        }
    }

    /// When [`Self::start`] should be called again, if nothing else happens before.
    pub(crate) fn wake_ms(&self, settled: Position) -> Option<u64> {
        if self.writing.is_some() {
            return None;
        }
        let commit = self.since_ms.map(|since| since + self.context.config.shard.commit_linger_ms);
        let checkpoint = (settled > self.checkpointed).then_some(self.checkpoint_due_ms);
        commit.into_iter().chain(checkpoint).min()
    }

    /// Whether nothing is pending or under way, and all that is settled is checkpointed.
    pub(crate) fn is_idle(&self, settled: Position) -> bool {
        self.pending.is_empty() && self.writing.is_none() && settled <= self.checkpointed
    }

    /// Whether the shard is closed and all of it is settled, durably.
    pub(crate) fn is_settled_for_ever(&self) -> bool {
        self.checkpointed == Position::END
    }

    /// Waits for the end of the write under way; for ever, if there is none. Cancel
    /// safe: the write stays here when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<GroupWrite, PortError> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let stored = writing.await;
        self.writing = None;
        if let Ok(GroupWrite::Checkpointed(Some(position))) = &stored {
            self.checkpointed = *position;
        }
        stored
    }
}

async fn write(context: Arc<Context>, commit: Commit) -> Result<GroupWrite, PortError> {
    let now_ms = || context.clock().now_ms();
    commit.write_until_durable(&context.stores, now_ms, |error| context.store_failed(error)).await?;
    if commit.has_puts() {
        context.queue_wake.notify_one();
    }
    Ok(GroupWrite::Committed(Box::new(commit)))
}

async fn checkpoint(
    context: Arc<Context>,
    shard: ShardId,
    position: Position,
) -> Result<GroupWrite, PortError> {
    match context.stores.checkpoints.store(&shard, position).await {
        Ok(()) => Ok(GroupWrite::Checkpointed(Some(position))),
        Err(error @ PortError::Closed { .. }) => Err(error),
        // The next interval stores a later one; until then a crash makes more be read again.
        Err(error) => {
            context.store_failed(&error);
            tokio::time::sleep(store_wait(&error, 0)).await;
            Ok(GroupWrite::Checkpointed(None))
        }
    }
}
