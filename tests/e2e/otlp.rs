//! Spans to an OpenTelemetry collector: the binary built with `otel`, and a
//! collector that answers as a test says.

use crate::harness::endpoint::EndpointReply;
use crate::harness::{
    Request, Seen, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_for, wait_until,
};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn start(collector: &TestEndpoint) -> TestServer {
    let url = format!("http://{}/", collector.address());
    ServerConfig::default().env("SLUICE_TELEMETRY__OTLP_ENDPOINT", url).start()
}

/// An attribute of a resource or a span, as OTLP's JSON writes it.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let all = span["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|attribute| attribute["key"] == key);
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

/// The spans of a request to the collector, after checking the envelope around them.
fn spans(seen: &Seen) -> Vec<Value> {
    assert_eq!(seen.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(seen.header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    let mut all = Vec::new();
    for of_resource in body["resourceSpans"].as_array().expect("a list of ResourceSpans") {
        let resource = &of_resource["resource"];
        assert_eq!(attribute(resource, "service.name")["stringValue"], "sluice");
        assert_eq!(attribute(resource, "service.version")["stringValue"], env!("CARGO_PKG_VERSION"));
        for of_scope in of_resource["scopeSpans"].as_array().expect("a list of ScopeSpans") {
            all.extend(of_scope["spans"].as_array().expect("a list of spans").iter().cloned());
        }
    }
    all
}

fn collected(collector: &TestEndpoint) -> Vec<Value> {
    collector.seen().iter().flat_map(spans).collect()
}

/// Waits for `count` spans.
fn wait_for_spans(collector: &TestEndpoint, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} spans"), || Some(collected(collector)).filter(|all| all.len() >= count))
}

/// How many events an endpoint was sent.
fn events(endpoint: &TestEndpoint) -> usize {
    endpoint.seen().iter().map(|seen| seen.events().len()).sum()
}

/// Checks that every span belongs to the trace, has an id of its own and ends after it began.
fn check(spans: &[Value]) {
    let mut ids: Vec<&str> = Vec::new();
    for span in spans {
        assert_eq!(span["traceId"], TRACE);
        let id = span["spanId"].as_str().expect("an id");
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{span}");
        ids.push(id);
        let time = |name: &str| span[name].as_str().expect("a time").parse::<u64>().expect("nanoseconds");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "two spans have one id");
}

#[test]
fn a_traced_request_and_its_webhooks_are_spans_of_one_trace() {
    let collector = TestEndpoint::healthy();
    let mut server = start(&collector);
    let customer = TestCustomer::new(&server);
    let mut refusals = 1;
    let endpoint = TestEndpoint::start(move |_| {
        refusals -= 1;
        EndpointReply::status(if refusals >= 0 { 503 } else { 200 })
    });
    customer.subscribe(&endpoint.url());
    let body = json!([{"payload": 1}, {"payload": 2}]);
    let produce = |flags: &str| Request::post("/v1/events").header("traceparent", traceparent(flags));
    customer.call(produce("01").json(&body), 202);
    let seen = endpoint.wait_for(2);
    // A request, a failed attempt and a successful one.
    let spans = wait_for_spans(&collector, 3);
    check(&spans);
    let (requests, attempts): (Vec<&Value>, Vec<&Value>) = spans.iter().partition(|span| span["kind"] == 2);
    let [request] = requests[..] else { panic!("one request: {spans:?}") };
    assert_eq!((&request["name"], &request["parentSpanId"]), (&json!("POST /v1/events"), &json!(PARENT)));
    assert_eq!(attribute(request, "http.route")["stringValue"], "/v1/events");
    assert_eq!(attribute(request, "http.response.status_code")["intValue"], "202");
    assert_eq!(attribute(request, "messaging.batch.message_count")["intValue"], "2");
    assert_eq!(request["status"], json!({}));
    let statuses: Vec<&Value> =
        attempts.iter().map(|span| &attribute(span, "http.response.status_code")["intValue"]).collect();
    assert_eq!(statuses, [&json!("503"), &json!("200")]);
    assert_eq!((&attempts[0]["status"], &attempts[1]["status"]), (&json!({"code": 2}), &json!({})));
    for (span, webhook) in attempts.iter().zip(&seen) {
        assert_eq!(span["parentSpanId"], request["spanId"], "an attempt is the request's");
        // The receiver's parent is the attempt's span.
        let span_id = webhook.header("traceparent").split('-').nth(2).expect("a parent");
        assert_eq!(span["spanId"], span_id);
    }
    // A refused request has a span too; a request that is not sampled or not traced has none.
    customer.call(produce("00").json(&body), 202);
    customer.call(Request::post("/v1/events").json(&body), 202);
    customer.call(produce("01").json(&json!({"payload": 1, "tags": 7})), 400);
    wait_until("all events", || events(&endpoint) == 4 * 2);
    // A drain sends the waiting spans.
    server.terminate();
    let spans = collected(&collector);
    check(&spans);
    let [.., refused] = &spans[..] else { panic!("no span") };
    assert_eq!((spans.len(), &refused["kind"], &refused["status"]), (4, &json!(2), &json!({})), "{spans:?}");
    assert_eq!(attribute(refused, "http.response.status_code")["intValue"], "400");
    assert_eq!(attribute(refused, "messaging.batch.message_count")["intValue"], "0");
}

#[test]
fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    let collector = TestEndpoint::start(|_| EndpointReply::status(503));
    let mut server = start(&collector);
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    customer.subscribe(&endpoint.url());
    let traced = Request::post("/v1/events").header("traceparent", traceparent("01"));
    customer.call(traced.clone().json(&json!({"payload": 1})), 202);
    wait_until("the loss is told", || server.log().contains("spans were not taken by the collector"));
    // It takes them again: later spans come.
    collector.answer(|_| EndpointReply::status(200));
    let before = collector.seen().len();
    customer.call(traced.json(&json!({"payload": 2})), 202);
    wait_until("both", || events(&endpoint) == 2);
    wait_until("spans come again", || collector.seen().len() > before);
    server.terminate();
    assert!(!collector.seen().iter().any(|seen| seen.body.is_empty()));
}

#[test]
fn a_collector_that_is_away_holds_up_neither_events_nor_the_drain() {
    let gone = TestEndpoint::healthy();
    let mut server = start(&gone);
    drop(gone);
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    customer.subscribe(&endpoint.url());
    for n in 0..3 {
        let traced = Request::post("/v1/events").header("traceparent", traceparent("01"));
        customer.call(traced.json(&json!({"payload": n})), 202);
    }
    wait_until("the events", || endpoint.seen().iter().map(|seen| seen.events().len()).sum::<usize>() == 3);
    server.terminate();
}
