//! The routes by which operators act for a customer, below `/admin/customers/{customer_id}`.

use crate::api::dead_letter;
use crate::harness::{ADMIN, RawClient, RunningIngest, config, start};
use crate::stream::ReadStream;
use serde_json::{Value, json};
use sluice_ports::EventStore;

const EVERYTHING: &str =
    r#"{"event_selector":{"type":"event_type","value":"*"},"webhook_url":"http://127.0.0.1:9/"}"#;

fn root(ingest: &RunningIngest) -> String {
    format!("/admin/customers/{}", ingest.customer)
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
}

async fn operator(ingest: &RunningIngest) -> RawClient {
    let mut admin = ingest.admin().await;
    admin.key = ADMIN.into();
    admin
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_send_read_and_deliver_a_customer_s_events() {
    let ingest = start(config()).await;
    let (mut admin, mut client, root) = (operator(&ingest).await, ingest.client().await, root(&ingest));
    let body = r#"{"event_type":"a.b","payload":{"n":1}}"#;
    let sent = admin.request("POST", &format!("{root}/events"), body).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let id = text(&sent.json(), "event_id");
    // It is the customer's own.
    let theirs = client.get(&format!("/v1/events/{id}")).await.json();
    assert_eq!(theirs["customer_id"], json!(ingest.customer));
    assert_eq!(admin.get(&format!("{root}/events/{id}")).await.json(), theirs);
    assert_eq!(admin.get(&format!("{root}/inbox")).await.json()["events"], json!([theirs]));

    let made = admin.request("POST", &format!("{root}/subscriptions"), EVERYTHING).await.json();
    let workflow = text(&made, "workflow_id");
    let resent = admin.request("POST", &format!("{root}/events/{id}/resend"), "").await;
    assert_eq!(resent.json()["deliveries"][0]["workflow_id"], json!(workflow));
    let replay = json!({ "workflow_id": workflow }).to_string();
    let replay = admin.request("POST", &format!("{root}/replay"), replay).await;
    assert_eq!(replay.status, 202, "{replay:?}");
    let replay = format!("{root}/replay/{}", text(&replay.json(), "replay_id"));
    assert_eq!(admin.request("DELETE", &replay, "").await.json()["status"], "cancelled");

    ingest.engine.events.put_dead_letters(vec![dead_letter(&ingest, &workflow, &id, 1)]).await.unwrap();
    let letters = admin.get(&format!("{root}/dead-letters")).await.json();
    assert_eq!(letters["dead_letters"][0]["workflow_id"], json!(workflow));
    let redriven = admin.request("POST", &format!("{root}/dead-letters/redrive"), "").await;
    assert_eq!(redriven.json()["redriven"], 1, "{redriven:?}");

    assert_eq!(admin.request("POST", &format!("{root}/events/{id}/ack"), "").await.status, 200);
    assert_eq!(client.get(&format!("/v1/events/{id}")).await.json()["status"], "acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_a_suspended_customer_whose_own_keys_open_nothing() {
    let ingest = start(config()).await;
    let (mut admin, mut client, root) = (operator(&ingest).await, ingest.client().await, root(&ingest));
    let stream = format!("{root}/stream?start_time=2020-01-01T00:00:00Z");
    client.post_event().await;
    assert_eq!(admin.request("PATCH", &root, r#"{"status":"suspended"}"#).await.status, 200);
    assert_eq!(client.get("/v1/inbox").await.status, 403);
    for path in ["inbox", "subscriptions", "dead-letters", "replay"] {
        assert_eq!(admin.get(&format!("{root}/{path}")).await.status, 200, "{path}");
    }
    let mut read = ReadStream::open_at(operator(&ingest).await, &stream, "").await;
    assert_eq!(read.payloads(1).await, [json!({ "n": 1 })]);
    // Nobody sends events for it meanwhile.
    let refused = admin.request("POST", &format!("{root}/events"), r#"{"payload":1}"#).await;
    assert_eq!((refused.status, &*refused.code()), (403, "CUSTOMER_SUSPENDED"));
    assert_eq!(admin.request("PATCH", &root, r#"{"status":"active"}"#).await.status, 200);
    client.post_event().await;
    assert_eq!(read.payloads(1).await, [json!({ "n": 1 })], "the stream went on through both changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_below_a_customer_needs_the_token_and_a_customer_that_exists() {
    let ingest = start(config()).await;
    let described = ingest.admin().await.get("/openapi.json").await.json();
    let nobody = "01900000-0000-7000-8000-000000000000";
    let mut checked = 0;
    for (path, item) in described["paths"].as_object().unwrap() {
        let Some(below) = path.strip_prefix("/admin/customers/{customer_id}/") else { continue };
        for method in item.as_object().unwrap().keys() {
            let (mut public, mut admin) = (ingest.client().await, ingest.admin().await);
            let method = method.to_ascii_uppercase();
            let of_customer = format!("{}/{below}", root(&ingest)).replace("{id}", nobody);
            assert_eq!(public.request(&method, &of_customer, "{}").await.status, 404, "{method} {path}");
            admin.key.clone_from(&ingest.key);
            assert_eq!(admin.request(&method, &of_customer, "{}").await.status, 401, "{method} {path}");
            let of_nobody = format!("/admin/customers/{nobody}/{below}").replace("{id}", nobody);
            let body = if below == "subscriptions" { EVERYTHING } else { r#"{"workflow_id":null}"# };
            let answer = admin.admin(&method, &of_nobody, body).await;
            // A body that is no request of this route is refused before the customer is looked up.
            assert!([404, 400].contains(&answer.status), "{method} {path}: {answer:?}");
            if method == "GET" || below == "events" {
                let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
                assert_eq!((answer.status, &*message), (404, "there is no such customer"), "{method} {path}");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}
