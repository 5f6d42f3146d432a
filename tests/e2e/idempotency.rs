//! Idempotency keys: a repeated request is answered again, not done again.

use crate::harness::{Customer, Request, Server};
use serde_json::{Value, json};
use std::thread;

fn keyed(key: &str, body: &Value) -> Request {
    Request::post("/v1/events").header("idempotency-key", key).json(body)
}

#[test]
fn a_repeated_request_gets_its_first_answer_and_nothing_is_stored_twice() {
    let server = Server::start();
    let customer = Customer::new(&server);
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
    let server = Server::start();
    let (ours, theirs) = (Customer::new(&server), Customer::new(&server));
    let our_id = ours.call(keyed("k", &json!({"payload": 1})), 202).json()["event_id"].clone();
    let their = theirs.call(keyed("k", &json!({"payload": 2})), 202);
    assert_eq!(their.header("idempotent-replayed"), None);
    assert_ne!(their.json()["event_id"], our_id);
}

#[test]
fn an_event_s_own_key_in_its_metadata_counts() {
    let server = Server::start();
    let customer = Customer::new(&server);
    let event = json!({"payload": 1, "metadata": {"idempotency_key": "m-1"}});
    let request = || Request::post("/v1/events").json(&event);
    let first = customer.call(request(), 202);
    let again = customer.call(request(), 202);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
}

#[test]
fn keys_are_remembered_through_kill_9_and_through_a_clean_stop() {
    let mut server = Server::start();
    let customer = Customer::new(&server);
    let bodies: Vec<Value> = (0..20).map(|n| json!([{"payload": n}, {"payload": "second"}])).collect();
    let answers: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| customer.call(keyed(&format!("k-{n}"), body), 202).json())
        .collect();
    for stop in [Server::kill, Server::terminate] {
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
    let server = Server::start();
    let customer = Customer::new(&server);
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
    let server = Server::start();
    let customer = Customer::new(&server);
    for key in ["", &"k".repeat(257)] {
        customer.call(keyed(key, &json!({"payload": 1})), 400).error_code();
    }
}
