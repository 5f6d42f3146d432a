//! A customer of a server: its key, its subscriptions, its requests.

use super::http::{Connection, HttpAnswer, Request};
use super::server::TestServer;
use super::wait::{wait_for, wait_until};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The rate limit: more than any test sends.
const RATE: u64 = 10_000_000;

/// A customer and its key.
#[derive(Debug, Clone)]
pub(crate) struct TestCustomer {
    pub(crate) id: String,
    pub(crate) key: String,
    public: SocketAddr,
}

/// A subscription as it was answered when it was made.
#[derive(Debug, Clone)]
pub(crate) struct TestSubscription {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl TestCustomer {
    /// A customer whose rate limit is out of the way.
    #[track_caller]
    pub(crate) fn new(server: &TestServer) -> Self {
        Self::with(server, &json!({"name": "Acme", "rate_limit_per_second": RATE}))
    }

    #[track_caller]
    pub(crate) fn with(server: &TestServer, body: &Value) -> Self {
        let customer = server.admin_call(Request::post("/admin/customers").json(body), 201);
        let id = text(&customer, "customer_id");
        let path = format!("/admin/customers/{id}/keys");
        let key = server.admin_call(Request::post(path).json(&json!({})), 201);
        Self { id, key: text(&key, "api_key"), public: server.public() }
    }

    /// The same customer at another server, which has its catalogue.
    pub(crate) fn at(&self, server: &TestServer) -> Self {
        Self { public: server.public(), ..self.clone() }
    }

    /// Sends a request with the customer's key, which must be answered with this status.
    #[track_caller]
    pub(crate) fn call(&self, request: Request, status: u16) -> HttpAnswer {
        request.bearer(&self.key).expect(self.public, status)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.call(Request::get(path), 200).json()
    }

    /// Makes a subscription that sends every event to `url`.
    #[track_caller]
    pub(crate) fn subscribe(&self, url: &str) -> TestSubscription {
        self.subscribe_with(&json!({
            "event_selector": {"type": "event_type", "value": "*"},
            "webhook_url": url,
            "batch": {"max_events": 100, "max_wait_ms": 10},
            // Tests wait for retries.
            "retry": {"max_retries": 100, "max_delay_s": 1},
        }))
    }

    /// Makes a subscription and waits until it takes effect.
    #[track_caller]
    pub(crate) fn subscribe_with(&self, body: &Value) -> TestSubscription {
        let made = self.call(Request::post("/v1/subscriptions").json(body), 201).json();
        assert_eq!(made["status"], "active", "{made}");
        let effective_at: jiff::Timestamp =
            text(&made, "effective_at").parse().expect("effective_at is RFC 3339");
        wait_until("the subscription to count", || jiff::Timestamp::now() >= effective_at);
        TestSubscription { id: text(&made, "workflow_id"), secret: text(&made, "secret") }
    }

    /// Sends one event; returns its id.
    #[track_caller]
    pub(crate) fn send(&self, event: &Value) -> String {
        let answer = self.call(Request::post("/v1/events").json(event), 202).json();
        text(&answer, "event_id")
    }

    /// Sends events in one request; returns their ids in order.
    #[track_caller]
    pub(crate) fn send_all(&self, events: &[Value]) -> Vec<String> {
        let answer = self.call(Request::post("/v1/events").json(&json!(events)), 202).json();
        assert_eq!(answer["accepted"], events.len(), "{answer}");
        accepted_ids(&answer)
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.public).expect("connect to the server")
    }

    #[track_caller]
    pub(crate) fn event(&self, id: &str) -> Value {
        self.get(&format!("/v1/events/{id}"))
    }

    /// Waits until an event has this status.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, id: &str, status: &str) -> Value {
        wait_for(&format!("event {id} to be {status}"), || {
            Some(self.event(id)).filter(|event| event["status"] == status)
        })
    }

    /// All dead letters, over all pages.
    #[track_caller]
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        self.pages("/v1/dead-letters?limit=100", "dead_letters")
    }

    /// All entries of a list, read page by page; the path has a query.
    #[track_caller]
    pub(crate) fn pages(&self, path: &str, list: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut page = self.get(path);
        loop {
            all.extend(page[list].as_array().expect("a list").iter().cloned());
            if page["has_more"] != true {
                return all;
            }
            page = self.get(&format!("{path}&cursor={}", text(&page, "cursor")));
        }
    }

    /// Waits for this many dead letters of the reason.
    #[track_caller]
    pub(crate) fn wait_for_dead_letters(&self, reason: &str, events: usize) -> Vec<Value> {
        wait_for(&format!("{events} events in dead letters with the reason {reason}"), || {
            let letters = self.dead_letters();
            let count: usize = letters.iter().map(event_count).sum();
            (count >= events).then(|| {
                assert_eq!(count, events, "{letters:?}");
                assert!(letters.iter().all(|letter| letter["reason"] == reason), "{letters:?}");
                letters
            })
        })
    }

    /// Waits for this many events in dead letters of a subscription.
    #[track_caller]
    pub(crate) fn wait_for_dead_letters_of(&self, subscription: &str, events: usize) -> Vec<Value> {
        wait_for(&format!("{events} events in dead letters of {subscription}"), || {
            let of_it = |letter: &Value| letter["workflow_id"] == subscription;
            let letters: Vec<Value> = self.dead_letters().into_iter().filter(of_it).collect();
            (letters.iter().map(event_count).sum::<usize>() >= events).then_some(letters)
        })
    }

    #[track_caller]
    pub(crate) fn redrive(&self, subscription: &str) -> Value {
        let body = json!({"workflow_id": subscription});
        let request = Request::post("/v1/dead-letters/redrive").json(&body);
        let answer = request.bearer(&self.key).send(self.public).expect("redrive");
        assert!((200..300).contains(&answer.status), "{}", answer.text());
        answer.json()
    }
}

/// How many events a dead letter has.
pub(crate) fn event_count(letter: &Value) -> usize {
    letter["event_ids"].as_array().expect("event_ids").len()
}

/// The ids of the accepted events of an answer to many.
#[track_caller]
pub(crate) fn accepted_ids(answer: &Value) -> Vec<String> {
    let events = answer["events"].as_array().expect("a list of events");
    events.iter().filter_map(|event| event["event_id"].as_str()).map(str::to_owned).collect()
}

/// A field that must be text.
#[track_caller]
pub(crate) fn text(json: &Value, field: &str) -> String {
    match json[field].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no text in `{field}`: {json}"),
    }
}
