use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::event::EventEnvelope;
use crate::request::BodyFormat;
use crate::sender::{self, LiveRun, RunConfig, RunReport};

const SOON: Duration = Duration::from_secs(10);

fn start(config: ReceiverConfig) -> ReceiverHandle {
    Receiver::start(config).expect("a receiver")
}

/// A short run of webhook-like deliveries to the receiver.
async fn drive(url: String, seconds: f64) -> RunReport {
    let config = RunConfig {
        connections: 4,
        batch: 50,
        envelope: EventEnvelope::Delivered,
        format: BodyFormat::JsonArray,
        duration: Some(Duration::from_secs_f64(seconds)),
        timeout: Duration::from_millis(200),
        ..RunConfig::new(url)
    };
    sender::run(config, Arc::new(LiveRun::default()), CancellationToken::new()).await.expect("a run")
}

/// Sends `request` and reads until the server closes, or has said `until`.
fn talk(receiver: &ReceiverHandle, request: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(receiver.address()).expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    stream.write_all(request.as_bytes()).expect("written");
    let (mut said, mut bytes) = (String::new(), [0; 4096]);
    while until.is_empty() || !said.contains(until) {
        match stream.read(&mut bytes).expect("an answer") {
            0 => break,
            count => said.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
    said
}

#[tokio::test]
async fn everything_sent_is_received_once_and_in_order() {
    let receiver = start(ReceiverConfig::default());
    let report = drive(receiver.url(), 0.3).await;
    let stats = receiver.stop().expect("stopped well");
    assert!(stats.events > 0);
    assert_eq!(stats.events, report.whole_run.events_accepted);
    assert_eq!((stats.missing, stats.out_of_order, stats.corrupted, stats.streams), (0, 0, 0, 4));
    assert_eq!(stats.duplicates_other_delivery + stats.duplicates_same_delivery, 0);
    assert_eq!(stats.runs[0].run, report.run);
    assert_eq!(stats.latency_us.count, stats.events);
}

#[tokio::test]
async fn a_share_of_deliveries_fails_when_asked() {
    let behaviour = Behaviour { fail_share: 0.5, ..Behaviour::default() };
    let receiver = start(ReceiverConfig { behaviour, threads: 2, ..ReceiverConfig::default() });
    let report = drive(receiver.url(), 0.2).await;
    let stats = receiver.stop().expect("stopped well");
    assert!(stats.deliveries > 0 && stats.deliveries_refused > 0);
    assert_eq!(stats.events, report.whole_run.events_accepted);
    assert_eq!(stats.events_refused, report.whole_run.events_unknown);
    assert_eq!(report.answers.keys().copied().collect::<Vec<_>>(), [200, 500]);
}

#[tokio::test]
async fn a_hanging_or_closing_receiver_takes_nothing() {
    let receiver = start(ReceiverConfig::default());
    let bad = [
        (ReceiverReply::Hang, true),
        (ReceiverReply::Close, false),
        (ReceiverReply::Reset, false),
        (ReceiverReply::Cut, false),
    ];
    for (reply, timeouts) in bad {
        receiver.set_behaviour(Behaviour { reply, ..Behaviour::default() }).expect("valid");
        let report = drive(receiver.url(), 0.1).await;
        assert_eq!(report.whole_run.events_accepted, 0);
        assert_eq!(report.whole_run.timeouts > 0, timeouts);
        assert_eq!(report.whole_run.connections_lost > 0, !timeouts);
    }
    assert_eq!(receiver.stats().events, 0);
    assert!(receiver.stats().deliveries_refused > 0);
}

#[tokio::test]
async fn waiting_ends_when_what_is_waited_for_has_come() {
    let receiver = start(ReceiverConfig::default());
    let (waited, _) =
        tokio::join!(receiver.wait_until(SOON, |stats| stats.events >= 500), drive(receiver.url(), 0.1));
    assert!(waited.expect("in time").events >= 500);
    let in_vain = receiver.wait_until(Duration::from_millis(20), |stats| stats.corrupted > 0).await;
    assert!(matches!(in_vain, Err(ReceiverError::WaitedInVain(..))));
}

#[test]
fn figures_are_served_reset_and_behaviour_changed_over_http() {
    let receiver = start(ReceiverConfig {
        keep: KeepLimits { deliveries: 2, ..KeepLimits::default() },
        ..ReceiverConfig::default()
    });
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nX-A: b\r\nContent-Length: 2\r\n\r\n[]");
    assert!(talk(&receiver, &post("/hook"), "{}").starts_with("HTTP/1.1 200 "));
    let stats = talk(&receiver, "GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n", "");
    assert!(stats.contains("\"deliveries\":1,"), "{stats}");
    talk(&receiver, "POST /reset HTTP/1.1\r\n\r\n", "{}");
    assert_eq!(receiver.stats(), ReceiverStats::default());
    let teapot = r#"{"reply":{"status":418},"retry_after_s":7}"#;
    let put = |body: &str| format!("PUT /behaviour HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert!(talk(&receiver, &put(teapot), "{}").starts_with("HTTP/1.1 200 "));
    assert!(talk(&receiver, &put("{\"x\":1}"), "unknown").starts_with("HTTP/1.1 400 "));
    let refused = talk(&receiver, &post("/b"), "{}");
    assert!(refused.starts_with("HTTP/1.1 418 ") && refused.contains("Retry-After: 7\r\n"), "{refused}");
    let kept = receiver.kept().all();
    let seen: Vec<_> = kept.iter().map(|d| (d.path.as_str(), d.answered, d.header("x-a"))).collect();
    assert_eq!(seen, [("/hook", Some(200), Some("b")), ("/b", Some(418), Some("b"))]);
    assert_eq!(kept[0].body, b"[]");
}

#[test]
fn a_pattern_can_be_set_over_http_and_dates_are_given() {
    let receiver = start(ReceiverConfig::default());
    let put = |path: &str, body: &str| {
        let length = body.len();
        talk(&receiver, &format!("PUT {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"), "{}")
    };
    let phases = r#"[{"for_ms":60000,"reply":{"status":410}},{"for_ms":1,"reply":"cut"}]"#;
    assert!(put("/pattern", phases).starts_with("HTTP/1.1 200 "));
    let post = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]";
    assert!(talk(&receiver, post, "{}").starts_with("HTTP/1.1 410 "));
    let date = r#"{"reply":{"status":503},"retry_after_s":60,"retry_after_date":true}"#;
    assert!(put("/behaviour", date).starts_with("HTTP/1.1 200 "), "it ends the pattern");
    let said = talk(&receiver, post, "{}");
    assert!(said.contains("Retry-After: ") && said.contains(" GMT\r\n"), "{said}");
}

#[test]
fn chunked_bodies_and_expectations_are_served() {
    let receiver = start(ReceiverConfig {
        keep: KeepLimits { deliveries: 1, ..KeepLimits::default() },
        ..ReceiverConfig::default()
    });
    let head =
        "POST / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let said = talk(&receiver, &format!("{head}3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"), "");
    assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{said}");
    assert_eq!(receiver.kept().all()[0].body, b"[1,2]");
}

#[test]
fn requests_that_cannot_be_read_are_answered_and_counted() {
    let config = ReceiverConfig { body_bytes_max: 10, ..ReceiverConfig::default() };
    let receiver = start(config);
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", "413"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a", "413"),
    ] {
        assert!(talk(&receiver, request, "").starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
    }
    assert_eq!(receiver.stats().malformed_requests, 3);
}

#[test]
fn an_unsigned_delivery_is_refused_where_a_secret_is_known() {
    let secrets = vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
    let receiver = start(ReceiverConfig { secrets, ..ReceiverConfig::default() });
    let said = talk(&receiver, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", "{}");
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    let stats = receiver.stats();
    assert_eq!((stats.signature_failures, stats.deliveries), (1, 0));
}

#[test]
fn events_that_an_answer_names_as_failed_are_not_taken() {
    let behaviour = Behaviour { fail_events_share: 1.0, ..Behaviour::default() };
    let receiver = start(ReceiverConfig { behaviour, ..ReceiverConfig::default() });
    let mark = "!slt1.0123456789abcdef.0000002a.00000000000c.18abcdef01234567.00000a.cac9c0be";
    let body = format!(r#"[{{"event_id":"e-1","payload":{{"mark":"{mark}","user":1}}}}]"#);
    let request = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let said = talk(&receiver, &request, "}");
    assert!(said.ends_with(r#"{"failed":["e-1"]}"#), "{said}");
    let stats = receiver.stats();
    assert_eq!((stats.deliveries, stats.events, stats.events_refused), (1, 0, 1));
}
