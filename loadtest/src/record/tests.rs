use super::*;
use crate::event::Envelope;
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
            envelope: Envelope::Delivered,
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
