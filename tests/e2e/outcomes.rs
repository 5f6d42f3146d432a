//! The effects of an endpoint's answers on deliveries.

use crate::harness::customer::text;
use crate::harness::endpoint::{EndpointReply, Seen};
use crate::harness::{
    Request, ServerConfig, TestCustomer, TestEndpoint, TestServer, TestSubscription, wait_for, wait_until,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Makes a subscription that retries almost at once.
fn subscribe(customer: &TestCustomer, url: &str, max_retries: u32) -> TestSubscription {
    customer.subscribe_with(&json!({
        "event_selector": {"type": "event_type", "value": "*"},
        "webhook_url": url,
        "batch": {"max_events": 100, "max_wait_ms": 10},
        "retry": {"max_retries": max_retries, "max_delay_s": 1},
    }))
}

fn ids_of(letters: &[Value]) -> Vec<&str> {
    let ids = letters.iter().flat_map(|letter| letter["event_ids"].as_array().expect("event_ids"));
    ids.filter_map(Value::as_str).collect()
}

#[test]
fn status_410_disables_the_subscription_and_its_events_become_dead_letters() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(410));
    let subscription = customer.subscribe(&endpoint.url());
    let event = customer.send(&json!({"payload": 1}));
    let path = format!("/v1/subscriptions/{}", subscription.id);
    wait_until("the subscription to be disabled", || customer.get(&path)["status"] == "disabled");
    let letters = customer.wait_for_dead_letters("subscription_disabled", 1);
    assert_eq!(ids_of(&letters), [event.as_str()]);
    assert_eq!(letters[0]["last_status"], 410);
    customer.wait_for_status(&event, "failed");

    endpoint.answer(|_| EndpointReply::status(204));
    customer.call(Request::post(format!("{path}/enable")), 200);
    wait_until("the redriven event to arrive", || {
        customer.redrive(&subscription.id);
        endpoint.seen().len() > 1
    });
    customer.wait_for_status(&event, "delivered");
}

#[test]
fn status_400_is_a_dead_letter_at_once() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(400).body("we take no such thing"));
    let subscription = customer.subscribe(&endpoint.url());
    let event = customer.send(&json!({"payload": 1}));
    let letters = customer.wait_for_dead_letters("refused", 1);
    let letter = &letters[0];
    assert_eq!(ids_of(&letters), [event.as_str()]);
    assert_eq!((&letter["attempts"], &letter["last_status"]), (&json!(1), &json!(400)), "{letter}");
    assert_eq!(letter["workflow_id"], *subscription.id);
    assert_eq!(endpoint.seen().len(), 1);
    let id = text(letter, "dead_letter_id");
    let answer = Request::new("DELETE", format!("/v1/dead-letters/{id}")).bearer(&customer.key);
    let answer = answer.send(server.public()).expect("an answer");
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert!(customer.dead_letters().is_empty());
}

#[test]
fn retries_keep_the_webhook_id_and_end_in_a_dead_letter_that_a_redrive_delivers() {
    let server = ServerConfig::default().env("SLUICE_PROCESSOR__BREAKER__CONSECUTIVE_FAILURES", 100).start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(500));
    let subscription = subscribe(&customer, &endpoint.url(), 2);
    let sent = customer.send_all(&[json!({"payload": 1}), json!({"payload": 2})]);
    let seen = endpoint.wait_for(3);
    let letters = customer.wait_for_dead_letters("exhausted", 2);
    assert_eq!(ids_of(&letters), sent);
    assert_eq!((&letters[0]["attempts"], &letters[0]["last_status"]), (&json!(3), &json!(500)));
    for (nth, attempt) in seen.iter().enumerate() {
        assert_eq!(attempt.header("webhook-id"), seen[0].header("webhook-id"));
        assert_eq!(attempt.header("sluice-attempt"), (nth + 1).to_string());
        assert_eq!(attempt.event_ids(), sent);
    }
    customer.wait_for_status(&sent[0], "failed");
    endpoint.answer(|_| EndpointReply::status(200));
    customer.redrive(&subscription.id);
    let redriven = endpoint.wait_for(4);
    assert_eq!(redriven[3].event_ids(), sent);
    assert_ne!(redriven[3].header("webhook-id"), seen[0].header("webhook-id"), "a new delivery");
    let event = customer.wait_for_status(&sent[1], "delivered");
    assert!(event["delivery_attempts"].as_u64() >= Some(3), "{event}");
}

#[test]
fn retry_after_is_honoured() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let mut first = true;
    let endpoint = TestEndpoint::start(move |_| {
        let busy = std::mem::take(&mut first);
        if busy { EndpointReply::status(503).header("retry-after", "4") } else { EndpointReply::status(200) }
    });
    customer.subscribe_with(&json!({
        "event_selector": {"type": "event_type", "value": "*"},
        "webhook_url": endpoint.url(),
        "retry": {"max_retries": 5, "max_delay_s": 60},
    }));
    customer.send(&json!({"payload": 1}));
    let seen = endpoint.wait_for(2);
    let waited = seen[1].at - seen[0].at;
    // A retry alone would come after two seconds.
    assert!(waited >= Duration::from_secs(4), "asked to wait 4 s, waited {waited:?}");
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
}

#[test]
fn the_events_that_an_answer_names_as_failed_are_sent_again_alone() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let mut first = true;
    let endpoint = TestEndpoint::start(move |seen| {
        let ids = seen.event_ids();
        if std::mem::take(&mut first) {
            EndpointReply::status(200).body(json!({"failed": [ids[1], ids[3]]}).to_string())
        } else {
            EndpointReply::status(200)
        }
    });
    subscribe(&customer, &endpoint.url(), 5);
    let sent = customer.send_all(&(0..5).map(|n| json!({"payload": n})).collect::<Vec<_>>());
    let seen = endpoint.wait_for(2);
    assert_eq!(seen[0].event_ids(), sent);
    assert_eq!(seen[1].event_ids(), [&*sent[1], &sent[3]]);
    assert_ne!(seen[0].header("webhook-id"), seen[1].header("webhook-id"), "a new delivery");
    for id in &sent {
        customer.wait_for_status(id, "delivered");
    }
}

#[test]
fn a_permanent_redirect_of_the_method_is_followed_and_others_are_not() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let target = TestEndpoint::healthy();
    let location = target.url();
    let to_target = location.clone();
    let endpoint =
        TestEndpoint::start(move |_| EndpointReply::status(308).header("location", to_target.clone()));
    subscribe(&customer, &endpoint.url(), 5);
    let event = customer.send(&json!({"payload": 1}));
    let followed = target.wait_for(1);
    assert_eq!(followed[0].event_ids(), [event.as_str()]);
    customer.wait_for_status(&event, "delivered");

    endpoint.answer(move |_| EndpointReply::status(302).header("location", location.clone()));
    let event = customer.send(&json!({"payload": 2}));
    let letters = customer.wait_for_dead_letters("refused", 1);
    assert_eq!(ids_of(&letters), [event.as_str()]);
    assert_eq!(target.seen().len(), 1, "not followed");
}

#[test]
fn redirects_without_end_are_given_up() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(307).header("location", "/again"));
    subscribe(&customer, &endpoint.url(), 0);
    customer.send(&json!({"payload": 1}));
    customer.wait_for_dead_letters("refused", 1);
    assert_eq!(endpoint.seen().len(), 4, "the first and three redirects");
}

#[test]
fn a_redirect_to_a_guarded_address_is_refused() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| {
        EndpointReply::status(307).header("location", "http://169.254.169.254/latest/meta-data")
    });
    subscribe(&customer, &endpoint.url(), 0);
    customer.send(&json!({"payload": 1}));
    let letters = customer.wait_for_dead_letters("refused", 1);
    let error = text(&letters[0], "last_error");
    assert!(error.contains("169.254.169.254"), "{error}");
}

#[test]
fn private_addresses_are_refused_unless_allowed() {
    let server = ServerConfig::default().private_webhooks(false).start();
    let customer = TestCustomer::new(&server);
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let body = json!({
            "event_selector": {"type": "event_type", "value": "*"},
            "webhook_url": format!("https://{host}/hook"),
        });
        let answer = customer.call(Request::post("/v1/subscriptions").json(&body), 400);
        answer.error_code();
        assert!(answer.text().contains("webhook_url"), "{host}: {}", answer.text());
    }
}

#[test]
fn an_address_is_guarded_when_it_is_dialled_and_not_only_when_it_is_given() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    subscribe(&customer, &endpoint.url(), 0);
    let by_name = format!("http://localhost:{}/hook", endpoint.address().port());
    subscribe(&customer, &by_name, 0);
    server.terminate();
    server.restart_with(|config| config.private_webhooks(false));
    customer.send(&json!({"payload": 1}));
    let letters = wait_for("two dead letters", || Some(customer.dead_letters()).filter(|all| all.len() == 2));
    assert!(letters.iter().all(|letter| letter["last_status"].is_null()), "{letters:?}");
    assert_eq!(endpoint.connections(), 0, "nobody connected");
}

#[test]
fn a_replay_delivers_history_once_more_at_its_rate_and_attempts_are_listed() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let sent: Vec<_> =
        (0..30).map(|n| json!({"event_type": if n % 3 == 0 { "a" } else { "b" }, "payload": n})).collect();
    let ids = customer.send_all(&sent);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe_with(&json!({
        "event_selector": {"type": "event_type", "value": "b"}, "webhook_url": endpoint.url(),
        "batch": {"max_events": 5, "max_wait_ms": 10},
    }));
    let wanted = json!({"workflow_id": subscription.id, "rate_per_second": 20});
    let began = std::time::Instant::now();
    let made = customer.call(Request::post("/v1/replay").json(&wanted), 202).json();
    let events = |seen: &[Seen]| seen.iter().map(|webhook| webhook.event_ids().len()).sum::<usize>();
    let seen = wait_for("twenty events", || Some(endpoint.seen()).filter(|seen| events(seen) >= 20));
    // At most five a webhook, at 20 events a second: the last is due after 750 ms.
    assert!(began.elapsed() >= std::time::Duration::from_millis(700), "{:?}", began.elapsed());
    let mut got: Vec<String> = seen.iter().flat_map(|webhook| webhook.event_ids()).collect();
    got.sort();
    let mut expected: Vec<String> =
        ids.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, id)| id.clone()).collect();
    expected.sort();
    assert_eq!(got, expected);
    let path = format!("/v1/replay/{}", made["replay_id"].as_str().unwrap());
    let done = wait_for("the replay to be done", || {
        Some(customer.get(&path)).filter(|replay| replay["status"] == "done")
    });
    assert_eq!((&done["scanned"], &done["queued"]), (&json!(30), &json!(20)));
    let path = format!("/v1/subscriptions/{}/deliveries", subscription.id);
    wait_for("the attempts to be listed", || {
        let listed = customer.get(&path)["deliveries"].as_array().unwrap().clone();
        (listed.len() >= 4)
            .then(|| assert!(listed.iter().all(|attempt| attempt["status_code"] == 200), "{listed:?}"))
    });
    let tested = customer
        .call(Request::post(format!("/v1/subscriptions/{}/test", subscription.id)).json(&json!({})), 200)
        .json();
    assert_eq!(tested["delivered"], true, "{tested}");
    let received = endpoint.seen();
    let test = received.last().unwrap();
    assert_eq!(
        (test.header("webhook-id"), test.event_ids()),
        (tested["delivery_id"].as_str().unwrap(), vec![tested["event_id"].as_str().unwrap().to_owned()])
    );
}
