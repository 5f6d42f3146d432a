//! Taking over a shard from another owner, with failing and empty reads.

use super::testing::{FakeStream, consume, opened, shard_id};
use sluice_ports::log::{LogRecord, Position};
use sluice_ports::{FailureClass, Log as _};
use std::sync::Arc;
use std::time::Duration;

/// The time between two records of 64 KB, compressed: 0.8 MB a second.
const STEP_MS: u64 = 80;
/// The number of settled records: those that arrived in the first two minutes.
const SETTLED: u64 = 120_000 / STEP_MS;
/// The number of records that arrived before another process had the lease.
const WAITING: u64 = 12_000 / STEP_MS;

/// When the first record arrived, chosen so that the last arrive about now.
fn begin_ms() -> u64 {
    sluice_model::clock::now_ms() - (SETTLED + WAITING) * STEP_MS
}

/// Half a minute ago.
fn recent_ms() -> u64 {
    sluice_model::clock::now_ms() - 30_000
}

/// A full shard, and the checkpoint of its previous owner.
fn busy_shard() -> (Arc<FakeStream>, Position) {
    let stream = FakeStream::new();
    let (mut checkpoint, begin_ms) = (Position::START, begin_ms());
    for n in 1..=SETTLED + WAITING {
        let position = stream.store(0, n, begin_ms + n * STEP_MS);
        if n == SETTLED {
            checkpoint = position;
        }
    }
    (stream, checkpoint)
}

fn delivered(records: &[(Duration, LogRecord)]) -> Vec<u64> {
    let whole = records.iter().filter(|(_, record)| !record.batches.is_empty());
    whole.map(|(_, record)| record.sequence).collect()
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_is_delivered_again_within_two_seconds_and_at_its_full_rate() {
    let (stream, checkpoint) = busy_shard();
    // The previous owner had just read a page of 1 MiB.
    stream.read_by_another(0, 1 << 20);
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 0, checkpoint, WAITING as usize).await;
    assert_eq!(delivered(&records), (SETTLED + 1..=SETTLED + WAITING).collect::<Vec<_>>());
    assert!(records[0].0 < Duration::from_secs(2), "the first after {:?}", records[0].0);
    let bytes: usize = stream.asked().bytes;
    let fastest = Duration::from_secs_f64(bytes as f64 / f64::from(2 << 20));
    let last = records.last().unwrap().0;
    assert!(last < fastest + Duration::from_secs(2), "{bytes} bytes took {last:?}");
    let refused = stream.asked().refused;
    assert!(refused <= 2, "{refused} reads refused: more than the former owner's page costs");
    // It learnt no more than it could read in a second, and the last page.
    let learnt = bytes - WAITING as usize * stream.record_bytes();
    assert!(learnt < 4 << 20, "{learnt} bytes of what came before");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_again_just_before_the_takeover_is_delivered_once() {
    let (stream, checkpoint) = busy_shard();
    // The ingest process got no answer for the last settled record and sent it again.
    stream.store(0, SETTLED + WAITING, begin_ms() + (SETTLED + WAITING) * STEP_MS);
    let (other, begun_ms) = (FakeStream::new(), recent_ms());
    for n in 1..=20 {
        other.store(0, n, begun_ms + n * STEP_MS);
    }
    let settled = other.store(0, 21, begun_ms + 21 * STEP_MS);
    other.store(0, 21, begun_ms + 22 * STEP_MS);
    other.store(0, 22, begun_ms + 23 * STEP_MS);
    let (_, log) = opened(&other).await;
    assert_eq!(delivered(&consume(&log, 0, settled, 2).await), [22]);
    // So it is on a full shard: the end of the window is learnt.
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 0, checkpoint, WAITING as usize + 1).await;
    assert_eq!(delivered(&records).len(), WAITING as usize);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_shard_is_learnt_for_the_whole_resend_window() {
    let (stream, begun_ms) = (FakeStream::new(), recent_ms());
    stream.store(0, 1, begun_ms);
    // The repeat comes 18 s later, with a quiet shard's few records between.
    let settled = stream.store(0, 2, begun_ms + 1_000);
    stream.store(0, 2, begun_ms + 19_000);
    stream.store(0, 3, begun_ms + 19_001);
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, settled, 2).await), [3]);
}

#[tokio::test(start_paused = true)]
async fn an_error_while_learning_loses_nothing_that_was_learnt() {
    let (stream, checkpoint) = busy_shard();
    let (_, log) = opened(&stream).await;
    use FailureClass::{Ambiguous, Away, Busy};
    stream.fail_reads([Busy, Away, Busy, Ambiguous, Busy]);
    let records = consume(&log, 0, checkpoint, WAITING as usize).await;
    assert_eq!(delivered(&records).len(), WAITING as usize);
    assert!(records[0].0 < Duration::from_secs(3), "the first after {:?}", records[0].0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_not_the_end_of_what_is_to_be_learnt() {
    let (stream, begun_ms) = (FakeStream::new(), recent_ms());
    let mut settled = Position::START;
    for n in 1..=10 {
        settled = stream.store(0, n, begun_ms + n * 100);
    }
    stream.store(0, 10, begun_ms + 1_100);
    stream.store(0, 11, begun_ms + 1_200);
    stream.make_gappy();
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, settled, 2).await), [11]);
}

#[tokio::test(start_paused = true)]
async fn a_child_learns_the_end_of_its_parent_alone() {
    // The child's first record comes at once, or several seconds later.
    for later_ms in [50, 7_000] {
        let (stream, _) = busy_shard();
        stream.add_shard(vec![super::testing::shard_id(0)]);
        let first_ms = stream.last_ms(0) + later_ms;
        // The last record of the parent is repeated in the child.
        stream.store(1, SETTLED + WAITING, first_ms);
        stream.store(1, SETTLED + WAITING + 1, first_ms + 50);
        let (_, log) = opened(&stream).await;
        let records = consume(&log, 1, Position::START, 2).await;
        assert_eq!(delivered(&records), [SETTLED + WAITING + 1], "{later_ms} ms later");
        assert!(records[0].0 < Duration::from_secs(2), "the first after {:?}", records[0].0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_half_way_learns_nothing_twice() {
    let (stream, checkpoint) = busy_shard();
    let (_, log) = opened(&stream).await;
    let shard = super::testing::shard_id(0);
    for _ in 0..30 {
        use sluice_ports::Log as _;
        let read = log.read(&shard, checkpoint, 1 << 20, Duration::from_secs(5));
        // Dropped after a tenth of a second.
        if let Ok(page) = tokio::time::timeout(Duration::from_millis(100), read).await {
            assert!(!page.unwrap().items.is_empty());
            return;
        }
    }
    panic!("it begins anew each time: {:?}", stream.asked());
}

/// After a downgrade, or an upgrade in the wrong order: a record of a newer process.
#[tokio::test(start_paused = true)]
async fn a_record_of_a_newer_version_is_neither_passed_nor_set_aside() {
    let (stream, begun_ms) = (FakeStream::new(), recent_ms());
    for n in 1..=3 {
        stream.store(0, n, begun_ms + n);
    }
    let golden = include_bytes!("../../../model/tests/data/record-future.bin");
    let newer = stream.store_bytes(0, golden.to_vec(), begun_ms + 4);
    stream.store(0, 5, begun_ms + 5);

    // Only the records before it are delivered. Setting a record aside panics.
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 0, Position::START, 5).await;
    assert_eq!(delivered(&records), [1, 2, 3]);
    let before = records.last().unwrap().1.position;
    let refused = log.read(&shard_id(0), before, 1 << 20, Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.class(), FailureClass::Denied, "an operator must act");
    let told = refused.to_string();
    assert!(
        told.contains(&newer.to_decimal()) && told.contains("a newer Sluice wrote this record"),
        "{told}"
    );

    // Another owner, which begins there or learns what came before, stops there too.
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, before, 1).await), [0_u64; 0]);

    // An operator skips it (`sluice leases start`); what follows is delivered.
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, newer, 1).await), [5]);

    // A newer process reads it and all that follows.
    stream.understand(0, newer, 4);
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, before, 2).await), [4, 5]);
}
