//! The requests of customers and operators, and whose data they may touch.

use crate::harness::{RawClient, RunningIngest, config, start};
use serde_json::{Value, json};
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, EventId, EventRef, EventSet,
    LastAttempt,
};
use sluice_ports::work_queue::TakeRequest;
use sluice_ports::{EventStore, WorkQueue};
use std::collections::HashSet;

pub(crate) async fn customer(ingest: &RunningIngest, body: Value) -> (String, RawClient) {
    let mut admin = ingest.admin().await;
    let made = admin.admin("POST", "/admin/customers", &body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["customer_id"].as_str().unwrap().to_owned();
    let key = admin.admin("POST", &format!("/admin/customers/{id}/keys"), "").await;
    assert_eq!(key.status, 201, "{key:?}");
    let mut client = ingest.client().await;
    client.key = key.json()["api_key"].as_str().unwrap().to_owned();
    (id, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_until_they_are_revoked_or_their_customer_is_suspended() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    let (id, mut client) = customer(&ingest, json!({ "name": "One" })).await;
    assert_eq!(client.post_event().await.status, 202);
    let path = format!("/admin/customers/{id}");
    assert_eq!(admin.admin("PATCH", &path, r#"{"status":"suspended"}"#).await.status, 200);
    let answer = client.post_event().await;
    assert_eq!((answer.status, &*answer.code()), (403, "CUSTOMER_SUSPENDED"));
    assert_eq!(admin.admin("PATCH", &path, r#"{"status":"active"}"#).await.status, 200);
    assert_eq!(client.post_event().await.status, 202);
    let keys = admin.admin("GET", &format!("{path}/keys"), "").await.json();
    let key = keys["keys"][0]["key_id"].as_str().unwrap();
    assert!(!keys.to_string().contains(&client.key));
    assert_eq!(admin.admin("DELETE", &format!("{path}/keys/{key}"), "").await.status, 204);
    let answer = client.post_event().await;
    assert_eq!((answer.status, &*answer.code()), (401, "INVALID_API_KEY"));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(admin.admin("DELETE", &format!("{path}/keys/{id}"), "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_need_the_token_and_customers_see_no_admin_route() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    assert_eq!(admin.get("/admin/customers").await.code(), "UNAUTHORIZED");
    admin.key.clone_from(&ingest.key);
    assert_eq!(admin.get("/admin/customers").await.status, 401);
    assert_eq!(ingest.client().await.get("/admin/customers").await.status, 404);
    assert_eq!(admin.admin("GET", "/v1/inbox", "").await.status, 404);
    let listed = admin.admin("GET", "/admin/customers?limit=1", "").await.json();
    assert_eq!(
        (&listed["total"], &listed["customers"][0]["customer_id"]),
        (&json!(1), &json!(ingest.customer))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_named() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    for (body, field) in [
        (r#"{"name":""}"#, "name"),
        (r#"{"name":"a","email":"x"}"#, "email"),
        (r#"{"name":"a","fan_out":0}"#, "fan_out"),
        (r#"{"name":"a","fan_out":9}"#, "fan_out"),
        (r#"{"name":"a","rate_limit_per_second":0}"#, "rate_limit_per_second"),
        (r#"{"name":"a","nme":0}"#, "body"),
    ] {
        let answer = admin.admin("POST", "/admin/customers", body).await;
        assert_eq!((answer.status, &answer.json()["error"]["details"]["field"]), (400, &json!(field)));
    }
    let mut client = ingest.client().await;
    let selector = json!({ "type": "event_type", "value": "a.*" });
    let url = "http://127.0.0.1:9/hook";
    for (body, field) in [
        (json!({ "event_selector": { "type": "nope" }, "webhook_url": url }), "event_selector"),
        (json!({ "event_selector": selector, "webhook_url": "ftp://x/" }), "webhook_url"),
        (
            json!({ "event_selector": selector, "webhook_url": url, "batch": { "max_events": 0 } }),
            "batch.max_events",
        ),
        (
            json!({ "event_selector": selector, "webhook_url": url, "retry": { "max_delay_s": 86_401 } }),
            "retry.max_delay_s",
        ),
    ] {
        let answer = client.request("POST", "/v1/subscriptions", body.to_string()).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["details"]["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("order=up", "order"),
        ("status=new", "status"),
        ("start_time=yesterday", "start_time"),
        ("cursor=AAAA", "cursor"),
        ("typo=1", "typo"),
    ] {
        let answer = client.get(&format!("/v1/inbox?{query}")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["details"]["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_lives_through_its_changes() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let body = json!({
        "event_selector": { "type": "event_type", "value": "a.*" },
        "webhook_url": "http://127.0.0.1:9/hook",
        "batch": { "max_wait_ms": 5 },
        "description": "one",
    });
    let made = client.request("POST", "/v1/subscriptions", body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(made["batch"], json!({ "max_events": 100, "max_bytes": 262_144, "max_wait_ms": 5 }));
    let path = format!("/v1/subscriptions/{}", made["workflow_id"].as_str().unwrap());
    let got = client.get(&path).await.json();
    assert!(got["secret"].is_null());
    assert_eq!(got["event_selector"], body["event_selector"]);

    let change = json!({ "batch": { "max_events": 7 }, "description": null, "status": "disabled" });
    let changed = client.request("PATCH", &path, change.to_string()).await.json();
    assert_eq!(changed["batch"], json!({ "max_events": 7, "max_bytes": 262_144, "max_wait_ms": 5 }));
    assert_eq!((&changed["status"], &changed["status_reason"]), (&json!("disabled"), &json!("by_customer")));
    assert!(changed["description"].is_null());
    assert_eq!(changed["effective_at"], made["effective_at"]);
    let enabled = client.request("POST", &format!("{path}/enable"), "").await.json();
    assert_eq!(enabled["status"], "active");
    assert!(enabled["effective_at"].as_str() > made["effective_at"].as_str());
    let rotated = client.request("POST", &format!("{path}/rotate-secret"), "").await.json();
    assert_ne!(rotated["secret"], made["secret"]);

    let (_, mut stranger) = customer(&ingest, json!({ "name": "Stranger" })).await;
    for (method, path, body) in [
        ("GET", path.clone(), ""),
        ("PATCH", path.clone(), "{}"),
        ("DELETE", path.clone(), ""),
        ("POST", format!("{path}/enable"), ""),
        ("POST", format!("{path}/rotate-secret"), ""),
    ] {
        assert_eq!(stranger.request(method, &path, body).await.status, 404, "{method} {path}");
    }
    assert_eq!(stranger.get("/v1/subscriptions").await.json()["total"], 0);

    let admin_path = format!("/admin/customers/{}{}", ingest.customer, &path["/v1".len()..]);
    assert_eq!(ingest.admin().await.admin("GET", &admin_path, "").await.status, 200);
    assert_eq!(client.request("DELETE", &path, "").await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.request("DELETE", &path, "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_a_subscription_are_all_made() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let body = json!({ "event_selector": { "type": "event_type", "value": "*" }, "webhook_url": "http://127.0.0.1:9/" });
    let made = client.request("POST", "/v1/subscriptions", body.to_string()).await.json();
    let path = format!("/v1/subscriptions/{}", made["workflow_id"].as_str().unwrap());
    let changes = [
        json!({ "ordered": true }),
        json!({ "description": "new" }),
        json!({ "batch": { "max_events": 3 } }),
        json!({ "retry": { "max_retries": 1 } }),
        json!({ "webhook_url": "http://127.0.0.1:10/" }),
    ];
    let patched = changes
        .map(async |change| ingest.client().await.request("PATCH", &path, change.to_string()).await.status);
    assert_eq!(futures_util::future::join_all(patched).await, [200; 5]);
    let got = client.get(&path).await.json();
    assert_eq!(
        (&got["ordered"], &got["description"], &got["batch"]["max_events"], &got["retry"]["max_retries"]),
        (&json!(true), &json!("new"), &json!(3), &json!(1)),
    );
    assert_eq!(got["webhook_url"], "http://127.0.0.1:10/");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_and_acknowledged_by_their_customer_alone() {
    let ingest = start(config()).await;
    let (id, mut client) =
        customer(&ingest, json!({ "name": "Reader", "fan_out": 4, "rate_limit_per_second": 100_000 })).await;
    let (_, mut stranger) = customer(&ingest, json!({ "name": "Stranger" })).await;
    let mut sent = Vec::new();
    for n in 0..40 {
        let body = json!([
            { "event_type": "a.b", "payload": n, "source": "s", "tags": ["x"] },
            { "event_type": "a.c", "payload": n },
        ]);
        let answer = client.request("POST", "/v1/events", body.to_string()).await.json();
        sent.extend(
            answer["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["event_id"].as_str().unwrap().to_owned()),
        );
    }
    let one = client.get(&format!("/v1/events/{}", sent[0])).await.json();
    assert_eq!(
        (&one["customer_id"], &one["event_type"], &one["payload"]),
        (&json!(id), &json!("a.b"), &json!(0))
    );
    assert_eq!((&one["status"], &one["delivery_attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(stranger.get(&format!("/v1/events/{}", sent[0])).await.status, 404);
    assert_eq!(client.get("/v1/events/nonsense").await.status, 400);

    let mut read = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/inbox?limit=7&cursor={cursor}")).await.json();
        let events = page["events"].as_array().unwrap();
        assert_eq!(page["total"], events.len());
        read.extend(events.iter().map(|one| one["event_id"].as_str().unwrap().to_owned()));
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if page["has_more"] == false {
            break;
        }
    }
    sent.sort();
    assert_eq!(read, sent);
    let typed = client.get("/inbox?event_type=a.c&limit=1000").await.json();
    assert_eq!(typed["total"], 40);
    assert_eq!(client.get("/v1/inbox?source=s&tag=x&order=desc").await.json()["total"], 40);
    assert_eq!(stranger.get(&format!("/v1/inbox?cursor={cursor}")).await.status, 400);
    assert_eq!(client.get(&format!("/v1/inbox?limit=7&order=desc&cursor={cursor}")).await.status, 400);

    assert_eq!(stranger.request("POST", &format!("/v1/events/{}/ack", sent[0]), "").await.status, 404);
    assert_eq!(client.request("POST", &format!("/v1/events/{}/ack", sent[0]), "").await.status, 200);
    let again = client.request("DELETE", &format!("/v1/events/{}/ack", sent[0]), "").await;
    assert_eq!((again.status, &*again.code()), (409, "ALREADY_ACKNOWLEDGED"));
    let unknown = EventId::from_u128(sent[1].parse::<EventId>().unwrap().as_u128() ^ 1 << 30).to_string();
    let many = json!({ "event_ids": [sent[0], sent[1], "x", unknown, sent[2]] });
    let many = client.request("POST", "/v1/inbox/ack", many.to_string()).await.json();
    let statuses: Vec<_> =
        many["results"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["already_acknowledged", "acknowledged", "invalid_id", "not_found", "acknowledged"]);
    assert_eq!(many["acknowledged"], 2);
    assert_eq!(client.get("/v1/inbox?limit=1000").await.json()["total"], 77);
    assert_eq!(client.get("/v1/inbox?status=acknowledged").await.json()["total"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_limit_counts_events_and_says_when_to_come_back() {
    let mut config = config();
    config.limits.request_events_max = 10;
    let ingest = start(config).await;
    let (_, mut client) = customer(&ingest, json!({ "name": "Slow", "rate_limit_per_second": 1 })).await;
    let ten = format!("[{}]", [r#"{"payload":1}"#; 10].join(","));
    assert_eq!(client.request("POST", "/v1/events", &ten).await.status, 202);
    let answer = client.post_event().await;
    assert_eq!((answer.status, &*answer.code()), (429, "RATE_LIMITED"));
    let wait = |answer: &crate::harness::RawAnswer| answer.headers["retry-after"].parse::<u32>().unwrap();
    assert!((7..=10).contains(&wait(&answer)), "ten events are paid for first: {answer:?}");
    assert_eq!(answer.headers["ratelimit-policy"], "\"events\";q=1;w=1;burst=1");
    assert!(answer.headers["ratelimit"].starts_with("\"events\";r=0;t="));
    let answer = client.request("POST", "/v1/events", &ten).await;
    assert!((7..=10).contains(&wait(&answer)), "{answer:?}");
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

pub(crate) fn dead_letter(ingest: &RunningIngest, subscription: &str, event: &str, n: u64) -> DeadLetter {
    let event: EventId = event.parse().unwrap();
    let events =
        vec![EventRef { batch: event.batch(), events: EventSet::range(event.index(), event.index() + 1) }];
    let last = LastAttempt { status: Some(500), error: Some("no".into()), at_ms: 2000 + n };
    let delivery = Delivery {
        id: DeliveryId::new(n),
        customer: ingest.customer.parse().unwrap(),
        subscription: subscription.parse().unwrap(),
        events,
        attempts: 6,
        first_attempt_ms: 1000,
        last,
        due_ms: 0,
        shape: DeliveryShape::Plain,
    };
    DeadLetter { id: DeadLetterId::new(10_000 + n), reason: DeadLetterReason::Exhausted, delivery }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_redriven_and_deleted() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let body = json!({ "event_selector": { "type": "event_type", "value": "*" }, "webhook_url": "http://127.0.0.1:9/" });
    let made = client.request("POST", "/v1/subscriptions", body.to_string()).await.json();
    let subscription = made["workflow_id"].as_str().unwrap().to_owned();
    let event = client.post_event().await.json()["event_id"].as_str().unwrap().to_owned();
    let letters = (0..5).map(|n| dead_letter(&ingest, &subscription, &event, n)).collect();
    ingest.engine.events.put_dead_letters(letters).await.unwrap();

    let first = client.get("/v1/dead-letters?limit=3").await.json();
    assert_eq!((first["dead_letters"].as_array().unwrap().len(), &first["has_more"]), (3, &json!(true)));
    let letter = &first["dead_letters"][0];
    assert_eq!(
        (&letter["event_ids"], &letter["reason"], &letter["last_status"]),
        (&json!([event]), &json!("exhausted"), &json!(500))
    );
    let cursor = first["cursor"].as_str().unwrap();
    let rest = client.get(&format!("/v1/dead-letters?limit=3&cursor={cursor}")).await.json();
    assert_eq!((rest["dead_letters"].as_array().unwrap().len(), &rest["has_more"]), (2, &json!(false)));
    let (_, mut stranger) = customer(&ingest, json!({ "name": "Stranger" })).await;
    assert_eq!(stranger.get("/v1/dead-letters").await.json()["dead_letters"], json!([]));
    let path = format!("/v1/dead-letters/{}", letter["dead_letter_id"].as_str().unwrap());
    assert_eq!(stranger.request("DELETE", &path, "").await.status, 404);
    assert_eq!(client.request("DELETE", &path, "").await.json()["deleted"], 1);

    let done = client.request("POST", "/v1/dead-letters/redrive", r#"{"limit":3}"#).await.json();
    assert_eq!(done, json!({ "redriven": 3, "events": 3, "skipped": 0, "has_more": true }));
    let blocked = HashSet::new();
    let request = TakeRequest {
        now_ms: sluice_model::clock::now_ms() + 60_000,
        max: 10,
        max_per_subscription: 10,
        blocked: &blocked,
    };
    let queued = ingest.engine.queue.take(request).await.unwrap();
    assert!(queued.iter().all(|one| one.attempts == 0 && one.first_attempt_ms == 0));
    assert_eq!(queued.iter().map(|one| one.id).collect::<HashSet<_>>().len(), 3);

    let path = format!("/v1/subscriptions/{subscription}");
    client.request("PATCH", &path, r#"{"status":"disabled"}"#).await;
    let done = client.request("POST", "/v1/dead-letters/redrive", "").await.json();
    assert_eq!(done, json!({ "redriven": 0, "events": 0, "skipped": 1, "has_more": false }));
    let body = json!({ "workflow_id": subscription }).to_string();
    assert_eq!(client.request("POST", "/v1/dead-letters/redrive", body).await.status, 409);
    assert_eq!(client.request("DELETE", "/v1/dead-letters", "").await.status, 400);
    let path = format!("/v1/dead-letters?workflow_id={subscription}");
    assert_eq!(client.request("DELETE", &path, "").await.json(), json!({ "deleted": 1, "has_more": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_a_request_id_and_health_needs_no_key() {
    let ingest = start(config()).await;
    let mut client = RawClient::connect(ingest.public).await;
    let mut seen = HashSet::new();
    for (path, status) in [
        ("/health", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/x", 404),
        ("/v1/inbox", 401),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(seen.insert(answer.headers["x-request-id"].clone()));
    }
    assert_eq!(
        client.get("/health").await.json(),
        json!({ "status": "healthy", "environment": "development" })
    );
    let answer = client.request_with("GET", "/x", "x-request-id: mine-1\r\n", "").await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    let wrong = client.request("PUT", "/v1/events", "{}").await;
    assert_eq!((wrong.status, wrong.headers["allow"].as_str()), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_an_object_and_no_array_of_its_fields() {
    let ingest = start(config()).await;
    let answer = ingest.admin().await.admin("POST", "/admin/customers", r#"["Acme",null,null,5,1]"#).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let body = r#"{"event_selector":{"type":"event_type","value":"*"},"webhook_url":"https://example.com","batch":[1,2000,3]}"#;
    let answer = ingest.client().await.request("POST", "/v1/subscriptions", body).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}
