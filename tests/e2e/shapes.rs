//! Shapes of webhooks: single bodies, templates, failing templates, and the bytes of
//! later attempts.

use crate::harness::customer::text;
use crate::harness::endpoint::EndpointReply;
use crate::harness::{
    Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, TestSubscription, wait_for, wait_until,
};
use serde_json::{Value, json};

fn subscribe(customer: &TestCustomer, url: &str, more: &Value) -> TestSubscription {
    let mut body = json!({
        "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": url,
        "batch": {"max_wait_ms": 10}, "retry": {"max_retries": 100, "max_delay_s": 1},
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    customer.subscribe_with(&body)
}

fn patch(customer: &TestCustomer, subscription: &TestSubscription, change: &Value) -> Value {
    let path = format!("/v1/subscriptions/{}", subscription.id);
    customer.call(Request::new("PATCH", path).json(change), 200).json()
}

fn body(seen: &crate::harness::endpoint::Seen) -> Value {
    serde_json::from_slice(&seen.body).expect("JSON")
}

#[test]
fn a_single_body_is_one_event_and_a_template_makes_it_anything() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let (single, shaped, listed) =
        (TestEndpoint::healthy(), TestEndpoint::healthy(), TestEndpoint::healthy());
    subscribe(&customer, &single.url(), &json!({"body": "single"}));
    let template = json!({"text": "{{ event_type }}: {{ payload.n }}", "n": "{{ payload.n }}", "ok": true});
    subscribe(&customer, &shaped.url(), &json!({"body": "single", "transform": {"template": template}}));
    subscribe(&customer, &listed.url(), &json!({"transform": {"template": ["{{ payload.n }}"]}}));
    let sent = customer.send_all(&[
        json!({"event_type": "a.b", "payload": {"n": 1}}),
        json!({"event_type": "a.b", "payload": {"n": 2}}),
    ]);
    let plain: Vec<Value> = single.wait_for(2).iter().map(body).collect();
    assert_eq!(plain.iter().map(|event| text(event, "event_id")).collect::<Vec<_>>(), sent);
    let seen = shaped.wait_for(2);
    assert_eq!(body(&seen[0]), json!({"text": "a.b: 1", "n": 1, "ok": true}));
    assert_eq!(body(&seen[1])["n"], 2);
    assert_eq!(seen[0].header("sluice-event-count"), "1");
    wait_until("both events in arrays", || {
        let all: Vec<Value> =
            listed.seen().iter().flat_map(|seen| body(seen).as_array().unwrap().clone()).collect();
        all == [json!([1]), json!([2])]
    });
    for id in sent {
        customer.wait_for_status(&id, "delivered");
    }
}

/// The bytes of all attempts of one delivery are the same: after a restart, after
/// a change of the template, and after another restart.
#[test]
fn attempts_of_one_delivery_carry_the_same_bytes_whatever_becomes_of_the_template() {
    let mut server =
        ServerConfig::default().env("SLUICE_PROCESSOR__BREAKER__CONSECUTIVE_FAILURES", 100).start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(500));
    let first = json!({"v": 1, "n": "{{ payload.n }}"});
    let subscription = subscribe(&customer, &endpoint.url(), &json!({"transform": {"template": first}}));
    customer.send(&json!({"payload": {"n": 7}}));
    endpoint.wait_for(2);
    patch(&customer, &subscription, &json!({"body": "single", "transform": {"template": {"v": 2}}}));
    let attempts = endpoint.seen().len();
    endpoint.wait_for(attempts + 2);
    server.kill();
    server.restart();
    let attempts = endpoint.seen().len();
    endpoint.wait_for(attempts + 2);
    patch(&customer, &subscription, &json!({"body": "array", "transform": null}));
    let attempts = endpoint.seen().len();
    endpoint.wait_for(attempts + 2);
    endpoint.answer(|_| EndpointReply::status(200));
    let attempts = endpoint.seen().len();
    let seen = endpoint.wait_for(attempts + 1);
    for attempt in &seen {
        assert_eq!(attempt.header("webhook-id"), seen[0].header("webhook-id"));
        assert_eq!(String::from_utf8_lossy(&attempt.body), r#"[{"n":7,"v":1}]"#);
    }
    // New deliveries have the new shape.
    endpoint.answer(|_| EndpointReply::status(200));
    let id = customer.send(&json!({"payload": {"n": 8}}));
    wait_until("the next event as it is", || {
        endpoint.seen().iter().any(|seen| body(seen)[0]["event_id"] == id.as_str())
    });
}

#[test]
fn a_template_that_fails_makes_a_dead_letter_that_a_redrive_delivers_after_a_fix() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let template = json!({"a": {"b": "line one\n{{ payload.absent.deeper }}"}});
    let subscription = subscribe(&customer, &endpoint.url(), &json!({"transform": {"template": template}}));
    let sent = customer.send_all(&[json!({"payload": {"n": 1}}), json!({"payload": {"n": 2}})]);
    let letters = customer.wait_for_dead_letters("transform_failed", 2);
    let error = text(&letters[0], "last_error");
    assert!(error.contains("/a/b, line 2") && error.contains("undefined"), "{error}");
    assert!(endpoint.seen().is_empty(), "nothing was sent");
    customer.wait_for_status(&sent[0], "failed");
    let path = format!("/v1/subscriptions/{}/deliveries", subscription.id);
    let attempts = wait_for("the attempt to be listed", || customer.get(&path)["deliveries"].get(0).cloned());
    assert!(attempts["error"].as_str().unwrap().contains("/a/b"), "{attempts}");

    // A redrive takes the shape that the subscription has then, here of single events.
    let fixed = json!({"body": "single", "transform": {"template": "{{ payload.n }}"}});
    patch(&customer, &subscription, &fixed);
    server.kill();
    server.restart();
    customer.redrive(&subscription.id);
    wait_until("each event in a webhook of its own", || {
        let mut bodies: Vec<_> = endpoint.seen().iter().map(body).collect();
        bodies.sort_by_key(Value::as_u64);
        bodies == [json!(1), json!(2)]
    });
    customer.wait_for_status(&sent[1], "delivered");
    // A resend, too.
    let path = format!("/v1/events/{}/resend", sent[0]);
    customer.call(Request::post(path).json(&json!({"workflow_id": subscription.id})), 202);
    endpoint.wait_for(3);
    // And a replay.
    customer.call(Request::post("/v1/replay").json(&json!({"workflow_id": subscription.id})), 202);
    let seen = endpoint.wait_for(5);
    assert!(seen.iter().all(|seen| body(seen).is_u64()), "{seen:?}");
}

#[test]
fn a_template_is_checked_when_it_is_stored_and_can_be_tried() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let make = |template: Value| {
        json!({
            "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": endpoint.url(),
            "body": "single", "transform": {"template": template},
        })
    };
    let bad = make(json!({"x": ["ok", "one\n{% if %}"]}));
    let answer = customer.call(Request::post("/v1/subscriptions").json(&bad), 400).json();
    assert_eq!(answer["error"]["code"], "INVALID_TRANSFORM", "{answer}");
    let details = &answer["error"]["details"];
    assert_eq!((&details["pointer"], &details["line"]), (&json!("/x/1"), &json!(2)), "{answer}");
    let large = make(json!("x".repeat(20_000)));
    customer.call(Request::post("/v1/subscriptions").json(&large), 400);
    let several = json!({
        "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": endpoint.url(),
        "body": "single", "batch": {"max_events": 2},
    });
    let answer = customer.call(Request::post("/v1/subscriptions").json(&several), 400).json();
    assert_eq!(answer["error"]["details"]["field"], "batch.max_events", "{answer}");

    let good = make(json!({"text": "{{ event_type }} of {{ payload.who }}"}));
    let made = customer.call(Request::post("/v1/subscriptions").json(&good), 201).json();
    assert_eq!(made["transform"], good["transform"]);
    let path = format!("/v1/subscriptions/{}", text(&made, "workflow_id"));
    let try_out =
        |body: &Value| customer.call(Request::post(format!("{path}/transform/test")).json(body), 200).json();
    let tried = try_out(&json!({"event_type": "order.paid", "payload": {"who": "Ada"}}));
    assert_eq!(
        (&tried["ok"], &tried["body"]),
        (&json!(true), &json!({"text": "order.paid of Ada"})),
        "{tried}"
    );
    let tried = try_out(&json!({"payload": {}}));
    assert_eq!(
        (&tried["ok"], &tried["error"]["pointer"], &tried["error"]["line"]),
        (&json!(false), &json!("/text"), &json!(1))
    );
    let tried = try_out(&json!({"template": "{{ payload.n + 1 }}", "body": "array", "payload": {"n": 1}}));
    assert_eq!(tried["body"], json!([2]), "{tried}");
    let tried = try_out(&json!({"template": "{% oops"}));
    assert_eq!(tried["ok"], false, "{tried}");
    let event = customer.send(&json!({"event_type": "e", "payload": {"who": "Bob"}}));
    wait_until("the event to be stored", || {
        try_out(&json!({"event_id": event}))["body"]["text"] == "e of Bob"
    });
    assert_eq!(body(&endpoint.wait_for(1)[0]), json!({"text": "e of Bob"}), "only the event was sent");
    // The test event is sent in the same shape.
    customer.call(Request::post(format!("{path}/test")).json(&json!({"payload": {"who": "Eve"}})), 200);
    assert_eq!(body(&endpoint.wait_for(2)[1]), json!({"text": "sluice.test of Eve"}));
}

#[test]
fn hostile_templates_of_one_customer_leave_its_neighbours_alone() {
    let server = TestServer::start();
    let (customer, neighbour) = (TestCustomer::new(&server), TestCustomer::new(&server));
    let endpoint = TestEndpoint::healthy();
    let (plain, shaped) = (TestEndpoint::healthy(), TestEndpoint::healthy());
    let heavy =
        "{% for a in range(400) %}{% for b in range(40) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}";
    let growing = "{% for a in range(9000) %}{{ customer_id }}{% endfor %}";
    for n in 0..60 {
        let template = if n % 2 == 0 { heavy } else { growing };
        subscribe(
            &customer,
            &endpoint.url(),
            &json!({"body": "single", "transform": {"template": template}}),
        );
    }
    subscribe(&neighbour, &plain.url(), &json!({}));
    subscribe(
        &neighbour,
        &shaped.url(),
        &json!({"body": "single", "transform": {"template": "{{ payload }}"}}),
    );
    customer.send_all(&vec![json!({"payload": 1}); 20]);
    neighbour.send_all(&vec![json!({"payload": 1}); 20]);
    shaped.wait_for(20);
    wait_until("the plain events", || {
        plain.seen().iter().map(|seen| seen.events().len()).sum::<usize>() == 20
    });
    let ended = || customer.dead_letters().iter().map(crate::harness::customer::event_count).sum::<usize>();
    wait_until("every event of the hostile customer to end", || ended() == 60 * 20);
    assert!(customer.dead_letters().iter().all(|letter| letter["reason"] == "transform_failed"));
    assert!(endpoint.seen().is_empty());
}
