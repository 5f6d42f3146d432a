//! CloudEvents, test events, the history of attempts, and replays.

use crate::harness::{RawClient, config, start};
use serde_json::{Value, json};
use sluice_history::attempts::AttemptHistory;
use sluice_model::AttemptRecord;
use sluice_model::{DeliveryId, SubscriptionId};
use sluice_ports::rows::{NewRow, RowChange, Rows as _};
use std::sync::Arc;

pub(crate) async fn subscribe(client: &mut RawClient, selector: Value, path: &str) -> String {
    let body = json!({ "event_selector": selector, "webhook_url": format!("http://127.0.0.1:9/{path}") });
    let made = client.request("POST", "/v1/subscriptions", body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["workflow_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_are_taken_in_all_three_forms() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let event = json!({"specversion": "1.0", "type": "a.b", "source": "/s", "id": "1", "data": {"n": 1}});
    let kind = |kind: &str| format!("content-type: {kind}\r\n");
    let one = client
        .request_with("POST", "/v1/events", &kind("application/cloudevents+json"), event.to_string())
        .await;
    assert_eq!(one.status, 202, "{one:?}");
    let id = one.json()["event_id"].as_str().unwrap().to_owned();
    let read = client.get(&format!("/v1/events/{id}")).await.json();
    assert_eq!(
        (&read["event_type"], &read["source"], &read["payload"]),
        (&json!("a.b"), &json!("/s"), &json!({"n": 1}))
    );
    assert_eq!(read["metadata"], json!({"cloudevents": {"specversion": "1.0", "id": "1"}}));

    let batch = json!([event, {"specversion": "1.0", "type": "a.b", "id": "2"}, event]).to_string();
    let many =
        client.request_with("POST", "/v1/events", &kind("application/cloudevents-batch+json"), &batch).await;
    let answer = many.json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)));
    assert!(answer["events"][1]["error"]["message"].as_str().unwrap().contains("source"), "{answer}");
    assert!(answer["events"][2]["event_id"].is_string());

    let binary =
        "content-type: text/plain\r\nce-specversion: 1.0\r\nce-type: a.b\r\nce-source: /s\r\nce-id: 3\r\n";
    let sent = client.request_with("POST", "/v1/events", binary, "hello").await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let id = sent.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&format!("/v1/events/{id}")).await.json()["payload"], "hello");
    let bad = client.request_with("POST", "/v1/events", &binary.replace("ce-id: 3\r\n", ""), "hello").await;
    assert_eq!((bad.status, &*bad.code()), (400, "INVALID_EVENT"));

    // An idempotency key covers the attributes too.
    let keyed = format!("{binary}idempotency-key: k\r\n");
    assert_eq!(client.request_with("POST", "/v1/events", &keyed, "x").await.status, 202);
    let again = client.request_with("POST", "/v1/events", &keyed, "x").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = keyed.replace("ce-id: 3", "ce-id: 4");
    assert_eq!(client.request_with("POST", "/v1/events", &other, "x").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_sends_an_event_or_judges_the_newest() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for n in 0..5 {
        let event = json!({"event_type": if n == 3 { "x" } else { "a.b" }, "payload": {"n": n}});
        assert_eq!(client.request("POST", "/v1/events", event.to_string()).await.status, 202);
    }
    let selector = json!({"type": "all", "of": [{"type": "event_type", "value": "a.*"},
        {"type": "custom", "function": {"field": "n", "operator": "greater_than", "value": 1}}]});
    let id = subscribe(&mut client, selector, "hook").await;
    let path = format!("/v1/subscriptions/{id}/test");
    let sent = client.request("POST", &path, "").await.json();
    assert_eq!((&sent["delivered"], &sent["status_code"]), (&json!(true), &json!(204)));
    let body: Value = serde_json::from_str(sent["answer_excerpt"].as_str().unwrap()).unwrap();
    assert_eq!((&body[0]["event_type"], &body[0]["event_id"]), (&json!("sluice.test"), &sent["event_id"]));
    assert_eq!(client.get(&format!("/v1/events/{}", sent["event_id"].as_str().unwrap())).await.status, 404);

    let judged = client.request("POST", &path, r#"{"last":4}"#).await.json();
    let events = judged["events"].as_array().unwrap();
    let matches: Vec<_> = events.iter().map(|one| one["matches"].as_bool().unwrap()).collect();
    assert_eq!((matches, &judged["matching"]), (vec![true, false, true, false], &json!(2)));
    assert_eq!(events[1]["reason"], "the event type x does not fit a.*");
    assert_eq!(events[3]["reason"], "n is 1: greater_than 1 does not hold");
    assert_eq!((&events[3]["pointer"], &events[0]["before_effective_at"]), (&json!("/of/1"), &json!(true)));
    for bad in [r#"{"last":0}"#, r#"{"last":101}"#, r#"{"last":1,"payload":1}"#, r#"{"nope":1}"#] {
        assert_eq!(client.request("POST", &path, bad).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_is_tried_before_it_is_stored() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for n in 0..3 {
        let event = json!({"event_type": "a.b", "payload": {"n": n}});
        assert_eq!(client.request("POST", "/v1/events", event.to_string()).await.status, 202);
    }
    let selector =
        json!({"type": "custom", "function": {"field": "n", "operator": "greater_than", "value": 0}});
    let ask = async |client: &mut RawClient, body: Value| {
        client.request("POST", "/v1/subscriptions/judge", body.to_string()).await
    };
    let judged = ask(&mut client, json!({"event_selector": selector})).await.json();
    assert_eq!(
        (&judged["looked_at"], &judged["matching"], &judged["effective_at"]),
        (&json!(3), &json!(2), &json!(null))
    );
    let draft = json!({"event_selector": selector, "event": {"event_type": "x", "payload": {"n": 0}}});
    let judged = ask(&mut client, draft).await.json();
    assert_eq!(judged["events"][0]["matches"], json!(false));
    assert_eq!(judged["events"][0]["reason"], "n is 0: greater_than 0 does not hold");
    let bad = ask(&mut client, json!({"event_selector": {"type": "nope"}})).await;
    assert_eq!((bad.status, &*bad.code()), (400, "INVALID_SELECTOR"));
    for bad in [json!({"last": 0}), json!({"last": 1, "event": {"payload": 1}}), json!({"event": {}})] {
        let mut body = json!({"event_selector": selector});
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert_eq!(ask(&mut client, body).await.status, 400, "{bad}");
    }
    assert_eq!(client.get("/v1/subscriptions").await.json()["total"], 0, "nothing was stored");
}

/// An attempt to deliver events that nobody knows.
fn attempt(n: u32, now: u64) -> Arc<AttemptRecord> {
    Arc::new(AttemptRecord {
        delivery: DeliveryId::new(now),
        at_ms: now + u64::from(n),
        status: n.is_multiple_of(2).then_some(500),
        latency_ms: 3,
        attempt: n,
        events: 2,
        error: (n % 2 == 1).then(|| "refused".to_owned()),
        excerpt: "no".into(),
        carried: Arc::default(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_of_one_write_share_rows_and_rows_of_one_attempt_are_read() {
    let ingest = start(config()).await;
    let subscription = SubscriptionId::from_u128(7);
    let partition = format!("attempts/{subscription}");
    let now = sluice_model::clock::now_ms();
    // A row in the older layout: one attempt, in this process's first slot.
    let row = NewRow {
        partition: partition.clone(),
        key: [0; 10].to_vec(),
        value: serde_json::to_vec(&*attempt(0, now)).unwrap(),
        expires_at_ms: Some(now + 60_000),
        needs_from_ms: None,
    };
    ingest.engine.rows.write(vec![RowChange::Put(row)]).await.unwrap();
    for attempts in [1..18, 18..19, 19..35] {
        // Each stands for a process that has just started: it continues after the newest row.
        let history = AttemptHistory::new(ingest.engine.rows.clone(), 0);
        history.add(vec![(subscription, attempts.map(|n| attempt(n, now)).collect())]).await.unwrap();
    }
    let rows = ingest.engine.rows.list(&partition, None, 100).await.unwrap();
    let slots: Vec<u8> = rows.iter().map(|row| *row.key.last().unwrap()).collect();
    assert_eq!(slots, [0, 1, 2, 3, 4], "sixteen of the first write, its last, the second, the third");
    let history = AttemptHistory::new(ingest.engine.rows.clone(), 0);
    let recent = history.recent(subscription, 1000).await.unwrap();
    assert_eq!(recent.iter().map(|one| one.attempt).collect::<Vec<_>>(), (0..35).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_listed_for_their_customer_and_capped() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let id = subscribe(&mut client, json!({"type": "event_type", "value": "*"}), "hook").await;
    let subscription: SubscriptionId = id.parse().unwrap();
    let now = sluice_model::clock::now_ms();
    // A restart continues where the ring was.
    for start in [0, 100, 200] {
        let history = AttemptHistory::new(ingest.engine.rows.clone(), 0);
        for n in start..start + 100 {
            history.add(vec![(subscription, vec![attempt(n, now)])]).await.unwrap();
        }
    }
    let path = format!("/v1/subscriptions/{id}/deliveries");
    let listed = client.get(&format!("{path}?limit=1000")).await.json();
    let attempts: Vec<_> =
        listed["deliveries"].as_array().unwrap().iter().map(|one| one["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, (300 - 128..300).rev().collect::<Vec<_>>());
    let newest = &listed["deliveries"][0];
    assert_eq!(
        (&newest["error"], &newest["status_code"], &newest["answer_excerpt"]),
        (&json!("refused"), &json!(null), &json!(null))
    );
    assert_eq!(listed["deliveries"][1]["answer_excerpt"], "no");
    let (_, mut other) = super::api::customer(&ingest, json!({ "name": "Other" })).await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.request("POST", &format!("/v1/subscriptions/{id}/test"), "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_counted_first_then_made_listed_and_cancelled() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    for n in 0..10 {
        let event = json!({"event_type": if n % 2 == 0 { "x" } else { "a.b" }, "payload": {"n": n}});
        assert_eq!(client.request("POST", "/v1/events", event.to_string()).await.status, 202);
    }
    let id = subscribe(&mut client, json!({"type": "event_type", "value": "a.*"}), "hook").await;
    let dry = json!({"workflow_id": id, "dry_run": true});
    let counted = client.request("POST", "/v1/replay", dry.to_string()).await.json();
    assert_eq!(counted, json!({"dry_run": true, "scanned": 10, "would_match": 5, "complete": true}));
    let made = client
        .request("POST", "/v1/replay", json!({"workflow_id": id, "rate_per_second": 5}).to_string())
        .await;
    assert_eq!((made.status, &made.json()["status"]), (202, &json!("running")));
    let path = format!("/v1/replay/{}", made.json()["replay_id"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), made.json());
    assert_eq!(client.get("/v1/replay").await.json()["replays"], json!([made.json()]));
    let (_, mut other) = super::api::customer(&ingest, json!({ "name": "Other" })).await;
    assert_eq!(other.get(&path).await.status, 404);
    assert_eq!(other.request("POST", "/v1/replay", dry.to_string()).await.status, 404);
    let cancelled = client.request("DELETE", &path, "").await.json();
    assert_eq!((&cancelled["status"], &cancelled["queued"]), (&json!("cancelled"), &json!(0)));
    for bad in [
        json!({"workflow_id": id, "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}),
        json!({"workflow_id": id, "rate_per_second": 0}),
        json!({"workflow_id": "x"}),
        json!({"workflow_id": id, "start_time": "soon"}),
    ] {
        assert_eq!(client.request("POST", "/v1/replay", bad.to_string()).await.status, 400, "{bad}");
    }
}
