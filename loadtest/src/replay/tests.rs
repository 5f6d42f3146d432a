use std::path::PathBuf;

use tokio::sync::mpsc;

use super::*;
use crate::receiver::{KeepLimits, Receiver, ReceiverConfig, ReceiverHandle};
use crate::recording::Recorded;
use crate::verify::{Arrival, OrderCheck, verify};

fn receiver(ledger: Option<PathBuf>) -> ReceiverHandle {
    Receiver::start(ReceiverConfig {
        ledger,
        keep: KeepLimits { deliveries: 10_000, ..KeepLimits::default() },
        ..ReceiverConfig::default()
    })
    .expect("a receiver")
}

fn config(url: String, file: PathBuf) -> ReplayConfig {
    ReplayConfig { connections: 4, ..ReplayConfig::new(url, vec![file]) }
}

/// `count` requests of five customers, 10 ms apart.
fn recording(directory: &std::path::Path, count: u64) -> PathBuf {
    let path = directory.join("recording.jsonl");
    let line = |nth: u64| {
        let (at, customer) = (1_700_000_000.0 + nth as f64 / 100.0, nth % 5);
        format!(
            "{{\"at\":{at},\"customer\":\"c{customer}\",\"headers\":{{\"X-Number\":\"{nth}\",\"Idempotency-Key\":\"k\"}},\"event\":{{\"payload\":{{\"n\":{nth}}}}}}}\n"
        )
    };
    std::fs::write(&path, (0..count).map(line).collect::<String>()).expect("written");
    path
}

async fn play_all(config: ReplayConfig) -> ReplayReport {
    replay(config, Arc::default(), CancellationToken::new()).await.expect("a report")
}

#[tokio::test]
async fn everything_is_played_in_each_customers_order_and_verified() {
    let directory = tempfile::tempdir().expect("a directory");
    let (sent, received) = (directory.path().join("sent"), directory.path().join("received"));
    let receiver = receiver(Some(received.clone()));
    let file = recording(directory.path(), 2000);
    let passes = ReplayConfig { passes: 3, ledger: Some(sent.clone()), ..config(receiver.url(), file) };
    let report = play_all(passes).await;
    assert_eq!((report.played, report.customers, report.unmarked_events), (6000, 5, 0));
    let kept = receiver.kept().all();
    for customer in 0..5 {
        let numbers = kept.iter().filter_map(|delivery| delivery.header("x-number")?.parse::<u64>().ok());
        let numbers: Vec<_> = numbers.filter(|number| number % 5 == customer).collect();
        let expected: Vec<u64> = (0..3).flat_map(|_| (customer..2000).step_by(5)).collect();
        assert_eq!(numbers, expected, "customer {customer}");
    }
    let keys: std::collections::HashSet<_> =
        kept.iter().filter_map(|delivery| delivery.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 3, "one a pass: {keys:?}");
    let stats = receiver.stop().expect("stopped");
    assert_eq!((stats.events, stats.out_of_order, stats.corrupted), (6000, 0, 0));
    let verified =
        verify(&sent, &received, Arrival::EverySubscription, OrderCheck::Required).expect("readable");
    assert!(verified.ok && verified.acknowledged == 6000, "{verified:?}");
}

#[tokio::test]
async fn gaps_are_kept_at_the_speed_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = receiver(None);
    let file = recording(directory.path(), 101);
    for (speed, least) in [(1.0, 1.0), (4.0, 0.25)] {
        let started = Instant::now();
        play_all(ReplayConfig { speed: Some(speed), ..config(receiver.url(), file.clone()) }).await;
        let took = started.elapsed().as_secs_f64();
        assert!(took >= least && took < least + 1.5, "{took} s at {speed}x");
    }
}

#[tokio::test]
async fn windows_and_customers_are_chosen_and_bodies_kept_if_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = receiver(None);
    let file = recording(directory.path(), 1000);
    let chosen = ReplayConfig {
        from: Duration::from_secs(2),
        to: Some(Duration::from_secs(4)),
        customers: vec!["c1".into(), "c3".into()],
        keep: true,
        ..config(receiver.url(), file)
    };
    let report = play_all(chosen).await;
    assert_eq!(report.played, 80);
    let kept = receiver.kept().all();
    let first = kept.iter().find(|delivery| delivery.header("x-number") == Some("201")).expect("the first");
    assert_eq!(first.body, br#"{"payload":{"n":201}}"#);
    assert_eq!(first.header("idempotency-key"), Some("k"));
}

#[tokio::test]
async fn what_was_played_of_a_recording_that_breaks_off_is_reported_and_a_stop_is_no_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = receiver(None);
    let file = directory.path().join("broken");
    std::fs::write(&file, "{}\nnonsense\n").expect("written");
    let report = play_all(config(receiver.url(), file)).await;
    assert_eq!((report.played, report.recordings_cut_short), (1, 0));
    let error = report.recording_error.expect("an error");
    assert!(error.contains("line 2"), "{error}");

    let stop = CancellationToken::new();
    let file = recording(directory.path(), 100_000);
    let endless = ReplayConfig { speed: Some(1.0), ..config(receiver.url(), file) };
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(replay(endless, Arc::default(), stop.clone()), stopping);
    assert!((1..1000).contains(&report.expect("a report").played));
}

#[tokio::test]
async fn a_stop_while_lanes_are_full_is_a_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let behaviour = crate::receiver::Behaviour { delay_ms: 20, ..Default::default() };
    let receiver = Receiver::start(ReceiverConfig { behaviour, ..ReceiverConfig::default() });
    let receiver = receiver.expect("a receiver");
    let stop = CancellationToken::new();
    let file = recording(directory.path(), 10_000);
    let endless = ReplayConfig { passes: u64::MAX, connections: 2, ..config(receiver.url(), file) };
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(replay(endless, Arc::default(), stop.clone()), stopping);
    assert!((1..1000).contains(&report.expect("a report").played));
}

#[test]
fn a_request_without_a_time_comes_with_the_one_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("r");
    std::fs::write(&path, "{\"at\":5}\n{\"at\":7}\n{}\n{\"at\":6}\n").expect("written");
    let (sender, mut planned) = mpsc::channel(10);
    let played = ReplayConfig { speed: Some(2.0), passes: 2, ..config(String::new(), path) };
    assert!(reader::read(&played, &sender, &CancellationToken::new()).failure.is_none());
    drop(sender);
    let offsets: Vec<_> = std::iter::from_fn(|| planned.blocking_recv())
        .map(|p| p.offset.expect("timed").as_millis())
        .collect();
    // The second pass starts a mean gap (1 s) after the first's end (2 s), halved.
    assert_eq!(offsets, [0, 1000, 1000, 500, 1500, 2500, 2500, 2000]);
    assert!(Recorded::parse(b"{}").is_ok());
}

/// The offsets in ms at which requests of `files` are due, with their paths.
fn planned(directory: &std::path::Path, files: &[&str]) -> (Vec<(u128, String)>, ReadFindings) {
    let files = files.iter().enumerate().map(|(nth, text)| {
        let path = directory.join(format!("r{nth}"));
        std::fs::write(&path, text).expect("written");
        path
    });
    let (sender, mut planned) = mpsc::channel(100);
    let played = ReplayConfig { speed: Some(1.0), ..ReplayConfig::new("", files.collect()) };
    let findings = reader::read(&played, &sender, &CancellationToken::new());
    drop(sender);
    let all = std::iter::from_fn(|| planned.blocking_recv())
        .map(|planned| (planned.offset.expect("timed").as_millis(), planned.request.path))
        .collect();
    (all, findings)
}

#[test]
fn recordings_of_the_same_time_are_merged() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = "{\"at\":1000,\"path\":\"/a\"}\n{\"at\":1002,\"path\":\"/a\"}\n";
    let second = "{\"at\":1001,\"path\":\"/b\"}\n{\"at\":1003,\"path\":\"/b\"}\n";
    let (planned, _) = planned(directory.path(), &[first, second]);
    let expected = [(0, "/a"), (1000, "/b"), (2000, "/a"), (3000, "/b")];
    assert_eq!(planned, expected.map(|(offset, path)| (offset, path.to_owned())));
}

#[test]
fn times_that_cannot_be_right_delay_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "{}\n{\"at\":1760000000}\n{\"at\":1760003600.5}\n{\"at\":1760000001000}\n";
    let (planned, findings) = planned(directory.path(), &[text]);
    let offsets: Vec<_> = planned.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [0, 0, 0, 1000], "the last is in milliseconds");
    assert_eq!(findings.times_replaced, 1);
}

#[test]
fn a_cut_last_line_is_left_out_and_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let (planned, findings) = planned(directory.path(), &["{\"at\":1}\n{\"at\":2,\"pa"]);
    assert_eq!((planned.len(), findings.cut_short), (1, 1));
    assert!(findings.failure.is_none());
}

#[tokio::test]
async fn a_slow_customer_delays_no_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let slow = crate::receiver::Behaviour { delay_ms: 200, ..Default::default() };
    let slow = Receiver::start(ReceiverConfig { behaviour: slow, ..ReceiverConfig::default() });
    let slow = slow.expect("a receiver");
    // One customer sends a request each 2 ms, another one now and then.
    let path = directory.path().join("r");
    let line = |nth: u64| {
        let customer = if nth.is_multiple_of(50) { "rare" } else { "busy" };
        format!("{{\"at\":{},\"customer\":\"{customer}\",\"event\":{{}}}}\n", 1000.0 + nth as f64 * 0.002)
    };
    std::fs::write(&path, (0..500).map(line).collect::<String>()).expect("written");
    let stop = CancellationToken::new();
    let timed = ReplayConfig { speed: Some(1.0), ..config(slow.url(), path) };
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(replay(timed, Arc::default(), stop.clone()), stopping);
    let report = report.expect("a report");
    // Of the rare customer all ten, of the busy one about seven.
    assert!((14..=20).contains(&report.played), "{}", report.played);
    assert!(report.run.generator_lag_us.p99 < 100_000, "the generator is on time: {report:?}");
    assert!(report.run.unsent_requests > 400, "{report:?}");
    assert_eq!(report.run.ended, RunEnd::Interrupted);
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_a_replay_with_unanswered_requests() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = recording(directory.path(), 5);
    let timeout = Duration::from_millis(100);
    let report = play_all(ReplayConfig { timeout, ..config("http://127.0.0.1:1".into(), file) }).await;
    assert_eq!((report.played, report.run.measured.requests_unanswered), (0, 5), "{report:?}");
}
