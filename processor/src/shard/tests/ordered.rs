//! Ordered subscriptions: the events of a key are first received in their order, whatever fails,
//! hangs or dies.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver};
use parking_lot::Mutex;
use sluice_model::{DeadLetterReason, Subscription};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn ordered(url: String, max_events: u32) -> Subscription {
    Subscription { ordered: true, ..to(url, 1, max_events) }
}

/// Event numbers in the order in which each was first received.
fn firsts(receiver: &WebhookReceiver) -> Vec<u64> {
    let mut firsts = Vec::new();
    for n in receiver.received().iter().flat_map(|webhook| webhook.numbers()) {
        if !firsts.contains(&n) {
            firsts.push(n);
        }
    }
    firsts
}

fn assert_ordered(firsts: &[u64], keys: &[u64]) {
    let mut last = HashMap::new();
    for n in firsts {
        let key = keys[*n as usize];
        if key != 0 {
            let before = last.insert(key, *n);
            assert!(before.is_none_or(|before| before < *n), "key {key}: {n} after {before:?} in {firsts:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_event_holds_its_key_back_and_nobody_else() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let receiver = WebhookReceiver::start(move |webhook, _| {
        let bad = failing.load(Ordering::SeqCst) && webhook.numbers().contains(&0);
        Reaction::Status(if bad { 500 } else { 200 })
    })
    .await;
    let mut subscription = ordered(receiver.url(), 1);
    subscription.retry.max_retries = 1_000_000;
    let mut rig = Rig::started(quick(), vec![subscription]).await;
    let keys = [1, 2, 1, 3, 2, 1, 0, 3];
    rig.append_keys(&keys);
    // The log does not wait for the key.
    rig.settled().await;
    rig.memory.until(|_| firsts(&receiver).len() == 6).await;
    assert_eq!(firsts(&receiver), [0, 1, 3, 4, 6, 7]);
    assert!(rig.memory.rows_in("parked/3") > 0 && rig.memory.queued().is_empty());
    fails.store(false, Ordering::SeqCst);
    rig.memory.until(|memory| memory.rows_in("parked/") == 0).await;
    assert_eq!(firsts(&receiver), [0, 1, 3, 4, 6, 7, 2, 5]);
}

#[tokio::test]
async fn events_that_were_not_taken_hold_their_keys_back() {
    let receiver = WebhookReceiver::start(|webhook, before| match before {
        0 => {
            let events: Vec<serde_json::Value> = serde_json::from_slice(&webhook.body).unwrap();
            let body = serde_json::json!({ "failed": [events[1]["event_id"]] }).to_string();
            Reaction::Answer(200, "content-type", "application/json".into(), body)
        }
        1 => Reaction::Status(500),
        _ => Reaction::Status(200),
    })
    .await;
    let mut rig = Rig::started(quick(), vec![ordered(receiver.url(), 3)]).await;
    rig.append_keys(&[1, 2, 3, 2, 1, 2]);
    rig.settled().await;
    rig.memory.until(|memory| memory.rows_in("parked/") == 0 && firsts(&receiver).len() == 6).await;
    let all: Vec<Vec<u64>> = receiver.received().iter().map(|webhook| webhook.numbers()).collect();
    let position = |n: u64| all.iter().rposition(|numbers| numbers.contains(&n)).unwrap();
    assert!(position(3) > position(1) && position(5) >= position(3), "{all:?}");
}

#[tokio::test]
async fn parked_events_survive_a_crash_and_end_with_their_subscription() {
    let receiver = WebhookReceiver::start(|webhook, _| {
        Reaction::Status(if webhook.numbers().iter().any(|n| n % 2 == 0) { 500 } else { 200 })
    })
    .await;
    let mut subscription = ordered(receiver.url(), 1);
    subscription.retry.max_retries = 1_000_000;
    let mut rig = Rig::started(quick(), vec![subscription.clone()]).await;
    rig.append_keys(&[1, 2, 1, 2]);
    rig.settled().await;
    rig.kill().await;
    assert!(rig.memory.rows_in("parked/") > 0);
    rig.start();
    rig.append_keys(&[1, 2]);
    rig.settled().await;
    rig.memory.until(|_| firsts(&receiver).contains(&5)).await;
    assert_ordered(&firsts(&receiver), &[1, 2, 1, 2, 1, 2]);
    assert!(!firsts(&receiver).contains(&2), "its key waits");
    subscription.version += 1;
    subscription.status =
        sluice_model::SubscriptionStatus::Disabled { reason: sluice_model::DisabledReason::ByCustomer };
    rig.memory.set_subscription(subscription);
    rig.memory.until(|memory| memory.rows_in("parked/") == 0).await;
    let letters = rig.memory.dead_letters();
    let dead: usize = letters.iter().map(|letter| letter.delivery.event_count()).sum();
    assert_eq!(dead, 3, "{letters:?}");
}

/// Failures, hangs, an open breaker, hand-overs and crashes in random order.
#[tokio::test]
async fn order_holds_through_everything() {
    for seed in 1..=6u64 {
        let state = Arc::new(Mutex::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let random = move || {
            let mut state = state.lock();
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *state >> 33
        };
        let (calm, dice) = (Arc::new(AtomicBool::new(false)), random.clone());
        let calmed = Arc::clone(&calm);
        let receiver = WebhookReceiver::start(move |_, _| match dice() % 10 {
            _ if calmed.load(Ordering::SeqCst) => Reaction::Status(200),
            0..=2 => Reaction::Status(500),
            3 => Reaction::Hang,
            4 => Reaction::Drop,
            _ => Reaction::Status(200),
        })
        .await;
        let mut config = quick();
        config.shard.age_cap_ms = 60;
        config.shard.overtake_after_ms = 20;
        config.webhook.timeout_ms = 150;
        config.breaker.consecutive_failures = 2;
        let mut subscription = ordered(receiver.url(), 1 + (seed as u32 % 4));
        subscription.retry.max_retries = 1_000_000;
        let mut rig = Rig::started(config, vec![subscription]).await;
        let mut keys = Vec::new();
        for round in 0..30 {
            let record: Vec<u64> = (0..1 + random() % 6).map(|_| random() % 5).collect();
            rig.append_keys(&record);
            keys.extend(record);
            tokio::time::sleep(std::time::Duration::from_millis(random() % 30)).await;
            if round % 8 == 7 {
                rig.kill().await;
                rig.start();
            }
        }
        calm.store(true, Ordering::SeqCst);
        rig.settled().await;
        rig.memory.until(|memory| memory.rows_in("parked/") == 0 && memory.queued().is_empty()).await;
        assert_ordered(&firsts(&receiver), &keys);
        assert_eq!(firsts(&receiver).len(), keys.len(), "seed {seed}: all of it arrived");
        let took: usize = rig.memory.facts().iter().map(|new| new.fact.took.len()).sum();
        assert_eq!(took, keys.len(), "seed {seed}");
    }
}

/// If batches are read from the event store, one that was parked a moment ago may not be there yet,
/// but is not lost.
#[tokio::test]
async fn parked_events_wait_until_their_batch_can_be_read() {
    let receiver =
        WebhookReceiver::start(|_, before| Reaction::Status(if before == 0 { 500 } else { 200 })).await;
    let mut config = quick();
    (config.shard.overtake_after_ms, config.shard.age_cap_ms) = (1, 2);
    config.shard.commit_linger_ms = 100;
    let mut subscription = ordered(receiver.url(), 1);
    subscription.retry.max_retries = 1_000_000;
    let mut rig = Rig::new(config, vec![subscription]).await;
    rig.memory.takes_batches.store(true, Ordering::SeqCst);
    rig.start();
    let mut keys = Vec::new();
    for _ in 0..10 {
        rig.append_keys(&[1, 2, 1]);
        keys.extend([1, 2, 1]);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    rig.settled().await;
    rig.memory.until(|memory| memory.rows_in("parked/") == 0 && firsts(&receiver).len() == 30).await;
    assert_ordered(&firsts(&receiver), &keys);
    assert!(rig.memory.dead_letters().is_empty(), "{:?}", rig.memory.dead_letters());
}

#[tokio::test]
async fn what_is_parked_counts_to_the_backlog() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(500)).await;
    let mut config = quick();
    config.queue.backlog_events_max = 50;
    let mut subscription = ordered(receiver.url(), 10);
    subscription.retry.max_retries = 1_000_000;
    let mut rig = Rig::started(config, vec![subscription]).await;
    // One key: all events wait behind the first one, and none in the queue.
    for _ in 0..20 {
        rig.append_keys(&[7; 10]);
    }
    rig.settled().await;
    let id = sluice_model::SubscriptionId::from_u128(1);
    rig.memory.until(|memory| memory.subscription(id).unwrap().version == 2).await;
    rig.memory.until(|memory| memory.rows_in("parked/") == 0).await;
    let letters = rig.memory.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.delivery.event_count()).sum::<usize>(), 200);
    assert!(letters.iter().all(|letter| letter.reason == DeadLetterReason::BacklogFull), "{letters:?}");
}

#[tokio::test]
async fn keys_that_share_a_row_do_not_wait_for_each_other() {
    let receiver = WebhookReceiver::start(|webhook, _| {
        Reaction::Status(if webhook.numbers().contains(&0) { 500 } else { 200 })
    })
    .await;
    let mut config = quick();
    // Slow at once, so that all following events are parked, in rows of several keys.
    (config.shard.overtake_after_ms, config.shard.age_cap_ms) = (1, 2);
    let mut subscription = ordered(receiver.url(), 1);
    subscription.retry.max_retries = 1_000_000;
    let mut rig = Rig::started(config, vec![subscription]).await;
    let mut keys = vec![1];
    rig.append_keys(&[1]);
    for _ in 0..20 {
        rig.append_keys(&[1, 2, 3]);
        keys.extend([1, 2, 3]);
    }
    // All events of the other keys, and the one that fails.
    rig.memory.until(|_| firsts(&receiver).len() == 41).await;
    assert_ordered(&firsts(&receiver), &keys);
    assert!(firsts(&receiver).iter().all(|n| *n == 0 || keys[*n as usize] != 1));
}
