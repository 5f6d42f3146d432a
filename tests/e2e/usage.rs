//! Usage: events and their outcomes are counted once.

use crate::harness::endpoint::EndpointReply;
use crate::harness::{Request, ServerConfig, TestCustomer, TestEndpoint, wait_for, wait_until};
use serde_json::{Value, json};

/// A server whose usage shows at once.
fn prompt() -> ServerConfig {
    ServerConfig::default().env("SLUICE_PROCESSOR__USAGE__ADD_UP_MS", 50)
}

/// A count of a customer's usage of today and yesterday, summed.
pub(crate) fn sum(customer: &TestCustomer, query: &str, field: &str) -> u64 {
    let usage = customer.get(&format!("/v1/usage?granularity=hour{query}"));
    usage["usage"].as_array().expect("periods").iter().filter_map(|period| period[field].as_u64()).sum()
}

#[track_caller]
pub(crate) fn wait_for_sum(customer: &TestCustomer, field: &str, wanted: u64) {
    wait_for(&format!("{wanted} events to be counted as {field}"), || {
        Some(sum(customer, "", field)).filter(|sum| *sum >= wanted)
    });
    assert_eq!(sum(customer, "", field), wanted, "{field}");
}

/// Checks that all events of a customer with one subscription to all of them are counted
/// once, and all their deliveries at least once.
#[track_caller]
pub(crate) fn counts_all_once(customer: &TestCustomer) {
    let stored = customer.pages("/v1/inbox?limit=1000&status=any", "events").len() as u64;
    wait_for_sum(customer, "accepted", stored);
    assert_eq!(sum(customer, "", "unmatched"), 0);
    wait_until("all deliveries to be counted", || sum(customer, "", "delivered") >= stored);
}

/// The counts of a group, by its name.
fn of_group<'u>(usage: &'u Value, field: &str, name: &Value) -> &'u Value {
    let mut periods = usage["usage"].as_array().expect("periods").iter();
    periods.find(|period| period[field] == *name).unwrap_or_else(|| panic!("no {name} in {usage}"))
}

#[test]
fn usage_tells_what_was_accepted_by_type_and_what_was_delivered_by_subscription() {
    let mut server = prompt().start();
    let customer = TestCustomer::new(&server);
    let (good, bad) = (TestEndpoint::healthy(), TestEndpoint::start(|_| EndpointReply::status(400)));
    let subscribe = |value: &str, url: String| {
        customer.subscribe_with(&json!({
            "event_selector": {"type": "event_type", "value": value}, "webhook_url": url,
            "batch": {"max_events": 10, "max_wait_ms": 10}, "retry": {"max_retries": 2, "max_delay_s": 1},
        }))
    };
    let (good, bad) = (subscribe("order.*", good.url()), subscribe("order.paid", bad.url()));
    let event = |kind: &str| json!({"event_type": kind, "payload": {"text": "x".repeat(50)}});
    let kinds = [("order.created", 7), ("order.paid", 3), ("ticket", 2)];
    let mut events: Vec<Value> = kinds.iter().flat_map(|(kind, count)| vec![event(kind); *count]).collect();
    events.push(json!({"payload": 1}));
    let ids = customer.send_all(&events);
    // 10 for the good subscription, 3 for the bad one; three match no subscription.
    wait_for_sum(&customer, "delivered", 10);
    wait_for_sum(&customer, "failed", 3);
    wait_for_sum(&customer, "accepted", 13);
    wait_for_sum(&customer, "unmatched", 3);
    let by_type = customer.get("/v1/usage?granularity=day&group_by=event_type");
    for (kind, count) in kinds {
        assert_eq!(of_group(&by_type, "event_type", &json!(kind))["accepted"], count, "{by_type}");
    }
    let untyped = of_group(&by_type, "event_type", &Value::Null);
    assert_eq!((&untyped["accepted"], &untyped["unmatched"]), (&json!(1), &json!(1)));
    let by_workflow = customer.get("/v1/usage?granularity=minute&group_by=workflow_id");
    assert_eq!(of_group(&by_workflow, "workflow_id", &json!(good.id))["delivered"], 10, "{by_workflow}");
    assert_eq!(of_group(&by_workflow, "workflow_id", &json!(bad.id))["failed"], 3, "{by_workflow}");
    let paid = customer.get(&format!("/v1/events/{}/deliveries", ids[7]));
    let states: Vec<_> = paid["subscriptions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert!(states.contains(&&json!("delivered")) && states.contains(&&json!("failed")), "{paid}");
    assert_eq!(customer.get(&format!("/v1/events/{}/deliveries", ids[12]))["subscriptions"], json!([]));
    // Everything is counted, and nothing twice, after both ways to stop.
    server.terminate();
    server.restart();
    server.kill();
    server.restart();
    for (field, count) in [("accepted", 13), ("unmatched", 3), ("delivered", 10), ("failed", 3)] {
        wait_for_sum(&customer, field, count);
    }
    assert!(sum(&customer, "", "bytes") > 12 * 50);
    let by_workflow = customer.get("/v1/usage?granularity=minute&group_by=workflow_id");
    let receipts = by_workflow["receipts"].as_array().unwrap();
    let [receipt] = &receipts[..] else { panic!("only one took events: {by_workflow}") };
    assert_eq!((&receipt["workflow_id"], &receipt["events"]), (&json!(good.id), &json!(10)));
    let other = TestCustomer::new(&server);
    assert_eq!(other.get("/v1/usage")["usage"], json!([]));
}

#[test]
fn a_delivery_that_fails_first_counts_once_when_it_is_taken() {
    let mut server = prompt().start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|seen| {
        EndpointReply::status(if seen.header("sluice-attempt") == "1" { 500 } else { 200 })
    });
    customer.subscribe(&endpoint.url());
    let events: Vec<Value> = (0..20).map(|n| json!({"event_type": "a", "payload": n})).collect();
    customer.send_all(&events);
    wait_for_sum(&customer, "delivered", 20);
    server.terminate();
    server.restart();
    wait_for_sum(&customer, "delivered", 20);
    assert_eq!((sum(&customer, "", "failed"), sum(&customer, "", "accepted")), (0, 20));
    // Each counts with the time that it truly took: its retry came a second or more later.
    let usage = customer.get("/v1/usage");
    let receipts = &usage["receipts"][0];
    assert_eq!(receipts["events"], 20, "{usage}");
    assert!(receipts["receipt_ms"]["p50"].as_f64().unwrap() >= 500.0, "{usage}");
    let buckets = receipts["buckets"].as_array().unwrap();
    assert_eq!(buckets.iter().filter_map(|one| one["events"].as_u64()).sum::<u64>(), 20);
    assert_eq!(usage["usage"][0]["receipt_ms"], receipts["receipt_ms"], "one period holds all");
}

#[test]
fn an_event_has_the_attempts_of_the_webhooks_that_carried_it_and_no_others() {
    let mut server = prompt().start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|seen| {
        EndpointReply::status(if seen.header("sluice-attempt") == "1" { 500 } else { 200 })
    });
    let (all, one) = (TestEndpoint::healthy(), endpoint);
    let subscribe = |value: &str, url: String| {
        customer.subscribe_with(&json!({
            "event_selector": {"type": "event_type", "value": value}, "webhook_url": url,
            "batch": {"max_events": 3, "max_wait_ms": 10}, "retry": {"max_retries": 2, "max_delay_s": 1},
        }))
    };
    let (all, one) = (subscribe("*", all.url()), subscribe("order.paid", one.url()));
    let event = |kind: &str| json!({"event_type": kind, "payload": 1});
    let ids = customer.send_all(&[event("order.paid"), event("order.created"), event("order.created")]);
    let others = customer.send_all(&[event("order.created")]);
    let attempts = |id: &str, query: &str| customer.get(&format!("/v1/events/{id}/attempts{query}"));
    let seen = |id: &str, query: &str| {
        let answer = attempts(id, query);
        let shown = answer["attempts"].as_array().unwrap().iter();
        shown.map(|one| (one["workflow_id"].clone(), one["status_code"].clone())).collect::<Vec<_>>()
    };
    wait_until("all attempts to be kept", || {
        seen(&ids[0], "").len() >= 3 && seen(&others[0], "").len() == 1 && seen(&ids[2], "").len() == 1
    });
    let by_one = [(json!(one.id), json!(200)), (json!(one.id), json!(500))];
    assert_eq!(seen(&ids[0], &format!("?workflow_id={}", one.id)), by_one);
    assert_eq!(seen(&ids[0], &format!("?workflow_id={}", all.id)), [(json!(all.id), json!(200))]);
    assert_eq!(seen(&ids[0], "").len(), 3);
    assert_eq!(seen(&ids[1], ""), [(json!(all.id), json!(200))]);
    assert_eq!(seen(&ids[0], "?limit=1").len(), 1);
    assert_eq!(attempts(&ids[0], "?limit=1")["has_more"], true);
    assert_eq!(attempts(&ids[0], "")["has_more"], false);
    // As the subscription's own list shows it.
    let kept = customer.get(&format!("/v1/subscriptions/{}/deliveries", one.id));
    let mut shown = attempts(&ids[0], &format!("?workflow_id={}", one.id))["attempts"].clone();
    for attempt in shown.as_array_mut().unwrap() {
        attempt.as_object_mut().unwrap().remove("workflow_id");
    }
    assert_eq!(shown, kept["deliveries"]);
    server.kill();
    server.restart();
    assert_eq!(seen(&ids[0], &format!("?workflow_id={}", one.id)), by_one, "they outlive a crash");
    let stranger = TestCustomer::new(&server);
    stranger.call(Request::get(format!("/v1/events/{}/attempts", ids[0])), 404);
}
