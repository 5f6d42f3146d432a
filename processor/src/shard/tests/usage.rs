//! Counting usage while the processor is killed.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver, delivery};
use sluice_history::usage::{
    Granularity, ReceiptTimes, UsageCounts, UsageGrouping, UsageReader, UsageWindow,
};
use sluice_model::CustomerId;
use sluice_ports::WorkQueue as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn counted(rig: &Rig) -> UsageCounts {
    known(rig).await.0
}

async fn known(rig: &Rig) -> (UsageCounts, ReceiptTimes) {
    let window = UsageWindow {
        customer: CustomerId::from_u128(1),
        granularity: Granularity::Minute,
        from_ms: 0,
        until_ms: u64::MAX,
        grouping: UsageGrouping::Total,
    };
    let periods = UsageReader::new(Arc::clone(&rig.memory.0) as _).read(&window).await.unwrap();
    let mut sum = (UsageCounts::default(), ReceiptTimes::default());
    for period in periods {
        sum.0.add(&period.counts);
        sum.1.add(&period.receipts);
    }
    sum
}

/// Waits until this many events are counted as delivered.
async fn delivered(rig: &Rig, events: u64) -> UsageCounts {
    let begun = Instant::now();
    loop {
        let sum = counted(rig).await;
        if sum.delivered >= events || begun.elapsed() > Duration::from_secs(60) {
            return sum;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_event_counts_once_however_often_the_processor_is_killed() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    config.usage.add_up_ms = 10;
    // On a loaded machine an endpoint may not keep up, and nothing may leave the log because of that.
    (config.shard.age_cap_ms, config.shard.overtake_after_ms) = (60_000, 60_000);
    let mut none = to("http://127.0.0.1:9/".into(), 2, 10);
    none.selector = r#"{"type":"event_type","value":"other"}"#.into();
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 3), none]).await;
    let mut events = 0;
    for round in 0..25 {
        for size in 1..6 {
            rig.append(size);
            events += size;
        }
        // Killed at some time between the first webhook of the round and the last.
        receiver.until(receiver.received().len() + round % 5).await;
        rig.kill().await;
        rig.start();
    }
    rig.settled().await;
    let sum = delivered(&rig, events).await;
    assert_eq!((sum.accepted, sum.delivered, sum.unmatched, sum.failed), (events, events, 0, 0));
    assert_eq!(known(&rig).await.1.events(), events, "each has the time that it took");
    assert!(receiver.received().iter().map(|webhook| webhook.numbers().len() as u64).sum::<u64>() >= events);
}

#[tokio::test]
async fn deliveries_that_leave_the_log_are_counted_where_they_end() {
    let receiver = WebhookReceiver::start(|webhook, before| match webhook.numbers().contains(&2) {
        true => Reaction::Status(400),
        false if before == 0 => Reaction::Status(500),
        false => Reaction::Status(200),
    })
    .await;
    let mut config = quick();
    config.usage.add_up_ms = 10;
    let mut ordered = to(receiver.url(), 2, 1);
    ordered.ordered = true;
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 1), ordered]).await;
    rig.append_keys(&[1, 2, 1, 2]);
    rig.settled().await;
    let sum = delivered(&rig, 6).await;
    assert_eq!((sum.accepted, sum.delivered, sum.failed, sum.unmatched), (4, 6, 2, 0));
    assert_eq!(known(&rig).await.1.events(), 6);
}

#[tokio::test]
async fn a_delivery_that_the_queue_gave_up_is_counted_once_and_ended() {
    let mut rig = Rig::new(quick(), vec![]).await;
    let delivery = delivery(1, 5);
    rig.memory.put(vec![delivery.clone()]).await.unwrap();
    rig.memory.give_up(delivery.id);
    rig.start();
    rig.memory.until(|memory| memory.done().contains(&delivery.id)).await;
    let begun = Instant::now();
    while counted(&rig).await.failed < 5 && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.kill().await;
    rig.start();
    rig.settled().await;
    assert_eq!(counted(&rig).await.failed, 5);
    assert!(rig.memory.dead_letters().is_empty(), "the queue makes it");
}
