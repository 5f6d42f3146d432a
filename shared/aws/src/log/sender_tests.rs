//! The outcomes of records whose request failed.

use super::KinesisLog;
use super::stream::PutAnswer;
use super::testing::{FakeStream, opened};
use sluice_model::Lane;
use sluice_model::wire::record::{VERSION_FIRST, version};
use sluice_ports::log::{AppendError, RecordDraft};
use sluice_ports::sample::Batches;
use sluice_ports::{FailureClass, Log as _};
use std::time::Duration;

async fn append(log: &KinesisLog, lane: u16) -> Result<(), AppendError> {
    let lane = Lane::new(lane).unwrap();
    let batches = vec![Batches::new(lane).next(1, 50)];
    let draft = RecordDraft { lane: Some(lane), producer: 7, sequence: 1, batches, parts: Vec::new() };
    log.append(log.append_unit(lane), draft).await
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_stream_refuses_for_good_takes_no_neighbour_with_it() {
    let stream = FakeStream::new();
    let (log, _) = opened(&stream).await;
    let stored = || Ok(vec![PutAnswer::Stored(None)]);
    // First the whole request is refused, then one of its records.
    let refused = || Err(FailureClass::Refused);
    stream.answer_puts([stored(), refused(), stored(), refused(), stored()]);
    append(&log, 0).await.unwrap();
    let appended = tokio::join!(append(&log, 1), append(&log, 2), append(&log, 3));
    assert_eq!(stream.sent(), [vec![0], vec![1, 2, 3], vec![1], vec![2], vec![3]]);
    assert!(appended.0.is_ok() && appended.2.is_ok(), "{appended:?}");
    assert!(matches!(appended.1, Err(AppendError::NotTaken { .. })), "{appended:?}");
    assert!(log.accepting().is_ok(), "the others' door stays open");
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_stores_nothing_and_shuts_the_door_for_a_while() {
    let stream = FakeStream::new();
    let (log, _) = opened(&stream).await;
    stream.answer_puts([Err(FailureClass::Denied)]);
    let denied = append(&log, 1).await;
    assert!(matches!(denied, Err(AppendError::NotTaken { .. })), "{denied:?}");
    tokio::time::advance(Duration::from_secs(4)).await;
    assert!(log.accepting().is_err(), "an operator must act");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(log.accepting().is_ok(), "it is tried again, slowly");
    append(&log, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_repeated_and_what_then_fails_is_unknown() {
    let stream = FakeStream::new();
    let (log, _) = opened(&stream).await;
    stream.answer_puts([Err(FailureClass::Ambiguous)]);
    append(&log, 1).await.unwrap();
    assert_eq!(stream.sent(), [vec![1], vec![1]]);
    stream.answer_puts([Err(FailureClass::Ambiguous), Err(FailureClass::Denied)]);
    let unknown = append(&log, 1).await;
    assert!(matches!(unknown, Err(AppendError::Unknown { .. })), "{unknown:?}");
    stream.answer_puts([Err(FailureClass::Away), Err(FailureClass::Busy)]);
    append(&log, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn records_are_of_the_version_that_processes_of_every_version_read() {
    let stream = FakeStream::new();
    let (log, deduplicated) = opened(&stream).await;
    assert!(log.body_codec().is_none() && deduplicated.body_codec().is_none());
    append(&log, 1).await.unwrap();
    let sent = stream.sent_bytes();
    assert_eq!(sent.len(), 1);
    assert!(sent.iter().all(|bytes| version(bytes) == Ok(VERSION_FIRST)));
}

#[tokio::test(start_paused = true)]
async fn records_that_come_soon_after_a_request_share_the_next() {
    let stream = FakeStream::new();
    let (log, _) = opened(&stream).await;
    append(&log, 0).await.unwrap();
    let later = async |lane: u16| {
        tokio::time::sleep(Duration::from_millis(u64::from(lane))).await;
        append(&log, lane).await
    };
    let appended = tokio::join!(later(1), later(2), later(3));
    assert!(appended.0.is_ok() && appended.1.is_ok() && appended.2.is_ok(), "{appended:?}");
    assert_eq!(stream.sent(), [vec![0], vec![1, 2, 3]], "one request within the gap of 10 ms");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = tokio::time::Instant::now();
    append(&log, 4).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO, "after a pause a record does not wait");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_does_not_block_its_lanes() {
    let stream = FakeStream::new();
    let (log, _) = opened(&stream).await;
    stream.panic_at_next_put();
    let unknown = append(&log, 1).await;
    assert!(matches!(unknown, Err(AppendError::Unknown { .. })), "{unknown:?}");
    append(&log, 1).await.unwrap();
}
