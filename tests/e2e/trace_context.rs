//! W3C Trace Context from a request to the webhooks that carry its events, and logs
//! that identify requests and hold no secrets.

use crate::harness::endpoint::EndpointReply;
use crate::harness::http::Connection;
use crate::harness::server::ADMIN_TOKEN;
use crate::harness::{Request, Seen, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_for};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

fn trace_of(seen: &Seen) -> Option<Vec<&str>> {
    let header = seen.headers.iter().find(|(name, _)| name == "traceparent")?;
    Some(header.1.split('-').collect())
}

#[test]
fn a_request_s_trace_reaches_its_webhooks_through_retries_and_restarts() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(503));
    customer.subscribe(&endpoint.url());
    let body = json!([{"payload": 1, "metadata": {"correlation_id": "c"}}, {"payload": 2}]);
    let request = Request::post("/v1/events").header("traceparent", traceparent()).json(&body);
    customer.call(request, 202);
    endpoint.wait_for(2);
    server.terminate();
    server.restart();
    endpoint.answer(|_| EndpointReply::status(200));
    let before = endpoint.seen().len();
    let seen =
        wait_for("the retry after the restart", || Some(endpoint.seen()).filter(|seen| seen.len() > before));
    let mut spans: Vec<String> = Vec::new();
    for webhook in &seen {
        let parts = trace_of(webhook).expect("a traceparent");
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"));
        assert_ne!(parts[2], PARENT);
        spans.push(parts[2].to_owned());
    }
    spans.sort();
    spans.dedup();
    assert_eq!(spans.len(), seen.len(), "two attempts are one span");
    let events = seen.last().unwrap().events();
    let metadata: Vec<&Value> = events.iter().map(|event| &event["metadata"]).collect();
    let (first, second) =
        (json!({"traceparent": traceparent(), "correlation_id": "c"}), json!({"traceparent": traceparent()}));
    assert_eq!(metadata, [&first, &second]);
}

#[test]
fn without_a_valid_trace_there_is_none() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    customer.subscribe(&endpoint.url());
    customer.call(Request::post("/v1/events").json(&json!({"payload": 1})), 202);
    let wrong = Request::post("/v1/events").header("traceparent", "00-nonsense").json(&json!({"payload": 2}));
    customer.call(wrong, 202);
    let large = json!({"payload": {"metadata": {"traceparent": traceparent()}, "x": "x".repeat(9000)}});
    customer.call(Request::post("/v1/events").json(&large), 202);
    let seen = wait_for("all three", || {
        let seen = endpoint.seen();
        (seen.iter().map(|seen| seen.events().len()).sum::<usize>() == 3).then_some(seen)
    });
    assert!(seen.iter().all(|seen| trace_of(seen).is_none()), "{seen:?}");
}

#[test]
fn logs_name_requests_and_hold_no_secret_and_no_payload() {
    const PAYLOAD: &str = "the-payload-of-an-event";
    const ANSWER: &str = "the-answer-of-an-endpoint";
    let server = ServerConfig::default()
        .env(
            "SLUICE_TELEMETRY__LOG_FILTER",
            "sluice=trace,sluice_ingest=trace,sluice_processor=trace,sluice_embedded=trace,info",
        )
        .env("SLUICE_TELEMETRY__LOG_FORMAT", "json")
        .start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(500).body(ANSWER));
    let subscription = customer.subscribe(&endpoint.url());
    let event = json!({"payload": PAYLOAD, "metadata": {"idempotency_key": "the-key-of-an-event"}});
    customer.call(Request::post("/v1/events").header("x-request-id", "request-7").json(&event), 202);
    customer.call(
        Request::post("/v1/events").header("x-request-id", "request-8").json(&json!({"pay": PAYLOAD})),
        400,
    );
    customer.call(Request::post(format!("/v1/subscriptions/{}/rotate-secret", subscription.id)), 200);
    Request::get("/v1/inbox").bearer("sk_live_the-wrong-key").expect(server.public(), 401);
    // Not HTTP, with a secret in it.
    let mut broken = Connection::open(server.public()).unwrap();
    broken.write(format!("GET /{} HTTP/9.9\r\n\r\n", customer.key).as_bytes()).unwrap();
    broken.read_answer().ok();
    endpoint.wait_for(2);
    let log = wait_for("both requests in the log", || {
        Some(server.log()).filter(|log| log.contains("request-7") && log.contains("request-8"))
    });
    for line in log.lines() {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(json["timestamp"].is_string() && json["level"].is_string(), "{line}");
    }
    let line = |id: &str| -> Value {
        let found = log.lines().find(|line| line.contains(id)).unwrap();
        serde_json::from_str(found).unwrap()
    };
    assert_eq!((&line("request-7")["route"], &line("request-7")["status"]), (&json!("produce"), &json!(202)));
    assert_eq!(line("request-8")["code"], "INVALID_EVENT");
    let secrets = [&customer.key, &subscription.secret, ADMIN_TOKEN, "sk_live_the-wrong-key", "whsec_"];
    for secret in secrets.into_iter().chain([PAYLOAD, ANSWER, "the-key-of-an-event"]) {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
