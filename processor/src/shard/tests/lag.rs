//! The lag that a shard reports while its log or its catalogue fails.

use crate::testing::rig::{quick, to};
use crate::testing::{Reaction, Rig, WebhookReceiver};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn lag_grows_while_the_log_does_not_answer() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut config = quick();
    config.shard.read_wait_ms = 10;
    let mut rig = Rig::started(config, vec![to(receiver.url(), 1, 5)]).await;
    rig.append(5);
    rig.settled().await;
    rig.memory.until(|_| rig.processor().status().shards[0].lag_ms == 0).await;
    rig.memory.failing.store(true, Ordering::SeqCst);
    rig.memory.until(|_| rig.processor().status().shards[0].lag_ms > 1000).await;
    rig.memory.failing.store(false, Ordering::SeqCst);
    rig.memory.until(|_| rig.processor().status().shards[0].lag_ms == 0).await;
}

#[tokio::test]
async fn lag_is_told_before_the_first_match() {
    let mut config = quick();
    config.shard.snapshot_age_max_ms = 1;
    let mut rig = Rig::new(config, vec![to("http://127.0.0.1:9/".into(), 1, 5)]).await;
    // Without a fresh catalogue the events are read but not matched.
    rig.memory.catalogue_failing.store(true, Ordering::SeqCst);
    rig.append(5);
    rig.start();
    rig.memory
        .until(|_| rig.processor().status().shards.first().is_some_and(|shard| shard.lag_ms > 500))
        .await;
}

#[tokio::test]
async fn lag_is_told_while_a_shard_cannot_be_opened_and_nothing_is_begun_anew() {
    let receiver = WebhookReceiver::start(|_, _| Reaction::Status(200)).await;
    let mut rig = Rig::new(quick(), vec![to(receiver.url(), 1, 5)]).await;
    rig.append(5);
    rig.memory.rows_away.store(true, Ordering::SeqCst);
    rig.start();
    rig.memory
        .until(|_| rig.processor().status().shards.first().is_some_and(|shard| shard.lag_ms > 500))
        .await;
    rig.memory.rows_away.store(false, Ordering::SeqCst);
    rig.settled().await;
    assert_eq!(rig.processor().status().shards[0].restarts, 0, "what was loaded before is not loaded again");
}
