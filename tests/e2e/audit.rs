//! The audit log: it has each change once, with its actor and without secrets, even
//! after `kill -9`.

use crate::harness::customer::text;
use crate::harness::endpoint::EndpointReply;
use crate::harness::{Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_until};
use serde_json::{Value, json};

/// All entries of a path, read page by page, and their bytes.
fn entries(server: &TestServer, path: &str) -> (Vec<Value>, String) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut bytes, mut cursor) = (Vec::new(), String::new(), String::new());
    loop {
        let page = format!("{path}{separator}limit=3{cursor}");
        let page = server.admin_call(Request::get(page), 200);
        bytes += &page.to_string();
        all.extend(page["audit"].as_array().expect("a list").iter().cloned());
        if page["has_more"] != true {
            return (all, bytes);
        }
        cursor = format!("&cursor={}", text(&page, "cursor"));
    }
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("an action")).collect()
}

/// Makes each kind of change once; returns the secrets that were in them.
fn change_everything(server: &TestServer, customer: &TestCustomer) -> Vec<String> {
    let below = format!("/admin/customers/{}", customer.id);
    let body = json!({"name": "Other", "rate_limit_per_second": 5000});
    server.admin_call(Request::new("PATCH", below.as_str()).json(&body), 200);
    let keys = format!("{below}/keys");
    let other =
        server.admin_call(Request::post(keys.as_str()).json(&json!({"scopes": ["events:read"]})), 201);
    server.admin_call(Request::new("DELETE", format!("{keys}/{}", text(&other, "key_id"))), 204);

    let endpoint = TestEndpoint::start(|_| EndpointReply::status(400));
    let made = json!({
        "event_selector": {"type": "event_type", "value": "*"},
        "webhook_url": format!("{}?token=query-of-a-url", endpoint.url()),
        "headers": {"authorization": "Bearer value-of-a-header"},
        "transform": {"template": {"routing_key": "key-of-a-template", "n": "{{ payload.n }}"}},
        "retry": {"max_retries": 0},
    });
    let subscription = customer.subscribe_with(&made);
    let path = format!("/v1/subscriptions/{}", subscription.id);
    let change =
        json!({"description": "changed", "headers": {"authorization": "Bearer other-value-of-a-header"}});
    customer
        .call(Request::new("PATCH", path.as_str()).json(&change).header("user-agent", "audit-test/1"), 200);
    let rotated = customer.call(Request::post(format!("{path}/rotate-secret")).json(&json!({})), 200).json();
    // A change that alters nothing leaves no entry.
    customer.call(Request::new("PATCH", path.as_str()).json(&json!({"description": "changed"})), 200);

    customer.send(&json!({"payload": {"n": 1}}));
    let letters = customer.wait_for_dead_letters("refused", 1);
    customer.redrive(&subscription.id);
    let letters_again = crate::harness::wait_for("the dead letter to come back", || {
        let again = customer.dead_letters();
        (again.len() == 1 && again[0]["id"] != letters[0]["id"]).then_some(again)
    });
    let letter = text(&letters_again[0], "dead_letter_id");
    customer.call(Request::new("DELETE", format!("/v1/dead-letters/{letter}")), 200);
    customer.call(Request::new("DELETE", format!("/v1/dead-letters/{letter}")), 404);

    let replay = json!({"workflow_id": subscription.id, "rate_per_second": 1});
    let replay = customer.call(Request::post("/v1/replay").json(&replay), 202).json();
    let replay = format!("{below}/replay/{}", text(&replay, "replay_id"));
    server.admin_call(Request::new("DELETE", replay), 200);

    // A change by Sluice itself.
    endpoint.answer(|_| EndpointReply::status(410));
    customer.send(&json!({"payload": {"n": 2}}));
    wait_until("the subscription to be disabled", || customer.get(&path)["status"] == "disabled");
    customer.call(Request::post(format!("{path}/enable")), 200);
    customer.call(Request::new("DELETE", path.as_str()), 204);
    vec![
        customer.key.clone(),
        text(&other, "api_key"),
        subscription.secret,
        text(&rotated, "secret"),
        "query-of-a-url".to_owned(),
        "value-of-a-header".to_owned(),
        "key-of-a-template".to_owned(),
        crate::harness::server::ADMIN_TOKEN.to_owned(),
    ]
}

/// Each kind of change, with its actor.
const CHANGES: [(&str, &str); 15] = [
    ("customer.created", "admin"),
    ("key.created", "admin"),
    ("customer.updated", "admin"),
    ("key.created", "admin"),
    ("key.revoked", "admin"),
    ("subscription.created", "key"),
    ("subscription.updated", "key"),
    ("subscription.secret_rotated", "key"),
    ("dead_letters.redriven", "key"),
    ("dead_letters.deleted", "key"),
    ("replay.created", "key"),
    ("replay.cancelled", "admin"),
    ("subscription.disabled", "system"),
    ("subscription.enabled", "key"),
    ("subscription.deleted", "key"),
];

#[test]
fn each_change_is_told_once_by_whom_it_was_and_never_a_secret_through_kill_9() {
    for sealed in [false, true] {
        let sealing = r#"["one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]"#;
        let config = ServerConfig::default();
        let config = if sealed { config.env("SLUICE_SECRETS__KEYS", sealing) } else { config };
        let mut server = config.start();
        let customer = TestCustomer::new(&server);
        let secrets = change_everything(&server, &customer);
        let all = format!("/admin/audit?customer_id={}&order=asc", customer.id);
        let (before, bytes) = entries(&server, &all);
        let told: Vec<(&str, &str)> = before
            .iter()
            .map(|entry| (entry["action"].as_str().unwrap(), entry["actor"]["kind"].as_str().unwrap()))
            .collect();
        assert_eq!(told, CHANGES, "sealed: {sealed}");
        for secret in &secrets {
            assert!(!bytes.contains(secret.as_str()), "{secret} is in the log: {bytes}");
        }
        assert!(before.iter().all(|entry| entry["outcome"] == "done"), "{bytes}");
        check_entries(&before, &customer);

        // The customer sees the same, but not where operators are.
        let own = customer.pages("/v1/audit?order=asc", "audit");
        assert_eq!(actions(&own), actions(&before));
        for (own, whole) in own.iter().zip(&before) {
            let is_admin = whole["actor"]["kind"] == "admin";
            assert_eq!(own["from"], if is_admin { Value::Null } else { whole["from"].clone() }, "{own}");
        }
        assert_eq!(customer.pages("/v1/audit?limit=2&actor=system", "audit").len(), 1);

        server.kill();
        server.restart();
        let (after, _) = entries(&server, &all);
        assert_eq!(after, before);
        // Newest first, and what is made now comes behind.
        server.admin_call(
            Request::new("PATCH", format!("/admin/customers/{}", customer.id))
                .json(&json!({"name": "Third"})),
            200,
        );
        let (newest, _) = entries(&server, "/admin/audit");
        assert_eq!(newest[0]["changes"][0]["after"], "Third");
        assert_eq!(newest[1..], before.iter().rev().cloned().collect::<Vec<_>>()[..]);
    }
}

/// Checks the content of single entries.
fn check_entries(entries: &[Value], customer: &TestCustomer) {
    let one = |action: &str| entries.iter().rfind(|entry| entry["action"] == action).expect("an entry");
    for entry in entries {
        assert_eq!(entry["customer_id"], *customer.id, "{entry}");
        let of_product = entry["actor"]["kind"] == "system";
        assert_eq!(entry["from"].is_null(), of_product, "{entry}");
        if !of_product {
            assert_eq!(entry["from"]["address"], "127.0.0.1", "{entry}");
            assert!(!entry["from"]["request_id"].as_str().unwrap().is_empty(), "{entry}");
        }
        assert_eq!(entry["actor"]["key_id"].is_null(), entry["actor"]["kind"] != "key", "{entry}");
    }
    let field = |entry: &Value, name: &str| {
        let changes = entry["changes"].as_array().expect("a list");
        changes.iter().find(|change| change["field"] == name).cloned().unwrap_or_default()
    };
    let rate = field(one("customer.updated"), "rate_limit_per_second");
    assert_eq!((&rate["before"], &rate["after"]), (&json!(10_000_000), &json!(5000)), "{rate}");
    assert_eq!(field(one("key.created"), "scopes")["after"], json!(["events:read"]));
    let updated = one("subscription.updated");
    assert_eq!(updated["from"]["user_agent"], "audit-test/1");
    assert_eq!(field(updated, "description")["after"], "changed");
    let header = field(updated, "headers.authorization");
    assert_eq!((&header["secret"], &header["after"]), (&json!(true), &Value::Null), "{updated}");
    assert_eq!(field(one("subscription.secret_rotated"), "secret")["secret"], true);
    assert_eq!(field(one("subscription.disabled"), "status_reason")["after"], "gone");
    assert_eq!(one("dead_letters.redriven")["details"]["redriven"], 1);
    assert_eq!(one("dead_letters.deleted")["details"]["deleted"], 1);
    assert!(one("replay.cancelled")["subject"]["replay_id"].is_string());
}

#[test]
fn entries_beyond_the_limit_go_while_it_serves_and_the_rest_outlives_a_kill_9() {
    let config = ServerConfig::default()
        .env("SLUICE_INGEST__AUDIT__ROWS_MAX", 20)
        .env("SLUICE_INGEST__AUDIT__CHECK_MS", 100);
    let mut server = config.start();
    let (customer, quiet) = (TestCustomer::new(&server), TestCustomer::new(&server));
    let path = format!("/admin/customers/{}", customer.id);
    for n in 1..=60 {
        server.admin_call(Request::new("PATCH", path.as_str()).json(&json!({"fan_out": n % 2 + 1})), 200);
    }
    wait_until("old entries to go", || entries(&server, "/admin/audit").0.len() <= 20);
    let (left, _) = entries(&server, "/admin/audit");
    assert!(left.len() >= 19, "{}", left.len());
    let (of_quiet, _) = entries(&server, &format!("/admin/customers/{}/audit", quiet.id));
    assert_eq!(actions(&of_quiet), ["key.created", "customer.created"], "nobody's flood pushes them out");
    server.kill();
    server.restart();
    assert_eq!(entries(&server, "/admin/audit").0.len(), left.len());
    customer.send(&json!({"payload": 1}));
}
