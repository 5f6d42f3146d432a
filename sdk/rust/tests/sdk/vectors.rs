//! The vectors that need a server; the vectors of pure rules are tested beside the rules.

use crate::script::{ScriptServer, is_part, vectors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_sdk::{Client, ClientOptions, FaultKind, RetryLimits, SdkError, StreamOptions};
use std::time::Duration;

fn client(base: &str, retry: RetryLimits, timeout: Duration) -> Client {
    let options = ClientOptions { base_url: Some(base.into()), retry, timeout, ..Default::default() };
    Client::new("sk_test_1", &options).unwrap()
}

fn quick() -> RetryLimits {
    RetryLimits::default().with_waits(Duration::from_millis(1), Duration::from_millis(2))
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn written<T: Serialize>(result: Result<T, SdkError>) -> Result<Value, SdkError> {
    result.map(|value| serde_json::to_value(value).unwrap())
}

/// Makes the call of a vector.
async fn call(client: &Client, case: &Value) -> Result<Value, SdkError> {
    let (body, key) = (&case["body"], case["key"].as_str());
    let id = case["path"][0].as_str().unwrap_or_default();
    match case["op"].as_str().unwrap() {
        "send_event" => written(client.send_event(&read(body), key).await),
        "send_events" => written(client.send_events(&read::<Vec<_>>(body), key).await),
        "get_event" => written(client.get_event(id).await),
        "inbox" => {
            let query = sluice_sdk::types::InboxQuery {
                status: Some(case["query"]["status"].as_str().unwrap().to_owned().into()),
                event_type: Some(read(&case["query"]["event_type"])),
                limit: Some(read(&case["query"]["limit"])),
                ..Default::default()
            };
            written(client.inbox(&query).await)
        }
        "create_subscription" => written(client.create_subscription(&read(body)).await),
        "patch_subscription" => written(client.patch_subscription(id, &read(body)).await),
        "delete_subscription" => written(client.delete_subscription(id).await),
        "ack_inbox" => written(client.ack_inbox(&read(body)).await),
        other => panic!("no call {other}"),
    }
}

/// The part of a value that this crate's records keep: fields that it does not know are dropped.
fn known_part(part: &Value) -> Value {
    let mut part = part.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.remove("new_field");
    }
    part
}

#[tokio::test]
async fn sequences_of_answers() {
    let (server, retries) = (ScriptServer::start(), vectors("retries"));
    let options = &retries["sequence_options"];
    let timeout = Duration::from_millis(options["timeout_ms"].as_u64().unwrap());
    for case in retries["sequences"].as_array().unwrap() {
        let base = server.script(&case["answers"]).await;
        let limits = quick().with_retries(read(&options["max_retries"]));
        let result = call(&client(&base, limits, timeout), case).await;
        let seen = server.seen(&base).await;
        assert_eq!(json!(seen.len()), case["requests"], "{}", case["name"]);
        for request in &seen {
            assert_eq!(request["wire"], seen[0]["wire"], "{}", case["name"]);
            let key = &request["headers"]["idempotency-key"];
            assert_eq!(key, &seen[0]["headers"]["idempotency-key"], "{}", case["name"]);
            assert_eq!(key.is_string(), case["keyed"].as_bool().unwrap_or(true), "{}", case["name"]);
        }
        match result {
            Ok(value) => assert!(is_part(&known_part(&case["result"]), &value), "{}: {value}", case["name"]),
            Err(SdkError::Network { fault, .. }) => {
                assert_eq!(
                    (fault, &case["fault"]),
                    (FaultKind::Broken, &json!("broken")),
                    "{}",
                    case["name"]
                );
            }
            Err(SdkError::Api(refused)) => {
                let told = json!({
                    "status": refused.status, "code": refused.code,
                    "request_id": refused.request_id, "details": refused.details,
                });
                assert!(
                    is_part(&case["error"], &told) && case["error"].is_object(),
                    "{}: {told}",
                    case["name"]
                );
            }
            Err(other) => panic!("{}: {other}", case["name"]),
        }
    }
}

#[tokio::test]
async fn each_call_makes_its_request() {
    let server = ScriptServer::start();
    for case in vectors("requests")["requests"].as_array().unwrap() {
        let base = server.script(&case["answers"]).await;
        let result =
            call(&client(&format!("{base}/"), quick(), Duration::from_secs(30)), case).await.unwrap();
        let seen = server.seen(&base).await;
        let (request, expect) = (&seen[0], &case["expect"]);
        assert_eq!(seen.len(), 1);
        assert!(
            is_part(&json!({ "method": expect["method"], "target": expect["target"] }), request),
            "{request}"
        );
        assert!(expect["headers"].is_null() || is_part(&expect["headers"], &request["headers"]), "{request}");
        for name in expect["absent"].as_array().into_iter().flatten() {
            assert!(request["headers"].get(name.as_str().unwrap()).is_none(), "{name} in {request}");
        }
        if !expect["json"].is_null() {
            let body: Value = serde_json::from_str(request["text"].as_str().unwrap()).unwrap();
            assert_eq!(body, expect["json"], "{}", case["name"]);
        }
        if expect["fresh_key"] == true {
            assert_eq!(request["headers"]["idempotency-key"].as_str().unwrap().len(), 36);
        }
        assert!(case["result"].is_null() || is_part(&case["result"], &result), "{}: {result}", case["name"]);
    }
}

#[tokio::test]
async fn pages_are_one_iterator() {
    let server = ScriptServer::start();
    for case in vectors("requests")["pages"].as_array().unwrap() {
        let base = server.script(&case["answers"]).await;
        let query = sluice_sdk::types::InboxQuery { tag: Some("t".into()), ..Default::default() };
        let mut pages = client(&base, quick(), Duration::from_secs(30)).iterate_inbox(&query);
        let mut items = Vec::new();
        while let Some(event) = pages.next().await.unwrap() {
            items.push(event.event_id);
        }
        assert_eq!(json!(items), case["items"]);
        let targets: Vec<_> =
            server.seen(&base).await.iter().map(|request| request["target"].clone()).collect();
        assert_eq!(json!(targets), case["targets"]);
    }
}

#[tokio::test]
async fn streams_go_on_where_they_broke() {
    let server = ScriptServer::start();
    for case in vectors("requests")["streams"].as_array().unwrap() {
        let base = server.script(&case["answers"]).await;
        let options = StreamOptions {
            tag: case["query"]["tag"].as_str().map(str::to_owned),
            last_event_id: case["last_event_id"].as_str().map(str::to_owned),
            ..Default::default()
        };
        let mut stream = client(&base, quick(), Duration::from_secs(30)).stream(options).unwrap();
        for item in case["items"].as_array().unwrap() {
            assert_eq!(&json!(stream.next().await.unwrap().event_id), item, "{}", case["name"]);
        }
        if case["error"].is_object() {
            let Err(SdkError::Api(refused)) = stream.next().await else { panic!("{}", case["name"]) };
            assert!(is_part(&case["error"], &json!({ "status": refused.status, "code": refused.code })));
        }
        if case["ends_at"].is_string() {
            assert_eq!(json!(stream.last_event_id()), case["ends_at"]);
        }
        let seen = server.seen(&base).await;
        let ids: Vec<_> = seen.iter().map(|request| request["headers"]["last-event-id"].clone()).collect();
        assert_eq!(json!(ids), case["last_event_ids"], "{}", case["name"]);
        for request in seen {
            let target = request["target"].as_str().unwrap();
            let target =
                target.split(['?', '&']).filter(|part| !part.starts_with("start_time")).collect::<Vec<_>>();
            let wanted: Vec<_> = case["targets"].as_str().unwrap().split(['?', '&']).collect();
            assert_eq!(target, wanted, "{}", case["name"]);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_connect_fault() {
    let client = client("http://127.0.0.1:1", quick().with_retries(1), Duration::from_secs(30));
    let error = client.get_event("e").await.unwrap_err();
    assert!(matches!(error, SdkError::Network { fault: FaultKind::Connect, .. }), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn values_that_this_version_does_not_know_survive() {
    let server = ScriptServer::start();
    let requests = vectors("requests");
    let mut cases = requests["requests"].as_array().unwrap().iter();
    let case = cases.find(|case| case["op"] == "get_event").unwrap();
    let base = server.script(&case["answers"]).await;
    let event = client(&base, quick(), Duration::from_secs(30)).get_event("e").await.unwrap();
    assert_eq!(event.status, sluice_sdk::types::EventStatus::Other("halfway".into()));
    assert_eq!(event.status.to_string(), "halfway");
}
