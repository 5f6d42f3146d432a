//! Real events, in every form in which they may be sent: GitHub's webhooks, collected
//! in npm's `@octokit/webhooks-examples`.

use crate::harness::customer::accepted_ids;
use crate::harness::{
    Request, Seen, TestCustomer, TestEndpoint, TestServer, node_modules, reference, wait_for,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Write;

/// Each example with its type, such as `github.push`.
fn examples() -> Vec<(String, Value)> {
    let path = node_modules().join("@octokit/webhooks-examples/api.github.com/index.json");
    let text =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `tests/run`", path.display()));
    let kinds: Vec<Value> = serde_json::from_slice(&text).expect("a list of kinds");
    let of_kind = |kind: &Value| {
        let name = format!("github.{}", kind["name"].as_str().expect("a name"));
        let examples = kind["examples"].as_array().expect("examples").clone();
        examples.into_iter().map(move |example| (name.clone(), example))
    };
    let examples: Vec<_> = kinds.iter().flat_map(of_kind).collect();
    assert!(examples.len() > 300, "only {} examples", examples.len());
    examples
}

fn event(source: &str, (event_type, payload): &(String, Value)) -> Value {
    json!({"event_type": event_type, "source": source, "payload": payload})
}

fn ndjson(events: &[Value]) -> Vec<u8> {
    events.iter().map(|event| format!("{event}\n")).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn real_events_sent_in_any_form_arrive_equal_once_and_in_order() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe(&endpoint.url());
    let examples = examples();
    let made = |source: &str| examples.iter().map(|one| event(source, one)).collect::<Vec<_>>();
    let post = || Request::post("/v1/events");
    let compressed = |encoding: &str, body: Vec<u8>| {
        post().header("content-type", "application/x-ndjson").header("content-encoding", encoding).body(body)
    };
    let zstd = zstd::encode_all(ndjson(&made("zstd")).as_slice(), 3).unwrap();
    let requests = [
        ("array", post().json(&json!(made("array")))),
        ("object", post().json(&json!({"events": made("object")}))),
        ("gzip", compressed("gzip", gzip(&ndjson(&made("gzip"))))),
        ("zstd", compressed("zstd", zstd)),
    ];
    let mut sent: Vec<(&str, Vec<String>)> = Vec::new();
    for (source, request) in requests {
        let answer = customer.call(request, 202).json();
        assert_eq!(
            (&answer["accepted"], &answer["rejected"]),
            (&json!(examples.len()), &json!(0)),
            "{source}"
        );
        sent.push((source, accepted_ids(&answer)));
    }
    sent.push(("single", made("single").iter().map(|event| customer.send(event)).collect()));

    let all = examples.len() * sent.len();
    let received: Vec<Value> = wait_for("all events", || {
        let received: Vec<Value> = endpoint.seen().iter().flat_map(Seen::events).collect();
        (received.len() >= all).then_some(received)
    });
    assert_eq!(received.len(), all, "each exactly once");
    let verified = reference::accepts(&subscription.secret, &endpoint.seen());
    assert!(verified.iter().all(|accepted| *accepted), "the reference refuses: {verified:?}");
    for (source, ids) in &sent {
        let of_source: Vec<&Value> = received.iter().filter(|event| event["source"] == *source).collect();
        assert_eq!(of_source.len(), examples.len(), "{source}");
        for ((event, id), (event_type, payload)) in of_source.iter().zip(ids).zip(&examples) {
            assert_eq!(event["event_id"], **id, "{source}: in order");
            assert_eq!(event["event_type"], **event_type, "{source}");
            assert_eq!(&event["payload"], payload, "{source}");
        }
    }
    every_event_can_be_read(&customer, &examples, &sent);
}

fn every_event_can_be_read(
    customer: &TestCustomer,
    examples: &[(String, Value)],
    sent: &[(&str, Vec<String>)],
) {
    let (_, singles) = &sent[sent.len() - 1];
    for (id, (_, payload)) in singles.iter().zip(examples) {
        let event = customer.event(id);
        assert_eq!(&event["payload"], payload);
        assert_eq!(event["source"], "single");
    }
    let paged = customer.pages("/v1/inbox?limit=37", "events");
    let ids: Vec<&str> = paged.iter().filter_map(|event| event["event_id"].as_str()).collect();
    let expected: Vec<&str> = sent.iter().flat_map(|(_, ids)| ids.iter().map(String::as_str)).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "no event twice");
    assert_eq!(ids, expected, "oldest first");
    for (event, (_, payload)) in paged.iter().zip(examples) {
        assert_eq!(&event["payload"], payload);
    }
}

#[test]
fn cloud_events_arrive_in_each_of_their_forms() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let post = || Request::post("/v1/events");
    let one = |id: &str| {
        json!({
            "specversion": "1.0", "id": id, "type": "order.created", "source": "/shop",
            "datacontenttype": "application/json", "data": {"via": id},
        })
    };
    let binary = post()
        .header("ce-specversion", "1.0")
        .header("ce-id", "binary")
        .header("ce-type", "order.created")
        .header("ce-source", "/shop")
        .json(&json!({"via": "binary"}));
    let structured = post().header("content-type", "application/cloudevents+json");
    let batch = post().header("content-type", "application/cloudevents-batch+json");
    customer.call(binary, 202);
    customer.call(structured.body(one("structured").to_string()), 202);
    customer.call(batch.body(json!([one("batch-0"), one("batch-1")]).to_string()), 202);
    let events = customer.pages("/v1/inbox?limit=10", "events");
    let via: Vec<&Value> = events.iter().map(|event| &event["payload"]["via"]).collect();
    assert_eq!(via, ["binary", "structured", "batch-0", "batch-1"]);
    for event in &events {
        assert_eq!((&event["event_type"], &event["source"]), (&json!("order.created"), &json!("/shop")));
    }
}
