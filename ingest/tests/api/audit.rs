//! The audit log over HTTP: filters, pages, refusals.

use crate::harness::{RawClient, RunningIngest, config, start};
use serde_json::{Value, json};

/// An operator's answer.
async fn admin(ingest: &RunningIngest, path: &str) -> Value {
    let answer = ingest.admin().await.admin("GET", path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn actions(page: &Value) -> Vec<String> {
    let entries = page["audit"].as_array().unwrap();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

async fn rename(ingest: &RunningIngest, name: &str) {
    let path = format!("/admin/customers/{}", ingest.customer);
    let body = json!({ "name": name }).to_string();
    assert_eq!(ingest.admin().await.admin("PATCH", &path, &body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_filtered_and_read_page_by_page() {
    let ingest = start(config()).await;
    for name in ["one", "two", "three"] {
        rename(&ingest, name).await;
    }
    let body = json!({
        "event_selector": { "type": "event_type", "value": "*" }, "webhook_url": "https://example.com/",
    });
    let made = ingest.client().await.request("POST", "/v1/subscriptions", body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let all = admin(&ingest, "/admin/audit").await;
    let updated = "customer.updated";
    let newest_first = ["subscription.created", updated, updated, updated, "key.created", "customer.created"];
    assert_eq!(actions(&all), newest_first);
    assert_eq!(all["has_more"], false);

    assert_eq!(actions(&admin(&ingest, "/admin/audit?action=key.created").await), ["key.created"]);
    assert_eq!(actions(&admin(&ingest, "/admin/audit?actor=key").await), ["subscription.created"]);
    assert_eq!(actions(&admin(&ingest, "/admin/audit?actor=system").await), [""; 0]);
    let key = all["audit"][0]["actor"]["key_id"].as_str().unwrap();
    let by_key = admin(&ingest, &format!("/admin/audit?key_id={key}")).await;
    assert_eq!(actions(&by_key), ["subscription.created"]);
    let of_other = "/admin/audit?customer_id=00000000-0000-7000-8000-000000000000";
    assert_eq!(actions(&admin(&ingest, of_other).await), [""; 0]);
    let at = all["audit"][5]["at"].as_str().unwrap().to_owned();
    assert_eq!(actions(&admin(&ingest, &format!("/admin/audit?until={at}")).await), [""; 0]);
    assert_eq!(actions(&admin(&ingest, &format!("/admin/audit?since={at}")).await).len(), 6);

    // Page by page, and on from the last page when there are more.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin(&ingest, &format!("/admin/audit?order=asc&limit=4{cursor}")).await;
        seen.extend(actions(&page));
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert!(seen.iter().rev().eq(&newest_first), "{seen:?}");
    rename(&ingest, "four").await;
    let more = admin(&ingest, &format!("/admin/audit?order=asc&limit=4{cursor}")).await;
    assert_eq!(
        (actions(&more), &more["audit"][0]["changes"][0]["before"]),
        (vec![updated.to_owned()], &json!("three"))
    );

    for (query, field) in [
        ("action=customer.renamed", "action"),
        ("actor=nobody", "actor"),
        ("key_id=1", "key_id"),
        ("order=up", "order"),
        ("limit=0", "limit"),
        ("since=yesterday", "since"),
        ("nonsense=1", "nonsense"),
        (&format!("actor=key{cursor}"), "cursor"),
    ] {
        let refused = ingest.admin().await.admin("GET", &format!("/admin/audit?{query}"), "").await;
        assert_eq!(refused.status, 400, "{query}: {refused:?}");
        assert_eq!(refused.json()["error"]["details"]["field"], field, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_reads_its_own_entries_and_nobody_else_s() {
    let ingest = start(config()).await;
    let other = ingest.admin().await.admin("POST", "/admin/customers", r#"{"name":"other"}"#).await.json();
    let own = ingest.client().await.get("/v1/audit").await.json();
    assert_eq!(actions(&own), ["key.created", "customer.created"]);
    assert!(own["audit"].as_array().unwrap().iter().all(|entry| entry["from"].is_null()), "{own}");
    // A customer cannot name another one.
    let customer = other["customer_id"].as_str().unwrap();
    let refused = ingest.client().await.get(&format!("/v1/audit?customer_id={customer}")).await;
    assert_eq!(refused.status, 400);
    let below = admin(&ingest, &format!("/admin/customers/{customer}/audit")).await;
    assert_eq!(actions(&below), ["customer.created"]);
    assert_eq!(below["audit"][0]["from"]["address"], "127.0.0.1");
    assert_eq!(ingest.client().await.get("/admin/audit").await.status, 404, "not on the public listener");
    let mut nobody = RawClient::connect(ingest.admin).await;
    assert_eq!(nobody.get("/admin/audit").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_headers_claim_is_kept_short_and_marked_as_a_claim() {
    let ingest = start(config()).await;
    let mut client = ingest.admin().await;
    client.key = crate::harness::ADMIN.into();
    let agent = "x".repeat(1000);
    let headers = format!(
        "content-type: application/json\r\nuser-agent: {agent}\r\nx-forwarded-for: 203.0.113.7, 10.0.0.1\r\nx-request-id: mine-1\r\n"
    );
    let path = format!("/admin/customers/{}", ingest.customer);
    assert_eq!(client.request_with("PATCH", &path, &headers, r#"{"name":"a"}"#).await.status, 200);
    let page = admin(&ingest, "/admin/audit?limit=1").await;
    let from = &page["audit"][0]["from"];
    assert_eq!(from["address"], "127.0.0.1");
    assert_eq!(from["forwarded_for"], "203.0.113.7, 10.0.0.1");
    assert_eq!(from["request_id"], "mine-1");
    assert_eq!(from["user_agent"].as_str().unwrap().len(), 200);
}
