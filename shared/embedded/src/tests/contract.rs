//! The adapters pass the contract suites of their ports.

use super::harness::{append, open};
use sluice_ports::work_queue::contract::Order;

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
async fn rows_keep_their_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    sluice_ports::rows::contract::all(engine.rows.clone()).await;
    sluice_history::usage::contract::all(engine.rows.clone()).await;
    sluice_history::attempts::contract::all(engine.rows.clone()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn expired_rows_are_not_read_though_they_are_stored_still() {
    use sluice_ports::rows::{NewRow, RowChange, Rows};
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    let past = sluice_model::clock::now_ms() - 1;
    let row = NewRow {
        partition: "p".into(),
        key: b"k".to_vec(),
        value: b"old".to_vec(),
        expires_at_ms: Some(past),
        needs_from_ms: None,
    };
    engine.rows.write(vec![RowChange::Put(row.clone())]).await.unwrap();
    assert_eq!(engine.rows.get("p", b"k").await.unwrap(), None);
    assert!(engine.rows.list("p", None, 10).await.unwrap().is_empty());
    let new = NewRow { value: b"new".to_vec(), expires_at_ms: None, ..row };
    assert!(!engine.rows.put_if(new.clone(), Some(b"old".to_vec())).await.unwrap());
    assert!(engine.rows.put_if(new, None).await.unwrap(), "an expired row counts as absent");
    assert_eq!(engine.rows.get("p", b"k").await.unwrap(), Some(b"new".to_vec()));
    engine.close().await;
}
