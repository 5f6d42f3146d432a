//! Shards that are granted, left, lost and closed; and an event store that takes batches.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, RecordingStores, Rig, WebhookReceiver, batch_id, batch_of_sizes};
use async_trait::async_trait;
use sluice_model::Batch;
use sluice_ports::Leases;
use sluice_ports::leases::Grant;
use sluice_ports::log::{IdTimes, Position, ShardId};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(10);

struct Grants(Mutex<mpsc::Receiver<Grant>>);

#[async_trait]
impl Leases for Grants {
    async fn granted(&self) -> Option<Grant> {
        self.0.lock().await.recv().await
    }
}

/// One grant, as the code that granted it sees it.
struct GivenGrant {
    leave: CancellationToken,
    lost: CancellationToken,
    ended: CancellationToken,
}

async fn give(grants: &mpsc::Sender<Grant>) -> GivenGrant {
    let (grant, ended) = Grant::new(ShardId("0".into()));
    let given = GivenGrant { leave: grant.leave.clone(), lost: grant.lost.clone(), ended };
    assert!(grants.send(grant).await.is_ok(), "somebody takes grants");
    given
}

async fn leased(receiver: &WebhookReceiver) -> (Rig, mpsc::Sender<Grant>) {
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
    let (sender, grants) = mpsc::channel(4);
    rig.start_with(Some(Box::new(Grants(Mutex::new(grants)))));
    (rig, sender)
}

async fn ended(given: &GivenGrant) {
    tokio::time::timeout(WAIT, given.ended.cancelled()).await.expect("the shard is left");
}

#[tokio::test]
async fn nothing_is_worked_that_is_not_granted_and_what_is_left_goes_on_elsewhere() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, grants) = leased(&receiver).await;
    rig.append(5);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(receiver.received().is_empty());

    let first = give(&grants).await;
    rig.settled().await;
    first.leave.cancel();
    ended(&first).await;
    rig.append(5);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before: usize = receiver.received().iter().map(|webhook| webhook.numbers().len()).sum();
    assert_eq!(before, 5, "what came after it was left waits");

    let second = give(&grants).await;
    rig.settled().await;
    let all: Vec<u64> = receiver.received().iter().flat_map(|webhook| webhook.numbers()).collect();
    assert_eq!(all, (0..10).collect::<Vec<_>>());
    rig.stop().await;
    ended(&second).await;
}

#[tokio::test]
async fn lag_grows_while_a_shard_cannot_be_left() {
    // From then on taken events cannot be settled, and nothing new is read.
    let memory = Arc::new(OnceLock::<RecordingStores>::new());
    let known = Arc::clone(&memory);
    let receiver = WebhookReceiver::start(move |_, _| {
        if let Some(memory) = known.get() {
            memory.failing.store(true, Ordering::SeqCst);
        }
        Reaction::Status(200)
    });
    let receiver = receiver.await;
    let (mut rig, grants) = leased(&receiver).await;
    assert!(memory.set(rig.memory.clone()).is_ok());
    let given = give(&grants).await;
    rig.append(5);
    rig.memory.until(|_| !receiver.received().is_empty()).await;
    given.leave.cancel();
    rig.memory.until(|_| rig.processor().status().shards[0].lag_ms > 1500).await;
    rig.memory.failing.store(false, Ordering::SeqCst);
    ended(&given).await;
}

#[tokio::test]
async fn a_lost_shard_is_left_at_once_and_never_checkpointed_again() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let (mut rig, grants) = leased(&receiver).await;
    let given = give(&grants).await;
    rig.append(5);
    tokio::time::timeout(WAIT, async {
        while receiver.received().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the POST is on its way");
    let lost_at = std::time::Instant::now();
    given.lost.cancel();
    ended(&given).await;
    assert!(lost_at.elapsed() < Duration::from_millis(150), "it waits for nothing");
    assert_eq!(rig.memory.checkpointed(), Position::START);
    rig.stop().await;
}

#[tokio::test]
async fn a_closed_shard_is_settled_for_ever_once_all_of_it_is() {
    let receiver =
        WebhookReceiver::start(|_, before| Reaction::Status(if before < 2 { 500 } else { 200 })).await;
    let (mut rig, grants) = leased(&receiver).await;
    rig.append(5);
    rig.memory.closed.store(true, Ordering::SeqCst);
    let given = give(&grants).await;
    ended(&given).await;
    assert_eq!(rig.memory.checkpointed(), Position::END);
    // When it is granted again, it ends at once.
    let again = give(&grants).await;
    ended(&again).await;
    rig.stop().await;
}

#[tokio::test]
async fn readers_are_told_what_is_stored_whatever_the_webhooks_do() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
    rig.memory.takes_batches.store(true, Ordering::SeqCst);
    rig.start();
    for _ in 0..3 {
        rig.append(2);
        rig.memory.until(|memory| memory.readable() == Some(memory.end())).await;
    }
    assert!(rig.memory.checkpointed() < rig.memory.end());
    // A record without batches, such as a repeated one, is passed as well.
    rig.memory.append(Vec::new());
    rig.memory.until(|memory| memory.readable() == Some(memory.end())).await;
    rig.memory.failing.store(true, Ordering::SeqCst);
    let told = rig.memory.readable();
    rig.append(1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(rig.memory.readable(), told);
    rig.memory.failing.store(false, Ordering::SeqCst);
    rig.memory.until(|memory| memory.readable() == Some(memory.end())).await;
}

#[tokio::test]
async fn batches_that_come_out_of_their_time_get_places_in_the_order_of_the_log() {
    let mut rig = Rig::new(quick(), Vec::new()).await;
    rig.memory.takes_batches.store(true, Ordering::SeqCst);
    rig.start();
    let (from_ms, until_ms) = (5_000, 9_000);
    let batch = |ms, count| Arc::new(Batch { id: batch_id(ms, count), ..batch_of_sizes(&[9]) });
    let times = [(4_999, 9), (5_000, 1), (4_000, 7), (9_000, 2), (9_001, 3), (4_998, 1)];
    let batches: Vec<_> = times.into_iter().map(|(ms, count)| batch(ms, count)).collect();
    for batch in &batches {
        let id_times = IdTimes { from_ms, until_ms };
        rig.memory.append_in_time(vec![Arc::clone(batch)], id_times);
    }
    rig.settled().await;
    let placed = rig.memory.places();
    assert!(!placed.contains_key(&batches[1].id) && !placed.contains_key(&batches[3].id));
    let places: Vec<_> = batches.iter().filter_map(|batch| placed.get(&batch.id)).collect();
    assert!(places.is_sorted() && places.iter().all(|place| place.lane() == batches[0].lane()));
    assert_eq!(places.iter().map(|place| place.ms()).collect::<Vec<_>>(), [5_000, 5_000, 9_000, 9_000]);
}

#[tokio::test]
async fn batches_are_stored_before_their_record_is_settled_matched_or_not() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
    rig.memory.takes_batches.store(true, Ordering::SeqCst);
    let matched = rig.append(3);
    rig.start();
    rig.settled().await;
    assert_eq!(rig.memory.batches().get(&matched), Some(&true));

    rig.memory.failing.store(true, Ordering::SeqCst);
    let late = rig.append(2);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_ne!(rig.memory.checkpointed(), rig.memory.end(), "what is not stored is not settled");
    rig.memory.failing.store(false, Ordering::SeqCst);
    rig.settled().await;
    assert!(rig.memory.batches().contains_key(&late));
    rig.stop().await;
}
