//! What is deleted, and when: whole log segments, then what is known of their events.
//!
//! A segment goes when it is older than the retention or the log is larger than
//! allowed, but never while anything at or above the checkpoint, or a waiting
//! delivery, needs it.

use super::EmbeddedEngine;
use crate::clock;
use crate::ports::{EventStore, PortError};
use std::time::Duration;

/// What is kept, and for how long.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// How long events are kept at the most.
    pub age: Duration,
    /// How many bytes of segments a shard keeps at the most.
    pub shard_bytes: u64,
}

/// Deletes what is due.
pub(super) async fn enforce(engine: &EmbeddedEngine, settings: &RetentionSettings) -> Result<(), PortError> {
    let horizon_ms = clock::now_ms().saturating_sub(settings.age.as_millis() as u64);
    let needed_ms = engine.queue.oldest_ms();
    let mut deleted = false;
    for shard in engine.log.all_shards() {
        let settled = engine.events.load_checkpoint(&shard.id).await?.lsn();
        let segments = shard.segments.all();
        let mut bytes: u64 = segments.iter().map(|segment| segment.size).sum();
        for segment in segments.iter().take(segments.len().saturating_sub(1)) {
            let newest_ms = shard.index.segment_max_ms(segment.base).unwrap_or(0);
            let due = newest_ms < horizon_ms || bytes > settings.shard_bytes;
            if !due || segment.end() > settled || newest_ms >= needed_ms {
                break;
            }
            let removed = shard.segments.remove(segment.base);
            removed.map_err(|error| PortError::unavailable("delete an old log segment", error))?;
            shard.index.remove(segment.base);
            bytes -= segment.size;
            deleted = true;
        }
    }
    if deleted {
        let oldest = engine.log.all_shards().iter().map(|shard| shard.index.min_ms()).min();
        let horizon = oldest.unwrap_or(0).min(clock::now_ms());
        while engine.events.expire(horizon).await? {}
    }
    Ok(())
}
