//! Slow, broken and many clients.

use crate::harness::{RawClient, config, start};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_in_is_cut_off() {
    let mut config = config();
    config.http.header_timeout_ms = 400;
    let ingest = start(config).await;
    let mut client = ingest.client().await;
    let head = client.head("GET", "/health", "");
    let started = std::time::Instant::now();
    let mut cut = false;
    for byte in head.bytes() {
        cut = !client.send([byte]).await || client.ends_within(Duration::from_millis(50)).await;
        if cut {
            break;
        }
    }
    assert!(cut && started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_ends_and_a_used_one_after_its_idle_time() {
    let mut config = config();
    config.http.idle_timeout_ms = 400;
    let ingest = start(config).await;
    let mut silent = ingest.client().await;
    let mut used = ingest.client().await;
    for _ in 0..6 {
        assert_eq!(used.post_event().await.status, 202);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(silent.ends_within(Duration::from_millis(100)).await);
    assert!(used.ends_within(SECOND).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let mut config = config();
    config.http.idle_timeout_ms = 500;
    let ingest = start(config).await;
    let mut client = ingest.client().await;
    let many = client.head("GET", "/v1/nothing", "").repeat(200);
    // Until the server's answers fill every buffer on the way, and the server stops reading.
    let stuffed = async { while client.send(&many).await {} };
    tokio::time::timeout(10 * SECOND, stuffed).await.expect("the connection is cut");
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_cap_is_refused_and_room_comes_back() {
    let mut config = config();
    config.http.connections_max = 2;
    let ingest = start(config).await;
    let mut one = ingest.client().await;
    let mut two = ingest.client().await;
    assert_eq!(one.post_event().await.status, 202);
    assert_eq!(two.post_event().await.status, 202);
    let mut three = ingest.client().await;
    let refused = three.answer().await.unwrap();
    assert_eq!((refused.status, &*refused.code()), (503, "OVERLOADED"));
    assert!(three.ends_within(SECOND).await);
    drop(one);
    drop(three);
    for attempt in 0.. {
        let mut again = ingest.client().await;
        again.send(again.head("GET", "/health", "")).await;
        if again.answer().await.is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(attempt < 100, "the room never came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let ingest = start(config()).await;
    let mut client = ingest.client().await;
    let mut all = String::new();
    for n in 0..200 {
        let body = format!(r#"{{"event_type":"t","payload":{n}}}"#);
        let more = format!("content-length: {}\r\nx-request-id: r-{n}\r\n", body.len());
        all += &client.head("POST", "/v1/events", &more);
        all += &body;
    }
    client.send(all).await;
    let mut last = String::new();
    for n in 0..200 {
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.headers["x-request-id"].as_str()), (202, &*format!("r-{n}")));
        let id = answer.json()["event_id"].as_str().unwrap().to_owned();
        assert!(id > last);
        last = id;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_400_or_cut_and_hurts_nobody() {
    let ingest = start(config()).await;
    let nonsense: [&[u8]; 10] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot frames at all, but long enough to be read as some",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /v1/events HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nzz\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for bytes in nonsense {
        let mut client = RawClient::connect(ingest.public).await;
        client.send(bytes).await;
        client.stream.set_zero_linger().unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(300), client.answer()).await;
        if let Ok(Some(answer)) = answer {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    let head = format!("GET /{} HTTP/1.1\r\n", "a".repeat(100_000));
    let mut client = RawClient::connect(ingest.public).await;
    client.send(head).await;
    assert!(client.answer().await.is_none_or(|answer| (400..500).contains(&answer.status)));
    assert_eq!(ingest.client().await.post_event().await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_are_refused_by_their_status_alone_and_the_connection_ends() {
    let ingest = start(config()).await;
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let cases = [
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nno colon here\r\n\r\n".into(), 400),
        ("POST /v1/events HTTP/1.1\r\ncontent-length: -1\r\n\r\n".into(), 400),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
    ];
    for (wrong, status) in cases {
        // Alone, behind an answer that waits to be written, and after HTTP/1.0.
        for before in [
            "",
            "GET /health HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        ] {
            let mut client = RawClient::connect(ingest.public).await;
            client.send(format!("{before}{wrong}")).await;
            if !before.is_empty() {
                assert_eq!(client.answer().await.unwrap().status, 200);
            }
            let answer = client.answer().await.unwrap_or_else(|| panic!("no answer to {before}{wrong}"));
            assert_eq!(answer.status, status, "{before}{wrong}");
            assert!(client.ends_within(SECOND).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let ingest = start(config()).await;
    let stream = tokio::net::TcpStream::connect(ingest.public).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let requests = (0..50).map(|n| {
        let request = http::Request::post("http://ingest/v1/events")
            .header("x-api-key", &ingest.key)
            .body(Full::new(bytes::Bytes::from(format!(r#"{{"event_type":"t","payload":{n}}}"#))))
            .unwrap();
        sender.send_request(request)
    });
    for answer in futures_util::future::join_all(requests).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 202);
        assert!(answer.headers().contains_key("x-request-id"));
        answer.into_body().collect().await.unwrap();
    }
}
