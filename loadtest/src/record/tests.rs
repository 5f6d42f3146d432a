use super::*;
use crate::event::EventEnvelope;
use crate::receiver::{Receiver, ReceiverConfig};
use crate::recording::RecordingReader;
use crate::request::BodyFormat;
use crate::sender::{self, RunConfig};

#[tokio::test]
async fn what_passes_is_recorded_without_secrets_and_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["r.jsonl", "r.jsonl.gz", "r.jsonl.zst"] {
        let receiver = Receiver::start(ReceiverConfig::default()).expect("a receiver");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let file = directory.path().join(name);
        let config = RecordConfig {
            upstream: receiver.url(),
            tls: TlsSettings::default(),
            file: file.clone(),
            redact_headers: Vec::new(),
            redact_fields: Vec::new(),
        };
        let stop = CancellationToken::new();
        let recording = tokio::spawn(record(listener, config, stop.clone()));
        let run = RunConfig {
            keys: vec!["sk_first".into(), "sk_second".into()],
            connections: 2,
            batch: 5,
            envelope: EventEnvelope::Delivered,
            format: BodyFormat::JsonArray,
            duration: Some(Duration::from_millis(200)),
            ..RunConfig::new(url)
        };
        let report = sender::run(run, Arc::default(), CancellationToken::new()).await.expect("a report");
        stop.cancel();
        let stats = recording.await.expect("no panic").expect("figures");
        assert_eq!((stats.recorded, stats.failed), (report.whole_run.requests, 0));
        assert_eq!(receiver.stats().events, report.whole_run.events_accepted);
        let mut reader = RecordingReader::open(&file).expect("open");
        let (mut customers, mut requests, mut last) = (std::collections::BTreeSet::new(), 0, 0.0);
        while let Some(request) = reader.next_request().expect("valid") {
            requests += 1;
            let at = request.at.expect("a time");
            // Two connections: their lines may change places within a moment.
            assert!(at > last - 0.1);
            last = at;
            assert!(request.header("authorization").is_none());
            assert!(request.body.starts_with(b"[{\"event_id\""));
            customers.insert(request.customer);
        }
        assert_eq!(requests, stats.recorded);
        assert_eq!(customers.len(), 2);
        assert!(customers.iter().all(|name| name.starts_with("k-") && name.len() == 18), "{customers:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_502_and_recorded_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1/events", listener.local_addr().expect("an address"));
    let config = RecordConfig {
        upstream: "http://127.0.0.1:1".into(),
        tls: TlsSettings::default(),
        file: directory.path().join("r"),
        redact_headers: Vec::new(),
        redact_fields: Vec::new(),
    };
    let stop = CancellationToken::new();
    let recording = tokio::spawn(record(listener, config, stop.clone()));
    let limit = Duration::from_secs(10);
    let answer = crate::fetch::fetch("POST", &url, &[], b"{}".to_vec(), limit).await.expect("an answer");
    assert_eq!(answer.status, 502);
    stop.cancel();
    let stats = recording.await.expect("no panic").expect("figures");
    assert_eq!((stats.recorded, stats.failed), (1, 1));
}

/// A server that answers each connection's requests with `answers`, in turn.
async fn server(answers: Vec<&'static [u8]>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            stream.write_all(answer).await.expect("written");
            // Kept open: nothing but the proxy ends it.
            tokio::spawn(async move { while matches!(stream.read(&mut request).await, Ok(1..)) {} });
        }
    });
    url
}

/// A proxy before `upstream`; its address.
async fn proxy(upstream: String, directory: &tempfile::TempDir) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = RecordConfig {
        upstream,
        tls: TlsSettings::default(),
        file: directory.path().join("r"),
        redact_headers: Vec::new(),
        redact_fields: Vec::new(),
    };
    tokio::spawn(record(listener, config, CancellationToken::new()));
    address
}

async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    use tokio::io::AsyncReadExt;
    let (mut said, mut bytes) = (String::new(), [0; 4096]);
    while !said.contains(wanted) {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes)).await;
        match read.expect("in time").expect("readable") {
            0 => panic!("closed after {said:?}"),
            count => said.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    said
}

#[tokio::test]
async fn an_endless_answer_is_passed_on_as_it_comes() {
    use tokio::io::AsyncWriteExt;
    let directory = tempfile::tempdir().expect("a directory");
    let events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    let address = proxy(server(vec![events]).await, &directory).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let said = read_until(&mut client, "data: 1\n\n").await;
    assert!(said.contains("text/event-stream"), "{said}");
}

#[tokio::test]
async fn the_length_in_an_answer_to_head_is_kept() {
    use tokio::io::AsyncWriteExt;
    let directory = tempfile::tempdir().expect("a directory");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n";
    let address = proxy(server(vec![head]).await, &directory).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    client.write_all(b"HEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let said = read_until(&mut client, "\r\n\r\n").await;
    assert!(said.to_ascii_lowercase().contains("content-length: 12345"), "{said}");
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_is_connected_to_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("written");
        }
    });
    let address = proxy(upstream, &directory).await;
    let mut client = TcpStream::connect(address).await.expect("connected");
    for _ in 0..5 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
        let said = read_until(&mut client, "\r\n\r\nok").await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    }
}
