//! Deletion by age, and reads of events that are too old.

use super::harness::{SEGMENT_BYTES, append, lane, settings};
use crate::{EmbeddedEngine, EngineClock, EngineSettings};
use sluice_model::{Batch, Lane, clock};
use sluice_ports::event_store::{AckOutcome, Direction, LaneScan};
use sluice_ports::log::Position;
use sluice_ports::sample::Batches;
use sluice_ports::{Checkpoints, EventStore, Log};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that a test sets.
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(clock::now_ms())))
    }

    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    async fn open(&self, path: &Path) -> EmbeddedEngine {
        let now_ms = self.0.clone();
        let clock = EngineClock::new(move || now_ms.load(Ordering::Relaxed));
        EmbeddedEngine::open(path, EngineSettings { clock, ..settings() }).await.unwrap()
    }
}

/// Appends batches of one lane until several segments are full.
async fn fill(engine: &EmbeddedEngine, lane: Lane) -> Vec<Arc<Batch>> {
    let mut batches = Batches::new(lane);
    let mut appended = Vec::new();
    for _ in 0..200 {
        let batch = batches.next(4, SEGMENT_BYTES as usize / 40);
        append(&*engine.log, vec![batch.clone()]).await.unwrap();
        appended.push(batch);
    }
    appended
}

async fn settle(engine: &EmbeddedEngine) {
    for shard in engine.log.shards().await.unwrap() {
        let end = engine.log.all_shards().iter().find(|found| found.id == shard).unwrap().segments.end();
        engine.checkpoints.store(&shard, Position::from_lsn(end)).await.unwrap();
    }
}

fn segments(engine: &EmbeddedEngine) -> usize {
    engine.log.all_shards()[0].segments.all().len()
}

async fn scan(engine: &EmbeddedEngine, batch: &Batch) -> usize {
    let scan = LaneScan {
        customer: batch.customer,
        lane: batch.lane(),
        after: None,
        from_ms: 0,
        until_ms: u64::MAX,
        direction: Direction::Ascending,
        max_batches: 1000,
    };
    engine.events.scan(scan).await.unwrap().batches.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_older_than_the_retention_are_deleted_once_they_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let engine = clock.open(dir.path()).await;
    fill(&engine, lane(0)).await;
    let full = segments(&engine);
    assert!(full > 3, "{full} segments");
    clock.pass(settings().retention.age - Duration::from_secs(60));
    engine.enforce_retention().await;
    assert_eq!(segments(&engine), full, "nothing is old yet");
    clock.pass(Duration::from_secs(120));
    engine.enforce_retention().await;
    assert_eq!(segments(&engine), full, "nothing is settled yet");
    settle(&engine).await;
    engine.enforce_retention().await;
    assert_eq!(segments(&engine), 1, "the segment that is written stays");
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_older_than_the_retention_are_not_read_though_their_segment_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let engine = clock.open(dir.path()).await;
    let mut batches = Batches::new(lane(0));
    let batch = batches.next(3, 10);
    append(&*engine.log, vec![batch.clone()]).await.unwrap();
    assert!(engine.events.get(batch.customer, batch.id).await.unwrap().is_some());
    assert_eq!(scan(&engine, &batch).await, 1);
    clock.pass(settings().retention.age + Duration::from_secs(60));
    assert!(engine.events.get(batch.customer, batch.id).await.unwrap().is_none());
    assert_eq!(scan(&engine, &batch).await, 0);
    let first = batch.id.first();
    let acknowledged =
        engine.events.acknowledge(batch.customer, vec![first], clock.0.load(Ordering::Relaxed));
    assert_eq!(acknowledged.await.unwrap(), [AckOutcome::Unknown]);
    // A delivery that still waits for its events gets them.
    assert!(engine.events.batch(batch.customer, batch.id).await.unwrap().is_some());
    engine.close().await;
}
