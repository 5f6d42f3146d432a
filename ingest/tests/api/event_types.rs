//! Event types: declaring them, and refusing events that do not fit.

use crate::api::customer;
use crate::harness::{RawClient, config, start};
use serde_json::{Value, json};

const QTY: &str =
    r#"{"type":"object","required":["qty"],"properties":{"qty":{"type":"integer","minimum":1}}}"#;

fn declared(schema: &str, enforce: bool) -> String {
    format!(r#"{{"description":"Orders","schema":{schema},"enforce":{enforce}}}"#)
}

async fn put(client: &mut RawClient, name: &str, body: &str) -> Value {
    let answer = client.request("PUT", &format!("/v1/event-types/{name}"), body).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_type_lives_through_its_changes() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let path = "/v1/event-types/order.created";
    assert_eq!(client.get(path).await.status, 404);
    assert_eq!(client.request("DELETE", path, "").await.status, 404);
    // As it was written, digits included.
    let schema = r#"{"maximum": 123456789012345678901234567890,  "type":"object"}"#;
    let made = client.request("PUT", path, declared(schema, false)).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(String::from_utf8_lossy(&made.body).contains(schema));
    let made = made.json();
    assert_eq!((&made["name"], &made["enforce"]), (&json!("order.created"), &json!(false)));
    let again = client.request("PUT", path, declared(schema, false)).await;
    assert_eq!((again.status, again.json()), (200, made.clone()));
    let changed = client.request("PUT", path, format!(r#"{{"schema":{QTY},"enforce":true}}"#)).await;
    assert_eq!((changed.status, &changed.json()["description"]), (200, &Value::Null));
    assert_eq!(changed.json()["created_at"], made["created_at"]);
    for name in ["a.b", "%C3%BC", "x%2Fy%20z"] {
        put(&mut client, name, &declared("true", true)).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        let all = answer["event_types"].as_array().unwrap();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let page = client.get("/v1/event-types?limit=3").await.json();
    assert_eq!(names(&page), ["a.b", "order.created", "x/y z"]);
    assert_eq!(
        (&page["total"], &page["has_more"], &page["cursor"]),
        (&json!(4), &json!(true), &json!("x/y z"))
    );
    let rest = client.get("/v1/event-types?limit=3&cursor=x/y%20z").await.json();
    assert_eq!((names(&rest), &rest["has_more"]), (vec!["ü".to_owned()], &json!(false)));
    assert_eq!(client.get("/v1/event-types/x%2Fy%20z").await.status, 200);

    // Another customer has none of them; an operator has all of them.
    let (_, mut other) = customer(&ingest, json!({ "name": "Other" })).await;
    assert_eq!(other.get(path).await.status, 404);
    assert_eq!(other.get("/v1/event-types").await.json()["total"], 0);
    let below = format!("/admin/customers/{}/event-types", ingest.customer);
    let mut admin = ingest.admin().await;
    assert_eq!(admin.admin("GET", &below, "").await.json()["total"], 4);
    assert_eq!(admin.admin("DELETE", &format!("{below}/a.b"), "").await.status, 204);
    assert_eq!(client.get("/v1/event-types/a.b").await.status, 404);
    assert_eq!(client.request("DELETE", path, "").await.status, 204);
    let bad = client.request("POST", "/v1/events", r#"{"event_type":"order.created","payload":{}}"#).await;
    assert_eq!(bad.status, 202, "it is enforced no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_schemas_that_cannot_be_are_refused_with_their_place() {
    let mut limited = config();
    (limited.event_types.customer_max, limited.event_types.customer_bytes_max) = (2, 100);
    let ingest = start(limited).await;
    let mut client = ingest.client().await;
    let good = declared("{}", true);
    for (name, says) in [
        ("order.*", "pattern"),
        ("*", "pattern"),
        ("sluice.subscription.disabled", "Sluice's own"),
        ("a%00b", "control"),
        ("%ff", "UTF-8"),
        (&"n".repeat(257), "257 bytes"),
    ] {
        let answer = client.request("PUT", &format!("/v1/event-types/{name}"), &good).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["details"]["field"]), (400, &json!("name")), "{name}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
    for (body, code, pointer) in [
        (r#"{"schema":{"type":7}}"#, "INVALID_SCHEMA", json!("/type")),
        (r#"{"schema":{"items":{"$ref":"http://127.0.0.1/"}}}"#, "INVALID_SCHEMA", json!("/items/$ref")),
        (r##"{"schema":{"$ref":"#"}}"##, "INVALID_SCHEMA", json!("")),
        (r#"{"schema":7}"#, "INVALID_SCHEMA", json!("")),
        (r#"{"schema":{},"enforced":true}"#, "INVALID_REQUEST", Value::Null),
        (r#"{"enforce":true}"#, "INVALID_REQUEST", Value::Null),
    ] {
        let answer = client.request("PUT", "/v1/event-types/a", body).await;
        assert_eq!((answer.status, &*answer.code()), (400, code), "{body}");
        assert_eq!(answer.json()["error"]["details"]["pointer"], pointer, "{body}");
    }
    put(&mut client, "a", &good).await;
    let large = declared(&format!(r#"{{"description":"{}"}}"#, "x".repeat(90)), true);
    for (name, body) in [("b", &large), ("a", &large)] {
        let answer = client.request("PUT", &format!("/v1/event-types/{name}"), body).await;
        assert_eq!((answer.status, &*answer.code()), (409, "TOO_MANY_EVENT_TYPES"), "{name}: {answer:?}");
        if name == "a" {
            break;
        }
    }
    put(&mut client, "b", &good).await;
    let answer = client.request("PUT", "/v1/event-types/c", &good).await;
    assert_eq!((answer.status, &*answer.code()), (409, "TOO_MANY_EVENT_TYPES"));
    put(&mut client, "b", &declared("true", false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_producing_is_checked_where_the_type_is_enforced() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    put(&mut client, "order.created", &declared(QTY, true)).await;
    let one = |qty: &str| format!(r#"{{"event_type":"order.created","payload":{{"qty":{qty}}}}}"#);
    let inside = r#"{"payload":{"event_type":"order.created","qty":0}}"#;
    for body in [one("0"), inside.to_owned()] {
        let answer = client.request("POST", "/v1/events", &body).await;
        assert_eq!((answer.status, &*answer.code()), (400, "INVALID_EVENT"), "{answer:?}");
        let details = answer.json()["error"]["details"].clone();
        assert_eq!(details["event_type"], "order.created");
        assert_eq!(details["errors"][0]["pointer"], "/qty");
    }
    assert_eq!(client.request("POST", "/v1/events", one("1")).await.status, 202);

    let two = [one("1"), one("\"x\"")];
    let array = format!("[{}]", two.join(","));
    let object = format!(r#"{{"events":{array}}}"#);
    for (body, kind) in
        [(array, "application/json"), (object, "application/json"), (two.join("\n"), "application/x-ndjson")]
    {
        let headers = format!("content-type: {kind}\r\n");
        let answer = client.request_with("POST", "/v1/events", &headers, &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let answer = answer.json();
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &json!(1)), "{answer}");
        let error = &answer["events"][1]["error"];
        assert_eq!(error["code"], "INVALID_EVENT");
        assert_eq!(error["details"]["errors"][0]["pointer"], "/qty", "{error}");
    }

    let cloud = |qty: u32| {
        json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created", "data": {"qty": qty},
        })
    };
    let binary = "content-type: application/json\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /shop\r\nce-type: order.created\r\n";
    let structured = "content-type: application/cloudevents+json\r\n";
    for (headers, body) in [(binary, r#"{"qty":0}"#.to_owned()), (structured, cloud(0).to_string())] {
        let answer = client.request_with("POST", "/v1/events", headers, &body).await;
        assert_eq!((answer.status, &*answer.code()), (400, "INVALID_EVENT"), "{answer:?}");
        assert_eq!(answer.json()["error"]["details"]["errors"][0]["pointer"], "/qty");
    }
    let batch = "content-type: application/cloudevents-batch+json\r\n";
    let body = json!([cloud(0), cloud(1)]).to_string();
    let answer = client.request_with("POST", "/v1/events", batch, &body).await.json();
    assert_eq!(
        (&answer["accepted"], &answer["events"][0]["error"]["code"]),
        (&json!(1), &json!("INVALID_EVENT"))
    );

    let bad = format!("[{}]", [one("0"), one("-1")].join(","));
    let answer = client.request("POST", "/v1/events", bad).await;
    assert_eq!((answer.status, &*answer.code()), (400, "ALL_REJECTED"));
    assert_eq!(
        answer.json()["error"]["details"]["events"][1]["error"]["details"]["errors"][0]["pointer"],
        "/qty"
    );

    // Another customer's events of that name are its own matter.
    let (_, mut other) = customer(&ingest, json!({ "name": "Other" })).await;
    assert_eq!(other.request("POST", "/v1/events", one("0")).await.status, 202);
    // What an operator sends for the customer is the customer's.
    let path = format!("/admin/customers/{}/events", ingest.customer);
    assert_eq!(ingest.admin().await.admin("POST", &path, &one("0")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_keys_of_their_own_are_checked_like_others() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    put(&mut client, "t", &declared(QTY, true)).await;
    let event = |qty: u32, key: &str| json!({ "event_type": "t", "payload": {"qty": qty}, "metadata": {"idempotency_key": key} });
    let first = json!([event(1, "a"), event(0, "b"), {"payload": 1}]).to_string();
    let answer = client.request("POST", "/v1/events", &first).await.json();
    assert_eq!(
        (&answer["accepted"], &answer["events"][1]["error"]["code"]),
        (&json!(2), &json!("INVALID_EVENT"))
    );
    // The key of a refused event is free; the others are answered as before.
    let second = json!([event(1, "a"), event(2, "b"), event(0, "c")]).to_string();
    let again = client.request("POST", "/v1/events", &second).await.json();
    assert_eq!(again["events"][0]["event_id"], answer["events"][0]["event_id"]);
    assert_eq!(again["events"][0]["replayed"], true);
    assert!(
        again["events"][1]["event_id"].is_string() && again["events"][1]["replayed"].is_null(),
        "{again}"
    );
    assert_eq!(again["events"][2]["error"]["details"]["errors"][0]["pointer"], "/qty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_tried_without_being_sent() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    put(&mut client, "t", &declared(QTY, false)).await;
    let path = "/v1/event-types/t/test";
    let good = client.request("POST", path, r#"{"payload":{"qty":1}}"#).await;
    assert_eq!((good.status, good.json()), (200, json!({ "valid": true, "errors": [] })));
    let bad = client.request("POST", path, r#"{"payload":{"qty":"1"}}"#).await.json();
    assert_eq!((&bad["valid"], &bad["errors"][0]["pointer"]), (&json!(false), &json!("/qty")));
    let doubled = client.request("POST", path, r#"{"payload":{"qty":1,"qty":1}}"#).await.json();
    assert_eq!((&doubled["valid"], &doubled["errors"][0]["pointer"]), (&json!(false), &json!("/qty")));
    let draft = client.request("POST", path, r#"{"payload":{"qty":"1"},"schema":{}}"#).await.json();
    assert_eq!(draft["valid"], true);
    let unknown = "/v1/event-types/none/test";
    assert_eq!(client.request("POST", unknown, r#"{"payload":1}"#).await.status, 404);
    assert_eq!(
        client.request("POST", unknown, r#"{"payload":1,"schema":false}"#).await.json()["valid"],
        false
    );
    let bad = client.request("POST", unknown, r#"{"payload":1,"schema":{"$ref":"x"}}"#).await;
    assert_eq!((bad.status, &*bad.code()), (400, "INVALID_SCHEMA"));
    assert_eq!(client.get("/v1/inbox?status=any").await.json()["total"], 0);
}
