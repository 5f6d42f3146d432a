//! Deleting old log segments, whole and the oldest first, with the facts,
//! acknowledgements and dead letters of their events.
//!
//! A segment is deleted if it is older than the retention or the log is larger than
//! allowed, but never while it holds events at or above the checkpoint, or events that a
//! waiting delivery or a row needs. Dead letters do not keep segments: a dead letter is
//! deleted just before the first of its events, so every existing one can be redriven
//! whole.

use super::checkpoints::EmbeddedCheckpoints;
use super::events::{EmbeddedEvents, Horizon};
use super::log::{EmbeddedLog, LogShard};
use super::queue::EmbeddedQueue;
use super::rows::EmbeddedRows;
use super::segment::LogSegment;
use parking_lot::Mutex;
use sluice_ports::PortError;
use std::sync::Arc;
use std::time::Duration;

/// How long events are kept, and how many.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// The age at which events are no longer read, and their segments may be deleted.
    pub age: Duration,
    /// Bytes of segments above which a shard's oldest ones may be deleted.
    pub shard_bytes: u64,
}

/// Deletes old segments and the data about their events.
pub(super) struct Retention {
    log: Arc<EmbeddedLog>,
    checkpoints: Arc<EmbeddedCheckpoints>,
    events: Arc<EmbeddedEvents>,
    queue: Arc<EmbeddedQueue>,
    rows: Arc<EmbeddedRows>,
    settings: RetentionSettings,
    /// The horizon up to which facts of deleted events were deleted.
    expired: Mutex<Option<Horizon>>,
}

impl Retention {
    pub(super) const fn new(
        log: Arc<EmbeddedLog>,
        checkpoints: Arc<EmbeddedCheckpoints>,
        events: Arc<EmbeddedEvents>,
        queue: Arc<EmbeddedQueue>,
        rows: Arc<EmbeddedRows>,
        settings: RetentionSettings,
    ) -> Self {
        Self { log, checkpoints, events, queue, rows, settings, expired: Mutex::new(None) }
    }

    /// Deletes all segments that are due.
    pub(super) async fn enforce(&self, now_ms: u64) -> Result<(), PortError> {
        let keep_from_ms = now_ms.saturating_sub(self.settings.age.as_millis() as u64);
        let (mut due, mut horizon) = (Vec::new(), Vec::new());
        for shard in self.log.all_shards() {
            // The checkpoint is read before the queue: an event below the checkpoint that
            // waits for a retry is in the queue by then.
            let settled = self.checkpoints.of_shard(&shard.id).lsn();
            let needed_ms = self.needed_ms();
            let segments = shard.segments.all();
            let bytes_max = self.settings.shard_bytes;
            let count = due_count(shard, &segments, bytes_max, keep_from_ms, settled, needed_ms);
            let kept = segments[count..].iter().filter_map(|segment| shard.index.segment_times(segment.base));
            horizon.push(kept.map(|(min_ms, _)| min_ms).min().unwrap_or(0));
            due.push((shard.clone(), segments[..count].to_vec()));
        }
        self.expire_below(Horizon(horizon)).await?;
        due.into_iter().try_for_each(|(shard, segments)| self.delete(&shard, &segments))
    }

    /// Deletes the facts, acknowledgements and dead letters of events below a
    /// horizon, if the horizon has moved.
    async fn expire_below(&self, horizon: Horizon) -> Result<(), PortError> {
        if self.expired.lock().as_ref() == Some(&horizon) {
            return Ok(());
        }
        let letters = self.events.expire(&horizon).await?;
        if letters > 0 {
            tracing::warn!(letters, "dead letters expired with their events");
        }
        *self.expired.lock() = Some(horizon);
        Ok(())
    }

    fn delete(&self, shard: &LogShard, segments: &[Arc<LogSegment>]) -> Result<(), PortError> {
        for segment in segments {
            // A redrive may have put older events into the queue in the meantime.
            if is_needed(shard, segment, self.needed_ms()) {
                break;
            }
            let removed = shard.segments.remove_oldest(segment.base);
            removed.map_err(|error| PortError::unavailable("delete an old log segment", error))?;
            shard.index.remove(segment.base);
        }
        Ok(())
    }

    /// The id time of the oldest event that a waiting delivery or a row needs.
    fn needed_ms(&self) -> u64 {
        self.queue.oldest_ms().min(self.rows.oldest_ms())
    }
}

/// How many of a shard's oldest segments are due.
fn due_count(
    shard: &LogShard,
    segments: &[Arc<LogSegment>],
    bytes_max: u64,
    keep_from_ms: u64,
    settled: u64,
    needed_ms: u64,
) -> usize {
    let mut bytes: u64 = segments.iter().map(|segment| segment.size).sum();
    let mut count = 0;
    // The last segment is still being written.
    for segment in segments.iter().take(segments.len().saturating_sub(1)) {
        // A segment whose times cannot be read counts as old as the next one.
        let is_old = shard.index.newest_ms(segment.base).is_some_and(|newest_ms| newest_ms < keep_from_ms);
        let is_due = is_old || bytes > bytes_max;
        if !is_due || segment.end() > settled || is_needed(shard, segment, needed_ms) {
            break;
        }
        bytes -= segment.size;
        count += 1;
    }
    count
}

/// Whether the queue or a row may need events of a segment.
fn is_needed(shard: &LogShard, segment: &LogSegment, needed_ms: u64) -> bool {
    shard.index.segment_times(segment.base).is_some_and(|(_, newest_ms)| newest_ms >= needed_ms)
}
