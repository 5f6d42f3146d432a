//! `GET /v1/stream`: events as they happen, and from where an earlier stream ended.

use crate::api::customer;
use crate::harness::{RawClient, RunningIngest, config, start};
use serde_json::{Value, json};
use std::time::Duration;

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
struct SentEvent {
    id: Option<String>,
    data: Option<Value>,
    comment: bool,
}

/// A stream that is being read.
pub(crate) struct ReadStream {
    client: RawClient,
    text: String,
    last_id: String,
}

impl ReadStream {
    async fn open(client: RawClient, query: &str, last_id: &str) -> Self {
        Self::open_at(client, &format!("/v1/stream{query}"), last_id).await
    }

    pub(crate) async fn open_at(mut client: RawClient, path: &str, last_id: &str) -> Self {
        let last = if last_id.is_empty() { String::new() } else { format!("last-event-id: {last_id}\r\n") };
        client.send(client.head("GET", path, &last)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(
            (answer.status, &*answer.headers["content-type"]),
            (200, "text/event-stream"),
            "{answer:?}"
        );
        assert!(answer.headers.contains_key("x-request-id"));
        Self { client, text: String::new(), last_id: last_id.to_owned() }
    }

    /// The next event or comment, or nothing once the stream has ended.
    async fn next(&mut self) -> Option<SentEvent> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let mut event = SentEvent::default();
                let mut data = String::new();
                for line in block.lines() {
                    match line.split_once(':') {
                        Some(("id", id)) => event.id = Some(id.trim().to_owned()),
                        Some(("data", line)) => data += line,
                        Some(("", _)) => event.comment = true,
                        _ => {}
                    }
                }
                event.data = (!data.is_empty()).then(|| serde_json::from_str(&data).unwrap());
                if let Some(id) = &event.id {
                    self.last_id.clone_from(id);
                }
                if event != SentEvent::default() {
                    return Some(event);
                }
                continue;
            }
            self.chunk().await?;
        }
    }

    /// Reads a chunk of the answer's body.
    async fn chunk(&mut self) -> Option<()> {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push(char::from(self.client.take(1).await?[0]));
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut bytes = self.client.take(size + 2).await?;
        bytes.truncate(size);
        self.text += std::str::from_utf8(&bytes).unwrap();
        (size > 0).then_some(())
    }

    /// The payloads of the next events.
    pub(crate) async fn payloads(&mut self, count: usize) -> Vec<Value> {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(20), self.next());
            let event = next.await.expect("an event in time").expect("the stream goes on");
            payloads.extend(event.data.map(|item| item["payload"].clone()));
        }
        payloads
    }
}

async fn send(ingest: &RunningIngest, kind: &str, numbers: std::ops::Range<u64>) {
    let events: Vec<Value> =
        numbers.map(|n| json!({ "event_type": kind, "source": "s", "tags": ["t"], "payload": n })).collect();
    let mut client = ingest.client().await;
    assert_eq!(client.request("POST", "/v1/events", json!(events).to_string()).await.status, 202);
}

fn numbers(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(Value::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_events_from_now_on_and_from_where_it_was_left() {
    let ingest = start(config()).await;
    send(&ingest, "a.b", 0..3).await;
    let mut reading = ReadStream::open(ingest.client().await, "", "").await;
    send(&ingest, "a.b", 3..6).await;
    assert_eq!(reading.payloads(3).await, numbers(3..6));
    let last_id = reading.last_id.clone();
    drop(reading);
    send(&ingest, "a.b", 6..900).await;
    let mut reading = ReadStream::open(ingest.client().await, "", &last_id).await;
    assert_eq!(reading.payloads(894).await, numbers(6..900));
    send(&ingest, "a.b", 900..901).await;
    assert_eq!(reading.payloads(1).await, numbers(900..901));

    let mut from_the_start = ReadStream::open(ingest.client().await, "?start_time=0", "").await;
    assert_eq!(from_the_start.payloads(901).await, numbers(0..901));
    // A page's first request resumes by the query.
    let mut query = ReadStream::open(ingest.client().await, &format!("?last_event_id={last_id}"), "").await;
    assert_eq!(query.payloads(2).await, numbers(6..8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_several_lanes_misses_and_repeats_nothing() {
    let ingest = start(config()).await;
    let mut admin = ingest.admin().await;
    let path = format!("/admin/customers/{}", ingest.customer);
    let mut reading = ReadStream::open(ingest.client().await, "", "").await;
    send(&ingest, "a.b", 0..5).await;
    assert_eq!(admin.admin("PATCH", &path, r#"{"fan_out":8}"#).await.status, 200);
    for n in 1..40 {
        send(&ingest, "a.b", n * 5..n * 5 + 5).await;
    }
    let mut all = reading.payloads(100).await;
    let mut again = ReadStream::open(ingest.client().await, "", &reading.last_id.clone()).await;
    all.extend(again.payloads(100).await);
    all.sort_by_key(Value::as_u64);
    assert_eq!(all, numbers(0..200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_filtered_like_the_inbox_and_says_what_it_does_not_know() {
    let mut config = config();
    config.stream.heartbeat_ms = 50;
    config.stream.poll_ms = 20;
    let ingest = start(config).await;
    let mut reading = ReadStream::open(ingest.client().await, "?event_type=x&source=s&tag=t", "").await;
    send(&ingest, "a.b", 0..3).await;
    // Events that the filter refuses move the cursor too.
    let moved = loop {
        let event = tokio::time::timeout(Duration::from_secs(20), reading.next()).await.unwrap().unwrap();
        assert!(event.data.is_none(), "{event:?}");
        if let Some(id) = event.id {
            break id;
        }
    };
    send(&ingest, "x", 3..4).await;
    let mut again = ReadStream::open(ingest.client().await, "?event_type=x&source=s&tag=t", &moved).await;
    for reading in [&mut reading, &mut again] {
        assert_eq!(reading.payloads(1).await, numbers(3..4));
    }
    let mut client = ingest.client().await;
    for (query, last, field) in [
        ("?status=pending", "", "status"),
        ("?end_time=2026-11-21T00:00:00Z", "", "end_time"),
        ("?event_type=x&end_time=", "", "end_time"),
        ("?cursor=x", "", "cursor"),
        ("?no=x", "", "no"),
        ("?start_time=soon", "", "start_time"),
        ("?event_type=y", &*moved, "Last-Event-ID"),
        ("", "nonsense", "Last-Event-ID"),
        ("", "\u{e9}", "Last-Event-ID"),
    ] {
        let header = format!("last-event-id: {last}\r\n");
        let answer = client.request_with("GET", &format!("/v1/stream{query}"), &header, "").await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["details"]["field"]),
            (400, &json!(field)),
            "{query} {last}"
        );
    }
    // The error says why.
    let refused = client.get("/v1/stream?status=failed").await.json();
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("/v1/inbox filters by status"),
        "{refused}"
    );
    // Another customer's cursor is refused.
    let (_, mut other) = customer(&ingest, json!({ "name": "Other" })).await;
    let path = format!("/v1/stream?event_type=x&source=s&tag=t&last_event_id={moved}");
    assert_eq!(other.get(&path).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_outlives_the_idle_time_and_a_stalled_one_gives_its_place_back() {
    let mut config = config();
    config.http.idle_timeout_ms = 600;
    config.stream.heartbeat_ms = 10_000;
    config.stream.customer_max = 2;
    let ingest = start(config).await;
    let mut quiet = ReadStream::open(ingest.client().await, "", "").await;
    let mut stalled = ingest.client().await;
    stalled.send(stalled.head("GET", "/v1/stream?start_time=0", "")).await;
    assert_eq!(stalled.answer().await.unwrap().status, 200);
    // Far more than the buffers on the way hold; it is never read.
    let text = "x".repeat(200_000);
    for _ in 0..60 {
        let event = json!({ "event_type": "big", "payload": text }).to_string();
        assert_eq!(ingest.client().await.request("POST", "/v1/events", event).await.status, 202);
        assert_eq!(quiet.payloads(1).await[0], json!(text));
    }
    let full = ingest.client().await.get("/v1/stream").await;
    if full.status != 200 {
        assert_eq!((full.status, &*full.code()), (429, "TOO_MANY_STREAMS"));
        assert!(full.headers.contains_key("retry-after"));
    }
    for attempt in 0.. {
        let mut again = ingest.client().await;
        again.send(again.head("GET", "/v1/stream", "")).await;
        if again.answer().await.unwrap().status == 200 {
            break;
        }
        assert!(attempt < 400, "the stalled stream's place never came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut comments = 0;
    while comments < 4 {
        let event = tokio::time::timeout(Duration::from_secs(20), quiet.next()).await.unwrap();
        comments += usize::from(event.expect("the quiet stream goes on").comment);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_key_and_with_the_drain() {
    let mut config = config();
    config.stream.poll_ms = 20;
    let ingest = start(config).await;
    let (id, client) = customer(&ingest, json!({ "name": "Gone" })).await;
    let mut reading = ReadStream::open(client, "", "").await;
    let mut draining = ReadStream::open(ingest.client().await, "", "").await;
    let path = format!("/admin/customers/{id}");
    assert_eq!(ingest.admin().await.admin("PATCH", &path, r#"{"status":"suspended"}"#).await.status, 200);
    let end = async { while reading.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the suspended customer's stream ends");
    ingest.stop.cancel();
    let end = async { while draining.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the drain ends the stream");
    tokio::time::timeout(Duration::from_secs(5), ingest.task).await.expect("the ingest is done").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_only_asks_for_the_head_opens_no_stream() {
    let mut config = config();
    config.stream.customer_max = 1;
    let ingest = start(config).await;
    for _ in 0..3 {
        assert_eq!(ingest.client().await.request_with("HEAD", "/v1/stream", "", "").await.status, 204);
    }
    let _one = ReadStream::open(ingest.client().await, "", "").await;
    assert_eq!(ingest.client().await.get("/v1/stream").await.status, 429);
}
