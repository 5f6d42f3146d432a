//! The reading side of a shard: pages of the log, and a catalogue that is fresh enough for matching.

use super::lag::{Behind, ShardLag};
use crate::context::Context;
use crate::store_wait::store_wait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sluice_ports::PortError;
use sluice_ports::log::{LogItem, LogPage, Position, ShardId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The records that are read and not matched yet, and the read under way.
pub(super) struct Intake {
    context: Arc<Context>,
    shard: ShardId,
    /// The items that are read and not matched yet.
    pub(super) items: VecDeque<LogItem>,
    /// Where the next read continues.
    position: Position,
    /// How far the log is read, according to the log.
    lag: ShardLag,
    ending: LogEnding,
    reading: Option<BoxFuture<'static, Result<LogPage, PortError>>>,
    refreshing: Option<BoxFuture<'static, Result<(), PortError>>>,
}

/// Whether the log of the shard continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogEnding {
    /// More may follow.
    Open,
    /// The shard is closed, and all of it was read.
    Read,
    /// As `Read`, and the matching was told.
    Told,
}

impl Intake {
    /// Begins to read at `position`. Nothing is known of the log since `blind_since_ms`.
    pub(super) fn new(
        context: Arc<Context>,
        shard: ShardId,
        position: Position,
        blind_since_ms: u64,
    ) -> Self {
        let lag = ShardLag::new(blind_since_ms);
        Self {
            context,
            shard,
            items: VecDeque::new(),
            position,
            lag,
            ending: LogEnding::Open,
            reading: None,
            refreshing: None,
        }
    }

    /// Starts a read, if everything that was read is matched.
    pub(super) fn read_on(&mut self) {
        if self.reading.is_none() && self.items.is_empty() && self.ending == LogEnding::Open {
            let (context, shard) = (Arc::clone(&self.context), self.shard.clone());
            self.reading = Some(read(context, shard, self.position).boxed());
        }
    }

    /// Whether the shard is closed and was read to its end. Returns true once.
    pub(super) fn take_closed(&mut self) -> bool {
        let closed = self.ending == LogEnding::Read;
        if closed {
            self.ending = LogEnding::Told;
        }
        closed
    }

    /// Whether the whole log is read and matched, according to the log's last answer.
    pub(super) fn is_caught_up(&self, now_ms: u64) -> bool {
        self.items.is_empty() && self.lag.is_at_end(now_ms, self.context.config.shard.read_wait_ms)
    }

    /// How far matching is behind acceptance.
    pub(super) fn behind(&self, now_ms: u64) -> Behind {
        self.lag.behind(now_ms, self.items.iter(), self.context.config.shard.read_wait_ms)
    }

    /// Whether the records that were read may be matched now. If the catalogue's snapshot is too old, a
    /// refresh is started.
    pub(super) fn may_match(&mut self) -> bool {
        if self.items.is_empty() && self.ending == LogEnding::Read {
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

    /// Waits for the end of the read or the refresh under way; for ever, if there is none. Cancel
    /// safe: both stay in `self` when the future is dropped.
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
        if page.closed {
            self.ending = LogEnding::Read;
        }
        self.items.extend(page.items);
        Ok(())
    }
}

/// Reads a page; while the log fails, asks again until it answers.
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

/// Refreshes the catalogue's snapshot; while the catalogue fails, asks again until it answers.
pub(super) async fn refresh(context: Arc<Context>, max: Duration) -> Result<(), PortError> {
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
