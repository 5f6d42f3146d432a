//! The adapters keep what their ports promise.

use super::harness::{append, lane, open, settings};
use crate::{EmbeddedEngine, EngineSettings};
use sluice_ports::work_queue::contract::Order;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::log::contract::all(&*engine.log).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_store_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let log = engine.log.clone();
    let put = move |batch| -> futures_util::future::BoxFuture<'static, ()> {
        let log = log.clone();
        Box::pin(async move { append(&*log, vec![batch]).await.unwrap() })
    };
    sluice_ports::event_store::contract::all(&*engine.events, &put).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_keep_their_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::leases::contract::all(&*engine.checkpoints).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_queue_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::work_queue::contract::all(&*engine.queue, Order::PerSubscription).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::idempotency::contract::all(&*engine.idempotency).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_unknown_outcome_are_settled_by_the_log_and_refuse_nobody() {
    use sluice_model::clock::now_ms;
    use sluice_model::{Batch, Claim, CustomerId};
    use sluice_ports::Idempotency;
    use sluice_ports::idempotency::{ClaimOutcome, Placed};
    let dir = tempfile::tempdir().unwrap();
    let settings = EngineSettings { idempotency_pending_max: 2, ..settings() };
    let engine = EmbeddedEngine::open(dir.path(), settings).await.unwrap();
    let mut batches = sluice_ports::sample::Batches::new(lane(3));
    let mut batch = Batch::clone(&batches.next(4, 10));
    let (customer, body) = (batch.customer, [1; 16]);
    let claim = |customer: CustomerId, key: u8| {
        let keys = engine.idempotency.clone();
        async move { keys.claim(customer, [key; 16], body, now_ms()).await }
    };
    // The outcome of both requests is unknown: one is in the log, one is not.
    for key in [1, 2] {
        assert_eq!(claim(customer, key).await.unwrap(), ClaimOutcome::Claimed);
    }
    batch.claims = vec![Claim { key: [1; 16], body, first: 0, count: 4, part: 0, parts: 1 }];
    let (id, ms) = (batch.id, batch.id.ms());
    append(&*engine.log, vec![std::sync::Arc::new(batch)]).await.unwrap();
    claim(customer, 3).await.expect_err("two are in flight");
    engine.idempotency.settle_overdue(Duration::from_secs(60)).await.unwrap();
    claim(customer, 3).await.expect_err("none is overdue");

    engine.idempotency.settle_overdue(Duration::ZERO).await.unwrap();
    let placed = Placed { runs: vec![(id, 0, 4)], accepted_at_ms: ms };
    assert_eq!(claim(customer, 1).await.unwrap(), ClaimOutcome::Completed(placed));
    assert_eq!(claim(customer, 2).await.unwrap(), ClaimOutcome::Claimed);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::rows::contract::all(engine.rows.clone()).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_what_they_need_survive_a_restart_and_expire() {
    use sluice_ports::rows::{NewRow, RowChange, Rows};
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let row = |key: &[u8], needs: Option<u64>, expires: Option<u64>| NewRow {
        partition: "p".into(),
        key: key.into(),
        value: b"v".to_vec(),
        expires_at_ms: expires,
        needs_from_ms: needs,
    };
    let rows = [row(b"a", Some(50), None), row(b"b", Some(40), None), row(b"c", Some(60), Some(1000))];
    engine.rows.write(rows.map(RowChange::Put).to_vec()).await.unwrap();
    engine.rows.write(vec![RowChange::Put(row(b"b", Some(70), None))]).await.unwrap();
    assert_eq!(engine.rows.oldest_ms(), 50);
    engine.close().await;
    drop(engine);
    let engine = open(dir.path()).await;
    assert_eq!(engine.rows.oldest_ms(), 50);
    let remove = RowChange::Remove { partition: "p".into(), key: b"a".to_vec() };
    engine.rows.write(vec![remove.clone(), remove]).await.unwrap();
    assert_eq!(engine.rows.oldest_ms(), 60);
    engine.rows.expire(1001).await.unwrap();
    assert_eq!(engine.rows.oldest_ms(), 70);
    engine.close().await;
}
