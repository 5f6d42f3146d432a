//! Keys with scopes: a key opens the routes that its scopes are for, and no others.

use crate::harness::{RawClient, RunningIngest, config, start};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ALL: [&str; 5] =
    ["events:write", "events:read", "subscriptions:read", "subscriptions:write", "deliveries:write"];

/// An operation of the public API, and the scopes that it needs.
struct SecuredOperation {
    method: String,
    path: String,
    needs: Vec<String>,
}

/// Every operation of the public API that asks for a key, from the table of routes.
async fn operations(ingest: &RunningIngest) -> Vec<SecuredOperation> {
    let document = ingest.client().await.get("/openapi.json").await.json();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            let Some(scheme) = security.first() else { continue };
            let names = |scopes: &Value| {
                scopes.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
            };
            let needs: Vec<String> = names(&scheme["bearer"]);
            assert_eq!(needs, names(&security[1]["api_key"]), "{path}: by both headers alike");
            let id = "00000000-0000-7000-8000-000000000000";
            all.push(SecuredOperation {
                method: method.to_ascii_uppercase(),
                path: path.replace("{id}", id).replace("{name}", "order.created"),
                needs,
            });
        }
    }
    all
}

/// Makes a key with these scopes.
async fn key_with(ingest: &RunningIngest, scopes: &[&str]) -> Value {
    let path = format!("/admin/customers/{}/keys", ingest.customer);
    let made = ingest.admin().await.admin("POST", &path, &json!({ "scopes": scopes }).to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

async fn client_with(ingest: &RunningIngest, key: &Value) -> RawClient {
    let mut client = RawClient::connect(ingest.public).await;
    client.key = key["api_key"].as_str().unwrap().to_owned();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_key_that_lacks_a_scope_and_takes_one_that_has_no_other() {
    let ingest = start(config()).await;
    let mut without = BTreeMap::new();
    for scope in ALL {
        let others: Vec<&str> = ALL.into_iter().filter(|other| *other != scope).collect();
        without.insert(scope, key_with(&ingest, &others).await);
    }
    let operations = operations(&ingest).await;
    assert!(operations.len() > 25, "{}", operations.len());
    let mut seen = BTreeSet::new();
    for SecuredOperation { method, path, needs } in &operations {
        let what = format!("{method} {path}");
        assert_eq!(needs.is_empty(), path == "/v1/me", "{what} says which scopes it needs");
        if method == "GET" {
            assert!(needs.iter().all(|scope| scope.ends_with(":read")), "{what} changes nothing: {needs:?}");
        }
        for scope in needs {
            seen.insert(scope.clone());
            let answer =
                client_with(&ingest, &without[scope.as_str()]).await.request(method, path, "{}").await;
            assert_eq!(answer.status, 403, "{what} without {scope}: {answer:?}");
            assert_eq!(answer.code(), "FORBIDDEN", "{what}");
            let error = &answer.json()["error"];
            assert_eq!(error["details"]["missing_scope"], scope.as_str(), "{what}: {error}");
            assert!(error["message"].as_str().unwrap().contains(scope.as_str()), "{what}: {error}");
        }
        let least: Vec<&str> = if needs.is_empty() {
            vec!["deliveries:write"]
        } else {
            needs.iter().map(String::as_str).collect()
        };
        let key = key_with(&ingest, &least).await;
        let answer = client_with(&ingest, &key).await.request(method, path, "{}").await;
        assert!(![401, 403].contains(&answer.status), "{what} with {least:?}: {answer:?}");
    }
    assert_eq!(seen, ALL.map(str::to_owned).into(), "each scope is for something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_s_scopes_are_named_checked_and_shown() {
    let ingest = start(config()).await;
    let path = format!("/admin/customers/{}/keys", ingest.customer);
    for (scopes, told) in [
        (json!([]), "events:write, events:read, subscriptions:read, subscriptions:write, deliveries:write"),
        (json!(["events:read", "events:delete"]), "\"events:delete\" is no scope: there are events:write,"),
        (json!(["Events:read"]), "is no scope"),
        (json!("events:read"), "scopes"),
        (json!([1]), "scopes"),
    ] {
        let refused =
            ingest.admin().await.admin("POST", &path, &json!({ "scopes": scopes }).to_string()).await;
        assert_eq!(refused.status, 400, "{scopes}: {refused:?}");
        assert!(refused.json()["error"].to_string().replace('\\', "").contains(told), "{refused:?}");
    }
    let made = key_with(&ingest, &["subscriptions:read", "events:write", "events:write"]).await;
    assert_eq!(made["scopes"], json!(["events:write", "subscriptions:read"]));
    assert_eq!(made["status"], "active");
    let listed = ingest.admin().await.admin("GET", &path, "").await.json();
    let scopes: Vec<&Value> = listed["keys"].as_array().unwrap().iter().map(|key| &key["scopes"]).collect();
    assert_eq!(scopes, [&json!(ALL), &made["scopes"]], "the first was made without scopes: it has all");
    let me = client_with(&ingest, &made).await.get("/v1/me").await.json();
    assert_eq!(me["key"]["scopes"], made["scopes"]);
    assert_eq!(me["key"]["key_id"], made["key_id"]);

    // One connection carries requests with several keys; each has its own scopes.
    let mut client = client_with(&ingest, &made).await;
    assert_eq!(client.post_event().await.status, 202);
    assert_eq!(client.get("/v1/inbox").await.code(), "FORBIDDEN");
    let own = std::mem::replace(&mut client.key, ingest.key.clone());
    assert_eq!(client.get("/v1/inbox").await.status, 200);
    client.key = own;
    assert_eq!(client.get("/v1/inbox").await.status, 403);
    // A refused request with a body leaves the connection usable.
    assert_eq!(client.request("POST", "/v1/inbox/ack", r#"{"event_ids":[]}"#).await.status, 400);
    assert_eq!(client.request("POST", "/v1/subscriptions", "x".repeat(100_000)).await.status, 403);
    assert_eq!(client.post_event().await.status, 202);
    // An operator does all of it for the customer.
    let below = format!("/admin/customers/{}/inbox", ingest.customer);
    assert_eq!(ingest.admin().await.admin("GET", &below, "").await.status, 200);
}
