//! Bodies that are too large, too slow, compressed, cut.

use crate::harness::{RawClient, config, start};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;

const EVENT: &str = r#"{"event_type":"a.b","payload":{"n":1}}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_by_length_and_by_chunk() {
    let ingest = start(config()).await;
    let body = vec![b' '; (10 << 20) + 1];
    let mut client = ingest.client().await;
    let answer = client.request("POST", "/v1/events", &body).await;
    assert_eq!((answer.status, &*answer.code()), (413, "BODY_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"]["limit_bytes"], 10 << 20);

    let mut client = ingest.client().await;
    client.send(client.head("POST", "/v1/events", "transfer-encoding: chunked\r\n")).await;
    client.send(chunked(&body, 60_000)).await;
    assert_eq!(client.answer().await.unwrap().code(), "BODY_TOO_LARGE");

    // A body that is announced and never sent is refused at once.
    let mut client = ingest.client().await;
    let more = "content-length: 99999999999\r\nexpect: 100-continue\r\n";
    client.send(client.head("POST", "/v1/events", more)).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_any_framing_is_taken() {
    let ingest = start(config()).await;
    let many = format!("[{}]", vec![EVENT; 5000].join(","));
    let mut client = ingest.client().await;
    for (size, body) in [(1, EVENT), (7, EVENT), (1000, EVENT), (1000, &*many), (60_000, &*many)] {
        client.send(client.head("POST", "/v1/events", "transfer-encoding: chunked\r\n")).await;
        client.send(chunked(body.as_bytes(), size)).await;
        assert_eq!(client.answer().await.unwrap().status, 202, "{size}");
    }
    let more = "content-length: 38\r\nexpect: 100-continue\r\n";
    client.send(client.head("POST", "/v1/events", more)).await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send(EVENT).await;
    assert_eq!(client.answer().await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_taken_and_bombs_are_not() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let many = format!("[{}]", vec![EVENT; 9000].join(","));
    for (name, bytes) in
        [("gzip", gzip(many.as_bytes())), ("zstd", zstd::encode_all(many.as_bytes(), 1).unwrap())]
    {
        let header = format!("content-encoding: {name}\r\n");
        let answer = client.request_with("POST", "/v1/events", &header, &bytes).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.json()["accepted"], 9000);
        assert_eq!(
            client.request_with("POST", "/v1/events", &header, EVENT).await.code(),
            "INVALID_ENCODING"
        );
    }
    let zeros = vec![b' '; 100 << 20];
    for (name, bytes) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 1).unwrap())] {
        let header = format!("content-encoding: {name}\r\n");
        let answer = client.request_with("POST", "/v1/events", &header, &bytes).await;
        assert_eq!(answer.code(), "BODY_TOO_LARGE", "{name}");
    }
    let answer = client.request_with("POST", "/v1/events", "content-encoding: br\r\n", EVENT).await;
    assert_eq!((answer.status, &*answer.code()), (415, "UNSUPPORTED_ENCODING"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_in_is_408_in_time() {
    let mut config = config();
    config.http.body_timeout_ms = 400;
    let ingest = start(config).await;
    let mut client = ingest.client().await;
    client.send(client.head("POST", "/v1/events", "content-length: 1000\r\n")).await;
    let started = std::time::Instant::now();
    let answer = loop {
        client.send(" ").await;
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(30), client.answer()).await {
            break answer;
        }
    };
    assert_eq!(answer.unwrap().code(), "BODY_TIMEOUT");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(client.ends_within(Duration::from_secs(2)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_refusals() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let mut stranger = RawClient::connect(ingest.public).await;
    for (answer, status) in [
        (client.request("POST", "/v1/events", "{").await, 400),
        (client.request("POST", "/v1/nowhere", EVENT).await, 404),
        (client.request("PUT", "/v1/events", vec![b' '; 100_000]).await, 405),
        (client.request_with("POST", "/v1/events", "content-type: text/plain\r\n", EVENT).await, 415),
        (client.request("POST", "/v1/events", EVENT).await, 202),
        (stranger.request("POST", "/v1/events", EVENT).await, 401),
        (stranger.request("POST", "/v1/events", EVENT).await, 401),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_flight_are_bounded_and_come_back() {
    let mut config = config();
    config.limits.body_bytes_max = 1 << 20;
    config.limits.event_bytes_max = 64 << 10;
    config.limits.in_flight_customer_bytes_max = 1 << 20;
    config.limits.in_flight_bytes_max = 2 << 20;
    let ingest = start(config).await;
    let body = format!("[{}]", vec![EVENT; 40_000].join(","));
    let body = &body.as_bytes()[..900_000];
    let mut slow = ingest.client().await;
    slow.send(slow.head("POST", "/v1/events", "content-length: 900000\r\n")).await;
    slow.send(&body[..800_000]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut other = ingest.client().await;
    let refused = other.request("POST", "/v1/events", body).await;
    assert_eq!((refused.status, &*refused.code()), (503, "OVERLOADED"), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(ingest.client().await.post_event().await.status, 202);
    drop(slow);
    for attempt in 0.. {
        // The body is read, and then refused for its contents.
        if ingest.client().await.request("POST", "/v1/events", body).await.status != 503 {
            break;
        }
        assert!(attempt < 100, "the room never came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
