//! The batcher: bounded, tells each event's result, flushes at the end.

use crate::script::ScriptServer;
use serde_json::{Value, json};
use sluice_sdk::types::Event;
use sluice_sdk::{Batcher, BatcherOptions, Client, ClientOptions, SdkError};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);
const NEVER: Duration = Duration::from_secs(600);

struct Setup {
    server: ScriptServer,
    base: String,
    batcher: Batcher,
}

impl Setup {
    async fn new(answers: &Value, options: BatcherOptions) -> Self {
        let server = ScriptServer::start();
        let base = server.script(answers).await;
        let batcher = batcher(&base, options);
        Self { server, base, batcher }
    }

    /// The payloads of each request.
    async fn sent(&self) -> Vec<Vec<u64>> {
        let seen = self.server.seen(&self.base).await;
        let texts = seen.iter().map(|request| request["text"].as_str().unwrap());
        let events = texts.map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap());
        events.map(|events| events.iter().map(|event| event["payload"].as_u64().unwrap()).collect()).collect()
    }

    async fn keys(&self) -> Vec<String> {
        let seen = self.server.seen(&self.base).await;
        seen.iter()
            .map(|request| format!("{} {}", request["headers"]["idempotency-key"], request["wire"]))
            .collect()
    }
}

fn batcher(base: &str, options: BatcherOptions) -> Batcher {
    let timeout = Duration::from_secs(1);
    let client =
        Client::new("k", &ClientOptions { base_url: Some(base.into()), timeout, ..Default::default() });
    client.unwrap().batcher(options).unwrap()
}

fn event(number: u64) -> Event {
    Event::new(json!(number))
}

fn echo() -> Value {
    json!({ "echo": "events", "repeat": true })
}

fn refused(status: u16, code: &str, details: &Value) -> Value {
    let error = json!({ "code": code, "message": "because", "request_id": "r", "details": details });
    json!({ "status": status, "headers": { "retry-after": "0" }, "body": { "error": error } })
}

#[tokio::test]
async fn events_go_in_order_and_each_has_its_id() {
    let options = BatcherOptions { batch_events_max: 40, queue_events_max: 60, ..Default::default() };
    let setup = Setup::new(&json!([echo()]), options).await;
    let mut queued = Vec::new();
    for number in 0..100 {
        queued.push(setup.batcher.send(&event(number)).await.unwrap());
    }
    setup.batcher.close(SOON).await.unwrap();
    for (number, queued) in queued.into_iter().enumerate() {
        assert_eq!(queued.await.unwrap(), format!("id-{number}"));
    }
    let batches = setup.sent().await;
    assert!(batches.iter().all(|batch| batch.len() <= 40));
    assert_eq!(batches.concat(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_event_is_told_its_own_refusal() {
    let results =
        json!([{ "index": 0, "event_id": "a" }, { "index": 1, "error": { "code": "C1", "message": "bad" } }]);
    let some = json!({ "status": 202, "body": { "accepted": 1, "rejected": 1, "events": results } });
    let setup = Setup::new(&json!([some]), BatcherOptions::default()).await;
    let (good, bad) =
        (setup.batcher.try_send(&event(1)).unwrap(), setup.batcher.try_send(&event(2)).unwrap());
    assert_eq!(good.await.unwrap(), "a");
    assert!(matches!(bad.await, Err(SdkError::EventRejected { code, .. }) if code == "C1"));

    let results = json!([{ "index": 0, "error": { "code": "C0", "message": "bad" } }]);
    let all = refused(400, "ALL_REJECTED", &json!({ "accepted": 0, "rejected": 1, "events": results }));
    let setup = Setup::new(&json!([all]), BatcherOptions::default()).await;
    let bad = setup.batcher.try_send(&event(1)).unwrap();
    assert!(matches!(bad.await, Err(SdkError::EventRejected { code, .. }) if code == "C0"));
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_server_is_halved() {
    let setup = Setup::new(
        &json!([refused(413, "TOO_MANY_EVENTS", &json!({})), echo()]),
        BatcherOptions { linger: NEVER, ..Default::default() },
    )
    .await;
    for number in 0..5 {
        drop(setup.batcher.try_send(&event(number)).unwrap());
    }
    setup.batcher.close(SOON).await.unwrap();
    assert_eq!(setup.sent().await, [vec![0, 1, 2, 3, 4], vec![0, 1], vec![2, 3, 4]]);
}

#[tokio::test]
async fn a_failed_batch_is_repeated_with_the_same_bytes_and_key() {
    let answers =
        json!([refused(503, "OVERLOADED", &json!({})), { "fault": "close" }, { "fault": "stall" }, echo()]);
    let setup = Setup::new(&answers, BatcherOptions::default()).await;
    assert_eq!(setup.batcher.send(&event(1)).await.unwrap().await.unwrap(), "id-1");
    let keys = setup.keys().await;
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn a_batch_that_stays_refused_fails_each_event() {
    let setup =
        Setup::new(&json!([refused(401, "INVALID_API_KEY", &json!({}))]), BatcherOptions::default()).await;
    let queued = setup.batcher.send(&event(1)).await.unwrap();
    assert!(matches!(queued.await, Err(SdkError::Api(refused)) if refused.status == 401));
}

#[tokio::test]
async fn a_full_queue_waits_or_fails() {
    let options = BatcherOptions { queue_events_max: 1, ..Default::default() };
    let setup = Setup::new(&json!([{ "fault": "stall" }, echo()]), options).await;
    let first = setup.batcher.send(&event(0)).await.unwrap();
    assert!(matches!(setup.batcher.try_send(&event(1)), Err(SdkError::BatcherFull { events: 1, bytes: 13 })));
    let second = setup.batcher.send(&event(2)).await.unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("id-0".into(), "id-2".into()));
}

#[tokio::test]
async fn flush_does_not_wait_for_the_linger() {
    let setup = Setup::new(&json!([echo()]), BatcherOptions { linger: NEVER, ..Default::default() }).await;
    let queued = setup.batcher.send(&event(1)).await.unwrap();
    setup.batcher.flush().await.unwrap();
    assert_eq!(queued.await.unwrap(), "id-1");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_at_once() {
    let batcher = batcher("http://127.0.0.1:1", BatcherOptions::default());
    let large = Event::new(json!("x".repeat(262_144)));
    assert!(matches!(batcher.try_send(&large), Err(SdkError::EventTooLarge { .. })));
    batcher.close(SOON).await.unwrap();
    assert!(matches!(batcher.send(&event(1)).await, Err(SdkError::BatcherClosed { maybe_accepted: false })));
}

#[tokio::test]
async fn closing_in_time_fails_what_could_not_be_sent() {
    let batcher = batcher("http://127.0.0.1:1", BatcherOptions { batch_events_max: 1, ..Default::default() });
    let queued: Vec<_> = (0..3).map(|number| batcher.try_send(&event(number)).unwrap()).collect();
    batcher.close(Duration::from_millis(50)).await.unwrap();
    for queued in queued {
        assert!(matches!(queued.await, Err(SdkError::BatcherClosed { .. })));
    }
}

#[tokio::test]
async fn dropping_it_flushes() {
    let setup = Setup::new(&json!([echo()]), BatcherOptions { linger: NEVER, ..Default::default() }).await;
    let queued = setup.batcher.send(&event(7)).await.unwrap();
    let Setup { server, base, batcher } = setup;
    drop(batcher);
    assert_eq!(queued.await.unwrap(), "id-7");
    assert_eq!(server.seen(&base).await.len(), 1);
}
