//! The work queue when SQS fails in calls beside the deliveries' own path, and when a
//! message holds less than a delivery needs.

use super::contract::events;
use super::provisioned;
use super::proxy::FaultyProxy;
use crate::queue::SqsQueue;
use crate::{AwsConfig, Clients};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use sluice_model::{Delivery, DeliveryId, EventRef, EventSet, Lane, SubscriptionId, clock};
use sluice_ports::WorkQueue;
use sluice_ports::sample::{self, Batches};
use sluice_ports::work_queue::TakeRequest;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(60);

struct Faulty {
    proxy: FaultyProxy,
    clients: Clients,
    queue: SqsQueue,
}

impl Faulty {
    async fn new() -> Self {
        let (config, _) = provisioned(1).await;
        Self::over(config).await
    }

    async fn over(config: AwsConfig) -> Self {
        let proxy = FaultyProxy::before(&config).await;
        let clients = Clients::new(&proxy.config).await;
        let store = events(&clients, &proxy.config).await;
        let queue = SqsQueue::open(&clients, &proxy.config, store).await.unwrap();
        Self { proxy, clients, queue }
    }

    async fn fail(&self, operations: &[(&str, u16)]) {
        let all: BTreeMap<&str, u16> = operations.iter().copied().collect();
        self.proxy.fault("sqs", json!({ "fail": all })).await;
    }

    async fn take(&self, blocked: &HashSet<SubscriptionId>) -> Vec<Delivery> {
        let request = TakeRequest { now_ms: clock::now_ms(), max: 40, max_per_subscription: 40, blocked };
        // A failed take is repeated.
        self.queue.take(request).await.unwrap_or_default()
    }

    /// Takes until `count` deliveries came, each at most once.
    async fn take_all(&self, count: usize, blocked: &HashSet<SubscriptionId>) -> Vec<Delivery> {
        let (began, mut taken) = (Instant::now(), Vec::new());
        while taken.len() < count {
            assert!(began.elapsed() < WAIT, "{} of {count} came", taken.len());
            taken.extend(self.take(blocked).await);
        }
        let ids: HashSet<DeliveryId> = taken.iter().map(|delivery| delivery.id).collect();
        assert_eq!(ids.len(), taken.len(), "given out twice");
        taken
    }

    async fn done(&self, deliveries: &[Delivery]) {
        let ids = deliveries.iter().map(|delivery| (delivery.subscription, delivery.id)).collect();
        self.queue.done(ids).await.unwrap();
    }

    async fn set_message_bytes_max(&self, bytes: usize) {
        let url = self.clients.sqs.get_queue_url().queue_name(&self.proxy.config.queue).send().await.unwrap();
        let request = self.clients.sqs.set_queue_attributes().queue_url(url.queue_url.unwrap());
        request.attributes(QueueAttributeName::MaximumMessageSize, bytes.to_string()).send().await.unwrap();
    }
}

fn deliveries(subscription: u128, count: usize) -> Vec<Delivery> {
    let batch = Batches::new(Lane::new(1).unwrap()).next(5, 10);
    let subscription = SubscriptionId::from_u128(subscription);
    (0..count).map(|_| sample::delivery(&batch, subscription, 2, clock::now_ms())).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn deliveries_come_though_nothing_can_be_made_invisible() {
    let faulty = Faulty::new().await;
    let (open, blocked) = (deliveries(1, 100), deliveries(2, 40));
    faulty.queue.put([&open[..], &blocked[..]].concat()).await.unwrap();
    faulty.fail(&[("ChangeMessageVisibilityBatch", 500)]).await;
    let taken = faulty.take_all(100, &HashSet::from([SubscriptionId::from_u128(2)])).await;
    assert!(taken.iter().all(|delivery| delivery.subscription == SubscriptionId::from_u128(1)));
    faulty.done(&taken).await;
    faulty.fail(&[]).await;
    // The blocked deliveries come once they are visible again.
    faulty.take_all(40, &HashSet::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn deliveries_come_and_end_though_no_message_can_be_deleted() {
    let faulty = Faulty::new().await;
    let all = deliveries(1, 60);
    faulty.queue.put(all.clone()).await.unwrap();
    faulty.fail(&[("DeleteMessageBatch", 500)]).await;
    let taken = faulty.take_all(60, &HashSet::new()).await;
    let (ended, again) = taken.split_at(30);
    faulty.done(ended).await;
    let again: Vec<Delivery> = again
        .iter()
        .map(|delivery| Delivery { attempts: 2, due_ms: clock::now_ms() + 10, ..delivery.clone() })
        .collect();
    faulty.queue.put(again.clone()).await.unwrap();
    let second = faulty.take_all(30, &HashSet::new()).await;
    assert!(second.iter().all(|delivery| delivery.attempts == 2), "earlier states are not given out");
    faulty.fail(&[]).await;
    faulty.done(&second).await;
    assert_eq!(faulty.queue.total().deliveries, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_delivery_that_cannot_be_sent_on_holds_up_no_other() {
    let (config, _) = provisioned(1).await;
    let faulty = Faulty::over(AwsConfig { delay_s_max: 1, ..config }).await;
    // A message is delayed by at most a second, so these come before their time.
    let due_ms = clock::now_ms() + 5000;
    let early: Vec<Delivery> =
        deliveries(1, 5).into_iter().map(|delivery| Delivery { due_ms, ..delivery }).collect();
    faulty.queue.put(early).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    faulty.queue.put(deliveries(2, 50)).await.unwrap();
    faulty.fail(&[("SendMessageBatch", 500)]).await;
    let taken = faulty.take_all(50, &HashSet::new()).await;
    assert!(taken.iter().all(|delivery| delivery.subscription == SubscriptionId::from_u128(2)));
    faulty.fail(&[]).await;
    let late = faulty.take_all(5, &HashSet::new()).await;
    assert!(late.iter().all(|delivery| delivery.due_ms == due_ms) && clock::now_ms() + 100 >= due_ms);
}

/// A delivery with one event of each of many batches.
fn large(subscription: u128, batches: usize) -> Delivery {
    let mut sample_batches = Batches::new(Lane::new(1).unwrap());
    let first = sample_batches.next(2, 1);
    let mut delivery = sample::delivery(&first, SubscriptionId::from_u128(subscription), 1, clock::now_ms());
    delivery.last.error = Some("x".repeat(3000));
    let events =
        (0..batches).map(|_| EventRef { batch: sample_batches.next(1, 1).id, events: EventSet::range(0, 1) });
    delivery.events = events.collect();
    delivery
}

/// Takes until `count` events came, in however many deliveries.
async fn take_events(faulty: &Faulty, count: usize) -> Vec<Delivery> {
    let (began, mut taken) = (Instant::now(), Vec::<Delivery>::new());
    while taken.iter().map(Delivery::event_count).sum::<usize>() < count {
        assert!(began.elapsed() < WAIT, "{} deliveries came", taken.len());
        taken.extend(faulty.take(&HashSet::new()).await);
    }
    taken
}

fn batches(deliveries: &[Delivery]) -> Vec<String> {
    let events = deliveries.iter().flat_map(|delivery| &delivery.events);
    let mut ids: Vec<_> = events.map(|part| part.batch.first().to_string()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_delivery_larger_than_the_queue_s_messages_is_split() {
    let (config, clients) = provisioned(1).await;
    // The queue was made earlier, for smaller messages.
    let faulty = Faulty::over(config.clone()).await;
    faulty.set_message_bytes_max(8192).await;
    drop(clients);
    let faulty = Faulty::over(config).await;
    let (big, small) = (large(1, 1000), deliveries(2, 9));
    let all = [std::slice::from_ref(&big), &small[..]].concat();
    faulty.queue.put(all).await.unwrap();
    let taken = take_events(&faulty, 1000 + 18).await;
    let (parts, others): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|delivery| delivery.subscription == big.subscription);
    assert_eq!(others.len(), 9, "the others once each");
    assert!(parts.len() > 3 && parts.iter().all(|part| part.id != big.id && part.attempts == big.attempts));
    assert_eq!(batches(&parts), batches(std::slice::from_ref(&big)), "each event once");
    assert_eq!(faulty.queue.backlog(big.subscription).events, 1000);
    faulty.done(&parts).await;
    assert_eq!(faulty.queue.backlog(big.subscription).deliveries, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_message_that_the_queue_refuses_is_split_though_its_size_was_thought_to_be_right() {
    let faulty = Faulty::new().await;
    // Changed after the queue was opened.
    faulty.set_message_bytes_max(4096).await;
    let big = large(1, 400);
    faulty.queue.put(vec![big.clone()]).await.unwrap();
    let parts = take_events(&faulty, 400).await;
    assert_eq!(batches(&parts), batches(std::slice::from_ref(&big)));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn what_a_failed_put_stored_is_not_sent_again() {
    let faulty = Faulty::new().await;
    let all = deliveries(1, 200);
    // Half of each batch is left undone, so some puts fail.
    faulty.proxy.fault("sqs", json!({ "partial": 1.0 })).await;
    let mut failures = 0;
    while faulty.queue.put(all.clone()).await.is_err() {
        failures += 1;
        assert!(failures < 1000);
    }
    faulty.proxy.fault("sqs", json!({ "partial": 0.0 })).await;
    faulty.take_all(200, &HashSet::new()).await;
    let counts = &faulty.proxy.counts().await["sqs"];
    let queue = &faulty.proxy.config.queue;
    let sent = counts[format!("SendMessageBatch {queue}")]["entries"].as_u64();
    assert_eq!(sent, Some(200), "after {failures} failures");
}
