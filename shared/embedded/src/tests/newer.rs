//! Records of a newer version of Sluice, after a downgrade of the program alone: none of
//! them is passed, and the newer version finds all of them.

use super::harness::{SEGMENT_BYTES, append, lane, open, read_from, settings};
use crate::EmbeddedEngine;
use crate::frame::{FRAME_HEADER_LEN, FrameHeader};
use crate::segment::segment_path;
use crate::segment_writer::SegmentWriter;
use crate::segments::{LogSegments, LogStep};
use sluice_model::Batch;
use sluice_ports::event_store::{Direction, LaneScan};
use sluice_ports::log::{LogItem, Position, ShardId};
use sluice_ports::sample::Batches;
use sluice_ports::{EventStore, FailureClass, Log as _, PortError};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const GOLDEN: &[u8] = include_bytes!("../../../model/tests/data/record-future.bin");
const TOLD: &str = "a newer Sluice wrote this record: it has version 9, and this build reads 1 to 2";

/// An engine with one lane, written until its first segments were full.
async fn filled(dir: &Path) -> Vec<Arc<Batch>> {
    let engine = open(dir).await;
    let mut batches = Batches::new(lane(0));
    let mut appended = Vec::new();
    while engine.log.all_shards()[0].segments.all().len() < 3 {
        let batch = batches.next(3, SEGMENT_BYTES as usize / 40);
        append(&*engine.log, vec![Arc::clone(&batch)]).await.unwrap();
        appended.push(batch);
    }
    // The claims of the log so far are noted, so that a start does not read it again.
    engine.idempotency.tidy().await.unwrap();
    engine.idempotency.tidy().await.unwrap();
    engine.close().await;
    appended
}

/// Exchanges a frame's payload for one of the same length. Returns the old payload.
fn exchange(shard: &Path, lsn: u64, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (segments, _) = LogSegments::open(shard).unwrap();
    let Ok(LogStep::Frame { lsn, payload, .. }) = segments.read(lsn) else { panic!("a whole frame") };
    let mut changed = payload.to_vec();
    change(&mut changed);
    let payload_crc = crc32c::crc32c(&changed);
    let header = FrameHeader { payload_len: changed.len() as u32, lsn, appended_ms: 1, payload_crc };
    let base = segments.all()[0].base;
    let file = File::options().write(true).open(segment_path(shard, base)).unwrap();
    file.write_all_at(&header.encode(), lsn - base).unwrap();
    file.write_all_at(&changed, lsn - base + FRAME_HEADER_LEN as u64).unwrap();
    payload.to_vec()
}

/// Makes the header of a record say that its version is 9.
fn make_newer(record: &mut [u8]) {
    record[4] = 9;
    let crc = crc32c::crc32c(&record[..44]);
    record[44..48].copy_from_slice(&crc.to_le_bytes());
}

fn positions(items: &[LogItem]) -> Vec<Position> {
    let position = |item: &LogItem| match item {
        LogItem::Record(record) => record.position,
        LogItem::Damaged { detail, .. } => panic!("nothing is damaged: {detail}"),
    };
    items.iter().map(position).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_not_open_where_a_newer_version_wrote_to_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let shard = dir.path().join("log/shard-0");
    {
        let (segments, recovered) = LogSegments::open(&shard).unwrap();
        let mut writer = SegmentWriter::start(Arc::new(segments), &recovered, 0, SEGMENT_BYTES, 0).unwrap();
        writer.append(|out| out.extend_from_slice(GOLDEN)).unwrap();
    }
    for _ in 0..2 {
        let refused = EmbeddedEngine::open(dir.path(), settings()).await.err().expect("it does not open");
        let told = refused.to_string();
        assert!(told.contains(TOLD) && told.contains(".seg: frame at byte "), "{told}");
        assert!(
            told.ends_with("start the newer version again, or restore the backup from before the upgrade")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_version_is_not_passed_and_a_newer_version_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let appended = filled(dir.path()).await;
    let shard_dir = dir.path().join("log/shard-0");
    let shard = ShardId("shard-0".into());
    let engine = open(dir.path()).await;
    let all = positions(&read_from(&*engine.log, &shard, Position::START).await);
    engine.close().await;
    drop(engine);
    assert_eq!(all.len(), appended.len());
    let before = all[3];
    let known = exchange(&shard_dir, before.lsn(), make_newer);

    // The segment is full and its index is stored, so that the log opens.
    let engine = open(dir.path()).await;
    assert!(engine.lost().is_empty(), "nobody met it yet");
    let mut read = Vec::new();
    let mut position = Position::START;
    let refused: PortError = loop {
        match engine.log.read(&shard, position, 4 << 10, Duration::ZERO).await {
            Ok(page) => read.extend(positions(&page.items)),
            Err(error) => break error,
        }
        position = *read.last().unwrap();
    };
    assert_eq!(read, all[..4], "all that is before it, and nothing else");
    assert_eq!(refused.class(), FailureClass::Denied, "an operator must act");
    assert!(refused.to_string().contains(TOLD), "{refused}");
    let lost = engine.lost();
    assert!(lost.len() == 1 && lost[0].name == "log" && lost[0].reason.contains(TOLD), "{lost:?}");

    // Neither a reader of the inbox nor a retry takes it for damaged or for gone.
    let batch = &appended[4];
    for failed in [
        engine.events.get(batch.customer, batch.id).await.map(drop),
        engine.events.batch(batch.customer, batch.id).await.map(drop),
        engine.events.scan(whole_lane(batch)).await.map(drop),
    ] {
        assert_eq!(failed.unwrap_err().class(), FailureClass::Denied);
    }
    engine.close().await;
    drop(engine);

    // The newer version reads it: here, after its old header is restored.
    exchange(&shard_dir, before.lsn(), |record| record.copy_from_slice(&known));
    let engine = open(dir.path()).await;
    assert_eq!(positions(&read_from(&*engine.log, &shard, before).await), all[4..]);
    for batch in &appended {
        let stored = engine.events.get(batch.customer, batch.id).await.unwrap();
        assert_eq!(stored.expect("it is found").batch, *batch);
    }
    engine.close().await;
}

fn whole_lane(batch: &Batch) -> LaneScan {
    LaneScan {
        customer: batch.customer,
        lane: batch.lane(),
        after: None,
        from_ms: 0,
        until_ms: u64::MAX,
        direction: Direction::Ascending,
        max_batches: 1000,
    }
}
