//! The README's first webhook, and the body and headers of every webhook.

use crate::harness::{
    Request, Seen, ServerConfig, TestCustomer, TestEndpoint, TestServer, reference, wait_for,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

/// The content type of `curl --json`, which the README uses.
const CURL: &str = "application/json";

#[test]
fn the_readme_s_first_webhook_arrives() {
    let server = ServerConfig::default().make_admin_token().start();
    let token = std::fs::read_to_string(server.data_dir().join("admin-token")).expect("the admin token");
    let admin = |path: &str, body: &str| {
        let request = Request::post(path).bearer(token.trim()).header("content-type", CURL).body(body);
        request.expect(server.admin(), 201).json()
    };
    let customer = admin("/admin/customers", r#"{"name":"Acme"}"#)["customer_id"].clone();
    let customer = customer.as_str().expect("id");
    let key = admin(&format!("/admin/customers/{customer}/keys"), "{}")["api_key"].clone();
    let key = key.as_str().expect("key");
    let public = |path: &str, body: &str, status| {
        let request = Request::post(path).bearer(key).header("content-type", CURL).body(body);
        request.expect(server.public(), status).json()
    };
    let endpoint = TestEndpoint::healthy();
    let subscription = json!({
        "event_selector": {"type": "event_type", "value": "order.*"},
        "webhook_url": endpoint.url(),
    });
    public("/v1/subscriptions", &subscription.to_string(), 201);
    let sent = public("/v1/events", r#"{"event_type":"order.created","payload":{"order":1,"qty":3}}"#, 202);
    assert_eq!(endpoint.wait_for(1)[0].event_ids(), [sent["event_id"].as_str().unwrap()]);
    wait_for("the inbox to say that it is delivered", || {
        let inbox = Request::get("/v1/inbox").bearer(key).expect(server.public(), 200).json();
        (inbox["events"][0]["status"] == "delivered").then_some(())
    });
}

#[test]
fn a_webhook_has_the_body_and_the_headers_of_the_contract() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe(&endpoint.url());
    let full = json!({
        "event_type": "order.created", "source": "shop", "tags": ["a", "ü"],
        "metadata": {"correlation_id": "c-1", "priority": "high"},
        "payload": {"qty": 3, "price": 1.50, "deep": [[{"x": null}], "\u{1F980} \"quoted\""], "big": 9_007_199_254_740_993_u64},
        "ordering_key": "o-1",
    });
    let full_id = customer.send(&full);
    let bare_id = customer.send(&json!({"payload": null}));

    let seen = wait_for("both events", || {
        let seen = endpoint.seen();
        (seen.iter().map(|seen| seen.events().len()).sum::<usize>() == 2).then_some(seen)
    });
    assert!(seen.iter().all(|seen| seen.line == "POST /hook HTTP/1.1"), "{seen:?}");
    let events: Vec<Value> = seen.iter().flat_map(Seen::events).collect();
    let find = |id: &str| events.iter().find(|event| event["event_id"] == id).expect("the event").clone();
    let timestamp = find(&full_id)["timestamp"].clone();
    timestamp.as_str().unwrap().parse::<jiff::Timestamp>().expect("RFC 3339");
    let expected = json!({
        "event_id": full_id, "customer_id": customer.id, "event_type": "order.created", "source": "shop",
        "tags": full["tags"], "metadata": full["metadata"], "payload": full["payload"], "timestamp": timestamp,
    });
    assert_eq!(find(&full_id), expected);
    let bare = find(&bare_id);
    let mut names: Vec<&String> = bare.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["customer_id", "event_id", "payload", "timestamp"], "absent fields are left out");

    for webhook in &seen {
        assert_eq!(webhook.header("content-type"), "application/json");
        assert!(webhook.header("user-agent").starts_with("Sluice/"));
        assert_eq!(webhook.header("sluice-subscription-id"), subscription.id);
        assert_eq!(webhook.header("sluice-attempt"), "1");
        assert_eq!(webhook.header("sluice-event-count"), webhook.events().len().to_string());
    }
}

#[test]
fn a_webhook_s_signature_holds_by_hand_and_by_the_reference_library() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe(&endpoint.url());
    customer.send(&json!({"payload": {"text": "\u{fc}\u{1F980}"}}));
    let first = endpoint.wait_for(1)[0].clone();
    assert_eq!(first.header("webhook-signature"), sign(&subscription.secret, &first));
    let mut altered = first.clone();
    altered.body[10] ^= 1;
    // The altered webhook shows that the check can fail.
    assert_eq!(reference::accepts(&subscription.secret, [&first, &altered]), [true, false]);
}

#[test]
fn a_rotated_secret_signs_beside_the_old_one() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let old = customer.subscribe(&endpoint.url());
    let path = format!("/v1/subscriptions/{}/rotate-secret", old.id);
    let rotated = customer.call(Request::post(path), 200).json();
    let new = rotated["secret"].as_str().expect("the new secret").to_owned();
    assert_ne!(new, old.secret);
    // The processor's view of the catalogue may be a second old.
    let both = wait_for("a webhook signed by both", || {
        let before = endpoint.seen().len();
        customer.send(&json!({"payload": 1}));
        let seen = endpoint.wait_for(before + 1).pop().unwrap();
        seen.header("webhook-signature").contains(' ').then_some(seen)
    });
    for secret in [&old.secret, &new] {
        assert!(both.header("webhook-signature").split(' ').any(|one| one == sign(secret, &both)));
        assert_eq!(reference::accepts(secret, [&both]), [true]);
    }
}

/// Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn sign(secret: &str, webhook: &Seen) -> String {
    let secret = STANDARD.decode(secret.strip_prefix("whsec_").expect("whsec_")).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let mut signed =
        format!("{}.{}.", webhook.header("webhook-id"), webhook.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&webhook.body);
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}
