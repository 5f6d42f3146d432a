//! Idempotency keys: a repeated request is answered again, not done again.

use crate::harness::{Request, TestCustomer, TestServer};
use serde_json::{Value, json};
use std::thread;

fn keyed(key: &str, body: &Value) -> Request {
    Request::post("/v1/events").header("idempotency-key", key).json(body)
}

#[test]
fn a_repeated_request_gets_its_first_answer_and_nothing_is_stored_twice() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let single = json!({"event_type": "a", "payload": {"n": 1}});
    let many = json!([{"payload": 1}, {"payload": 2}, {"nonsense": true}]);
    for (key, body) in [("one", &single), ("many", &many)] {
        let first = customer.call(keyed(key, body), 202);
        assert_eq!(first.header("idempotent-replayed"), None);
        for _ in 0..3 {
            let again = customer.call(keyed(key, body), 202);
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            assert_eq!(again.json(), first.json());
        }
        let other = json!({"payload": "another body"});
        assert_eq!(customer.call(keyed(key, &other), 422).error_code(), "IDEMPOTENCY_MISMATCH");
    }
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 3);
}

#[test]
fn a_key_is_its_customer_s_own() {
    let server = TestServer::start();
    let (ours, theirs) = (TestCustomer::new(&server), TestCustomer::new(&server));
    let our_id = ours.call(keyed("k", &json!({"payload": 1})), 202).json()["event_id"].clone();
    let their = theirs.call(keyed("k", &json!({"payload": 2})), 202);
    assert_eq!(their.header("idempotent-replayed"), None);
    assert_ne!(their.json()["event_id"], our_id);
}

#[test]
fn an_event_s_own_key_in_its_metadata_counts() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let event = json!({"payload": 1, "metadata": {"idempotency_key": "m-1"}});
    let request = || Request::post("/v1/events").json(&event);
    let first = customer.call(request(), 202);
    let again = customer.call(request(), 202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
}

#[test]
fn keys_are_remembered_through_kill_9_and_through_a_clean_stop() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let bodies: Vec<Value> = (0..20).map(|n| json!([{"payload": n}, {"payload": "second"}])).collect();
    let answers: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| customer.call(keyed(&format!("k-{n}"), body), 202).json())
        .collect();
    for stop in [TestServer::kill, TestServer::terminate] {
        stop(&mut server);
        server.restart();
        for (n, (body, first)) in bodies.iter().zip(&answers).enumerate() {
            let again = customer.call(keyed(&format!("k-{n}"), body), 202);
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "k-{n}");
            assert_eq!(&again.json(), first, "k-{n}");
            customer.call(keyed(&format!("k-{n}"), &json!({"payload": "other"})), 422);
        }
    }
    assert_eq!(customer.pages("/v1/inbox?limit=100", "events").len(), 40);
}

#[test]
fn of_many_equal_requests_at_once_one_is_done() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let body = json!({"payload": "once"});
    let answers: Vec<_> = thread::scope(|scope| {
        let send = || keyed("same", &body).bearer(&customer.key).send(server.public()).expect("an answer");
        let sending: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        sending.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut ids: Vec<Value> = Vec::new();
    for answer in answers {
        if answer.status == 409 {
            answer.error_code();
            assert!(answer.header("retry-after").is_some());
        } else {
            ids.push(answer.expect(202).json()["event_id"].clone());
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one event, whoever asked: {ids:?}");
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 1);
}

#[test]
fn a_key_that_cannot_be_one_is_refused() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    for key in ["", &"k".repeat(257)] {
        customer.call(keyed(key, &json!({"payload": 1})), 400).error_code();
    }
}

/// An event with a key of its own.
fn own(key: &str, payload: &str) -> Value {
    json!({"event_type": "a", "payload": payload, "metadata": {"idempotency_key": key}})
}

fn ids(answer: &Value) -> Vec<Option<&str>> {
    answer["events"].as_array().unwrap().iter().map(|event| event["event_id"].as_str()).collect()
}

#[test]
fn keys_of_single_events_count_in_arrays_and_lines() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let send = |body: &Value| customer.call(Request::post("/v1/events").json(body), 202).json();
    let first = send(&own("one", "1"))["event_id"].clone();
    let many = json!([own("one", "1"), own("two", "2"), {"payload": "no key"}, own("two", "2"), own("two", "other"), 7]);
    let answer = send(&many);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(4), &json!(2)), "{answer}");
    let events = answer["events"].as_array().unwrap();
    assert_eq!(events[0], json!({"index": 0, "event_id": first, "replayed": true}));
    assert_eq!(events[1].get("replayed"), None);
    let two = &events[1]["event_id"];
    assert_eq!(events[3], json!({"index": 3, "event_id": two, "replayed": true}), "the same key twice");
    assert_eq!(events[4]["error"]["code"], "IDEMPOTENCY_MISMATCH");
    assert_eq!(events[5]["error"]["code"], "INVALID_EVENT");
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 3);

    // Only new events are accepted, also in lines, and only new events count for the rate.
    let lines = format!("{}\n{}\n{}\n", own("two", "2"), own("three", "3"), own("one", "1"));
    let request =
        || Request::post("/v1/events").header("content-type", "application/x-ndjson").body(lines.clone());
    let answer = customer.call(request(), 202);
    assert_eq!(answer.header("idempotent-replayed"), None);
    let three = answer.json();
    assert_eq!((ids(&three)[0], ids(&three)[2]), (two.as_str(), first.as_str()));
    let again = customer.call(request(), 202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "all of it was there before");
    assert_eq!(ids(&again.json()), ids(&three));
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 4);

    // If all events are mismatches, nothing is accepted.
    let refused =
        customer.call(Request::post("/v1/events").json(&json!([own("one", "x"), own("two", "x")])), 400);
    assert_eq!(refused.error_code(), "ALL_REJECTED");
}

#[test]
fn keys_of_single_events_are_remembered_through_kill_9() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let events: Vec<Value> = (0..500).map(|n| own(&format!("k-{n}"), "x")).collect();
    let body = Value::from(events);
    let send = |key: Option<&str>| {
        let request = Request::post("/v1/events").json(&body);
        customer
            .call(key.into_iter().fold(request, |request, key| request.header("idempotency-key", key)), 202)
    };
    let first = send(Some("h")).json();
    server.kill();
    server.restart();
    for key in [None, Some("h"), Some("another")] {
        let again = send(key);
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{key:?}");
        assert_eq!(ids(&again.json()), ids(&first), "{key:?}");
    }
    assert_eq!(customer.pages("/v1/inbox?limit=1000", "events").len(), 500);
}

/// The header's key covers the events without a key of their own.
#[test]
fn a_header_s_key_and_keys_of_events_go_together() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let before =
        customer.call(Request::post("/v1/events").json(&own("b", "b")), 202).json()["event_id"].clone();
    let body =
        json!([{"payload": 1}, own("b", "b"), {"payload": 2}, own("c", "c"), {"bad": true}, {"payload": 3}]);
    let first = customer.call(keyed("h", &body), 202).json();
    assert_eq!((&first["accepted"], &first["events"][1]["event_id"]), (&json!(5), &before), "{first}");
    for stop in [None, Some(TestServer::kill as fn(&mut TestServer)), None] {
        if let Some(stop) = stop {
            stop(&mut server);
            server.restart();
        }
        let again = customer.call(keyed("h", &body), 202);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(ids(&again.json()), ids(&first));
    }
    assert_eq!(customer.call(keyed("h", &json!([own("c", "c")])), 422).error_code(), "IDEMPOTENCY_MISMATCH");
    assert_eq!(customer.pages("/v1/inbox?limit=100", "events").len(), 5);
}

/// The lane of events without an ordering key differs from request to request.
#[test]
fn a_request_over_several_lanes_is_answered_again_with_its_first_ids() {
    let server = TestServer::start();
    let customer = TestCustomer::with(&server, &json!({"name": "Wide", "fan_out": 4}));
    let event = |n: usize| match n % 3 {
        0 => json!({"payload": n}),
        _ => json!({"payload": n, "ordering_key": format!("o-{}", n % 7)}),
    };
    for n in 0..8 {
        let body: Value = (0..40).map(event).collect();
        let first = customer.call(keyed(&format!("k-{n}"), &body), 202).json();
        assert!(ids(&first).iter().all(Option::is_some), "{first}");
        for _ in 0..3 {
            assert_eq!(customer.call(keyed(&format!("k-{n}"), &body), 202).json(), first);
        }
    }
}
