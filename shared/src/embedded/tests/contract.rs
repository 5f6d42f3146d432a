//! The adapters keep what their ports promise.

use super::harness::{append, open};
use crate::ports;
use crate::ports::work_queue::contract::Order;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    ports::log::contract::all(&*engine.log).await;
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
    ports::event_store::contract::all(&*engine.events, &put).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_queue_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    ports::work_queue::contract::all(&*engine.queue, Order::PerSubscription).await;
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keeps_its_contract() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).await;
    ports::idempotency::contract::all(&*engine.idempotency).await;
    engine.close().await;
}
