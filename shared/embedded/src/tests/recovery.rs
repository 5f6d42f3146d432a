//! The engine after a crash, or after the loss of a folder.

use super::harness::{SEGMENT_BYTES, append, lane, open, read_all};
use crate::EmbeddedEngine;
use sluice_model::{Batch, BatchId};
use sluice_ports::EventStore;
use sluice_ports::sample::Batches;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

type Batched = BTreeMap<BatchId, Arc<Batch>>;

/// An engine with several segments in each shard, and the appended batches.
async fn sample() -> (TempDir, EmbeddedEngine, Batched) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let mut lanes: Vec<_> = (0..4).map(|number| Batches::new(lane(number))).collect();
    let mut appended = Batched::new();
    for round in 0..80 {
        for batches in &mut lanes {
            let batch = batches.next(1 + round % 9, SEGMENT_BYTES as usize / 40);
            append(&*engine.log, vec![batch.clone()]).await.unwrap();
            appended.insert(batch.id, batch);
        }
    }
    (dir, engine, appended)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target);
        } else if path.exists() {
            // The segment that is being prepared is renamed at any time.
            let _gone = fs::copy(&path, &target);
        }
    }
}

fn segments(shard: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

async fn assert_readable(engine: &EmbeddedEngine, appended: &Batched) {
    for batch in appended.values() {
        let stored = engine.events.get(batch.customer, batch.id).await.unwrap();
        assert_eq!(stored.expect("the event store has it").batch, *batch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let (dir, engine, mut appended) = sample().await;
    let crashed = tempfile::tempdir().unwrap();
    copy(dir.path(), crashed.path());
    engine.close().await;

    let engine = open(crashed.path()).await;
    assert_eq!(engine.findings(), [""; 0]);
    let all = read_all(&*engine.log).await;
    assert_eq!((all.batches, all.damage), (appended.clone(), vec![]));
    assert_readable(&engine, &appended).await;
    // The log continues where it ended.
    let next = Batches::new(lane(1)).next(2, 50);
    append(&*engine.log, vec![next.clone()]).await.unwrap();
    appended.insert(next.id, next);
    assert_eq!(read_all(&*engine.log).await.batches, appended);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_need_the_log_alone() {
    let (dir, engine, appended) = sample().await;
    engine.close().await;
    drop(engine);
    fs::remove_dir_all(dir.path().join("state")).unwrap();

    let engine = open(dir.path()).await;
    assert_eq!(read_all(&*engine.log).await.batches, appended);
    assert_readable(&engine, &appended).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_segment_is_named_and_costs_its_own_events_only() {
    let (dir, engine, appended) = sample().await;
    engine.close().await;
    drop(engine);
    let files = segments(&dir.path().join("log/shard-0"));
    assert!(files.len() > 3, "several segments: {files:?}");
    fs::remove_file(&files[1]).unwrap();

    let engine = open(dir.path()).await;
    assert!(!engine.findings().is_empty());
    let all = read_all(&*engine.log).await;
    assert!(!all.damage.is_empty(), "a reader is told too");
    let lost = appended.iter().filter(|(id, _)| !all.batches.contains_key(id));
    let lost: Vec<_> = lost.map(|(_, batch)| batch.lane().number() % 2).collect();
    assert!(!lost.is_empty() && lost.len() < appended.len() / 2 && lost.iter().all(|shard| *shard == 0));
    engine.close().await;
}
