//! The reading end of a shard: pages of the log, and a catalogue fresh enough to match with.

use super::lag::ShardLag;
use crate::commit::store_wait;
use crate::context::Context;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sluice_ports::PortError;
use sluice_ports::log::{LogItem, LogPage, Position, ShardId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What was read and not matched yet, and what is being waited for.
pub(super) struct Intake {
    context: Arc<Context>,
    shard: ShardId,
    /// Read, not matched yet.
    pub(super) items: VecDeque<LogItem>,
    /// Where the next read goes on.
    position: Position,
    /// How far the log said that it is read.
    pub(super) lag: ShardLag,
    /// Nothing will ever follow what was read.
    closed: Option<bool>,
    reading: Option<BoxFuture<'static, Result<LogPage, PortError>>>,
    refreshing: Option<BoxFuture<'static, Result<(), PortError>>>,
}

impl Intake {
    pub(super) fn new(context: Arc<Context>, shard: ShardId, position: Position) -> Self {
        let lag = ShardLag::new(context.clock().now_ms());
        Self {
            context,
            shard,
            items: VecDeque::new(),
            position,
            lag,
            closed: None,
            reading: None,
            refreshing: None,
        }
    }

    /// Starts a read, if everything read before is matched.
    pub(super) fn read_on(&mut self) {
        if self.reading.is_none() && self.items.is_empty() && self.closed.is_none() {
            let (context, shard) = (Arc::clone(&self.context), self.shard.clone());
            self.reading = Some(read(context, shard, self.position).boxed());
        }
    }

    /// Whether the shard was read to its end for ever; said once.
    pub(super) fn take_closed(&mut self) -> bool {
        self.closed.as_mut().is_some_and(std::mem::take)
    }

    /// Whether what was read may be matched now. If the catalogue's snapshot
    /// is too old, a refresh is on its way.
    pub(super) fn may_match(&mut self) -> bool {
        if self.items.is_empty() && self.closed == Some(true) {
            return true;
        }
        if self.items.is_empty() || self.refreshing.is_some() {
            return false;
        }
        let max = Duration::from_millis(self.context.config.shard.snapshot_age_max_ms);
        if self.context.matchers.directory().age() <= max {
            return true;
        }
        self.refreshing = Some(refresh(Arc::clone(&self.context), max).boxed());
        false
    }

    /// A page read or a refresh made, once there is one. What is under way
    /// stays here when the future is dropped, so that is safe.
    pub(super) async fn next(&mut self) -> Result<(), PortError> {
        if let Some(refreshing) = &mut self.refreshing {
            let refreshed = refreshing.await;
            self.refreshing = None;
            return refreshed;
        }
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let page = reading.await;
        self.reading = None;
        let page = page?;
        if let Some(last) = page.items.last() {
            self.position = match last {
                LogItem::Record(record) => record.position,
                LogItem::Damaged { position, .. } => *position,
            };
        }
        self.lag.heard(self.context.clock().now_ms(), &page);
        self.closed = page.closed.then_some(true);
        self.items.extend(page.items);
        Ok(())
    }
}

/// Reads a page; a log that fails is asked again until it answers.
async fn read(context: Arc<Context>, shard: ShardId, after: Position) -> Result<LogPage, PortError> {
    let config = &context.config.shard;
    let wait = Duration::from_millis(config.read_wait_ms);
    let mut tries = 0;
    loop {
        match context.log.read(&shard, after, config.read_bytes, wait).await {
            Err(error @ PortError::Closed { .. }) => return Err(error),
            Err(error) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
            page => return page,
        }
    }
}

/// Waits for a catalogue that answers.
async fn refresh(context: Arc<Context>, max: Duration) -> Result<(), PortError> {
    let mut tries = 0;
    loop {
        match context.matchers.directory().fresh(max).await {
            Ok(()) => return Ok(()),
            Err(error @ PortError::Closed { .. }) => return Err(error),
            Err(error) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
        }
    }
}
