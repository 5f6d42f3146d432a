//! The sending options of a subscription: headers, its own secret, ed25519 signatures,
//! rotation, rate limit.

use crate::harness::customer::text;
use crate::harness::endpoint::{EndpointReply, Seen};
use crate::harness::{Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

fn subscription(url: &str, more: &Value) -> Value {
    let mut body = json!({
        "event_selector": {"type": "event_type", "value": "*"}, "webhook_url": url,
        "batch": {"max_events": 1, "max_wait_ms": 0}, "retry": {"max_retries": 100, "max_delay_s": 1},
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Whether one of a webhook's v1a signatures verifies with the public key.
fn verifies(public_key: &str, webhook: &Seen) -> bool {
    let key = STANDARD.decode(public_key.strip_prefix("whpk_").unwrap()).unwrap();
    let (id, timestamp) = (webhook.header("webhook-id"), webhook.header("webhook-timestamp"));
    let message = [format!("{id}.{timestamp}.").as_bytes(), &webhook.body].concat();
    let signatures = webhook.header("webhook-signature").split(' ');
    signatures.filter_map(|signature| signature.strip_prefix("v1a,")).any(|signature| {
        let signature = STANDARD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, &key).verify(&message, &signature).is_ok()
    })
}

#[test]
fn headers_go_with_each_webhook_and_are_shown_to_nobody() {
    let key = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut server = ServerConfig::default().env("SLUICE_SECRETS__KEYS", format!("[\"{key}\"]")).start();
    let customer = TestCustomer::new(&server);
    let elsewhere = TestEndpoint::healthy();
    let endpoint = TestEndpoint::healthy();
    let headers = json!({"headers": {"X-Api-Key": "hush-4711", "Authorization": "Bearer hush-4712"}});
    let made = customer.subscribe_with(&subscription(&endpoint.url(), &headers));
    let path = format!("/v1/subscriptions/{}", made.id);
    assert_eq!(customer.get(&path)["headers"], json!({"authorization": "********", "x-api-key": "********"}));

    server.kill();
    server.restart();
    customer.send(&json!({"payload": 1}));
    let seen = endpoint.wait_for(1);
    assert_eq!(
        (seen[0].header("x-api-key"), seen[0].header("authorization")),
        ("hush-4711", "Bearer hush-4712")
    );

    // A redirect to another host does not get them.
    let to = elsewhere.url();
    endpoint.answer(move |_| EndpointReply::status(307).header("location", to.clone()));
    customer.send(&json!({"payload": 2}));
    let redirected = &elsewhere.wait_for(1)[0];
    assert!(redirected.headers.iter().all(|(_, value)| !value.contains("hush")), "{redirected:?}");
    redirected.header("webhook-signature");
    endpoint.answer(|_| EndpointReply::status(200));

    // A masked value in a change keeps what is stored; null removes all.
    let change = json!({"headers": {"x-api-key": "********", "x-new": "plain"}});
    let changed = customer.call(Request::new("PATCH", &*path).json(&change), 200).json();
    assert_eq!(changed["headers"], json!({"x-api-key": "********", "x-new": "********"}));
    let before = endpoint.seen().len();
    customer.send(&json!({"payload": 3}));
    let seen = endpoint.wait_for(before + 1);
    let last = seen.last().unwrap();
    assert_eq!((last.header("x-api-key"), last.header("x-new")), ("hush-4711", "plain"));
    assert!(last.headers.iter().all(|(name, _)| name != "authorization"));
    let change = json!({"headers": null});
    assert_eq!(customer.call(Request::new("PATCH", &*path).json(&change), 200).json()["headers"], json!({}));

    let refused = json!({"headers": {"Webhook-Id": "mine"}});
    let answer = customer.call(Request::new("PATCH", &*path).json(&refused), 400).json();
    assert_eq!(answer["error"]["details"]["field"], "headers", "{answer}");
    server.terminate();
    for file in walk(server.data_dir()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(5).any(|part| part == b"hush-"), "a header's value is in {}", file.display());
    }
    assert!(!server.log().contains("hush-"), "a header's value is in the log");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_secret_of_ones_own_signs_and_a_bad_one_is_refused() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let secret = format!("whsec_{}", STANDARD.encode([7; 24]));
    let made = customer.subscribe_with(&subscription(&endpoint.url(), &json!({"secret": secret})));
    assert_eq!(made.secret, secret);
    customer.send(&json!({"payload": 1}));
    let seen = endpoint.wait_for(1);
    assert!(sluice_traffic_accepts(&secret, &seen[0]));
    let short = format!("whsec_{}", STANDARD.encode([7; 23]));
    for (bad, says) in [(short.as_str(), "23 bytes"), ("secret", "whsec_"), ("whsk_AAAA", "whsec_")] {
        let body = subscription(&endpoint.url(), &json!({"secret": bad}));
        let answer = customer.call(Request::post("/v1/subscriptions").json(&body), 400).json();
        assert_eq!(answer["error"]["details"]["field"], "secret");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer}");
    }
}

/// Whether a v1 signature verifies with the secret.
fn sluice_traffic_accepts(secret: &str, webhook: &Seen) -> bool {
    use ring::hmac;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, timestamp) = (webhook.header("webhook-id"), webhook.header("webhook-timestamp"));
    let message = [format!("{id}.{timestamp}.").as_bytes(), &webhook.body].concat();
    let expected = STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message));
    webhook.header("webhook-signature").split(' ').any(|signature| signature == format!("v1,{expected}"))
}

#[test]
fn an_ed25519_key_signs_and_its_public_half_is_all_that_is_shown() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let body = subscription(&endpoint.url(), &json!({"signature": "v1a"}));
    let made = customer.call(Request::post("/v1/subscriptions").json(&body), 201).json();
    assert!(made.get("secret").is_none() && made["signature"] == "v1a", "{made}");
    let (path, public) =
        (format!("/v1/subscriptions/{}", text(&made, "workflow_id")), text(&made, "public_key"));
    assert_eq!(customer.get(&path)["public_key"], public.as_str());
    server.kill();
    server.restart();
    customer.send(&json!({"payload": 1}));
    let seen = endpoint.wait_for(1);
    assert!(verifies(&public, &seen[0]), "{:?}", seen[0].headers);

    // Rotates to the other scheme and back; meanwhile both schemes sign.
    let rotated = customer.call(
        Request::post(format!("{path}/rotate-secret")).json(&json!({"signature": "v1", "keep_s": 3600})),
        200,
    );
    let secret = text(&rotated.json(), "secret");
    customer.send(&json!({"payload": 2}));
    let seen = endpoint.wait_for(2);
    assert!(verifies(&public, &seen[1]) && sluice_traffic_accepts(&secret, &seen[1]));
    let rotated = customer.call(
        Request::post(format!("{path}/rotate-secret")).json(&json!({"signature": "v1a", "keep_s": 0})),
        200,
    );
    let newer = text(&rotated.json(), "public_key");
    assert_ne!(newer, public);
    customer.send(&json!({"payload": 3}));
    let seen = endpoint.wait_for(3);
    assert_eq!(seen[2].header("webhook-signature").split(' ').count(), 1, "old secrets ended at once");
    assert!(verifies(&newer, &seen[2]) && !verifies(&public, &seen[2]));
    let too_long = Request::post(format!("{path}/rotate-secret")).json(&json!({"keep_s": 100_000_000}));
    assert_eq!(customer.call(too_long, 400).json()["error"]["details"]["field"], "keep_s");
}

#[test]
fn a_paced_subscription_is_sent_its_rate_and_loses_nothing() {
    const EVENTS: usize = 60;
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let (slow, fast) = (TestEndpoint::healthy(), TestEndpoint::healthy());
    let paced = customer.subscribe_with(&subscription(&slow.url(), &json!({"rate_limit_per_second": 10})));
    customer.subscribe_with(&subscription(&fast.url(), &json!({})));
    let events: Vec<Value> = (0..EVENTS).map(|n| json!({"payload": n})).collect();
    let sent = customer.send_all(&events);
    // Its neighbour does not wait for it.
    fast.wait_for(EVENTS);
    let waiting = slow.seen().len();
    assert!(waiting < EVENTS, "{waiting} events were sent at once");
    let seen = slow.wait_for(EVENTS);
    let mut ids: Vec<String> = seen.iter().flat_map(Seen::event_ids).collect();
    ids.sort();
    ids.dedup();
    let mut sent = sent;
    sent.sort();
    assert_eq!(ids, sent, "each event came");
    // One second's rate may go at once, and one POST more, so it cannot take less time.
    let took = seen[EVENTS - 1].at.duration_since(seen[0].at);
    let least = std::time::Duration::from_millis((EVENTS as u64 - 11) * 100 - 500);
    assert!(took >= least, "{EVENTS} events at 10 a second took {took:?}");
    assert!(seen.iter().all(|webhook| webhook.header("sluice-attempt") == "1"), "a wait is no attempt");
    assert!(customer.dead_letters().is_empty());
    let path = format!("/v1/subscriptions/{}", paced.id);
    let change = Request::new("PATCH", &*path).json(&json!({"rate_limit_per_second": null}));
    assert_eq!(customer.call(change, 200).json()["rate_limit_per_second"], Value::Null);
    let zero = Request::new("PATCH", &*path).json(&json!({"rate_limit_per_second": 0}));
    assert_eq!(customer.call(zero, 400).json()["error"]["details"]["field"], "rate_limit_per_second");
    customer.send_all(&events);
    wait_until("the rest to come at once", || slow.seen().len() == 2 * EVENTS);
}
