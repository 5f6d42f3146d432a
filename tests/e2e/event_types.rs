//! Event types on the real binary: a restart keeps them, events that do not fit reach
//! nobody, and a customer with costly schemas does not hold up its neighbours.

use crate::harness::{Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn put(customer: &TestCustomer, name: &str, schema: &Value, enforce: bool) {
    let request = Request::new("PUT", format!("/v1/event-types/{name}"));
    customer.call(request.json(&json!({"schema": schema, "enforce": enforce})), 201);
}

fn order() -> Value {
    json!({
        "type": "object", "required": ["order", "items"], "additionalProperties": false,
        "properties": {
            "order": {"type": "integer", "maximum": 9_007_199_254_740_993_i64},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        },
        "$defs": {"item": {"type": "object", "properties": {"sku": {"pattern": "^SKU-[0-9]+$"}}}},
    })
}

/// The distinct events that an endpoint received.
fn received(endpoint: &TestEndpoint) -> BTreeSet<String> {
    endpoint.seen().iter().flat_map(|seen| seen.events()).map(|event| event.to_string()).collect()
}

#[test]
fn events_of_declared_types_are_counted_by_what_came_of_them() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    put(&customer, "enforced", &json!({"type": "integer"}), true);
    put(&customer, "loose", &json!({"type": "integer"}), false);
    let event = |kind: &str, payload: Value| json!({"event_type": kind, "payload": payload});
    let events = json!([
        event("enforced", json!(1)),
        event("enforced", json!("a")),
        event("enforced", json!("b")),
        event("loose", json!("c")),
        event("loose", json!(2)),
        event("other", json!("d")),
    ]);
    customer.call(Request::post("/v1/events").json(&events), 202);
    let page = Request::get("/metrics").expect(server.admin(), 200).text();
    for (result, count) in [("fit", 2), ("refused", 2), ("unfit", 1), ("unchecked", 0)] {
        let line = format!(r#"sluice_ingest_type_checks_total{{result="{result}"}} {count}"#);
        assert!(page.lines().any(|found| found == line), "{line} in {page}");
    }
}

#[test]
fn a_restart_keeps_event_types_and_what_does_not_fit_reaches_nobody() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    customer.subscribe(&endpoint.url());
    put(&customer, "order.created", &order(), true);
    put(&customer, "order.seen", &order(), false);
    let listed = customer.get("/v1/event-types");
    for round in 0..3 {
        let good = json!({"order": 9_007_199_254_740_993_i64, "items": [{"sku": "SKU-1"}]});
        let bad = json!({"order": 9_007_199_254_740_994_i64, "items": [{"sku": "SKU-x"}]});
        let events = json!([
            {"event_type": "order.created", "payload": bad},
            {"event_type": "order.created", "payload": good},
            {"event_type": "order.seen", "payload": bad},
        ]);
        let answer = customer.call(Request::post("/v1/events").json(&events), 202).json();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)), "{answer}");
        let errors = answer["events"][0]["error"]["details"]["errors"].as_array().unwrap().clone();
        let pointers: Vec<&str> = errors.iter().map(|one| one["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/items/0/sku", "/order"], "{errors:?}");
        wait_until("the two that were accepted", || received(&endpoint).len() == 2 * (round + 1));
        match round {
            0 => server.terminate(),
            _ => server.kill(),
        }
        server.restart();
        assert_eq!(customer.get("/v1/event-types"), listed, "a restart keeps them");
    }
    assert!(
        !received(&endpoint).iter().any(|event| event.contains("order.created") && event.contains("SKU-x"))
    );
    customer.call(Request::new("DELETE", "/v1/event-types/order.created"), 204);
    server.kill();
    server.restart();
    assert_eq!(customer.get("/v1/event-types")["total"], 1);
    customer.send(&json!({"event_type": "order.created", "payload": "anything"}));
}

/// The most expensive schema that a customer may declare, on the largest events that it
/// may send, beside a customer that sends single events.
#[test]
fn a_customer_s_costly_schemas_do_not_hold_up_its_neighbours() {
    let server = ServerConfig::default().start();
    let (costly, quiet) = (TestCustomer::new(&server), TestCustomer::new(&server));
    let branches: Vec<Value> = (0..200).map(|n| json!({"const": n})).collect();
    put(&costly, "t", &json!({"items": {"not": {"anyOf": branches}}}), true);
    let payload = vec![-1; 60_000];
    let event = json!({"event_type": "t", "payload": payload});
    // An event that would be too much work is refused before any of it is done.
    let started = Instant::now();
    let answer = costly.call(Request::post("/v1/events").json(&event), 400).json();
    assert!(answer["error"]["message"].as_str().unwrap().contains("checks"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let allowed = json!({"event_type": "t", "payload": vec![-1; 1000]});
    let many = json!(vec![allowed; 40]);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            for _ in 0..5 {
                let answer = costly.call(Request::post("/v1/events").json(&many), 202).json();
                let used_up = &answer["events"][39]["error"];
                assert_eq!(
                    (&used_up["code"], &used_up["retry_after_s"]),
                    (&json!("CHECKS_USED_UP"), &json!(1))
                );
            }
        });
        let mut slowest = Duration::ZERO;
        while !busy.is_finished() {
            let started = Instant::now();
            quiet.send(&json!({"payload": 1}));
            slowest = slowest.max(started.elapsed());
        }
        busy.join().unwrap();
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    });
}
