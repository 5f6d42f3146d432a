//! The event store at DynamoDB's limits: items of 400 KB, the write units a second of a
//! partition key, and expired items.

use super::contract::events;
use super::provisioned;
use super::proxy::FaultyProxy;
use crate::attribute::{bytes_in, number, text, text_in};
use crate::events::DynamoEvents;
use crate::{AwsConfig, Clients};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::json;
use sluice_model::ids::random_u128;
use sluice_model::{
    Batch, CustomerId, DeadLetter, DeadLetterId, DeadLetterReason, EventSet, Fact, Lane, SubscriptionId,
    clock,
};
use sluice_ports::EventStore;
use sluice_ports::event_store::{AckOutcome, DeadLetterQuery, Direction, LaneScan, NewBatch, NewFact};
use sluice_ports::sample::{self, Batches};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most bytes of one item.
const ITEM_BYTES_MAX: usize = 409_600;

async fn behind_a_proxy() -> (FaultyProxy, Clients, Arc<DynamoEvents>) {
    let (config, _) = provisioned(1).await;
    let proxy = FaultyProxy::before(&config).await;
    let clients = Clients::new(&proxy.config).await;
    let store = events(&clients, &proxy.config).await;
    (proxy, clients, store)
}

/// A batch whose bytes do not compress.
fn noisy(batches: &mut Batches, bytes: usize) -> Arc<Batch> {
    let noise: Vec<u8> = (0..bytes / 4 * 3 / 16).flat_map(|_| random_u128().to_be_bytes()).collect();
    let mut batch = Batch::clone(&batches.next(1, 1));
    let body = format!("{{\"event_id\":\"{}\",\"payload\":\"{}\"}}", batch.id.event(0), BASE64.encode(noise));
    batch.events[0].end = body.len() as u32;
    batch.body = Bytes::from(body);
    Arc::new(batch)
}

fn new_batch(batch: &Arc<Batch>) -> NewBatch {
    NewBatch::new(Arc::clone(batch), true)
}

/// Facts of 48 subscriptions that matched and took every second event of a
/// batch of 2,000, delivered by 100.
fn facts_of_many(batch: &Batch) -> Vec<NewFact> {
    let matched: Vec<u16> = (0..2000).step_by(2).collect();
    let mut facts = Vec::new();
    for n in 1..=48 {
        for (place, taken) in matched.chunks(100).enumerate() {
            let took: EventSet = taken.iter().copied().collect();
            let last_attempt_ms = clock::now_ms() + place as u64;
            let fact = Fact { matched: took.clone(), took, attempts: 1, last_attempt_ms, ..Fact::default() };
            let subscription = SubscriptionId::from_u128(n);
            facts.push(NewFact { customer: batch.customer, batch: batch.id, subscription, fact });
        }
    }
    facts
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn facts_of_many_subscriptions_fit_whatever_dynamodb_takes_of_one_item() {
    let (proxy, _, store) = behind_a_proxy().await;
    proxy.fault("dynamodb", json!({ "item_bytes_max": ITEM_BYTES_MAX })).await;
    let batch = Batches::new(Lane::new(1).unwrap()).next(2000, 5);
    store.put_batches(vec![new_batch(&batch)]).await.unwrap();
    // As a processor writes them: some facts of each subscription at a time.
    let facts = facts_of_many(&batch);
    for turn in 0..20 {
        let some = facts.iter().skip(turn).step_by(20).cloned().collect();
        store.add_facts(some).await.unwrap();
    }
    let stored = store.get(batch.customer, batch.id).await.unwrap().unwrap();
    assert_eq!(stored.facts.len(), 48);
    assert!(stored.facts.iter().all(|(_, fact)| fact.took.len() == 1000 && fact.took == fact.matched));
    let refused = proxy.done().await["dynamodb"]["items too large"].as_u64();
    assert_eq!(refused, None, "nothing was too large");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn an_item_that_dynamodb_refuses_for_good_is_set_aside_and_stops_nobody() {
    let (proxy, clients, store) = behind_a_proxy().await;
    // The proxy takes less than DynamoDB, so the large batch's one item is refused.
    proxy.fault("dynamodb", json!({ "item_bytes_max": 250_000 })).await;
    let mut batches = Batches::new(Lane::new(2).unwrap());
    let (large, small): (_, Vec<_>) =
        (noisy(&mut batches, 340_000), (0..40).map(|_| batches.next(3, 40)).collect());
    let mut all: Vec<NewBatch> = small.iter().map(new_batch).collect();
    all.insert(17, new_batch(&large));
    store.put_batches(all).await.unwrap();
    for batch in &small {
        assert_eq!(store.batch(batch.customer, batch.id).await.unwrap().as_ref(), Some(batch));
    }
    assert_eq!(store.batch(large.customer, large.id).await.unwrap(), None);

    let scanned = clients.dynamodb.scan().table_name(&proxy.config.events_table).send().await.unwrap();
    let mut aside = scanned.items.unwrap_or_default();
    aside.retain(|item| text_in(item, "pk").is_some_and(|key| key.starts_with("x#")));
    aside.sort_by_key(|item| text_in(item, "sk").map(str::to_owned));
    assert_eq!(aside.len(), 2, "its bytes in two pieces");
    let key = format!("{}#2 b#{}", large.customer, large.id.first());
    assert!(aside.iter().all(|item| text_in(item, "of") == Some(&key)));
    assert!(text_in(&aside[0], "why").unwrap().contains("ValidationException"), "{aside:?}");
    let bytes: usize = aside.iter().map(|item| bytes_in(item, "v").unwrap().len()).sum();
    assert!(bytes > 250_000, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn where_the_table_refuses_everything_nothing_is_dropped() {
    let (proxy, _, store) = behind_a_proxy().await;
    proxy.fault("dynamodb", json!({ "item_bytes_max": 100 })).await;
    let batch = Batches::new(Lane::new(2).unwrap()).next(3, 40);
    store.put_batches(vec![new_batch(&batch)]).await.expect_err("it cannot even be set aside");
    proxy.fault("dynamodb", json!({ "item_bytes_max": null })).await;
    store.put_batches(vec![new_batch(&batch)]).await.unwrap();
    assert_eq!(store.batch(batch.customer, batch.id).await.unwrap(), Some(batch));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_hot_partition_is_written_at_its_rate_and_nothing_twice() {
    let (proxy, _, store) = behind_a_proxy().await;
    let mut batches = Batches::new(Lane::new(3).unwrap());
    let all: Vec<_> = (0..60).map(|_| noisy(&mut batches, 12_000)).collect();
    // About 13 units each: 60 batches take some seconds of 150 units.
    proxy.fault("dynamodb", json!({ "units_per_s": 150 })).await;
    let began = Instant::now();
    let mut calls = 0;
    while store.put_batches(all.iter().map(new_batch).collect()).await.is_err() {
        calls += 1;
        assert!(began.elapsed() < Duration::from_secs(60), "{calls} calls");
    }
    let took = began.elapsed().as_secs_f64();
    let rows = &proxy.counts().await["dynamodb"];
    let (mut entries, mut units) = (0, 0.0);
    for (name, row) in rows.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("BatchWriteItem"))
    {
        entries += row["entries"].as_u64().unwrap();
        units += row["units"].as_f64().unwrap();
        assert!(name.contains(" b"), "{name}");
    }
    assert_eq!(entries, 60, "each item was stored once; {calls} calls failed");
    // The burst, and then the full rate: the partition is never idle.
    assert!(took < 2.0 * units / 150.0 + 2.0, "{took} s for {units} units; {calls} calls failed");
}

/// Makes items of a partition expire a minute ago.
async fn expire(clients: &Clients, config: &AwsConfig, keys: &[(String, String)]) {
    for (partition, sort) in keys {
        let request = clients.dynamodb.update_item().table_name(&config.events_table);
        let request =
            request.key("pk", text(partition)).key("sk", text(sort)).update_expression("SET #t = :t");
        let request = request.expression_attribute_names("#t", "ttl");
        let past = number(clock::now_ms() / 1000 - 60);
        request.expression_attribute_values(":t", past).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn expired_items_are_not_read_though_dynamodb_still_has_them() {
    let (config, clients) = provisioned(1).await;
    let store = events(&clients, &config).await;
    let lane = Lane::new(4).unwrap();
    let mut batches = Batches::new(lane);
    let (old, young) = (batches.next(2, 10), batches.next(2, 10));
    store.put_batches(vec![new_batch(&old), new_batch(&young)]).await.unwrap();
    let letter = |n: u64| DeadLetter {
        id: DeadLetterId::new(clock::now_ms() + n),
        reason: DeadLetterReason::Exhausted,
        delivery: sample::delivery(&young, SubscriptionId::from_u128(1), 1, 5),
    };
    let (old_letter, young_letter) = (letter(0), letter(1));
    store.put_dead_letters(vec![old_letter.clone(), young_letter.clone()]).await.unwrap();
    let customer = young.customer;
    let old_items = [
        (format!("{customer}#4"), format!("b#{}", old.id.first())),
        (format!("d#{customer}"), old_letter.id.to_string()),
    ];
    expire(&clients, &config, &old_items).await;

    assert!(store.get(customer, old.id).await.unwrap().is_none());
    assert_eq!(store.batch(customer, old.id).await.unwrap(), None);
    let scan = LaneScan {
        customer,
        lane,
        after: None,
        from_ms: 0,
        until_ms: u64::MAX,
        direction: Direction::Ascending,
        max_batches: 10,
    };
    let page = store.scan(scan).await.unwrap();
    assert_eq!(page.batches.iter().map(|stored| stored.batch.id).collect::<Vec<_>>(), [young.id]);
    let acks = store.acknowledge(customer, vec![old.id.event(0), young.id.event(0)], clock::now_ms()).await;
    assert_eq!(acks.unwrap(), [AckOutcome::Unknown, AckOutcome::Acknowledged]);
    let query = DeadLetterQuery { limit: 10, ..DeadLetterQuery::default() };
    assert_eq!(store.dead_letters(customer, query).await.unwrap(), [young_letter]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn facts_that_earlier_versions_stored_are_read_with_newer_ones() {
    let (config, clients) = provisioned(1).await;
    let store = events(&clients, &config).await;
    let batch = Batches::new(Lane::new(5).unwrap()).next(9, 10);
    store.put_batches(vec![new_batch(&batch)]).await.unwrap();
    let numbers = |numbers: &[&str]| AttributeValue::Ns(numbers.iter().map(|text| (*text).into()).collect());
    let old = HashMap::from([
        ("pk".into(), text(format!("{}#5", batch.customer))),
        ("sk".into(), text(format!("f#{}", batch.id.first()))),
        ("m00000000000000000000000000000007".into(), numbers(&["9"])),
        ("t00000000000000000000000000000007".into(), numbers(&["3"])),
    ]);
    clients.dynamodb.put_item().table_name(&config.events_table).set_item(Some(old)).send().await.unwrap();
    let fact = Fact { took: EventSet::range(3, 9), attempts: 1, last_attempt_ms: 5, ..Fact::default() };
    let subscription = SubscriptionId::from_u128(7);
    let new = NewFact { customer: batch.customer, batch: batch.id, subscription, fact };
    store.add_facts(vec![new]).await.unwrap();
    let stored = store.get(batch.customer, batch.id).await.unwrap().unwrap();
    let all = EventSet::range(0, 9);
    let wanted = Fact { matched: all.clone(), took: all, attempts: 1, last_attempt_ms: 5, ..Fact::default() };
    assert_eq!(stored.facts, [(subscription, wanted)]);
    let scan = LaneScan {
        customer: batch.customer,
        lane: Lane::new(5).unwrap(),
        after: None,
        from_ms: 0,
        until_ms: u64::MAX,
        direction: Direction::Descending,
        max_batches: 10,
    };
    assert_eq!(store.scan(scan).await.unwrap().batches[0].facts, stored.facts);
    let other = CustomerId::from_u128(random_u128());
    assert!(store.get(other, batch.id).await.unwrap().is_none());
}
