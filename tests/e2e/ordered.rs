//! Ordered subscriptions: no event of a key is first received before an earlier event of
//! the key, whatever the receiver refuses and whenever the server is killed.

use crate::harness::customer::text;
use crate::harness::endpoint::EndpointReply;
use crate::harness::{
    Random, Seen, ServerConfig, TestCustomer, TestEndpoint, TestServer, Traffic, traffic, turn, wait_for,
    wait_until,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluice_loadtest::receiver::Behaviour;
use sluice_loadtest::sender::RunConfig;
use sluice_loadtest::verify::{Arrival, OrderCheck, verify};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

const KILLS: usize = 6;

fn ordered(url: &str, max_events: u32, retry: &Value) -> Value {
    json!({
        "event_selector": {"type": "event_type", "value": "*"},
        "webhook_url": url,
        "batch": {"max_events": max_events, "max_wait_ms": 5},
        "retry": retry,
        "ordered": true,
    })
}

#[test]
fn no_key_is_overtaken_when_the_receiver_refuses_and_the_server_is_killed() {
    let _turn = turn::heavy();
    let mut random = Random::new("ordered");
    let mut server = ServerConfig::default()
        .env("SLUICE_PROCESSOR__SHARD__AGE_CAP_MS", 500)
        .env("SLUICE_PROCESSOR__SHARD__OVERTAKE_AFTER_MS", 50)
        .start();
    let customer = TestCustomer::new(&server);
    let received = server.scratch().join("received");
    // The receiver refuses some deliveries and is sometimes slow. (If it named single
    // events as failed, it would itself take later events of their keys.)
    let behaviour = Behaviour { fail_share: 0.15, delay_max_ms: Some(20), ..Behaviour::default() };
    let receiver = traffic::receiver_as(&received, behaviour);
    let retry = json!({"max_retries": 100, "max_delay_s": 1});
    customer.subscribe_with(&ordered(&receiver.url(), 50, &retry));
    let config = RunConfig {
        keys: vec![customer.key],
        connections: 12,
        batch: 10,
        rate: Some(3000.0),
        ordering_key: true,
        retry_unknown: true,
        timeout: Duration::from_secs(5),
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, &server.scratch().join("sent"));
    for _ in 0..KILLS {
        traffic.wait_for_accepted(500 + random.below(1500));
        std::thread::sleep(Duration::from_millis(random.below(300)));
        server.kill();
        server.restart();
    }
    traffic.wait_for_accepted(1000);
    let sent = traffic.ledger().to_owned();
    let run = traffic.finish();
    assert!(run.whole_run.events_accepted > 3000, "{}", run.text());
    receiver.set_behaviour(Behaviour::default()).expect("a behaviour");
    let judge =
        || verify(&sent, &received, Arrival::EverySubscription, OrderCheck::Required).expect("ledgers");
    wait_until("all that was acknowledged", || judge().lost == 0);
    let report = judge();
    assert!(report.ok && report.acknowledged_out_of_order == 0, "{}", report.text());
    eprintln!("ordered: {}", report.text().trim_end());
    receiver.stop().expect("the receiver's ledger");
}

/// The events that an endpoint took, by key.
#[derive(Default)]
struct TakenByKey(HashMap<String, Vec<u64>>);

impl TakenByKey {
    fn take(&mut self, seen: &Seen) {
        for event in seen.events() {
            let number = event["payload"].as_u64().expect("a number");
            let of_key = self.0.entry(text(&event, "event_type")).or_default();
            // Only first receipts have a promised order.
            if !of_key.contains(&number) {
                of_key.push(number);
            }
        }
    }
}

fn event(key: &str, number: u64) -> Value {
    json!({"event_type": key, "ordering_key": key, "payload": number})
}

#[test]
fn a_poisoned_key_waits_alone_through_kill_9_and_goes_on_after_its_dead_letter() {
    let _turn = turn::heavy();
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let taken = Arc::new(Mutex::new(TakenByKey::default()));
    let poison: Arc<Mutex<HashSet<(String, u64)>>> =
        Arc::new(Mutex::new(HashSet::from([("bad".to_owned(), 3), ("worse".to_owned(), 0)])));
    let (books, poisoned) = (Arc::clone(&taken), Arc::clone(&poison));
    let endpoint = TestEndpoint::start(move |seen| {
        let is_poison = |event: &Value| {
            let number = event["payload"].as_u64().expect("a number");
            poisoned.lock().contains(&(text(event, "event_type"), number))
        };
        if seen.events().iter().any(is_poison) {
            return EndpointReply::status(500);
        }
        books.lock().take(seen);
        EndpointReply::status(200)
    });
    // One event a webhook, so that no other event fails with the poisonous one.
    let retry = json!({"max_retries": 100, "max_delay_s": 1});
    let subscription = customer.subscribe_with(&ordered(&endpoint.url(), 1, &retry));
    let keys = ["good", "bad", "fine", "worse"];
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            customer.send_all(&keys.map(|key| event(key, number)));
        }
    };
    let has = |key: &str, count: usize| taken.lock().0.get(key).map_or(0, Vec::len) == count;
    send(0..10);
    wait_until("the neighbours to go on", || has("good", 10) && has("fine", 10) && has("bad", 3));
    server.kill();
    server.restart();
    send(10..20);
    wait_until("the neighbours to go on", || has("good", 20) && has("fine", 20));
    assert!(has("bad", 3) && has("worse", 0), "{:?}", taken.lock().0);
    // Twice more, so that events parked before and after the first kill keep their order.
    for _ in 0..2 {
        server.kill();
        server.restart();
    }
    send(20..25);
    wait_until("the neighbours to go on", || has("good", 25) && has("fine", 25));
    assert!(has("bad", 3) && has("worse", 0), "{:?}", taken.lock().0);

    // When the endpoint accepts the event, its key goes on, in order.
    poison.lock().remove(&("bad".to_owned(), 3));
    wait_until("the mended key", || has("bad", 25));
    // When an event is given up, its key goes on as well.
    let path = format!("/v1/subscriptions/{}", subscription.id);
    let change = json!({"retry": {"max_retries": 0}});
    customer.call(crate::harness::Request::new("PATCH", path).json(&change), 200);
    wait_until("the key of the dead letter", || has("worse", 24) && !customer.dead_letters().is_empty());
    // An event that was read again after a kill can be given up twice.
    let letters = customer.dead_letters();
    assert!(letters.iter().all(|letter| letter["reason"] == "exhausted"), "{letters:?}");
    let dead: HashSet<String> = letters.iter().map(|letter| letter["event_ids"].to_string()).collect();
    assert_eq!(dead.len(), 1, "{letters:?}");
    for (key, numbers) in &taken.lock().0 {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    poison.lock().clear();
    customer.redrive(&subscription.id);
    wait_until("the dead letter to be redriven", || has("worse", 25));
}

#[test]
fn a_webhook_of_an_ordered_subscription_is_alone_on_its_way() {
    let _turn = turn::heavy();
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    // Slow enough that a second webhook would want to go beside the first.
    let endpoint = TestEndpoint::start(|_| {
        std::thread::sleep(Duration::from_millis(3));
        EndpointReply::status(200)
    });
    customer.subscribe_with(&ordered(&endpoint.url(), 5, &json!({"max_retries": 5})));
    for number in 0..100 {
        customer.send_all(&["a", "b", "c"].map(|key| event(key, number)));
    }
    wait_for("all events", || {
        let ids: HashSet<String> = endpoint.seen().iter().flat_map(Seen::event_ids).collect();
        (ids.len() == 300).then_some(())
    });
    // A second webhook in flight would have needed a second connection.
    assert_eq!(endpoint.connections(), 1);
    server.terminate();
}
