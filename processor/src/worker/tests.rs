use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Receiver, Rig, customer};
use sluice_model::clock::now_ms;
use sluice_model::{
    BatchId, CustomerId, CustomerStatus, DeadLetterReason, Delivery, DeliveryId, EventRef, EventSet,
    LastAttempt, SubscriptionId, SubscriptionStatus,
};
use sluice_ports::WorkQueue as _;

const ONE: SubscriptionId = SubscriptionId::from_u128(1);

fn delivery(events: Vec<(BatchId, EventSet)>) -> Delivery {
    Delivery {
        id: DeliveryId::new(now_ms()),
        customer: CustomerId::from_u128(1),
        subscription: ONE,
        events: events.into_iter().map(|(batch, events)| EventRef { batch, events }).collect(),
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: 0,
    }
}

/// A rig whose log is settled already, so that only the queue has something to do.
async fn rig(subscriptions: Vec<sluice_model::Subscription>) -> (Rig, BatchId, BatchId) {
    let mut nobody = quick();
    nobody.shard.snapshot_age_max_ms = 1000;
    let mut rig = Rig::new(nobody, vec![]).await;
    let (one, two) = (rig.append(5), rig.append(5));
    rig.start();
    rig.settled().await;
    rig.stop().await;
    subscriptions.into_iter().for_each(|of| rig.memory.set_subscription(of));
    rig.directory.refresh().await.unwrap();
    (rig, one, two)
}

#[tokio::test]
async fn a_delivery_is_loaded_sent_and_forgotten() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, two) = rig(vec![to(receiver.url(), 1, 10)]).await;
    let delivery = delivery(vec![(one, EventSet::range(1, 3)), (two, EventSet::range(0, 5))]);
    rig.memory.put(vec![delivery.clone()]).await.unwrap();
    rig.start();
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    let [webhook] = &receiver.received()[..] else { panic!("one webhook") };
    assert_eq!(webhook.numbers(), [1, 2, 5, 6, 7, 8, 9]);
    assert_eq!(webhook.header("webhook-id"), delivery.id.to_string());
    assert_eq!(rig.memory.fact(one, ONE).took, EventSet::range(1, 3));
    assert_eq!(rig.memory.done(), [delivery.id]);
}

#[tokio::test]
async fn deliveries_to_nobody_are_dead_letters() {
    let mut disabled = to("http://127.0.0.1:9/".into(), 1, 10);
    disabled.status = SubscriptionStatus::Disabled { reason: "by_customer".into() };
    for subscriptions in [vec![], vec![disabled]] {
        let (mut rig, one, _) = rig(subscriptions).await;
        rig.memory.put(vec![delivery(vec![(one, EventSet::range(0, 5))])]).await.unwrap();
        rig.start();
        rig.memory.until(|memory| memory.queued().is_empty()).await;
        let [letter] = &rig.memory.dead_letters()[..] else { panic!("one dead letter") };
        assert_eq!(letter.reason, DeadLetterReason::SubscriptionDisabled);
        assert_eq!(rig.memory.fact(one, ONE).gave_up, EventSet::range(0, 5));
    }
}

#[tokio::test]
async fn a_lost_batch_is_poison_and_its_neighbours_are_delivered() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, two) = rig(vec![to(receiver.url(), 1, 10)]).await;
    let both = vec![(one, EventSet::range(0, 5)), (two, EventSet::range(0, 5))];
    rig.memory.put(vec![delivery(both)]).await.unwrap();
    rig.memory.lose(one);
    rig.start();
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    assert_eq!(receiver.received()[0].numbers(), [5, 6, 7, 8, 9]);
    let [letter] = &rig.memory.dead_letters()[..] else { panic!("one dead letter") };
    assert_eq!((letter.reason, letter.delivery.events[0].batch), (DeadLetterReason::Poison, one));
}

#[tokio::test]
async fn a_delivery_grows_only_so_old() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, _) = rig(vec![to(receiver.url(), 1, 10)]).await;
    let mut old = delivery(vec![(one, EventSet::range(0, 5))]);
    old.id = DeliveryId::new(now_ms() - 4 * 24 * 3_600_000);
    rig.memory.put(vec![old]).await.unwrap();
    rig.start();
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    assert_eq!(rig.memory.dead_letters()[0].reason, DeadLetterReason::Exhausted);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn the_webhooks_of_a_suspended_customer_are_held_back() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, _) = rig(vec![to(receiver.url(), 1, 10)]).await;
    let mut suspended = customer();
    suspended.status = CustomerStatus::Suspended;
    rig.memory.set_customer(suspended);
    rig.directory.refresh().await.unwrap();
    rig.memory.put(vec![delivery(vec![(one, EventSet::range(0, 5))])]).await.unwrap();
    let begun = now_ms();
    rig.start();
    rig.append(5);
    rig.settled().await;
    rig.memory.until(|memory| memory.queued().iter().all(|of| of.due_ms > begun)).await;
    assert_eq!(rig.memory.queued().len(), 2);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_dead_endpoint_does_not_delay_its_neighbours_retries() {
    let hung = Receiver::start(|_, _| Reaction::Hang).await;
    let well = Receiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, two) = rig(vec![to(hung.url(), 1, 10), to(well.url(), 2, 10)]).await;
    let to_hung = (0..200).map(|_| delivery(vec![(one, EventSet::range(0, 5))])).collect();
    rig.memory.put(to_hung).await.unwrap();
    let mut to_well: Vec<_> = (0..50).map(|_| delivery(vec![(two, EventSet::range(0, 5))])).collect();
    to_well.iter_mut().for_each(|of| of.subscription = SubscriptionId::from_u128(2));
    rig.memory.put(to_well).await.unwrap();
    rig.start();
    well.until(50).await;
    assert_eq!(hung.received().len(), 16, "no more in flight than one endpoint may have");
}
