//! Tests for faults that users of such APIs report.

use crate::api::customer;
use crate::harness::{RawClient, RunningIngest, config, start};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const JSON: &str = "content-type: application/json\r\n";
const EVENT: &str = r#"{"event_type":"a.b","payload":1}"#;

fn error(answer: &crate::harness::RawAnswer) -> (u16, String) {
    (answer.status, answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_over_the_limit_is_413_and_among_others_it_is_refused_alone() {
    let mut config = config();
    config.limits.event_bytes_max = 1000;
    let ingest = start(config).await;
    let mut client = ingest.client().await;
    let large = format!(r#"{{"payload":"{}"}}"#, "x".repeat(2000));
    let cloud =
        json!({"specversion": "1.0", "id": "1", "type": "a", "source": "s", "data": "x".repeat(2000)});
    for (kind, body) in [
        ("application/json", large.clone()),
        ("application/cloudevents+json", cloud.to_string()),
        ("text/plain\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-type: a\r\nce-source: s", "x".repeat(2000)),
    ] {
        let answer =
            client.request_with("POST", "/v1/events", &format!("content-type: {kind}\r\n"), body).await;
        assert_eq!(error(&answer), (413, "EVENT_TOO_LARGE".into()), "{kind}");
        assert_eq!(answer.json()["error"]["details"]["limit_bytes"], 1000, "{kind}");
    }
    let many = client.request("POST", "/v1/events", format!("[{large},{EVENT}]")).await;
    assert_eq!((many.status, &many.json()["events"][0]["error"]["code"]), (202, &json!("EVENT_TOO_LARGE")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_five_a_second_is_refused_its_sixth_event() {
    let ingest = start(config()).await;
    let (_, mut client) = customer(&ingest, json!({ "name": "Slow", "rate_limit_per_second": 5 })).await;
    let began = Instant::now();
    let mut accepted = 0;
    let refused = loop {
        let answer = client.post_event().await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
    };
    let most = 5 + (began.elapsed().as_secs_f64() * 5.0) as u32;
    assert!((5..=most).contains(&accepted), "{accepted} of {most}");
    assert_eq!(error(&refused), (429, "RATE_LIMITED".into()));
    assert_eq!(refused.headers["ratelimit-policy"], "\"events\";q=5;w=1;burst=5");
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_rfc_3339_all_of_it_and_nothing_else() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for (time, good) in [
        ("1937-01-01T12:00:27.87+00:20", true),
        ("2026-11-21T10:00:00.0123456789Z", true),
        ("1990-12-31T23:59:60Z", true),
        ("2026-11-21t10:00:00z", true),
        ("2026-11-21T10Z", false),
        ("20261121T100000Z", false),
        ("2026-11-21T10:00:00Z[UTC]", false),
        ("2026-11-21 10:00:00Z", false),
    ] {
        let event = json!({"specversion": "1.0", "id": "1", "type": "a", "source": "s", "time": time});
        let kind = "content-type: application/cloudevents+json\r\n";
        let answer = client.request_with("POST", "/v1/events", kind, event.to_string()).await;
        assert_eq!(answer.status, if good { 202 } else { 400 }, "{time}: {answer:?}");
        let path = format!("/v1/inbox?since={}", time.replace('+', "%2B").replace(' ', "%20"));
        let answer = client.get(&path).await;
        assert_eq!(answer.status, if good { 200 } else { 400 }, "{path}: {answer:?}");
    }
    for path in ["/v1/inbox?start_time=1700000000", "/v1/dead-letters?until=1700000000"] {
        let answer = client.get(path).await;
        assert_eq!(error(&answer), (400, "INVALID_REQUEST".into()), "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("milliseconds"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_has_two_names_for_each_bound_of_which_one_may_be_sent() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    client.post_event().await;
    let (past, future) = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    for (from, to) in [("start_time", "end_time"), ("since", "until"), ("since", "end_time")] {
        let inbox = client.get(&format!("/v1/inbox?{from}={past}&{to}={future}")).await.json();
        assert_eq!(inbox["total"], 1, "{from} {to}");
        let inbox = client.get(&format!("/v1/inbox?{from}={future}")).await.json();
        assert_eq!(inbox["total"], 0, "{from}");
        assert_eq!(client.get(&format!("/v1/dead-letters?{from}={past}&{to}={future}")).await.status, 200);
        let body = json!({ from: past, to: future }).to_string();
        assert_eq!(client.request("POST", "/v1/dead-letters/redrive", body).await.status, 200, "{from} {to}");
    }
    for path in ["/v1/inbox", "/v1/dead-letters"] {
        let answer = client.get(&format!("{path}?since={past}&start_time={past}")).await;
        assert_eq!(answer.status, 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_sources_of_2048_bytes_are_accepted_and_longer_ones_are_not() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for (bytes, status) in [(2048, 202), (2049, 400)] {
        for field in ["event_type", "source"] {
            let event = json!({ "payload": 1, field: "x".repeat(bytes) });
            let answer = client.request("POST", "/v1/events", event.to_string()).await;
            assert_eq!(answer.status, status, "{field} {bytes}");
        }
        let cloud =
            json!({"specversion": "1.0", "id": "1", "type": "t".repeat(bytes), "source": "s".repeat(bytes)});
        let kind = "content-type: application/cloudevents+json\r\n";
        assert_eq!(client.request_with("POST", "/v1/events", kind, cloud.to_string()).await.status, status);
    }
    let inbox = client.get("/v1/inbox?limit=1000").await.json();
    assert_eq!(inbox["total"], 3);
    let found = client.get(&format!("/v1/inbox?event_type={}", "t".repeat(2048))).await.json();
    assert_eq!(found["total"], 1);
}

/// A request with these lines besides the key, and an event as its body.
async fn send_lines(ingest: &RunningIngest, lines: &str) -> crate::harness::RawAnswer {
    let mut client = RawClient::connect(ingest.public).await;
    let head = format!("POST /v1/events HTTP/1.1\r\n{lines}content-length: {}\r\n\r\n{EVENT}", EVENT.len());
    client.send(head).await;
    client.answer().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused_and_not_guessed_at() {
    let ingest = start(config()).await;
    let (host, key) = ("host: x\r\n", format!("authorization: Bearer {}\r\n", ingest.key));
    let good = send_lines(&ingest, &format!("{host}{key}{JSON}")).await;
    assert_eq!(good.status, 202, "{good:?}");
    for (lines, field) in [
        (format!("{host}{key}{key}{JSON}"), "authorization"),
        (format!("{host}{key}{JSON}{JSON}"), "content-type"),
        (format!("{host}{key}{JSON}content-type: text/plain\r\n"), "content-type"),
        (format!("{host}{key}{JSON}idempotency-key: a\r\nidempotency-key: b\r\n"), "idempotency-key"),
        (format!("{host}{key}{JSON}x-api-key: a\r\nx-api-key: b\r\n"), "x-api-key"),
        (format!("{host}{host}{key}{JSON}"), "host"),
        (format!("{key}{JSON}"), "host"),
    ] {
        let answer = send_lines(&ingest, &lines).await;
        assert_eq!(error(&answer), (400, "INVALID_HEADER".into()), "{lines}");
        assert_eq!(answer.json()["error"]["details"]["field"], field, "{lines}");
    }
    let two_keys = send_lines(&ingest, &format!("{host}{key}{JSON}x-api-key: another\r\n")).await;
    assert_eq!(two_keys.status, 400, "{two_keys:?}");
    for charset in ["utf-16", "iso-8859-1", "\"latin1\""] {
        for kind in ["application/json", "application/x-ndjson", "application/cloudevents+json"] {
            let lines = format!("{host}{key}content-type: {kind}; charset={charset}\r\n");
            let answer = send_lines(&ingest, &lines).await;
            assert_eq!(error(&answer), (415, "UNSUPPORTED_CHARSET".into()), "{lines}");
        }
    }
    let utf8 =
        send_lines(&ingest, &format!("{host}{key}content-type: application/json; charset=\"UTF-8\"\r\n"))
            .await;
    assert_eq!(utf8.status, 202);
    let latin = "content-type: text/plain; charset=iso-8859-1\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-type: a\r\nce-source: s\r\n";
    let answer = send_lines(&ingest, &format!("{host}{key}{latin}")).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(ingest.client().await.get("/v1/inbox").await.json()["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_coding_names_those_that_are_accepted() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for coding in ["br", "gzip, zstd", "deflate"] {
        let headers = format!("{JSON}content-encoding: {coding}\r\n");
        let answer = client.request_with("POST", "/v1/events", &headers, EVENT).await;
        assert_eq!(error(&answer), (415, "UNSUPPORTED_ENCODING".into()), "{coding}");
        assert_eq!(answer.headers["accept-encoding"], "gzip, zstd", "{coding}");
    }
    let other = client.request_with("POST", "/v1/events", "content-type: text/plain\r\n", EVENT).await;
    assert!(other.status == 415 && !other.headers.contains_key("accept-encoding"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_allows_every_header_of_the_api_and_answers_expose_theirs() {
    let mut with_origin = config();
    with_origin.cors_origins = vec!["*".into()];
    let ingest = start(with_origin).await;
    let mut client = ingest.client().await;
    let asked =
        ["traceparent", "ce-specversion", "ce-id", "ce-partitionkey", "content-encoding", "x-request-id"];
    let headers = format!(
        "origin: https://app.example\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: {}\r\n",
        asked.join(",")
    );
    let allowed = client.request_with("OPTIONS", "/v1/events", &headers, "").await;
    assert_eq!(allowed.status, 204);
    let names: Vec<_> = allowed.headers["access-control-allow-headers"].split(", ").collect();
    for name in asked.into_iter().chain(["authorization", "x-api-key", "idempotency-key", "prefer"]) {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let answer = client.request_with("GET", "/v1/inbox", "origin: https://app.example\r\n", "").await;
    let exposed = &answer.headers["access-control-expose-headers"];
    for name in [
        "x-request-id",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "accept-encoding",
        "idempotent-replayed",
    ] {
        assert!(exposed.split(", ").any(|known| known == name), "{name}: {exposed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_its_id_says_that_the_id_is_missing() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for path in
        ["/v1/events/", "/v1/events//ack", "/api/v1/subscriptions/", "/v1/replay/", "/v1/dead-letters/"]
    {
        let answer = client.get(path).await;
        assert_eq!(error(&answer), (404, "NOT_FOUND".into()), "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("id is missing"), "{path}");
    }
    let answer = client.get("/v1/nothing/").await;
    assert!(!answer.json()["error"]["message"].as_str().unwrap().contains("id is missing"));
}

async fn subscription(client: &mut RawClient, selector: Value) -> String {
    let body = json!({ "event_selector": selector, "webhook_url": "http://127.0.0.1:9/hook" });
    let made = client.request("POST", "/v1/subscriptions", body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["workflow_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_would_drop_a_secret_early_is_refused() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let id = subscription(&mut client, json!({ "type": "event_type", "value": "*" })).await;
    let path = format!("/v1/subscriptions/{id}/rotate-secret");
    for _ in 0..3 {
        assert_eq!(client.request("POST", &path, "").await.status, 200);
    }
    let refused = client.request("POST", &path, "").await;
    assert_eq!(error(&refused), (409, "TOO_MANY_SECRETS".into()));
    assert!(refused.json()["error"]["details"]["possible_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_resent_to_those_that_match_or_to_the_named_one() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let matching = subscription(&mut client, json!({ "type": "event_type", "value": "a.*" })).await;
    let other = subscription(&mut client, json!({ "type": "event_type", "value": "x" })).await;
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/events/{event}/resend");
    let resent = client.request("POST", &path, "").await;
    assert_eq!(resent.status, 202, "{resent:?}");
    let deliveries = resent.json()["deliveries"].as_array().unwrap().clone();
    assert_eq!(deliveries.iter().map(|one| &one["workflow_id"]).collect::<Vec<_>>(), [&json!(matching)]);
    let named = client.request("POST", &path, json!({ "workflow_id": other }).to_string()).await.json();
    assert_eq!(named["deliveries"][0]["workflow_id"], json!(other));
    let by_other_name = json!({ "subscription_id": other }).to_string();
    let by_other_name = client.request("POST", &path, by_other_name).await.json();
    assert_eq!(by_other_name["deliveries"][0]["workflow_id"], json!(other));
    let twice = json!({ "workflow_id": other, "subscription_id": other }).to_string();
    assert_eq!(client.request("POST", &path, twice).await.status, 400);
    assert_ne!(named["deliveries"][0]["delivery_id"], deliveries[0]["delivery_id"]);
    let (_, mut stranger) = customer(&ingest, json!({ "name": "Stranger" })).await;
    assert_eq!(stranger.request("POST", &path, "").await.status, 404);
    let unknown = json!({ "workflow_id": ingest.customer }).to_string();
    assert_eq!(client.request("POST", &path, unknown).await.status, 404);
    client.request("PATCH", &format!("/v1/subscriptions/{other}"), r#"{"status":"disabled"}"#).await;
    let disabled = client.request("POST", &path, json!({ "workflow_id": other }).to_string()).await;
    assert_eq!(disabled.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_flood_of_attributes_is_refused_at_once() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let names: String = (0..200_000).map(|n| format!(r#","a{n}":1"#)).collect();
    let event = format!(r#"{{"specversion":"1.0","id":"1","type":"a","source":"s"{names}}}"#);
    let kind = "content-type: application/cloudevents+json\r\n";
    let began = Instant::now();
    let answer = client.request_with("POST", "/v1/events", kind, event).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("the limit is 128"));
    // Comparing each with all others took minutes.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_tests_and_dry_runs_end_in_time_and_leave_the_neighbours_alone() {
    let mut config = config();
    config.limits.trial_timeout_ms = 10;
    let ingest = start(config).await;
    let mut client = ingest.client().await;
    let id = subscription(&mut client, json!({ "type": "jsonpath", "expression": "$..[?@..[?@..nothing]]" }))
        .await;
    let text = format!("[{}1]", "[1,[2,[3]]],".repeat(15_000));
    for _ in 0..20 {
        let event = format!(r#"{{"event_type":"big","payload":{text}}}"#);
        assert_eq!(client.request("POST", "/v1/events", &event).await.status, 202);
    }
    let path = format!("/v1/subscriptions/{id}/test");
    let (_, mut neighbour) = customer(&ingest, json!({ "name": "Quiet" })).await;
    let mut other = ingest.client().await;
    let judged = client.request("POST", &path, r#"{"last":20}"#).await;
    assert_eq!(judged.status, 200, "{judged:?}");
    assert_eq!(judged.json()["complete"], false, "the deadline came first");
    let dry = json!({ "workflow_id": id, "dry_run": true }).to_string();
    let counted = client.request("POST", "/v1/replay", &dry).await;
    assert_eq!((counted.status, &counted.json()["complete"]), (200, &json!(false)));
    assert_eq!(neighbour.post_event().await.status, 202);
    assert_eq!(other.request("POST", &path, "").await.status, 200, "the turn came back");
}

/// Makes a subscription whose webhook goes nowhere; returns the answer.
async fn subscribe(client: &mut RawClient, selector: &str) -> crate::harness::RawAnswer {
    let body = format!(r#"{{"webhook_url":"http://127.0.0.1:9/hook","event_selector":{selector}}}"#);
    client.request("POST", "/v1/subscriptions", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_clients_could_not_read_back_is_refused() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for selector in [
        r#"{"type":"event_type","value":"\ud800"}"#,
        r#"{"type":"custom","function":{"field":"a","operator":"equals","value":1e400}}"#,
    ] {
        let refused = subscribe(&mut client, selector).await;
        assert_eq!(error(&refused), (400, "INVALID_SELECTOR".into()), "{selector}");
    }
    assert_eq!(subscribe(&mut client, r#"{"type":"event_type","value":"\ud83d\ude00"}"#).await.status, 201);
    let listed = client.get("/v1/subscriptions").await;
    assert_eq!((listed.status, &listed.json()["total"]), (200, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_refused_where_none_is_taken() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let id = subscription(&mut client, json!({ "type": "event_type", "value": "*" })).await;
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    for (method, path) in [
        ("POST", format!("/v1/dead-letters/redrive?subscription_id={id}")),
        ("POST", "/v1/replay?dry_run=true".to_owned()),
        ("POST", format!("/v1/events/{event}/resend?workflow_id={id}")),
        ("POST", "/v1/events?source=a".to_owned()),
        ("GET", "/v1/me?x=1".to_owned()),
        ("GET", format!("/v1/events/{event}?limit=-1")),
    ] {
        let refused = client.request(method, &path, if method == "GET" { "" } else { "{}" }).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("no such parameter"), "{path}");
    }
    // Probes add what they like, and an empty query says nothing.
    for path in ["/healthz?from=probe", "/v1/me?"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_s_own_key_counts_beside_the_request_s() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let mut post = async |header: &str, key: &str, payload: u32| {
        let body = json!({ "payload": payload, "metadata": { "idempotency_key": key } }).to_string();
        client.request_with("POST", "/v1/events", &format!("{JSON}Idempotency-Key: {header}\r\n"), body).await
    };
    let first = post("h1", "m1", 1).await;
    assert_eq!(first.status, 202, "{first:?}");
    let id = first.json()["event_id"].clone();
    assert!(id.is_string(), "{first:?}");
    for header in ["h2", "h1"] {
        let again = post(header, "m1", 1).await;
        assert_eq!((again.status, &again.json()["event_id"]), (202, &id), "{header}: {again:?}");
        assert_eq!(again.headers["idempotent-replayed"], "true", "{header}");
    }
    // Other fields under a known key, and another event under a known header.
    assert_eq!(post("h3", "m1", 2).await.status, 422);
    assert_eq!(post("h1", "m2", 1).await.status, 422);
    assert_ne!(post("h3", "m3", 1).await.json()["event_id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_filter_deletes_no_dead_letter() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for query in ["workflow_id=&reason=exhausted", "since=2026-01-01T00:00:00Z&until="] {
        let refused = client.request("DELETE", &format!("/v1/dead-letters?{query}"), "").await;
        assert_eq!(refused.status, 400, "{query}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_ends_before_it_begins_is_refused() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let path = "/v1/inbox?start_time=2026-12-01T00:00:00Z&end_time=2026-11-01T00:00:00Z";
    let refused = client.get(path).await;
    assert_eq!((refused.status, &refused.json()["error"]["details"]["field"]), (400, &json!("end_time")));
    let body = json!({ "since": "2026-12-01T00:00:00Z", "until": "2026-11-01T00:00:00Z" }).to_string();
    let refused = client.request("POST", "/v1/dead-letters/redrive", body).await;
    assert_eq!((refused.status, &refused.json()["error"]["details"]["field"]), (400, &json!("until")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_headers_of_a_cloud_event_is_not_taken_for_a_plain_event() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let headers = format!("{JSON}ce-id: 1\r\nce-source: s\r\nce-type: x\r\n");
    let refused = client.request_with("POST", "/v1/events", &headers, r#"{"payload":1}"#).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("specversion"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_webhook_carries_only_what_an_event_may() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let id = subscription(&mut client, json!({ "type": "event_type", "value": "*" })).await;
    for payload in [r#""\ud800""#.to_owned(), format!("{}1{}", "[".repeat(100), "]".repeat(100))] {
        let path = format!("/v1/subscriptions/{id}/test");
        let refused = client.request("POST", &path, format!(r#"{{"payload":{payload}}}"#)).await;
        assert_eq!(refused.status, 400, "{payload}: {refused:?}");
    }
}
