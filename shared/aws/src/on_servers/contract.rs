//! The adapters pass the contract suites of their ports.

use super::provisioned;
use crate::AwsConfig;
use crate::Clients;
use crate::catalogue::PostgresCatalogue;
use crate::events::DynamoEvents;
use crate::idempotency::RedisIdempotency;
use crate::leases::{LeaseCheckpoints, LeaseTable};
use crate::log::KinesisLog;
use crate::queue::{DeadLetterCarrier, SqsQueue};
use crate::redis::Redis;
use crate::rows::DynamoRows;
use sluice_ports::EventStore;
use sluice_ports::event_store::NewBatch;
use sluice_ports::work_queue::contract::Order;
use std::sync::Arc;

pub(super) async fn events(clients: &Clients, config: &AwsConfig) -> Arc<DynamoEvents> {
    let carrier = DeadLetterCarrier::open(clients, config).await.unwrap();
    Arc::new(DynamoEvents::new(clients, config, Some(carrier)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_log_keeps_its_contract() {
    let (config, clients) = provisioned(3).await;
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    sluice_ports::log::contract::all(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_log_that_pushes_keeps_its_contract() {
    let (config, clients) = provisioned(3).await;
    let config = super::fan_out::pushed(config);
    let log = KinesisLog::open(&clients, &config).await.unwrap();
    sluice_ports::log::contract::all(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_event_store_keeps_its_contract() {
    let (config, clients) = provisioned(1).await;
    let store = events(&clients, &config).await;
    let shared = store.clone();
    let put = move |batch| -> futures_util::future::BoxFuture<'static, ()> {
        let store = shared.clone();
        Box::pin(async move { store.put_batches(vec![NewBatch::new(batch, true)]).await.unwrap() })
    };
    sluice_ports::event_store::contract::all(&*store, &put).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn checkpoints_keep_their_contract() {
    let (config, clients) = provisioned(1).await;
    let checkpoints = LeaseCheckpoints::unfenced(LeaseTable::new(&clients, &config));
    sluice_ports::leases::contract::all(&checkpoints).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_work_queue_keeps_its_contract() {
    let (config, clients) = provisioned(1).await;
    let store = events(&clients, &config).await;
    let queue = SqsQueue::open(&clients, &config, store).await.unwrap();
    sluice_ports::work_queue::contract::all(&queue, Order::None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn rows_keep_their_contract() {
    let (config, clients) = provisioned(1).await;
    let rows = Arc::new(DynamoRows::new(&clients, &config));
    sluice_ports::rows::contract::all(rows.clone()).await;
    sluice_history::usage::contract::all(rows.clone()).await;
    sluice_history::attempts::contract::all(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn idempotency_keeps_its_contract() {
    let config = super::config();
    let redis = Redis::new(&config, Arc::default()).unwrap();
    redis.connected().await;
    sluice_ports::idempotency::contract::all(&RedisIdempotency::new(redis.clone(), &config)).await;
    redis.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_catalogue_keeps_its_contract() {
    let catalogue = PostgresCatalogue::new(&super::config()).unwrap();
    catalogue.migrate().await.unwrap();
    assert!(!catalogue.migrate().await.unwrap(), "once is enough");
    sluice_ports::catalogue::contract::all(&catalogue).await;
    catalogue.close().await;
}
