//! The commands as a user runs them, and the library as `sluice demo` does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::process::{ProgramServer, json, output};
use serde_json::Value;
use sluice_loadtest::event::EventEnvelope;
use sluice_loadtest::receiver::{Behaviour, Receiver, ReceiverConfig, ReceiverHandle};
use sluice_loadtest::request::BodyFormat;
use sluice_loadtest::sender::{self, LiveRun, RunConfig};
use sluice_loadtest::verify::{Arrival, OrderCheck, verify};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

fn start_receiver(config: ReceiverConfig) -> ReceiverHandle {
    Receiver::start(config).expect("a receiver")
}

fn webhooks(url: &str) -> RunConfig {
    RunConfig {
        connections: 4,
        batch: 20,
        envelope: EventEnvelope::Delivered,
        format: BodyFormat::JsonArray,
        ..RunConfig::new(url)
    }
}

#[test]
fn every_command_explains_itself() {
    for name in [
        "run", "receive", "verify", "baseline", "report", "compare", "replay", "convert", "chaos", "search",
        "merge",
    ] {
        let help = output(&[name, "--help"]);
        assert!(help.status.success() && help.stdout.len() > 200, "{name}");
    }
    assert_eq!(output(&["run"]).status.code(), Some(2), "used wrongly");
    let bad = output(&["run", "--url", "ftp://x"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("is not a URL like"));
}

#[test]
fn a_closed_loop_is_measured_against_the_baseline() {
    let server = ProgramServer::start(&["baseline"]);
    let times = ["--duration", "1s", "--warmup", "100ms", "--json", "--url", &server.url];
    let single = json(&output(&[&["run", "--key", "sk_1", "--connections", "4"], &times[..]].concat()));
    assert!(single["requests_per_s"].as_f64() > Some(1000.0), "{single}");
    assert_eq!(single["requests_per_s"], single["events_per_s"]);
    assert_eq!(single["latency_us"]["count"], single["measured"]["requests"]);
    let batched = json(&output(&[&["run", "--batch", "100", "--encoding", "gzip"], &times[..]].concat()));
    let total = |name: &str| batched["whole_run"][name].as_u64().expect("a count");
    assert_eq!(total("events_accepted"), 100 * total("requests"));
    server.interrupt();
}

#[test]
fn the_durable_baseline_takes_events_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a path in UTF-8");
    let server = ProgramServer::start(&["baseline", "--durable", "--data-dir", dir, "--file-mib", "16"]);
    let run = ["run", "--duration", "500ms", "--warmup", "0s", "--json", "--url", &server.url];
    let taken = json(&output(&[&run[..], &["--batch", "100"]].concat()));
    let total = |name: &str| taken["whole_run"][name].as_u64().expect("a count");
    assert_eq!(total("events_accepted"), 100 * total("requests"), "{taken}");
    let refused = output(&[&run[..], &["--body", "[{\"payload\":1},7]"]].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no event was accepted"), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "its file has no name");
    server.interrupt();
}

#[test]
fn an_open_loop_keeps_its_rate_and_reports_what_it_could_not_send() {
    let server = ProgramServer::start(&["baseline"]);
    let common = ["run", "--url", &server.url, "--duration", "500ms", "--warmup", "0s", "--json"];
    let kept = json(&output(&[&common[..], &["--rate", "20000", "--batch", "10"]].concat()));
    let count = |value: &Value| value.as_u64().expect("a count");
    assert_eq!(count(&kept["whole_run"]["requests"]) + count(&kept["unsent_requests"]), 1000, "{kept}");
    assert!(count(&kept["measured"]["requests"]) > 500, "most of the rate is kept: {kept}");
    assert_eq!(kept["loop_kind"], "open");
    server.interrupt();

    let slow = ProgramServer::start(&["receive", "--delay-ms", "100"]);
    let overrun = output(&[
        "run",
        "--url",
        &slow.url,
        "--duration",
        "500ms",
        "--warmup",
        "0s",
        "--json",
        "--rate",
        "1000",
        "--connections",
        "2",
    ]);
    let overrun = json(&overrun);
    let sent = overrun["whole_run"]["requests"].as_u64().expect("a count");
    let unsent = overrun["unsent_requests"].as_u64().expect("a count");
    assert_eq!(sent + unsent, 500);
    assert!(unsent > 400, "{overrun}");
    let p99 = |name: &str| overrun[name]["p99"].as_u64().expect("a latency");
    assert!(p99("latency_us") > 2 * p99("service_time_us"), "waiting counts: {overrun}");
}

#[test]
fn ledgers_of_a_run_with_failures_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (sent, received) = (path("sent"), path("received"));
    let receiver =
        ProgramServer::start(&["receive", "--fail-share", "0.2", "--close", "--ledger", &received, "--json"]);
    let run = json(&output(&[
        "run",
        "--url",
        &receiver.url,
        "--envelope",
        "delivered",
        "--batch",
        "10",
        "--connections",
        "4",
        "--duration",
        "300ms",
        "--warmup",
        "0s",
        "--ledger",
        &sent,
        "--retry-unknown",
        "--json",
    ]));
    let stats: Value = serde_json::from_str(&receiver.interrupt()).expect("JSON");
    assert!(run["whole_run"]["retries"].as_u64() > Some(0), "{run}");
    let report = json(&output(&["verify", "--sent", &sent, "--received", &received, "--json"]));
    assert_eq!(report["acknowledged"], run["whole_run"]["events_accepted"]);
    assert_eq!(report["received"], stats["events"]);
    assert_eq!((&report["ok"], &report["lost"]), (&Value::Bool(true), &Value::from(0)));

    let none = path("none");
    drop(start_receiver(ReceiverConfig { ledger: Some(none.clone().into()), ..ReceiverConfig::default() }));
    let lost = output(&["verify", "--sent", &sent, "--received", &none]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&lost.stdout).contains("NOT OK"));
}

#[tokio::test]
async fn a_sender_outlives_a_server_that_is_killed_and_restarted() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = ProgramServer::start(&["baseline"]);
    let url = server.url.clone();
    let address = url.strip_prefix("http://").expect("the scheme").to_owned();
    let (live, stop) = (Arc::new(LiveRun::default()), CancellationToken::new());
    let config = RunConfig {
        retry_unknown: true,
        ledger: Some(directory.path().join("sent")),
        connections: 8,
        ..RunConfig::new(&url)
    };
    let run = tokio::spawn(sender::run(config, Arc::clone(&live), stop.clone()));
    let accepted_more_than = async |count| {
        while live.counters().events_accepted <= count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, accepted_more_than(0)).await.expect("events are taken");
    server.kill();
    let failures = async {
        while live.counters().connect_failures == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, failures).await.expect("the sender tries to connect");
    let before = live.counters().events_accepted;
    let again = ProgramServer::start(&["baseline", "--listen", &address]);
    tokio::time::timeout(SOON, accepted_more_than(before)).await.expect("events are taken again");
    stop.cancel();
    let report = run.await.expect("no panic").expect("a report");
    assert_eq!(report.whole_run.events_unknown, 0, "each was sent until its outcome was known");
    assert!(report.whole_run.connections_lost > 0 && report.first_failure.is_some());
    assert!(live.take_recent_latency().count > 0);
    again.interrupt();
}

#[tokio::test]
async fn a_receiver_that_is_restarted_goes_on_with_its_ledger() {
    let directory = tempfile::tempdir().expect("a directory");
    let (sent, received) = (directory.path().join("sent"), directory.path().join("received"));
    let config = ReceiverConfig { ledger: Some(received.clone()), ..ReceiverConfig::default() };
    let receiver = start_receiver(config.clone());
    let listen = receiver.address();
    let stop = CancellationToken::new();
    let sending = RunConfig { retry_unknown: true, ledger: Some(sent.clone()), ..webhooks(&receiver.url()) };
    let run = tokio::spawn(sender::run(sending, Arc::default(), stop.clone()));
    receiver.wait_until(SOON, |stats| stats.events > 1000).await.expect("events come");
    let before = tokio::task::spawn_blocking(|| receiver.stop()).await.expect("no panic").expect("figures");
    let receiver = start_receiver(ReceiverConfig { listen, ..config });
    receiver.wait_until(SOON, |stats| stats.events > 1000).await.expect("events come");
    stop.cancel();
    let report = run.await.expect("no panic").expect("a report");
    let after = receiver.stop().expect("figures");
    let verified =
        verify(Path::new(&sent), Path::new(&received), Arrival::EverySubscription, OrderCheck::Required);
    let verified = verified.expect("readable");
    assert!(verified.ok, "{verified:?}");
    assert_eq!(verified.acknowledged, report.whole_run.events_accepted);
    assert_eq!(verified.received + verified.duplicates_other_delivery, before.events + after.events);
}

#[tokio::test]
async fn many_customers_have_streams_of_their_own() {
    let receiver = start_receiver(ReceiverConfig::default());
    let keys: Vec<_> = (0..50).map(|nth| format!("sk_test_{nth}")).collect();
    let config = RunConfig {
        keys,
        duration: Some(Duration::from_millis(300)),
        rate: Some(20_000.0),
        threads: 2,
        ..webhooks(&receiver.url())
    };
    let report = sender::run(config, Arc::default(), CancellationToken::new()).await.expect("a report");
    let stats = receiver.stats();
    assert_eq!(stats.events, report.whole_run.events_accepted);
    assert_eq!((stats.streams, stats.out_of_order, stats.missing), (200, 0, 0));
}

#[tokio::test]
async fn a_refusing_server_is_asked_less_often() {
    let behaviour = Behaviour::status(429);
    let receiver = start_receiver(ReceiverConfig { behaviour, ..ReceiverConfig::default() });
    let config = RunConfig { duration: Some(Duration::from_millis(200)), ..webhooks(&receiver.url()) };
    let report = sender::run(config, Arc::default(), CancellationToken::new()).await.expect("a report");
    let requests = report.whole_run.requests_refused;
    assert!((4..=4 * 21).contains(&requests), "{requests} requests in 200 ms on 4 connections");
    assert_eq!(report.excerpts[0].status, 429);
}
