//! A shard that another owner takes over, whatever its reads meet.

use super::testing::{FakeStream, consume, opened};
use sluice_ports::FailureClass;
use sluice_ports::log::{LogRecord, Position};
use std::sync::Arc;
use std::time::Duration;

/// From one record of 64 KB, compressed, to the next: 0.8 MB a second.
const STEP_MS: u64 = 80;
/// When the first record arrived.
const BEGIN_MS: u64 = 1_000_000;
/// The owner had settled what arrived in two minutes.
const SETTLED: u64 = 120_000 / STEP_MS;
/// What arrived until another has the lease.
const WAITING: u64 = 12_000 / STEP_MS;

/// A full shard, and the checkpoint of its former owner.
fn busy_shard() -> (Arc<FakeStream>, Position) {
    let stream = FakeStream::new();
    let mut checkpoint = Position::START;
    for n in 1..=SETTLED + WAITING {
        let position = stream.store(0, n, BEGIN_MS + n * STEP_MS);
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
    // The former owner had just read a page of 1 MiB.
    stream.read_by_another(0, 1 << 20);
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 0, checkpoint, WAITING as usize).await;
    assert_eq!(delivered(&records), (SETTLED + 1..=SETTLED + WAITING).collect::<Vec<_>>());
    assert!(records[0].0 < Duration::from_secs(2), "the first after {:?}", records[0].0);
    let bytes: usize = stream.asked().bytes;
    let fastest = Duration::from_secs_f64(bytes as f64 / f64::from(2 << 20));
    let last = records.last().unwrap().0;
    assert!(last < fastest + Duration::from_secs(2), "{bytes} bytes took {last:?}");
    assert_eq!(stream.asked().refused, 0, "it reads no faster than the shard allows");
    // It learnt no more than it could use.
    let backlog = WAITING as usize * bytes / (records.len().max(1)) / 2;
    assert!(bytes < backlog * 4, "{bytes} bytes read for {} records", records.len());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_again_just_before_the_takeover_is_delivered_once() {
    let (stream, checkpoint) = busy_shard();
    // The edge had no answer for the last settled record and sent it again.
    stream.store(0, SETTLED + WAITING, BEGIN_MS + (SETTLED + WAITING) * STEP_MS);
    let other = FakeStream::new();
    for n in 1..=20 {
        other.store(0, n, BEGIN_MS + n * STEP_MS);
    }
    let settled = other.store(0, 21, BEGIN_MS + 21 * STEP_MS);
    other.store(0, 21, BEGIN_MS + 22 * STEP_MS);
    other.store(0, 22, BEGIN_MS + 23 * STEP_MS);
    let (_, log) = opened(&other).await;
    assert_eq!(delivered(&consume(&log, 0, settled, 2).await), [22]);
    // On a full shard too: the end of the window is learnt.
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 0, checkpoint, WAITING as usize + 1).await;
    assert_eq!(delivered(&records).len(), WAITING as usize);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_shard_is_learnt_for_the_whole_resend_window() {
    let stream = FakeStream::new();
    stream.store(0, 1, BEGIN_MS);
    // The second copy comes 18 s later, with a quiet shard's few records between.
    let settled = stream.store(0, 2, BEGIN_MS + 1_000);
    stream.store(0, 2, BEGIN_MS + 19_000);
    stream.store(0, 3, BEGIN_MS + 19_001);
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
    let stream = FakeStream::new();
    let mut settled = Position::START;
    for n in 1..=10 {
        settled = stream.store(0, n, BEGIN_MS + n * 100);
    }
    stream.store(0, 10, BEGIN_MS + 1_100);
    stream.store(0, 11, BEGIN_MS + 1_200);
    stream.make_gappy();
    let (_, log) = opened(&stream).await;
    assert_eq!(delivered(&consume(&log, 0, settled, 2).await), [11]);
}

#[tokio::test(start_paused = true)]
async fn a_child_learns_the_end_of_its_parent_alone() {
    let (stream, _) = busy_shard();
    stream.add_shard(vec![super::testing::shard_id(0)]);
    let end_ms = BEGIN_MS + (SETTLED + WAITING) * STEP_MS;
    // The last record's second copy falls into the child.
    stream.store(1, SETTLED + WAITING, end_ms + 50);
    stream.store(1, SETTLED + WAITING + 1, end_ms + 100);
    let (_, log) = opened(&stream).await;
    let records = consume(&log, 1, Position::START, 2).await;
    assert_eq!(delivered(&records), [SETTLED + WAITING + 1]);
    assert!(records[0].0 < Duration::from_secs(2), "the first after {:?}", records[0].0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_half_way_learns_nothing_twice() {
    let (stream, checkpoint) = busy_shard();
    let (_, log) = opened(&stream).await;
    let shard = super::testing::shard_id(0);
    for _ in 0..12 {
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
