//! Attacks: each is refused or bounded, and hurts nobody else.

use crate::api::customer;
use crate::harness::{RawAnswer, RawClient, RunningIngest, config, start};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// No request here may take longer, even on a slow machine.
const BOUND: Duration = Duration::from_secs(20);

/// How many events the inbox holds.
async fn stored(ingest: &RunningIngest) -> u64 {
    let page = ingest.client().await.get("/v1/inbox?limit=1000").await.body;
    // The page may hold a number that is larger than most parsers accept.
    assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&page).is_ok(), "it is JSON");
    String::from_utf8(page).unwrap().matches("\"event_id\"").count() as u64
}

/// All answers until the connection ends or falls silent.
async fn answers(client: &mut RawClient) -> Vec<RawAnswer> {
    let mut all = Vec::new();
    while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_millis(500), client.answer()).await {
        all.push(answer);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_framing_smuggles_a_request_past_another() {
    let ingest = start(config()).await;
    let hidden = {
        let client = ingest.client().await;
        let body = r#"{"event_type":"smuggled","payload":1}"#;
        client.head("POST", "/v1/events", &format!("content-length: {}\r\n", body.len())) + body
    };
    let chunked = format!("0\r\n\r\n{hidden}");
    let cases: Vec<(&str, String, String)> = vec![
        // Two headers that give two lengths.
        (
            "cl.te",
            format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked.len()),
            chunked.clone(),
        ),
        (
            "te.cl",
            format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", chunked.len()),
            chunked.clone(),
        ),
        ("cl.cl", format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len()), hidden.clone()),
        ("cl list", format!("content-length: 0, {}\r\n", hidden.len()), hidden.clone()),
        // A length that only some servers accept.
        ("cl plus", "content-length: +0\r\n".into(), hidden.clone()),
        ("cl hex", "content-length: 0x0\r\n".into(), hidden.clone()),
        ("cl huge", "content-length: 99999999999999999999999\r\n".into(), hidden.clone()),
        ("cl empty", "content-length:\r\n".into(), hidden.clone()),
        // A coding that only some servers take for chunked.
        ("te space", "transfer-encoding : chunked\r\n".into(), chunked.clone()),
        ("te x", "transfer-encoding: xchunked\r\n".into(), chunked.clone()),
        ("te identity", "transfer-encoding: identity\r\n".into(), chunked.clone()),
        ("te last", "transfer-encoding: chunked, gzip\r\n".into(), chunked.clone()),
        ("te folded", "transfer-encoding:\r\n chunked\r\n".into(), chunked.clone()),
        // A head that ends elsewhere for some servers.
        ("bare cr", format!("x: a\rcontent-length: {}\r\n", hidden.len()), hidden.clone()),
        ("nul", "x: a\0b\r\n".into(), hidden.clone()),
        ("space before colon", "content-length : 0\r\n".into(), hidden.clone()),
        ("obs-fold", format!("x: a\r\n content-length: {}\r\n", hidden.len()), hidden.clone()),
        // Chunks that only some servers accept.
        ("chunk huge", "transfer-encoding: chunked\r\n".into(), format!("ffffffffffffffffff\r\n{hidden}")),
        ("chunk negative", "transfer-encoding: chunked\r\n".into(), format!("-1\r\n{hidden}")),
        ("chunk hex prefix", "transfer-encoding: chunked\r\n".into(), format!("0x5\r\nhello\r\n{chunked}")),
        ("chunk without end", "transfer-encoding: chunked\r\n".into(), format!("5\r\nhelloXX{chunked}")),
    ];
    for (name, headers, body) in cases {
        let mut client = ingest.client().await;
        // The outer request cannot send an event by itself.
        client.send(client.head("POST", "/v1/inbox/ack", &headers) + &body).await;
        let answers = answers(&mut client).await;
        let taken = answers.iter().filter(|answer| answer.status == 202).count();
        // An outer request without a length has no body (RFC 9112, 6.3), so the rest is
        // the client's own second request.
        let own = matches!(name, "nul") && taken == 1;
        assert!(taken == 0 || own, "{name}: {answers:?}");
        if !own {
            assert!(answers.len() <= 1, "{name}: it went on after {answers:?}");
            assert!(answers.iter().all(|answer| (400..500).contains(&answer.status)), "{name}: {answers:?}");
        }
    }
    assert_eq!(stored(&ingest).await, 0, "nothing was smuggled");
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_refused_and_holds_nothing() {
    let ingest = start(config()).await;
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    for flood in [many(200), many(2000), format!("x: {}\r\n", "y".repeat(40_000)), "a:b\r\n".repeat(30_000)] {
        let mut client = ingest.client().await;
        client.send(client.head("GET", "/health", &flood)).await;
        if let Some(answer) = client.answer().await {
            assert_eq!(answer.status, 431, "{answer:?}");
        }
        assert!(client.ends_within(BOUND).await);
    }
    // Trailers are headers too.
    let mut client = ingest.client().await;
    let body = r#"{"event_type":"a.b","payload":1}"#;
    client.send(client.head("POST", "/v1/events", "transfer-encoding: chunked\r\ntrailer: x\r\n")).await;
    client.send(format!("{:x}\r\n{body}\r\n0\r\n{}\r\n", body.len(), many(5000))).await;
    assert!(client.answer().await.is_none_or(|answer| (400..500).contains(&answer.status)));
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_clients_leave_room_for_the_others() {
    let mut config = config();
    config.http.header_timeout_ms = 500;
    config.http.body_timeout_ms = 500;
    let ingest = start(config).await;
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut client = ingest.client().await;
        let head = client.head("POST", "/v1/events", "content-length: 1000\r\n");
        // Some stall in their head, some in their body.
        client.send(if n % 2 == 0 { &head[..40] } else { &*head }).await;
        slow.push(client);
    }
    for _ in 0..20 {
        assert_eq!(ingest.client().await.post_event().await.status, 202);
    }
    for mut client in slow {
        assert!(client.ends_within(BOUND).await, "a stalled connection ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_wide_and_ambiguous_json_is_judged_in_bounded_time() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let deep =
        |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let payload = |text: &str| format!(r#"{{"event_type":"t","payload":{text}}}"#);
    let digits = "9".repeat(100_000);
    let mut cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("deep arrays", payload(&deep("[", "]", 10_000)).into(), 400),
        ("deep objects", payload(&deep(r#"{"a":"#, "}", 10_000)).into(), 400),
        ("deep but allowed", payload(&deep("[", "]", 60)).into(), 202),
        ("deep body", deep("[", "]", 500_000).into(), 400),
        (
            "deep metadata",
            format!(r#"{{"payload":1,"metadata":{}}}"#, deep(r#"{"a":"#, "}", 5000)).into(),
            400,
        ),
        ("huge integer", payload(&digits).into(), 202),
        ("huge exponent", payload("1e999999999").into(), 202),
        ("tiny exponent", payload("-1e-999999999").into(), 202),
        ("number and nothing", payload("1e").into(), 400),
        ("plus", payload("+1").into(), 400),
        ("leading zero", payload("01").into(), 400),
        ("not a number", payload("NaN").into(), 400),
        ("infinite", payload("Infinity").into(), 400),
        ("twice the same field", br#"{"payload":1,"payload":2}"#.to_vec(), 400),
        ("twice another", br#"{"payload":1,"event_type":"a","event_type":"b"}"#.to_vec(), 400),
        ("the same field escaped", br#"{"payload":1,"p\u0061yload":2}"#.to_vec(), 400),
        (
            "twice in metadata",
            br#"{"payload":1,"metadata":{"priority":"low","priority":"high"}}"#.to_vec(),
            400,
        ),
        ("twice in the payload", payload(r#"{"a":1,"a":2}"#).into(), 202),
        ("twice events", br#"{"events":[{"payload":1}],"events":[]}"#.to_vec(), 400),
        ("two documents", br#"{"payload":1}{"payload":2}"#.to_vec(), 400),
        ("a comment", br#"{"payload":1/*x*/}"#.to_vec(), 400),
        ("a trailing comma", br#"{"payload":1,}"#.to_vec(), 400),
        ("a lone surrogate", br#"{"event_type":"\ud800","payload":1}"#.to_vec(), 400),
        ("a control character", b"{\"event_type\":\"a\x01\",\"payload\":1}".to_vec(), 400),
        ("NUL", b"{\"payload\":1}\0".to_vec(), 400),
        ("a byte order mark", b"\xef\xbb\xbf{\"payload\":1}".to_vec(), 400),
    ];
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"] {
        for (before, after) in [
            (r#"{"payload":""#, r#""}"#),
            (r#"{"payload":1,"event_type":""#, r#""}"#),
            (r#"{"payload":{""#, r#"":1}}"#),
        ] {
            cases.push(("invalid UTF-8", [before.as_bytes(), bytes, after.as_bytes()].concat(), 400));
        }
    }
    let mut taken = 0;
    for (name, body, status) in cases {
        let began = Instant::now();
        let answer = client.request("POST", "/v1/events", &body).await;
        assert_eq!(answer.status, status, "{name}: {}", String::from_utf8_lossy(&answer.body));
        assert!(began.elapsed() < BOUND, "{name}");
        taken += u64::from(status == 202);
        if status == 400 {
            // Among other events it is refused alone, or the body is no JSON at all.
            let many = [b"[{\"payload\":1},", &body[..], b"]"].concat();
            let answer = client.request("POST", "/v1/events", &many).await;
            assert!(matches!(answer.status, 202 | 400), "{name}: {answer:?}");
            taken += if answer.status == 202 { answer.json()["accepted"].as_u64().unwrap() } else { 0 };
        }
    }
    assert_eq!(stored(&ingest).await, taken, "what is refused is not stored, and all else is");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_paths_and_queries_that_are_no_text_are_refused() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let raw = |header: &[u8]| {
        let body = br#"{"event_type":"a","payload":1}"#;
        let key = format!("authorization: Bearer {}\r\ncontent-length: {}\r\n", ingest.key, body.len());
        [b"POST /v1/events HTTP/1.1\r\nhost: x\r\n", key.as_bytes(), header, b"\r\n\r\n", body].concat()
    };
    for (header, status) in [
        (&b"idempotency-key: \xff\xfe"[..], 400),
        (b"idempotency-key: ", 400),
        (b"content-type: \xff", 415),
        (b"content-encoding: \xff", 415),
        (b"x-request-id: \xff\xff", 202),
        (b"prefer: \xff", 202),
        (b"ce-specversion: \xff", 400),
    ] {
        client.send(raw(header)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, status, "{}: {answer:?}", String::from_utf8_lossy(header));
        assert!(answer.headers["x-request-id"].is_ascii());
    }
    let mut stranger = RawClient::connect(ingest.public).await;
    stranger.send(b"GET /v1/inbox HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\n\r\n").await;
    assert_eq!(stranger.answer().await.unwrap().status, 401);
    for (path, status) in [
        ("/v1/events/%ff%fe", 400),
        ("/v1/events/%00", 400),
        ("/v1/events/..%2f..%2fadmin", 400),
        ("/v1/events/../../admin/customers", 404),
        ("/v1/inbox?source=%ff", 200),
        ("/v1/inbox?%ff=1", 400),
        ("/v1/inbox?limit=99999999999999999999", 400),
        ("/v1/inbox?limit=-1", 400),
        ("/v1/inbox?start_time=18446744073709551615", 200),
        ("/v1/inbox?end_time=18446744073709551615", 200),
        ("/v1/inbox?start_time=18446744073709551616", 400),
        ("/v1/inbox?start_time=-1", 400),
        ("/v1/inbox?start_time=9999-12-31T23:59:60Z", 400),
        ("/v1/inbox?limit=1&limit=2", 400),
        ("/v1/dead-letters?since=18446744073709551615&until=0", 200),
    ] {
        let answer = client.get(path).await;
        // A time far in the future may be refused as well; it never makes the request fail.
        assert!(answer.status == status || (status == 200 && answer.status == 400), "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_selectors_are_refused_or_bounded() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let matches = |pattern: &str| json!({"type": "custom", "function": {"field": "a", "operator": "matches", "value": pattern}});
    let path = |text: String| json!({"type": "jsonpath", "expression": text});
    let mut nested = json!({"type": "event_type", "value": "a"});
    for _ in 0..200 {
        nested = json!({"type": "not", "of": nested});
    }
    let refused = [
        path(format!("{}$.a{}", "(".repeat(1024), ")".repeat(1024))),
        path(format!("$[?{}@.a{}]", "(".repeat(100), ")".repeat(100))),
        path("$".to_owned() + &"..*".repeat(100_000)),
        path("$[".to_owned()),
        matches("(unclosed"),
        matches(&"a{1000}".repeat(50)),
        matches("((a{99}){99}){99}"),
        matches(&"x".repeat(100_000)),
        nested,
        json!({"type": "all", "of": vec![json!({"type": "event_type", "value": "a"}); 10_000]}),
        json!({"type": "event_type", "value": "a.".repeat(10_000)}),
        json!({"type": "custom", "function": {"field": "a.".repeat(10_000), "operator": "exists"}}),
        json!({"type": "custom", "function": {"field": "a", "operator": "in", "value": vec![1; 100_000]}}),
    ];
    for selector in refused {
        let body = json!({"event_selector": selector, "webhook_url": "http://127.0.0.1:9/hook"}).to_string();
        let began = Instant::now();
        let answer = client.request("POST", "/v1/subscriptions", &body).await;
        assert_eq!(answer.status, 400, "{}: {answer:?}", &body[..body.len().min(100)]);
        assert_eq!(answer.json()["error"]["details"]["field"], "event_selector");
        assert!(began.elapsed() < BOUND);
    }
    // Selectors that are allowed, and built to run for ever, are judged within a budget.
    let text = format!("[{}1]", "[1,[2,[3]]],".repeat(15_000));
    let event = format!(r#"{{"event_type":"big","payload":{{"a":"{}","b":{text}}}}}"#, "ab".repeat(20_000));
    for _ in 0..5 {
        assert_eq!(client.request("POST", "/v1/events", &event).await.status, 202);
    }
    for selector in [
        path("$..*..*..*..nothing".into()),
        path("$..[?@..[?@..nothing]]".into()),
        matches("(a*)*b(a|aa)+$"),
        matches("[ab]*a[ab]{100}x"),
    ] {
        let body = json!({"event_selector": selector, "webhook_url": "http://127.0.0.1:9/hook"}).to_string();
        let made = client.request("POST", "/v1/subscriptions", &body).await.json();
        let id = made["workflow_id"].as_str().unwrap();
        let began = Instant::now();
        let judged = client.request("POST", &format!("/v1/subscriptions/{id}/test"), r#"{"last":5}"#).await;
        assert_eq!(judged.status, 200, "{judged:?}");
        let replay = json!({"workflow_id": id, "dry_run": true}).to_string();
        assert_eq!(client.request("POST", "/v1/replay", &replay).await.status, 200);
        assert!(began.elapsed() < BOUND, "{body}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_altered_is_refused_everywhere() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for _ in 0..3 {
        client.post_event().await;
    }
    let (_, mut other) = customer(&ingest, json!({ "name": "Other" })).await;
    for path in ["/v1/inbox?limit=1", "/v1/inbox?limit=1&order=desc", "/v1/inbox?limit=1&source=x"] {
        let cursor = client.get(path).await.json()["cursor"].as_str().unwrap().to_owned();
        let with = |cursor: &str| format!("{path}&cursor={cursor}");
        assert_eq!(client.get(&with(&cursor)).await.status, 200);
        assert_eq!(other.get(&with(&cursor)).await.status, 400, "another's cursor");
        assert_eq!(
            client.get(&format!("/v1/inbox?tag=t&cursor={cursor}")).await.status,
            400,
            "another query's"
        );
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let answer = client.get(&with(std::str::from_utf8(&altered).unwrap())).await;
            // The last character has spare bits, which must be zero.
            assert!(answer.status == 400, "{at}: {answer:?}");
            assert_eq!(answer.json()["error"]["details"]["field"], "cursor");
        }
        for text in [&cursor[1..], &format!("{cursor}A"), "%00", "====", &"A".repeat(100_000)[..20_000]] {
            assert_eq!(client.get(&with(text)).await.status, 400, "{}", &text[..text.len().min(40)]);
        }
    }
    for path in ["/v1/dead-letters", "/v1/subscriptions", "/v1/replay"] {
        for text in ["x", "AAAA", "%ff", "00000000-0000-0000-0000-00000000000g"] {
            let answer = client.get(&format!("{path}?cursor={text}")).await;
            assert_eq!(answer.status, 400, "{path} {text}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customer_s_ids_open_nothing_anywhere() {
    let ingest = start(config()).await;
    let (their_id, mut theirs) = customer(&ingest, json!({ "name": "Theirs" })).await;
    let event = theirs.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    let body = json!({"event_selector": {"type": "event_type", "value": "*"}, "webhook_url": "http://127.0.0.1:9/h"});
    let made = theirs.request("POST", "/v1/subscriptions", body.to_string()).await.json();
    let subscription = made["workflow_id"].as_str().unwrap().to_owned();
    let replay = json!({"workflow_id": subscription}).to_string();
    let made = theirs.request("POST", "/v1/replay", &replay).await.json();
    let replay_id = made["replay_id"].as_str().unwrap().to_owned();
    let before = theirs.get(&format!("/v1/subscriptions/{subscription}")).await.json();

    let mut ours = ingest.client().await;
    let redrive = json!({"workflow_id": subscription}).to_string();
    for (method, path, body) in [
        ("GET", format!("/v1/events/{event}"), ""),
        ("POST", format!("/v1/events/{event}/ack"), ""),
        ("DELETE", format!("/v1/events/{event}/ack"), ""),
        ("GET", format!("/v1/subscriptions/{subscription}"), ""),
        ("PATCH", format!("/v1/subscriptions/{subscription}"), r#"{"status":"disabled"}"#),
        ("DELETE", format!("/v1/subscriptions/{subscription}"), ""),
        ("POST", format!("/v1/subscriptions/{subscription}/rotate-secret"), ""),
        ("POST", format!("/v1/subscriptions/{subscription}/enable"), ""),
        ("POST", format!("/v1/subscriptions/{subscription}/test"), ""),
        ("GET", format!("/v1/subscriptions/{subscription}/deliveries"), ""),
        ("POST", "/v1/replay".to_owned(), &*replay),
        ("GET", format!("/v1/replay/{replay_id}"), ""),
        ("DELETE", format!("/v1/replay/{replay_id}"), ""),
        ("POST", "/v1/dead-letters/redrive".to_owned(), &*redrive),
    ] {
        let answer = ours.request(method, &path, body).await;
        assert_eq!((answer.status, &*answer.code()), (404, "NOT_FOUND"), "{method} {path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&their_id));
    }
    let ids = json!({"event_ids": [event]}).to_string();
    let acked = ours.request("POST", "/v1/inbox/ack", &ids).await.json();
    assert_eq!((&acked["acknowledged"], &acked["results"][0]["status"]), (&json!(0), &json!("not_found")));
    for list in ["/v1/subscriptions", "/v1/inbox", "/v1/replay", "/v1/dead-letters"] {
        let text = String::from_utf8(ours.get(list).await.body).unwrap();
        assert!(!text.contains(&their_id) && !text.contains(&subscription), "{list}: {text}");
    }
    // The same holds for an operator who names the wrong customer.
    let mut admin = ingest.admin().await;
    let keys = admin.admin("GET", &format!("/admin/customers/{their_id}/keys"), "").await.json();
    let key = keys["keys"][0]["key_id"].as_str().unwrap();
    let our_path = format!("/admin/customers/{}", ingest.customer);
    for (method, path) in [
        ("DELETE", format!("{our_path}/keys/{key}")),
        ("GET", format!("{our_path}/subscriptions/{subscription}")),
        ("DELETE", format!("{our_path}/subscriptions/{subscription}")),
        ("POST", format!("{our_path}/subscriptions/{subscription}/rotate-secret")),
    ] {
        assert_eq!(admin.admin(method, &path, "").await.status, 404, "{method} {path}");
    }
    assert_eq!(
        theirs.get(&format!("/v1/subscriptions/{subscription}")).await.json(),
        before,
        "nothing changed"
    );
    let still: Value = theirs.get(&format!("/v1/events/{event}")).await.json();
    assert_ne!(still["status"], "acknowledged");
    assert_eq!(theirs.get(&format!("/v1/replay/{replay_id}")).await.json()["status"], "running");
}
