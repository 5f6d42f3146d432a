//! Who a customer is, how much it used, and the process that serves it.

use crate::api::customer;
use crate::harness::{config, start};
use serde_json::json;
use sluice_history::usage::{AcceptedEvents, ShardUsage, UsageRetention, UsageTally};
use sluice_model::CustomerId;
use sluice_model::clock::now_ms;
use sluice_ports::log::{Position, ShardId};

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_read_by_period_and_group_and_bounded() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let counted: CustomerId = ingest.customer.parse().unwrap();
    sluice_history::usage::contract::all(ingest.engine.rows.clone()).await;
    // As a processor counts it.
    let at_ms = now_ms();
    let (mut tally, rows) = (UsageTally::default(), &*ingest.engine.rows);
    for (kind, events) in [("a", 3), ("", 2)] {
        let (kind, bytes) = (kind.into(), 10);
        tally.accepted(&AcceptedEvents { customer: counted, at_ms, kind, events, bytes, unmatched: 1 });
    }
    let kept = UsageRetention { minute_days: 1, hour_days: 1, day_days: 1 };
    let mut usage = ShardUsage::load(rows, &ShardId("x".into()), 10, kept).await.unwrap();
    usage.count(rows, &mut Some(tally), Position::from_lsn(1)).await.unwrap();
    usage.add_up(rows).await.unwrap();

    let total = client.get("/v1/usage?granularity=day").await.json();
    assert_eq!((&total["granularity"], &total["group_by"]), (&json!("day"), &json!("none")));
    let period = &total["usage"][0];
    assert_eq!(
        (&period["accepted"], &period["bytes"], &period["unmatched"]),
        (&json!(5), &json!(20), &json!(2))
    );
    let by_type = client.get("/v1/usage?group_by=event_type").await.json();
    let types: Vec<_> = by_type["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["event_type"], &one["accepted"]))
        .collect();
    assert_eq!(types, [(&json!(null), &json!(2)), (&json!("a"), &json!(3))]);
    let earlier = client.get("/v1/usage?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z").await.json();
    assert_eq!(earlier["usage"], json!([]));
    let (_, mut stranger) = customer(&ingest, json!({ "name": "Stranger" })).await;
    assert_eq!(stranger.get("/v1/usage").await.json()["usage"], json!([]));
    let mut admin = ingest.admin().await;
    let path = format!("/admin/customers/{}/usage?granularity=day", ingest.customer);
    assert_eq!(admin.admin("GET", &path, "").await.json()["usage"], total["usage"]);
    for (query, field) in [
        ("granularity=week", "granularity"),
        ("group_by=tag", "group_by"),
        ("since=2020-01-01T00:00:00Z&granularity=minute", "since"),
        ("since=2020-01-02T00:00:00Z&until=2020-01-01T00:00:00Z", "until"),
        ("since=x", "since"),
        ("limit=5", "limit"),
    ] {
        let refused = client.get(&format!("/v1/usage?{query}")).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["details"]["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_whose_it_is_and_an_operator_what_runs() {
    let ingest = start(config()).await;
    let me = ingest.client().await.get("/v1/me").await.json();
    assert_eq!(me["customer"]["customer_id"], json!(ingest.customer));
    assert!(ingest.key.starts_with(me["key"]["hint"].as_str().unwrap()), "{me}");
    assert!(!me.to_string().contains(&ingest.key));
    let mut admin = ingest.admin().await;
    let system = admin.admin("GET", "/admin/system", "").await.json();
    assert_eq!(
        (&system["engine"], &system["roles"], &system["ready"]),
        (&json!("embedded"), &json!(["ingest"]), &json!(true))
    );
    assert_eq!(
        (&system["lanes"], &system["customers"], &system["version"]),
        (&json!(8), &json!(1), &me["version"])
    );
    assert_eq!(ingest.client().await.get("/admin/system").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_for_people_run_nothing_and_load_nothing() {
    let ingest = start(config()).await;
    for mut client in [ingest.client().await, ingest.admin().await] {
        let page = client.get("/docs").await;
        assert_eq!((page.status, &*page.headers["content-type"]), (200, "text/html; charset=utf-8"));
        let policy = &page.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && page.headers["x-content-type-options"] == "nosniff");
        let text = String::from_utf8(page.body).unwrap();
        assert!(text.contains("/subscriptions/{id}/rotate-secret") && !text.contains("<script"));
        let document = client.get("/openapi.json").await.json();
        assert_eq!(document["externalDocs"]["url"], "/docs");
    }
}
