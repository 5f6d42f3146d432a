//! Limits, and hostile clients: they are refused with a reason, and nobody else is hurt.

use crate::harness::customer::accepted_ids;
use crate::harness::http::Connection;
use crate::harness::{Request, ServerConfig, TestCustomer, TestServer, wait_until};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

fn post(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/v1/events").header("content-type", "application/json").body(body)
}

fn refused(customer: &TestCustomer, request: Request, status: u16, code: &str) -> Value {
    let answer = customer.call(request, status);
    assert_eq!(answer.error_code(), code, "{}", answer.text());
    answer.json()
}

fn gzip_of_zeros(bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![b' '; bytes]).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_too_large_is_refused_with_the_limit() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let text = |bytes: usize| json!({"payload": "x".repeat(bytes)}).to_string();
    let said = |answer: &Value, limit: &str| {
        assert!(answer.to_string().contains(limit), "the limit {limit} is not named: {answer}");
    };
    said(&refused(&customer, post(text(262_144)), 413, "EVENT_TOO_LARGE"), "262144");
    customer.call(post(text(262_000)), 202);
    said(&refused(&customer, post(text(11 << 20)), 413, "BODY_TOO_LARGE"), "10485760");
    let many = |count: usize| json!(vec![json!({"payload": 1}); count]).to_string();
    said(&refused(&customer, post(many(10_001)), 413, "TOO_MANY_EVENTS"), "10000");
    let answer = customer.call(post(many(10_000)), 202).json();
    assert_eq!(accepted_ids(&answer).len(), 10_000);
    for encoding in ["gzip", "zstd"] {
        let bomb = match encoding {
            "gzip" => gzip_of_zeros(200 << 20),
            _ => zstd::encode_all(vec![b' '; 200 << 20].as_slice(), 1).unwrap(),
        };
        assert!(bomb.len() < 1 << 20, "it looks small");
        said(
            &refused(&customer, post(bomb).header("content-encoding", encoding), 413, "BODY_TOO_LARGE"),
            "10485760",
        );
    }
}

#[test]
fn a_bad_event_is_refused_by_its_field_and_its_neighbours_are_taken() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    for (event, named) in [
        (json!({"event_type": "a"}), "payload"),
        (json!({"payload": 1, "paylaod": 2}), "paylaod"),
        (json!({"payload": 1, "event_type": 7}), "event_type"),
        (json!({"payload": 1, "event_type": "x".repeat(2049)}), "event_type"),
        (json!({"payload": 1, "source": {}}), "source"),
        (json!({"payload": 1, "tags": "a"}), "tags"),
        (json!({"payload": 1, "tags": [1]}), "tags"),
        (json!({"payload": 1, "metadata": {"priority": "urgent"}}), "priority"),
        (json!({"payload": 1, "ordering_key": 5}), "ordering_key"),
    ] {
        let answer = refused(&customer, post(event.to_string()), 400, "INVALID_EVENT");
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{named}: {answer}");
        let many = json!([{"payload": "before"}, event, {"payload": "after"}]);
        let answer = customer.call(post(many.to_string()), 202).json();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)), "{answer}");
        assert_eq!(answer["events"][1]["error"]["code"], "INVALID_EVENT");
        assert_eq!(accepted_ids(&answer).len(), 2);
    }
    let minimal = json!([{"payload": 1}, {}]);
    let answer = customer.call(post(minimal.to_string()).header("prefer", "return=minimal"), 202).json();
    assert_eq!(answer["events"].as_array().map(Vec::len), Some(1), "only the rejected one: {answer}");
    let none = customer.call(post(r#"[{},{"x":1}]"#), 400);
    assert_eq!(none.error_code(), "ALL_REJECTED");
}

#[test]
fn bytes_that_are_no_events_are_refused_and_the_connection_goes_on() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let deep = format!("{{\"payload\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_alone = "[".repeat(1 << 20);
    let mut connection = customer.connect();
    let bodies: [&[u8]; 11] = [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe\x00",
        b"{\"payload\":1}}",
        b"{\"events\":7}",
        deep.as_bytes(),
        deep_alone.as_bytes(),
    ];
    for body in bodies {
        let request = post(body).bearer(&customer.key);
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        let answer = connection.call(&request).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        answer.error_code();
    }
    let fine = connection.call(&post(r#"{"payload":1}"#).bearer(&customer.key)).expect("the same connection");
    fine.expect(202);
    let cut = &gzip_of_zeros(100_000)[..50];
    customer.call(post(cut).header("content-encoding", "gzip"), 400).error_code();
    customer.call(post("x").header("content-encoding", "br"), 415).error_code();
    let typed = Request::post("/v1/events").header("content-type", "text/csv").body("a,b");
    customer.call(typed, 415).error_code();
}

#[test]
fn who_may_not_and_what_is_not_are_told_apart() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let expect = |request: Request, status: u16, code: &str| {
        let answer = request.expect(server.public(), status);
        assert_eq!(answer.error_code(), code);
        answer
    };
    let event = || post(r#"{"payload":1}"#);
    expect(event(), 401, "UNAUTHORIZED");
    let denied = expect(event().bearer("sk_live_wrong"), 401, "INVALID_API_KEY");
    assert!(denied.header("www-authenticate").is_some());
    event().header("x-api-key", customer.key.clone()).expect(server.public(), 202);
    expect(Request::get("/v1/nothing").bearer(&customer.key), 404, "NOT_FOUND");
    let method =
        expect(Request::new("PUT", "/v1/events").bearer(&customer.key).body("x"), 405, "METHOD_NOT_ALLOWED");
    assert!(method.header("allow").is_some_and(|allow| allow.contains("POST")));
    for path in ["/api/v1/events", "/events"] {
        Request::post(path).bearer(&customer.key).json(&json!({"payload": 1})).expect(server.public(), 202);
    }
    let answer =
        event().bearer(&customer.key).header("x-request-id", "our-id-1").expect(server.public(), 202);
    assert_eq!(answer.header("x-request-id"), Some("our-id-1"));
    let wrong = Request::get("/admin/customers").bearer("wrong").expect(server.admin(), 401);
    assert_eq!(wrong.error_code(), "INVALID_ADMIN_TOKEN");
    Request::get("/admin/customers").bearer(&customer.key).expect(server.admin(), 401);

    let path = format!("/admin/customers/{}", customer.id);
    server.admin_call(Request::new("PATCH", path.clone()).json(&json!({"status": "suspended"})), 200);
    wait_until("the suspended customer to be refused", || {
        event().bearer(&customer.key).send(server.public()).is_ok_and(|answer| answer.status == 403)
    });
    server.admin_call(Request::new("PATCH", path.clone()).json(&json!({"status": "active"})), 200);
    let keys = server.admin_call(Request::get(format!("{path}/keys")), 200);
    let key = keys["keys"][0]["key_id"].as_str().expect("a key's id").to_owned();
    let revoke =
        Request::new("DELETE", format!("{path}/keys/{key}")).bearer(crate::harness::server::ADMIN_TOKEN);
    assert!(revoke.send(server.admin()).is_ok_and(|answer| (200..300).contains(&answer.status)));
    wait_until("the revoked key to be refused", || {
        event().bearer(&customer.key).send(server.public()).is_ok_and(|answer| answer.status == 401)
    });
}

#[test]
fn more_than_the_rate_is_429_with_the_time_to_wait() {
    let server = TestServer::start();
    let customer = TestCustomer::with(&server, &json!({"name": "Slow", "rate_limit_per_second": 10}));
    let other = TestCustomer::new(&server);
    // A request that is larger than the burst passes while the whole burst is there, and is paid for afterwards.
    customer.send_all(&vec![json!({"payload": 1}); 10_000]);
    let answer = customer.call(post(json!(vec![json!({"payload": 1}); 5000]).to_string()), 429);
    assert_eq!(answer.error_code(), "RATE_LIMITED");
    let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("Retry-After");
    assert!((1..=1000).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some());
    other.send(&json!({"payload": 1}));
}

#[test]
fn a_client_that_trickles_its_request_is_cut_and_others_are_served() {
    let server = ServerConfig::default()
        .env("SLUICE_INGEST__HTTP__HEADER_TIMEOUT_MS", 300)
        .env("SLUICE_INGEST__HTTP__BODY_TIMEOUT_MS", 300)
        .start();
    let customer = TestCustomer::new(&server);
    let whole = post(r#"{"payload":1}"#).bearer(&customer.key).bytes();
    let body_at = whole.len() - 5;
    let stalled: Vec<(&str, Connection)> = [("head", 30), ("body", body_at)]
        .into_iter()
        .map(|(part, cut)| {
            let mut connection = customer.connect();
            connection.write(&whole[..cut]).unwrap();
            (part, connection)
        })
        .collect();
    customer.send(&json!({"payload": "others are served"}));
    for (part, mut connection) in stalled {
        // The server answers 408 and closes the connection, or only closes it.
        while let Ok(answer) = connection.read_answer() {
            assert_eq!(answer.status, 408, "a stalled {part}: {}", answer.text());
        }
    }
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 1, "half a request is no event");
}

#[test]
fn requests_that_are_not_http_or_smuggle_are_refused() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let key = &customer.key;
    let head = format!("POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n");
    let long = format!("{head}x-long: {}\r\n\r\n", "y".repeat(100_000));
    for bytes in [
        "nonsense\r\n\r\n".to_owned(),
        format!("{head}content-length: 13\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{head}content-length: 13\r\ncontent-length: 14\r\n\r\n{{\"payload\":1}}"),
        format!("{head}content-length: -1\r\n\r\n"),
        long,
    ] {
        let mut connection = customer.connect();
        // It may be cut while it is being written.
        connection.write(bytes.as_bytes()).ok();
        if let Ok(answer) = connection.read_answer() {
            assert!((400..500).contains(&answer.status), "{}: {}", &bytes[..20], answer.status);
        }
    }
    let counted = "sluice_http_refusals_total{code=\"MALFORMED_REQUEST\"}";
    wait_until("they are counted", || {
        Request::get("/metrics").expect(server.admin(), 200).text().contains(counted)
    });
    customer.send(&json!({"payload": "still here"}));
    assert_eq!(customer.pages("/v1/inbox?limit=10", "events").len(), 1);
}
