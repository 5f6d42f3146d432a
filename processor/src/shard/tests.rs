//! The task of a shard, in a whole processor on ports in memory.

mod lag;
mod leased;
mod neighbours;
mod ordered;
mod throughput;
mod usage;
mod waiting;

use crate::config::ProcessorConfig;
use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver};
use sluice_model::clock::now_ms;
use sluice_model::{DeadLetterReason, DisabledReason, EventSet, SubscriptionId, SubscriptionStatus};
use sluice_ports::log::Position;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ONE: SubscriptionId = SubscriptionId::from_u128(1);

/// A configuration in which slow endpoints are given up at once.
fn impatient() -> ProcessorConfig {
    let mut config = quick();
    config.shard.age_cap_ms = 100;
    config.shard.overtake_after_ms = 50;
    config
}

fn numbers(receiver: &WebhookReceiver) -> Vec<u64> {
    receiver.received().iter().flat_map(|webhook| webhook.numbers()).collect()
}

fn distinct(receiver: &WebhookReceiver) -> Vec<u64> {
    let mut all = numbers(receiver);
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test]
async fn events_arrive_once_in_the_order_of_the_log() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    // On a loaded machine an endpoint may not keep up, and nothing may overtake because of that.
    config.shard.overtake_after_ms = config.shard.age_cap_ms;
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 7)]).await;
    let batches: Vec<_> = (1..60).map(|size| (rig.append(size % 20 + 1), size % 20 + 1)).collect();
    rig.settled().await;
    let all = numbers(&receiver);
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
    assert_eq!(all.len() as u64, batches.iter().map(|(_, size)| size).sum::<u64>());
    for (batch, size) in batches {
        let fact = rig.memory.fact(batch, ONE);
        let whole = EventSet::range(0, size as u16);
        assert_eq!((fact.matched, fact.took, fact.attempts), (whole.clone(), whole, 1));
    }
    assert!(receiver.received().iter().all(|webhook| webhook.numbers().len() <= 7));
}

#[tokio::test]
async fn events_that_nobody_wants_are_passed_without_a_fact() {
    let mut other = to("http://127.0.0.1:9/".into(), 1, 10);
    other.selector = r#"{"type":"event_type","value":"other"}"#.into();
    let mut rig = Rig::started(quick(), vec![other]).await;
    rig.append(5);
    rig.settled().await;
    assert!(rig.memory.facts().is_empty());
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_under_its_id() {
    let receiver =
        WebhookReceiver::start(|_, before| Reaction::Status(if before < 2 { 500 } else { 200 })).await;
    let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 10)]).await;
    let batch = rig.append(3);
    rig.took(batch, 1, &EventSet::range(0, 3)).await;
    let received = receiver.received();
    let attempts: Vec<_> = received.iter().map(|webhook| webhook.header("sluice-attempt")).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    assert!(received.windows(2).all(|pair| pair[0].header("webhook-id") == pair[1].header("webhook-id")));
    assert!(received.windows(2).all(|pair| pair[0].body == pair[1].body));
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    assert_eq!(rig.memory.fact(batch, ONE).attempts, 3);
    rig.stop().await;
    let recent = rig.attempts(ONE).await;
    assert_eq!(
        recent.iter().map(|attempt| attempt.status).collect::<Vec<_>>(),
        [Some(200), Some(500), Some(500)]
    );
}

#[tokio::test]
async fn what_fails_for_good_is_a_dead_letter() {
    for (code, retries, reason, attempts) in
        [(500, 2, DeadLetterReason::Exhausted, 3), (404, 2, DeadLetterReason::Refused, 1)]
    {
        let receiver = WebhookReceiver::start(move |_, _| Reaction::Status(code)).await;
        let mut subscription = to(receiver.url(), 1, 10);
        subscription.retry.max_retries = retries;
        let mut rig = Rig::started(quick(), vec![subscription]).await;
        let batch = rig.append(3);
        rig.memory.until(|memory| memory.fact(batch, ONE).gave_up == EventSet::range(0, 3)).await;
        rig.settled().await;
        let letters = rig.memory.dead_letters();
        let [letter] = &letters[..] else { panic!("one dead letter, not {letters:?}") };
        assert_eq!((letter.reason, letter.delivery.attempts), (reason, attempts));
        assert_eq!(letter.delivery.last.status, Some(code));
        rig.memory.until(|memory| memory.queued().is_empty()).await;
    }
}

#[tokio::test]
async fn events_accepted_before_a_subscription_was_disabled_are_dead_letters_when_matched_later() {
    for (reason, wanted) in [
        (DisabledReason::Gone, DeadLetterReason::SubscriptionDisabled),
        (DisabledReason::BacklogFull, DeadLetterReason::BacklogFull),
    ] {
        let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
        let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
        let batch = rig.append(3);
        let mut disabled = rig.memory.subscription(ONE).unwrap();
        disabled.version += 1;
        disabled.status = SubscriptionStatus::Disabled { reason };
        disabled.updated_at_ms = now_ms();
        rig.memory.set_subscription(disabled);
        rig.directory.refresh().await.unwrap();
        rig.start();
        rig.settled().await;
        let letters = rig.memory.dead_letters();
        let [letter] = &letters[..] else { panic!("one dead letter, not {letters:?}") };
        assert_eq!((letter.reason, letter.delivery.events[0].batch), (wanted, batch));
        assert!(receiver.received().is_empty());
        rig.stop().await;
    }
}

#[tokio::test]
async fn gone_disables_the_subscription_and_gives_up_what_it_has() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(410)).await;
    let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 10)]).await;
    rig.append(30);
    rig.settled().await;
    rig.memory.until(|memory| memory.subscription(ONE).unwrap().version == 2).await;
    let subscription = rig.memory.subscription(ONE).unwrap();
    assert_eq!(subscription.status, SubscriptionStatus::Disabled { reason: DisabledReason::Gone });
    let letters = rig.memory.dead_letters();
    assert!(letters.iter().all(|letter| letter.reason == DeadLetterReason::SubscriptionDisabled));
    assert_eq!(letters.iter().map(|letter| letter.delivery.event_count()).sum::<usize>(), 30);
}

#[tokio::test]
async fn gone_says_nothing_about_a_newer_version() {
    let release = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&release);
    let gone = WebhookReceiver::start(move |_, _| {
        if released.load(Ordering::SeqCst) { Reaction::Status(410) } else { Reaction::Later }
    })
    .await;
    let moved = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::started(quick(), vec![to(gone.url(), 1, 10)]).await;
    let batch = rig.append(3);
    gone.until(1).await;
    // The owner sets a new URL before the old endpoint answers.
    let mut changed = to(moved.url(), 1, 10);
    changed.version = 2;
    rig.memory.set_subscription(changed);
    rig.directory.refresh().await.unwrap();
    release.store(true, Ordering::SeqCst);
    rig.took(batch, 1, &EventSet::range(0, 3)).await;
    assert_eq!(rig.memory.subscription(ONE).unwrap().status, SubscriptionStatus::Active);
    assert!(rig.memory.dead_letters().is_empty());
}

#[tokio::test]
async fn events_that_the_answer_names_are_delivered_again_alone() {
    let receiver = WebhookReceiver::start(|webhook, before| {
        let events: Vec<serde_json::Value> = serde_json::from_slice(&webhook.body).unwrap();
        match before {
            0 => {
                Reaction::Answer(200, "x", "y".into(), format!(r#"{{"failed":[{}]}}"#, events[1]["event_id"]))
            }
            _ => Reaction::Status(200),
        }
    })
    .await;
    let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 10)]).await;
    let batch = rig.append(3);
    rig.took(batch, 1, &EventSet::range(0, 3)).await;
    let received = receiver.received();
    assert_eq!(received[1].numbers(), [1]);
    assert_ne!(received[0].header("webhook-id"), received[1].header("webhook-id"));
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_nobody() {
    let hung = WebhookReceiver::start(|_, _| Reaction::Hang).await;
    let well = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    // Long enough for a loaded machine to deliver to the second endpoint in order.
    (config.shard.overtake_after_ms, config.shard.age_cap_ms) = (900, 1000);
    config.webhook.timeout_ms = 20_000;
    let mut rig = Rig::started(config, vec![to(hung.url(), 1, 10), to(well.url(), 2, 10)]).await;
    for _ in 0..50 {
        rig.append(10);
    }
    // The log is settled although no POST to the first endpoint has ended: the queue holds its events.
    rig.settled().await;
    assert_eq!(numbers(&well), (0..500).collect::<Vec<_>>());
    let waiting: usize = rig.memory.queued().iter().map(|delivery| delivery.event_count()).sum();
    assert_eq!(waiting, 500);
    assert!(rig.memory.dead_letters().is_empty());
}

#[tokio::test]
async fn a_slow_attempt_that_ends_well_leaves_the_queue_again() {
    let release = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&release);
    let receiver = WebhookReceiver::start_slow(move |_, _| released.load(Ordering::SeqCst)).await;
    let mut rig = Rig::started(impatient(), vec![to(receiver.url(), 1, 10)]).await;
    let batch = rig.append(10);
    rig.settled().await;
    assert_eq!(rig.memory.queued().len(), 1, "the queue holds what is in flight");
    release.store(true, Ordering::SeqCst);
    rig.took(batch, 1, &EventSet::range(0, 10)).await;
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_breaker_sends_events_to_the_queue_and_brings_them_back() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let receiver = WebhookReceiver::start(move |_, _| {
        Reaction::Status(if is_well.load(Ordering::SeqCst) { 200 } else { 500 })
    })
    .await;
    let mut subscription = to(receiver.url(), 1, 5);
    subscription.retry.max_retries = 1000;
    let mut rig = Rig::started(quick(), vec![subscription]).await;
    for _ in 0..20 {
        rig.append(10);
    }
    rig.settled().await;
    let failed = receiver.received().len();
    assert!(failed < 200, "{failed} POSTs to an endpoint that is down");
    well.store(true, Ordering::SeqCst);
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    assert_eq!(distinct(&receiver), (0..200).collect::<Vec<_>>());
    assert!(rig.memory.dead_letters().is_empty());
}

#[tokio::test]
async fn a_full_backlog_disables_the_subscription_and_what_follows_is_a_dead_letter() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(500)).await;
    let mut config = quick();
    config.queue.backlog_events_max = 50;
    config.breaker.consecutive_failures = 1;
    (config.breaker.open_ms, config.breaker.open_max_ms) = (300, 300);
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 10)]).await;
    for _ in 0..20 {
        rig.append(10);
    }
    rig.settled().await;
    rig.memory.until(|memory| memory.subscription(ONE).unwrap().version == 2).await;
    let status = rig.memory.subscription(ONE).unwrap().status;
    assert_eq!(status, SubscriptionStatus::Disabled { reason: DisabledReason::BacklogFull });
    rig.memory.until(|memory| memory.queued().is_empty()).await;
    let letters = rig.memory.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.delivery.event_count()).sum::<usize>(), 200);
    assert!(letters.iter().all(|letter| letter.reason == DeadLetterReason::BacklogFull));
}

#[tokio::test]
async fn nothing_is_settled_before_it_is_durable() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 10)]).await;
    rig.start();
    rig.append(5);
    rig.settled().await;
    let before = rig.memory.checkpointed();
    let batch = rig.append(10);
    rig.memory.failing.store(true, Ordering::SeqCst);
    // Whether the record was read before the stores failed or later: no checkpoint passes it.
    for _ in 0..200 {
        tokio::task::yield_now().await;
        assert_eq!(rig.memory.checkpointed(), before);
    }
    rig.memory.failing.store(false, Ordering::SeqCst);
    rig.took(batch, 1, &EventSet::range(0, 10)).await;
    rig.settled().await;
}

#[tokio::test]
async fn a_killed_processor_delivers_again_what_it_had_not_settled() {
    let hang = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&hang);
    let receiver = WebhookReceiver::start(move |webhook, _| {
        let stuck = hangs.load(Ordering::SeqCst) && webhook.numbers().contains(&7);
        if stuck { Reaction::Hang } else { Reaction::Status(200) }
    })
    .await;
    let mut rig = Rig::started(quick(), vec![to(receiver.url(), 1, 5)]).await;
    for _ in 0..4 {
        rig.append(5);
    }
    receiver.until(2).await;
    rig.kill().await;
    assert!(rig.memory.checkpointed() <= Position::from_lsn(1));
    hang.store(false, Ordering::SeqCst);
    rig.start();
    rig.settled().await;
    assert_eq!(distinct(&receiver), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_shutdown_abandons_what_hangs_and_keeps_what_was_taken() {
    let receiver = WebhookReceiver::start(|webhook, _| {
        if webhook.numbers().contains(&7) { Reaction::Hang } else { Reaction::Status(200) }
    })
    .await;
    let mut config = quick();
    config.shutdown.grace_ms = 50;
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 5)]).await;
    let first = rig.append(5);
    rig.append(5);
    receiver.until(2).await;
    rig.stop().await;
    assert_eq!(rig.memory.fact(first, ONE).took, EventSet::range(0, 5));
    assert_eq!(rig.memory.checkpointed(), Position::from_lsn(1), "the first is settled, the second is not");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_stores_that_are_away() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    (config.shutdown.grace_ms, config.shutdown.deadline_ms) = (20, 100);
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 5)]).await;
    rig.append(5);
    rig.settled().await;
    rig.append(5);
    rig.memory.failing.store(true, Ordering::SeqCst);
    rig.stop().await;
}

#[tokio::test]
async fn a_damaged_place_is_passed() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 5)]).await;
    rig.append(5);
    rig.memory.append_damage();
    rig.append(5);
    rig.start();
    rig.settled().await;
    assert_eq!(numbers(&receiver), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_wait_for_a_fresh_catalogue() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    config.shard.snapshot_age_max_ms = 40;
    let mut rig = Rig::new(config, vec![]).await;
    rig.memory.catalogue_failing.store(true, Ordering::SeqCst);
    let max = std::time::Duration::from_millis(40);
    while rig.directory.age() <= max {
        tokio::task::yield_now().await;
    }
    rig.memory.set_subscription(to(receiver.url(), 1, 5));
    let batch = rig.append(5);
    rig.start();
    for _ in 0..200 {
        tokio::task::yield_now().await;
        assert_eq!(rig.memory.checkpointed(), Position::START);
    }
    rig.memory.catalogue_failing.store(false, Ordering::SeqCst);
    rig.took(batch, 1, &EventSet::range(0, 5)).await;
}

#[tokio::test]
async fn a_task_that_dies_is_started_again() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 5)]).await;
    rig.memory.panic_once.store(true, Ordering::SeqCst);
    rig.start();
    let batch = rig.append(5);
    rig.took(batch, 1, &EventSet::range(0, 5)).await;
    let status = rig.processor().status();
    assert!(status.ready);
    assert_eq!(status.shards[0].restarts, 1);
}

#[tokio::test]
async fn events_that_cannot_be_judged_are_dead_letters() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut subscription = to(receiver.url(), 1, 5);
    subscription.selector = r#"{"type":"custom","function":{"field":"n","operator":"exists"}}"#.into();
    let mut rig = Rig::new(quick(), vec![subscription]).await;
    let id = crate::testing::batch_id(sluice_model::clock::now_ms(), 1);
    let broken = vec![("", "not JSON".to_owned())];
    let batch = crate::testing::batch(sluice_model::CustomerId::from_u128(1), id, &broken);
    rig.memory.append(vec![Arc::new(batch)]);
    rig.start();
    rig.settled().await;
    assert_eq!(rig.memory.dead_letters()[0].reason, DeadLetterReason::Poison);
    assert_eq!(rig.memory.fact(id, ONE).gave_up, EventSet::range(0, 1));
}
