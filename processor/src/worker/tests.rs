use crate::config::ProcessorConfig;
use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver, customer};
use sluice_model::clock::now_ms;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    BatchId, Customer, CustomerId, CustomerStatus, DeadLetterReason, Delivery, DeliveryId, EventRef,
    EventSet, LastAttempt, Subscription, SubscriptionId, SubscriptionStatus,
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
        shape: DeliveryShape::Plain,
    }
}

/// [`rig`] with a configuration, and `count` subscriptions.
async fn rig_with(
    configure: impl FnOnce(&mut ProcessorConfig),
    subscription: impl Fn(u128) -> Subscription,
    count: u128,
) -> (Rig, BatchId, BatchId) {
    let mut config = quick();
    configure(&mut config);
    settled_rig(config, (1..=count).map(subscription).collect()).await
}

/// A rig whose log is already settled, so that only the queue has work.
async fn rig(subscriptions: Vec<Subscription>) -> (Rig, BatchId, BatchId) {
    settled_rig(quick(), subscriptions).await
}

async fn settled_rig(config: ProcessorConfig, subscriptions: Vec<Subscription>) -> (Rig, BatchId, BatchId) {
    let mut rig = Rig::new(config, vec![]).await;
    let (one, two) = (rig.append(5), rig.append(5));
    rig.start();
    rig.settled().await;
    rig.stop().await;
    subscriptions.into_iter().for_each(|subscription| rig.memory.set_subscription(subscription));
    rig.directory.refresh().await.unwrap();
    (rig, one, two)
}

#[tokio::test]
async fn a_delivery_is_loaded_sent_and_forgotten() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
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
    disabled.status = SubscriptionStatus::Disabled { reason: sluice_model::DisabledReason::ByCustomer };
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
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
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
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
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
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
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
    rig.memory.until(|memory| memory.queued().iter().all(|delivery| delivery.due_ms > begun)).await;
    assert_eq!(rig.memory.queued().len(), 2);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_dead_endpoint_does_not_delay_its_neighbours_retries() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let (mut rig, one, two) = rig(vec![to(hung.url(), 1, 10), to(well.url(), 2, 10)]).await;
    let to_hung = (0..200).map(|_| delivery(vec![(one, EventSet::range(0, 5))])).collect();
    rig.memory.put(to_hung).await.unwrap();
    let mut to_well: Vec<_> = (0..50).map(|_| delivery(vec![(two, EventSet::range(0, 5))])).collect();
    to_well.iter_mut().for_each(|delivery| delivery.subscription = SubscriptionId::from_u128(2));
    rig.memory.put(to_well).await.unwrap();
    rig.start();
    well.until(50).await;
    assert_eq!(hung.received().len(), 16, "no more in flight than one endpoint may have");
}

#[tokio::test]
async fn slow_endpoints_of_one_customer_leave_room_for_another() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let other = CustomerId::from_u128(2);
    let mut subscriptions: Vec<_> = (1..=16).map(|n| to(hung.url(), n, 10)).collect();
    subscriptions.push(Subscription { customer: other, ..to(well.url(), 1000, 10) });
    let mut config = quick();
    config.queue.taken_max = 64;
    let mut rig = Rig::new(config, vec![]).await;
    rig.memory.set_customer(Customer { id: other, ..customer() });
    rig.directory.refresh().await.unwrap();
    let (one, two) = (rig.append(5), rig.append_for(other, 5));
    rig.start();
    rig.settled().await;
    rig.stop().await;
    subscriptions.into_iter().for_each(|subscription| rig.memory.set_subscription(subscription));
    rig.directory.refresh().await.unwrap();

    let to_hung = (0..320u128).map(|n| {
        let mut delivery = delivery(vec![(one, EventSet::range(0, 5))]);
        delivery.subscription = SubscriptionId::from_u128(1 + n % 16);
        delivery
    });
    rig.memory.put(to_hung.collect()).await.unwrap();
    rig.start();
    // A quarter of the worker is all that the one customer gets.
    hung.until(16).await;
    let mut late = delivery(vec![(two, EventSet::range(0, 5))]);
    (late.customer, late.subscription) = (other, SubscriptionId::from_u128(1000));
    rig.memory.put(vec![late]).await.unwrap();
    let began = std::time::Instant::now();
    well.until(1).await;
    println!("the neighbour waited {:?}", began.elapsed());
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(hung.received().len(), 16);
}

#[tokio::test]
async fn subscriptions_that_wait_for_room_take_turns() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let large = |n: u128| {
        let mut large = to(receiver.url().replace("/hook", &format!("/{n}")), n, 10);
        large.batch.max_bytes = 1 << 20;
        large
    };
    // Room for one webhook at a time.
    let (mut rig, one, _) = rig_with(|config| config.queue.in_flight_bytes_max = 1 << 20, large, 2).await;
    let all = (0..200u128).map(|n| {
        let mut delivery = delivery(vec![(one, EventSet::range(0, 1))]);
        delivery.subscription = SubscriptionId::from_u128(1 + n % 2);
        delivery
    });
    rig.memory.put(all.collect()).await.unwrap();
    rig.start();
    let received = receiver.until(60).await;
    let last = received[..60].iter().filter(|webhook| webhook.path == "/2").count();
    assert!(last >= 20, "the last subscription has had {last} of 60");
}
