//! Batches of a customer that has used up its share of the shard's matching.

use crate::config::ProcessorConfig;
use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Receiver, Rig, batch, batch_id, customer};
use sluice_model::clock::now_ms;
use sluice_model::{BatchId, CustomerId, DeadLetterReason, EventSet, Subscription, SubscriptionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Matches every event, after a look inside.
const LOOKS_INSIDE: &str =
    r#"{"type":"not","of":{"type":"custom","function":{"field":"x","operator":"exists"}}}"#;

/// Takes many steps on a nested event.
const EXPENSIVE: &str = r#"{"type":"jsonpath","expression":"$..[?@..[?@.x == 1]]"}"#;

/// A configuration in which nobody may spend steps in the log.
fn without_shares() -> ProcessorConfig {
    let mut config = quick();
    config.matching.burst_steps = 1;
    config.matching.share_steps_per_ms = 1;
    config
}

fn looking_inside(url: String, n: u128) -> Subscription {
    Subscription { selector: LOOKS_INSIDE.into(), ..to(url, n, 10) }
}

/// Customer 2, with a subscription to all events.
async fn add_neighbour(rig: &Rig, url: String) {
    let mut neighbour = customer();
    neighbour.id = CustomerId::from_u128(2);
    rig.memory.set_customer(neighbour);
    rig.memory.set_subscription(Subscription { customer: CustomerId::from_u128(2), ..to(url, 2, 10) });
    rig.directory.refresh().await.unwrap();
}

/// Appends a batch of customer 2 with one event.
fn append_of_neighbour(rig: &Rig, n: u64) -> BatchId {
    let id = batch_id(now_ms(), 1_000_000 + n);
    let envelope = format!(r#"{{"event_id":"{}","payload":{{}},"n":{n}}}"#, id.event(0));
    rig.memory.append(vec![Arc::new(batch(CustomerId::from_u128(2), id, &[("a.b", envelope)]))]);
    id
}

fn numbers(receiver: &Receiver) -> Vec<u64> {
    receiver.received().iter().flat_map(|webhook| webhook.numbers()).collect()
}

#[tokio::test]
async fn neighbours_and_the_checkpoint_pass_batches_that_wait() {
    let (receiver, neighbour) = (
        Receiver::start(|_, _| Reaction::Status(200)).await,
        Receiver::start(|_, _| Reaction::Status(200)).await,
    );
    let mut rig = Rig::new(without_shares(), vec![looking_inside(receiver.url(), 1)]).await;
    add_neighbour(&rig, neighbour.url()).await;
    rig.start();
    rig.memory.batches_away.store(true, Ordering::SeqCst);
    for n in 0..5 {
        rig.append(3);
        append_of_neighbour(&rig, n);
    }
    neighbour.until(1).await;
    rig.settled().await;
    assert_eq!(numbers(&neighbour), [0, 1, 2, 3, 4]);
    assert!(receiver.received().is_empty());
    assert_eq!(rig.memory.rows_in("unmatched/"), 5);

    rig.memory.batches_away.store(false, Ordering::SeqCst);
    rig.memory.until(|memory| memory.rows_in("unmatched/") == 0).await;
    assert_eq!(numbers(&receiver), (0..15).collect::<Vec<_>>());
    assert!(rig.memory.dead_letters().is_empty());
}

#[tokio::test]
async fn the_next_owner_of_the_lane_finds_batches_that_wait() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::started(without_shares(), vec![looking_inside(receiver.url(), 1)]).await;
    rig.memory.batches_away.store(true, Ordering::SeqCst);
    let batches: Vec<_> = (0..4).map(|_| rig.append(3)).collect();
    rig.settled().await;
    rig.kill().await;
    assert!(receiver.received().is_empty());

    rig.memory.batches_away.store(false, Ordering::SeqCst);
    rig.start();
    for batch in batches {
        rig.took(batch, 1, &EventSet::range(0, 3)).await;
    }
    rig.memory.until(|memory| memory.rows_in("unmatched/") == 0).await;
    assert_eq!(numbers(&receiver), (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_row_stays_until_its_events_are_settled() {
    let may_answer = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&may_answer);
    let receiver = Receiver::start_slow(move |_, _| told.load(Ordering::SeqCst)).await;
    let mut rig = Rig::started(without_shares(), vec![looking_inside(receiver.url(), 1)]).await;
    let batch = rig.append(3);
    receiver.until(1).await;
    assert_eq!(rig.memory.rows_in("unmatched/"), 1);
    // No event of it is known to be taken, so the next owner delivers it.
    rig.kill().await;
    may_answer.store(true, Ordering::SeqCst);
    rig.start();
    rig.took(batch, 1, &EventSet::range(0, 3)).await;
    rig.memory.until(|memory| memory.rows_in("unmatched/") == 0).await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_store_that_takes_batches_has_those_that_wait() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(without_shares(), vec![looking_inside(receiver.url(), 1)]).await;
    rig.memory.takes_batches.store(true, Ordering::SeqCst);
    rig.start();
    let batches: Vec<_> = (0..4).map(|_| rig.append(3)).collect();
    for batch in batches {
        rig.took(batch, 1, &EventSet::range(0, 3)).await;
    }
    rig.settled().await;
    assert_eq!(numbers(&receiver), (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_ordered_subscription_keeps_its_order_over_batches_that_wait() {
    let receiver = Receiver::start(|_, before| Reaction::Status(if before == 1 { 500 } else { 200 })).await;
    let mut subscription = looking_inside(receiver.url(), 1);
    subscription.ordered = true;
    subscription.batch.max_events = 1;
    let mut config = without_shares();
    // Some batches are matched in the log, and some wait.
    config.matching.burst_steps = 2000;
    config.matching.share_steps_per_ms = 5;
    let mut rig = Rig::started(config, vec![subscription]).await;
    for _ in 0..40 {
        rig.append_keys(&[1, 1, 1]);
    }
    receiver.until(121).await;
    rig.settled().await;
    let mut firsts = Vec::new();
    for n in numbers(&receiver) {
        if !firsts.contains(&n) {
            firsts.push(n);
        }
    }
    assert_eq!(firsts, (0..120).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_that_costs_more_than_it_may_is_a_dead_letter_that_names_the_selector() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let expensive = Subscription { selector: EXPENSIVE.into(), ..to(receiver.url(), 1, 10) };
    let mut config = quick();
    config.matching.event_steps_max = 1000;
    config.matching.selector_steps_max = 1000;
    let rig = Rig::started(config, vec![expensive, to(receiver.url(), 2, 10)]).await;
    let id = batch_id(now_ms(), 1);
    let payload = format!("[{}0]", r#"{"x":2},"#.repeat(2000));
    let envelope = format!(r#"{{"event_id":"{}","n":0,"payload":{payload}}}"#, id.event(0));
    let cheap = format!(r#"{{"event_id":"{}","n":1,"payload":[]}}"#, id.event(1));
    let one = CustomerId::from_u128(1);
    rig.memory.append(vec![Arc::new(batch(one, id, &[("a.b", envelope), ("a.b", cheap)]))]);
    rig.settled().await;
    let letters = rig.memory.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let delivery = &letters[0].delivery;
    assert_eq!(letters[0].reason, DeadLetterReason::TooExpensive);
    assert_eq!(
        (delivery.subscription, delivery.events[0].events.clone()),
        (SubscriptionId::from_u128(1), EventSet::range(0, 1))
    );
    let error = delivery.last.error.as_ref().unwrap();
    assert!(error.contains("1000 steps") && error.contains(&delivery.subscription.to_string()), "{error}");
    // The customer's other subscription has both events.
    assert_eq!(numbers(&receiver), [0, 1]);
}

#[tokio::test]
async fn more_batches_than_may_wait_are_dead_letters_and_nothing_is_lost() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = without_shares();
    config.matching.waiting_batches_max = 2;
    // Even if the type decides, an ordered subscription may not get later events first.
    let ordered = Subscription { ordered: true, ..to(receiver.url(), 2, 10) };
    let mut rig = Rig::started(config, vec![looking_inside(receiver.url(), 1), ordered]).await;
    rig.memory.batches_away.store(true, Ordering::SeqCst);
    let batches: Vec<_> = (0..5).map(|_| rig.append(3)).collect();
    rig.settled().await;
    assert!(receiver.received().is_empty());
    let mut letters = rig.memory.dead_letters();
    let (of_ordered, rest): (Vec<_>, Vec<_>) =
        letters.into_iter().partition(|letter| letter.delivery.subscription == SubscriptionId::from_u128(2));
    assert_eq!(of_ordered.len(), 3);
    letters = rest;
    let mut given_up: Vec<_> = letters.iter().map(|letter| letter.delivery.events[0].batch).collect();
    given_up.sort_unstable();
    assert_eq!(given_up, batches[2..]);
    assert!(letters.iter().all(|letter| letter.reason == DeadLetterReason::TooExpensive));

    rig.memory.batches_away.store(false, Ordering::SeqCst);
    for batch in &batches[..2] {
        rig.took(*batch, 1, &EventSet::range(0, 3)).await;
        rig.took(*batch, 2, &EventSet::range(0, 3)).await;
    }
}

#[tokio::test]
async fn rows_that_cannot_be_read_back_are_set_aside_and_stop_no_shard() {
    let receiver = Receiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
    rig.memory.put_garbage("parked/3", &[7; 33]);
    rig.memory.put_garbage("unmatched/3", &[7; 24]);
    rig.start();
    let batch = rig.append(3);
    rig.took(batch, 1, &EventSet::range(0, 3)).await;
    let rows = ["parked/", "unmatched/", "set-aside/row"].map(|prefix| rig.memory.rows_in(prefix));
    assert_eq!(rows, [0, 0, 2]);
}
