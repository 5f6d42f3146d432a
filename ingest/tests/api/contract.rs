//! Rules that hold on every route, and changes that take effect at run time.

use crate::api::customer;
use crate::harness::{RawClient, config, start, start_on};
use serde_json::{Value, json};
use sluice_model::Lane;
use sluice_ports::log::{AppendError, LogPage, Position, RecordDraft, ShardId};
use sluice_ports::{Log, PortError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const EVERYTHING: &str =
    r#"{"event_selector":{"type":"event_type","value":"*"},"webhook_url":"http://127.0.0.1:9/hook"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_until_it_expires_on_connections_that_are_open_too() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    let path = format!("/admin/customers/{}/keys", ingest.customer);
    let soon = sluice_model::clock::now_ms() + 1500;
    let body = json!({ "mode": "test", "expires_at": sluice_model::clock::rfc3339_string(soon) });
    let made = admin.admin("POST", &path, &body.to_string()).await.json();
    let key = made["api_key"].as_str().unwrap();
    assert!(key.starts_with("sk_test_") && !made["expires_at"].is_null());
    let mut client = ingest.client().await;
    key.clone_into(&mut client.key);
    assert_eq!(client.post_event().await.status, 202);
    for attempt in 0.. {
        let answer = client.post_event().await;
        if answer.status == 401 {
            assert_eq!(answer.code(), "INVALID_API_KEY");
            assert!(sluice_model::clock::now_ms() >= soon, "not before its time");
            break;
        }
        assert!(attempt < 1000 && answer.status == 202, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listed = admin.admin("GET", &path, "").await.json();
    let listed_key =
        listed["keys"].as_array().unwrap().iter().find(|one| one["key_id"] == made["key_id"]).unwrap();
    assert_eq!((&listed_key["status"], &listed_key["api_key"]), (&json!("expired"), &Value::Null));
    for bad in [
        json!({ "expires_at": "2020-01-01T00:00:00Z" }),
        json!({ "expires_at": "soon" }),
        json!({ "mode": "x" }),
    ] {
        assert_eq!(admin.admin("POST", &path, &bad.to_string()).await.status, 400, "{bad}");
    }
    let live = admin.admin("POST", &path, "").await.json();
    assert!(live["api_key"].as_str().unwrap().starts_with("sk_live_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_and_a_fan_out_change_while_events_come() {
    let mut config = config();
    config.limits.request_events_max = 10;
    let ingest = start(config).await;
    let mut admin = ingest.admin().await;
    let (id, mut client) = customer(&ingest, json!({ "name": "Slow", "rate_limit_per_second": 1 })).await;
    let path = format!("/admin/customers/{id}");
    let ten = format!("[{}]", [r#"{"payload":1}"#; 10].join(","));
    assert_eq!(client.request("POST", "/v1/events", &ten).await.status, 202);
    assert_eq!(client.request("POST", "/v1/events", &ten).await.status, 429);
    let changed =
        admin.admin("PATCH", &path, r#"{"rate_limit_per_second":1000000,"fan_out":4}"#).await.json();
    assert_eq!((&changed["rate_limit_per_second"], &changed["fan_out"]), (&json!(1_000_000), &json!(4)));
    for attempt in 0.. {
        if client.request("POST", "/v1/events", &ten).await.status == 202 {
            break;
        }
        assert!(attempt < 100, "the new limit does not count");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lane = |id: &Value| id.as_str().unwrap().parse::<sluice_model::EventId>().unwrap().lane();
    let mut lanes = HashSet::new();
    for _ in 0..40 {
        lanes.insert(lane(&client.post_event().await.json()["event_id"]));
    }
    assert!(lanes.len() > 1, "events use more lanes");
    // Events in lanes that are no longer used are still found.
    assert_eq!(admin.admin("PATCH", &path, r#"{"fan_out":1}"#).await.status, 200);
    assert_eq!(client.get("/v1/inbox?limit=1000").await.json()["total"], 60);
    assert_eq!(admin.admin("PATCH", &path, r#"{"rate_limit_per_second":1}"#).await.status, 200);
    let mut refused = client.post_event().await;
    for _ in 0..50 {
        refused = client.request("POST", "/v1/events", &ten).await;
        if refused.status == 429 {
            break;
        }
    }
    assert_eq!(refused.headers["ratelimit-policy"], "\"events\";q=1;w=1;burst=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_helps_development_is_not_there_in_production() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    let made = admin.admin("POST", "/admin/test-customer", "").await.json();
    let body =
        json!({ "customer_id": made["customer"]["customer_id"], "webhook_url": "http://127.0.0.1:9/hook" });
    let made = admin.admin("POST", "/admin/test-subscription", &body.to_string()).await;
    assert_eq!((made.status, &made.json()["event_selector"]["value"]), (201, &json!("*")));
    assert!(made.json()["secret"].as_str().unwrap().starts_with("whsec_"));

    let mut production = config();
    production.environment = "production".into();
    let ingest = crate::harness::start_without_customer(production).await;
    let mut admin = RawClient::connect(ingest.admin).await;
    for path in ["/admin/test-customer", "/admin/test-subscription"] {
        let answer = admin.admin("POST", path, &body.to_string()).await;
        assert_eq!((answer.status, &*answer.code()), (404, "NOT_FOUND"), "{path}");
    }
    assert_eq!(
        RawClient::connect(ingest.public).await.get("/health").await.json()["environment"],
        "production"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_use_the_api_and_are_told_its_headers() {
    let mut with_origin = config();
    with_origin.cors_origins = vec!["https://app.example".into()];
    let ingest = start(with_origin).await;
    let mut client = ingest.client().await;
    let origin = "origin: https://app.example\r\n";
    let preflight = format!("{origin}access-control-request-method: POST\r\n");
    let allowed = client.request_with("OPTIONS", "/v1/events", &preflight, "").await;
    assert_eq!(
        (allowed.status, &*allowed.headers["access-control-allow-origin"]),
        (204, "https://app.example")
    );
    for header in ["authorization", "idempotency-key", "last-event-id", "prefer"] {
        assert!(allowed.headers["access-control-allow-headers"].contains(header), "{header}");
    }
    let got = client.request_with("GET", "/v1/inbox", origin, "").await;
    assert_eq!(got.headers["access-control-allow-origin"], "https://app.example");
    assert!(got.headers["access-control-expose-headers"].contains("x-request-id"));
    // A page may read refusals too.
    let refused = client.request_with("GET", "/v1/nothing", origin, "").await;
    assert_eq!(
        (refused.status, &*refused.headers["access-control-allow-origin"]),
        (404, "https://app.example")
    );
    let other = "origin: https://other.example\r\naccess-control-request-method: POST\r\n";
    let strange = client.request_with("OPTIONS", "/v1/events", other, "").await;
    assert!(strange.status == 405 && !strange.headers.contains_key("access-control-allow-origin"));

    let ingest = start(config()).await;
    let off = ingest.client().await.request_with("GET", "/v1/inbox", origin, "").await;
    assert!(!off.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_do_for_a_customer_what_it_can_do_with_its_subscriptions() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    let root = format!("/admin/customers/{}/subscriptions", ingest.customer);
    let made = admin.admin("POST", &root, EVERYTHING).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("{root}/{}", made.json()["workflow_id"].as_str().unwrap());
    assert_eq!(admin.admin("GET", &root, "").await.json()["total"], 1);
    assert_eq!(admin.admin("PATCH", &path, r#"{"ordered":true}"#).await.json()["ordered"], true);
    assert_eq!(admin.admin("PATCH", &path, r#"{"status":"disabled"}"#).await.json()["status"], "disabled");
    assert_eq!(admin.admin("POST", &format!("{path}/enable"), "").await.json()["status"], "active");
    let rotated = admin.admin("POST", &format!("{path}/rotate-secret"), "").await.json();
    assert_ne!(rotated["secret"], made.json()["secret"]);
    assert_eq!(admin.admin("POST", &format!("{path}/test"), "").await.json()["delivered"], true);
    assert_eq!(
        admin.admin("GET", &format!("{path}/deliveries"), "").await.json(),
        json!({ "deliveries": [] })
    );
    assert!(admin.admin("GET", &path, "").await.json()["secret"].is_null());
    // The subscription is the customer's own.
    assert_eq!(ingest.client().await.get("/v1/subscriptions").await.json()["total"], 1);
    assert_eq!(admin.admin("DELETE", &path, "").await.status, 204);
    let nobody = "/admin/customers/01900000-0000-7000-8000-000000000000/subscriptions";
    assert_eq!(admin.admin("POST", nobody, EVERYTHING).await.status, 404);
    for path in ["/v1/stream", "/v1/inbox", "/v1/replay"] {
        assert_eq!(admin.admin("GET", path, "").await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_the_envelope_a_stable_code_and_its_headers() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let mut stranger = RawClient::connect(ingest.public).await;
    let json_type = "content-type: application/json\r\n";
    let text_type = "content-type: text/plain\r\n";
    for (method, path, headers, body, status, code) in [
        ("GET", "/", "", "", 404, "NOT_FOUND"),
        ("GET", "/v1", "", "", 404, "NOT_FOUND"),
        ("GET", "/v1/events/", "", "", 404, "NOT_FOUND"),
        ("BREW", "/v1/events", "", "", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/inbox", "", "", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/stream", json_type, "{}", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/api/v1/subscriptions", json_type, "{}", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/subscriptions", text_type, EVERYTHING, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/v1/events", text_type, "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/v1/subscriptions", json_type, "[", 400, "INVALID_REQUEST"),
        ("POST", "/v1/events", json_type, "[", 400, "INVALID_BODY"),
        ("POST", "/v1/events", json_type, "[]", 400, "EMPTY_BATCH"),
        ("POST", "/v1/inbox/ack", json_type, r#"{"event_ids":[]}"#, 400, "INVALID_REQUEST"),
        ("GET", "/v1/events/01900000-0000-7000-8000-000000000000", "", "", 404, "NOT_FOUND"),
        ("GET", "/v1/subscriptions/nonsense", "", "", 400, "INVALID_REQUEST"),
    ] {
        let answer = client.request_with(method, path, headers, body).await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{method} {path}: {answer:?}");
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers.contains_key("allow"), status == 405, "{method} {path}");
    }
    for (method, path) in [
        ("POST", "/v1/events"),
        ("GET", "/v1/events/x"),
        ("POST", "/v1/events/x/ack"),
        ("GET", "/v1/inbox"),
        ("POST", "/v1/inbox/ack"),
        ("GET", "/v1/stream"),
        ("POST", "/v1/subscriptions"),
        ("POST", "/v1/subscriptions/x/rotate-secret"),
        ("GET", "/v1/dead-letters"),
        ("POST", "/v1/replay"),
    ] {
        let answer = stranger.request_with(method, path, json_type, "{}").await;
        assert_eq!((answer.status, &*answer.code()), (401, "UNAUTHORIZED"), "{method} {path}");
    }
    assert_eq!(client.request("PUT", "/v1/events/x/ack", "").await.headers["allow"], "POST, DELETE");
    let large = vec![b' '; (1 << 20) + 1];
    let answer = client.request("POST", "/v1/subscriptions", &large).await;
    assert_eq!((answer.status, &answer.json()["error"]["details"]["limit_bytes"]), (413, &json!(1 << 20)));
    let mut client = ingest.client().await;
    let wanted = [("ok-1", true), (&"a".repeat(128), true), (&"a".repeat(4096), false), ("two words", false)];
    for (id, kept) in wanted {
        let answer = client.request_with("GET", "/health", &format!("x-request-id: {id}\r\n"), "").await;
        assert_eq!(answer.headers["x-request-id"] == id, kept, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_answers_the_same_under_api_v1() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    client.post_event().await;
    for path in ["/inbox", "/subscriptions", "/dead-letters", "/replay"] {
        let short = client.get(&format!("/v1{path}")).await;
        let long = client.get(&format!("/api/v1{path}")).await;
        assert_eq!((short.status, short.json()), (200, long.json()), "{path}");
    }
    assert_eq!(client.get("/inbox").await.json(), client.get("/v1/inbox").await.json());
    for path in ["/events", "/api/v1/events", "/v1/events"] {
        assert_eq!(client.request("POST", path, r#"{"payload":1}"#).await.status, 202, "{path}");
    }
    assert_eq!(client.get("/v1/inbox").await.json()["total"], 4);
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    for path in ["/events", "/api/v1/events", "/v1/events"] {
        assert_eq!(client.get(&format!("{path}/{event}")).await.status, 200, "{path}");
    }
    assert_eq!(client.request("DELETE", &format!("/events/{event}/ack"), "").await.status, 200);
    let ids = json!({ "event_ids": [event] }).to_string();
    assert_eq!(client.request("POST", "/inbox/ack", &ids).await.json()["acknowledged"], 0);
}

/// A log whose next append ends as the script says.
struct ScriptedAppends {
    log: Arc<dyn Log>,
    next: Arc<Mutex<Option<AppendError>>>,
}

#[async_trait::async_trait]
impl Log for ScriptedAppends {
    fn append_units(&self) -> usize {
        self.log.append_units()
    }
    fn append_unit(&self, lane: Lane) -> usize {
        self.log.append_unit(lane)
    }
    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        let told = self.next.lock().unwrap().take();
        if !matches!(told, Some(AppendError::NotTaken { .. })) {
            self.log.append(unit, record).await?;
        }
        told.map_or(Ok(()), Err)
    }
    fn accepting(&self) -> Result<(), AppendError> {
        self.log.accepting()
    }
    fn recovered_ms(&self) -> u64 {
        self.log.recovered_ms()
    }
    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.log.shards().await
    }
    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        self.log.lanes(shard).await
    }
    async fn read(
        &self,
        shard: &ShardId,
        position: Position,
        max: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        self.log.read(shard, position, max, wait).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_says_whether_the_events_may_have_been_taken() {
    let next = Arc::new(Mutex::new(None));
    let told = Arc::clone(&next);
    let ingest =
        start_on(config(), |log| Arc::new(ScriptedAppends { log, next: told })).await.with_customer().await;
    let mut client = ingest.client().await;
    let lost = AppendError::Unknown { detail: "the answer was lost".into() };
    let full = AppendError::NotTaken { detail: "no room".into(), retry_after: Duration::from_secs(7) };
    for (error, code, outcome, after, stored) in
        [(full, "LOG_UNAVAILABLE", "not_taken", "7", 0), (lost, "OUTCOME_UNKNOWN", "unknown", "1", 1)]
    {
        *next.lock().unwrap() = Some(error);
        let answer = client.post_event().await;
        assert_eq!((answer.status, &*answer.code()), (503, code), "{answer:?}");
        assert_eq!(answer.json()["error"]["details"]["outcome"], outcome);
        assert_eq!(answer.headers["retry-after"], after);
        // The cause is written to the log only.
        assert!(!String::from_utf8(answer.body).unwrap().contains("no room"));
        let inbox = client.get("/v1/inbox").await.json();
        assert_eq!(inbox["total"], stored, "{inbox}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_that_ends_early_nothing_is_taken() {
    let ingest = start(config()).await;
    let line = "{\"event_type\":\"a.b\",\"payload\":1}\n";
    let whole = line.repeat(3);
    let more = format!("content-type: application/x-ndjson\r\ncontent-length: {}\r\n", 2 * whole.len());
    let mut client = ingest.client().await;
    client.send(client.head("POST", "/v1/events", &more) + &whole).await;
    client.stream.shutdown().await.unwrap();
    let answer = client.answer().await;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{answer:?}");
    // A chunked body, cut between two chunks.
    let more = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    let mut client = ingest.client().await;
    client.send(client.head("POST", "/v1/events", more) + &format!("{:x}\r\n{whole}\r\n", whole.len())).await;
    client.stream.shutdown().await.unwrap();
    let answer = client.answer().await;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{answer:?}");
    assert_eq!(ingest.client().await.get("/v1/inbox").await.json()["total"], 0);
}
