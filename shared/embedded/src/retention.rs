//! What is deleted, and when: whole log segments, the oldest first, and what is
//! known of their events.
//!
//! A segment goes when it is older than the retention or the log is larger than
//! allowed, but never while anything at or above the checkpoint, a delivery of
//! the work queue or a row needs it. Dead letters do not hold segments back: they go
//! just before the first of their events does, so that a dead letter that is
//! there can be redriven whole.

use super::EmbeddedEngine;
use super::events::Horizon;
use super::log::LogShard;
use super::segment::Segment;
use sluice_ports::PortError;
use std::sync::Arc;
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
pub(super) async fn enforce(
    engine: &EmbeddedEngine,
    settings: &RetentionSettings,
    now_ms: u64,
) -> Result<(), PortError> {
    let keep_from_ms = now_ms.saturating_sub(settings.age.as_millis() as u64);
    let (mut due, mut horizon) = (Vec::new(), Vec::new());
    for shard in engine.log.all_shards() {
        // The checkpoint before the queue: what is settled is in the queue by then.
        let settled = engine.checkpoints.of_shard(&shard.id).lsn();
        let needed_ms = needed_ms(engine);
        let segments = shard.segments.all();
        let count = due_count(shard, &segments, settings.shard_bytes, keep_from_ms, settled, needed_ms);
        let kept = segments[count..].iter().filter_map(|segment| shard.index.segment_times(segment.base));
        horizon.push(kept.map(|(min_ms, _)| min_ms).min().unwrap_or(0));
        due.push((shard.clone(), segments[..count].to_vec()));
    }
    engine.expire_below(Horizon(horizon)).await?;
    for (shard, segments) in due {
        for segment in segments {
            // Something may have been put into the queue since, by a redrive.
            if is_needed(&shard, &segment, needed_ms(engine)) {
                break;
            }
            let removed = shard.segments.remove_oldest(segment.base);
            removed.map_err(|error| PortError::unavailable("delete an old log segment", error))?;
            shard.index.remove(segment.base);
        }
    }
    Ok(())
}

/// How many of a shard's segments are to be deleted, from the oldest on.
fn due_count(
    shard: &LogShard,
    segments: &[Arc<Segment>],
    bytes_max: u64,
    keep_from_ms: u64,
    settled: u64,
    needed_ms: u64,
) -> usize {
    let mut bytes: u64 = segments.iter().map(|segment| segment.size).sum();
    let mut count = 0;
    // The last one is written.
    for segment in segments.iter().take(segments.len().saturating_sub(1)) {
        // One whose times nobody can read any more is as old as what follows it.
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

/// The id time of the oldest event that waits for anything.
fn needed_ms(engine: &EmbeddedEngine) -> u64 {
    engine.queue.oldest_ms().min(engine.rows.oldest_ms())
}

/// Whether the queue or a row may need events of a segment.
fn is_needed(shard: &LogShard, segment: &Segment, needed_ms: u64) -> bool {
    shard.index.segment_times(segment.base).is_some_and(|(_, newest_ms)| newest_ms >= needed_ms)
}
