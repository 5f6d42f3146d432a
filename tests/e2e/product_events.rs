//! Sluice's own events: what they tell a customer about its subscriptions, and who
//! receives them.

use crate::harness::customer::text;
use crate::harness::endpoint::EndpointReply;
use crate::harness::{
    Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, TestSubscription, wait_for, wait_until,
};
use serde_json::{Value, json};

fn subscribe(customer: &TestCustomer, url: &str, event_type: &str) -> TestSubscription {
    customer.subscribe_with(&json!({
        "event_selector": {"type": "event_type", "value": event_type}, "webhook_url": url,
        "batch": {"max_events": 1, "max_wait_ms": 0}, "retry": {"max_retries": 1, "max_delay_s": 1},
    }))
}

/// Sluice's own events of a type that the endpoint received.
fn told(endpoint: &TestEndpoint, event_type: &str) -> Vec<Value> {
    let all = endpoint.seen().into_iter().flat_map(|seen| seen.events());
    all.filter(|event| event["event_type"] == event_type).collect()
}

fn in_inbox(customer: &TestCustomer, event_type: &str) -> usize {
    customer.get(&format!("/v1/inbox?limit=1000&event_type={event_type}"))["events"].as_array().unwrap().len()
}

#[test]
fn a_customer_is_told_of_dead_letters_and_disabled_subscriptions() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let (refusing, gone, alarm) = (
        TestEndpoint::start(|_| EndpointReply::status(400)),
        TestEndpoint::start(|_| EndpointReply::status(410)),
        TestEndpoint::healthy(),
    );
    let all = TestEndpoint::healthy();
    let refused = subscribe(&customer, &refusing.url(), "order.refused");
    let disabled = subscribe(&customer, &gone.url(), "order.gone");
    subscribe(&customer, &alarm.url(), "sluice.*");
    subscribe(&customer, &all.url(), "*");
    customer.send(&json!({"event_type": "order.refused", "payload": 1}));
    customer.send(&json!({"event_type": "order.gone", "payload": 2}));

    let dead = wait_for("the alarm about the dead letter", || {
        told(&alarm, "sluice.delivery.dead_lettered")
            .into_iter()
            .find(|event| event["payload"]["workflow_id"] == refused.id.as_str())
    });
    let payload = &dead["payload"];
    assert_eq!((&payload["reason"], &payload["events"]), (&json!("refused"), &json!(1)), "{dead}");
    let letters = customer.wait_for_dead_letters_of(&refused.id, 1);
    assert_eq!(payload["dead_letters"][0]["dead_letter_id"], letters[0]["dead_letter_id"], "{dead}");
    assert_eq!((&dead["source"], &dead["customer_id"]), (&json!("sluice"), &json!(customer.id)));
    let was_disabled =
        wait_for("the alarm about the subscription", || told(&alarm, "sluice.subscription.disabled").pop());
    let payload = &was_disabled["payload"];
    assert_eq!((&payload["workflow_id"], &payload["reason"]), (&json!(disabled.id), &json!("gone")));
    wait_until("the subscription to be disabled", || {
        customer.get(&format!("/v1/subscriptions/{}", disabled.id))["status"] == "disabled"
    });
    // They are events of the customer like any other.
    customer.wait_for_status(&text(&was_disabled, "event_id"), "delivered");
    assert_eq!(in_inbox(&customer, "sluice.subscription.disabled"), 1);
    assert_eq!(customer.event(&text(&dead, "event_id"))["event_type"], "sluice.delivery.dead_lettered");

    // `*` does not match them.
    let other = customer.send(&json!({"event_type": "order.fine", "payload": 3}));
    wait_until("the event for all", || all.seen().iter().any(|seen| seen.event_ids().contains(&other)));
    let types: Vec<Value> = all
        .seen()
        .into_iter()
        .flat_map(|seen| seen.events())
        .map(|event| event["event_type"].clone())
        .collect();
    assert!(types.iter().all(|kind| kind.as_str().unwrap().starts_with("order.")), "{types:?}");
}

#[test]
fn nobody_else_sends_them_and_a_failed_one_makes_no_other() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    for event in [
        json!({"event_type": "sluice.backlog.high", "payload": {}}),
        json!({"payload": {"event_type": "sluice.anything"}}),
    ] {
        let answer = customer.call(Request::post("/v1/events").json(&event), 400).json();
        assert!(answer["error"]["message"].as_str().unwrap().contains("`event_type`"), "{answer}");
    }
    let (refusing, broken) = (
        TestEndpoint::start(|_| EndpointReply::status(400)),
        TestEndpoint::start(|_| EndpointReply::status(400)),
    );
    subscribe(&customer, &refusing.url(), "order.*");
    let alarm = subscribe(&customer, &broken.url(), "sluice.*");
    customer.send(&json!({"event_type": "order.one", "payload": 1}));
    customer.wait_for_dead_letters_of(&alarm.id, 1);
    customer.send(&json!({"event_type": "order.two", "payload": 2}));
    customer.wait_for_dead_letters_of(&alarm.id, 2);
    // Each order made one event; the failures of those two made none.
    customer.send(&json!({"event_type": "order.three", "payload": 3}));
    customer.wait_for_dead_letters_of(&alarm.id, 3);
    assert_eq!(broken.seen().len(), 3);
}

#[test]
fn a_customer_is_told_once_that_its_backlog_is_high() {
    let server = ServerConfig::default()
        .env("SLUICE_PROCESSOR__QUEUE__BACKLOG_EVENTS_MAX", 100)
        .env("SLUICE_PROCESSOR__QUEUE__BACKLOG_HIGH_PERCENT", 10)
        .env("SLUICE_PROCESSOR__BREAKER__CONSECUTIVE_FAILURES", 1)
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MS", 600_000)
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MAX_MS", 600_000)
        .start();
    let customer = TestCustomer::new(&server);
    let (down, alarm) = (TestEndpoint::start(|_| EndpointReply::status(500)), TestEndpoint::healthy());
    let backlogged = subscribe(&customer, &down.url(), "order.*");
    subscribe(&customer, &alarm.url(), "sluice.backlog.high");
    customer.send(&json!({"event_type": "order.first", "payload": 0}));
    down.wait_for(1);
    for n in 0..4 {
        customer.send_all(&vec![json!({"event_type": "order.more", "payload": n}); 10]);
    }
    let high = wait_for("the alarm", || told(&alarm, "sluice.backlog.high").pop());
    assert_eq!(high["payload"]["workflow_id"], backlogged.id.as_str());
    assert_eq!(high["payload"]["events_max"], 100);
    assert!(high["payload"]["events"].as_u64() > Some(10), "{high}");
}
