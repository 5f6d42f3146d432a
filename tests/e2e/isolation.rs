//! A bad endpoint costs its own subscription only.

use crate::harness::traffic::{receiver_as, receiver_at, wait_received};
use crate::harness::{ServerConfig, TestCustomer, Traffic, check, ports, traffic, turn, wait_until};
use sluice_loadtest::LatencySummary;
use sluice_loadtest::receiver::{Behaviour, ReceiverHandle, ReceiverReply};
use sluice_loadtest::sender::RunConfig;
use std::path::Path;
use std::time::Duration;

const EVENTS: u64 = 6000;
/// How long the server waits for an endpoint that hangs. Events that wait behind a hanging
/// request would be this late, which is far more than a busy machine adds.
const TIMEOUT_MS: u64 = 10_000;

fn traffic_to(customer: &TestCustomer, url: &str, ledger: &Path) -> u64 {
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 2,
        batch: 20,
        rate: Some(4000.0),
        ..RunConfig::new(url)
    };
    let traffic = Traffic::start(config, ledger);
    traffic.wait_for_accepted(EVENTS);
    traffic.finish().whole_run.events_accepted
}

/// Checks that everything arrived in order; returns the latency from event to receipt.
#[track_caller]
fn all_well(receiver: &ReceiverHandle, events: u64, beside: &str) -> LatencySummary {
    let stats = wait_received(receiver, "the healthy endpoint to have all", |stats| stats.events >= events);
    let faults = (stats.missing, stats.out_of_order, stats.corrupted, stats.signature_failures);
    assert_eq!(faults, (0, 0, 0, 0), "missing, out of order, corrupted, ill signed: {}", stats.text());
    let latency = stats.latency_us;
    receiver.reset();
    let ms = |us: u64| us / 1000;
    eprintln!("{beside}: p50 {} ms, p99 {} ms", ms(latency.p50), ms(latency.p99));
    latency
}

#[test]
fn endpoints_that_hang_fail_or_are_gone_cost_the_healthy_one_nothing() {
    let _turn = turn::heavy();
    let server = ServerConfig::default()
        .env("SLUICE_PROCESSOR__WEBHOOK__TIMEOUT_MS", TIMEOUT_MS)
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MAX_MS", 1000)
        // On a machine this busy, a pause is not a sign that the endpoint falls behind.
        .env("SLUICE_PROCESSOR__SHARD__OVERTAKE_AFTER_MS", 10_000)
        .start();
    let customer = TestCustomer::new(&server);
    let scratch = server.scratch();
    let healthy = traffic::receiver(&scratch.join("healthy"), &[]);
    customer.subscribe(&healthy.url());
    let alone = traffic_to(&customer, &server.url(), &scratch.join("sent.alone"));
    all_well(&healthy, alone, "alone");

    let hang = Behaviour { reply: ReceiverReply::Hang, ..Behaviour::default() };
    let gone = ports::reserved_address();
    let start = |name: &str, behaviour| receiver_as(&scratch.join(name), behaviour);
    let (hanging, failing) = (start("hanging", hang), start("failing", Behaviour::status(500)));
    for url in [hanging.url(), failing.url(), format!("http://{gone}")] {
        customer.subscribe(&url);
    }
    let sent = scratch.join("sent.beside");
    let beside = traffic_to(&customer, &server.url(), &sent);
    let latency_beside = all_well(&healthy, beside, "beside three bad endpoints");
    assert!(latency_beside.max < TIMEOUT_MS * 1000, "nothing waited behind a bad one: {latency_beside:?}");
    // The healthy receiver's ledger begins before the others came.
    let report = check::settle_all(&sent, &scratch.join("healthy"));
    assert_eq!(report.unlisted, alone, "{}", report.text());
    assert_eq!((hanging.stats().events, failing.stats().events), (0, 0), "they took nothing");

    for receiver in [&hanging, &failing] {
        receiver.set_behaviour(Behaviour::default()).unwrap();
    }
    let back = receiver_at(gone, &scratch.join("gone"), &[], Behaviour::default());
    for (name, receiver) in [("hanging", &hanging), ("failing", &failing), ("gone", &back)] {
        wait_until(&format!("the mended endpoint ({name}) to have all"), || {
            receiver.stats().events >= beside
        });
        check::nothing_lost(&sent, &scratch.join(name));
    }
    assert!(customer.dead_letters().is_empty(), "retries were left");
}

#[test]
fn an_endpoint_that_never_mends_leaves_dead_letters_that_a_redrive_delivers() {
    let server = ServerConfig::default()
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MS", 100)
        .env("SLUICE_PROCESSOR__BREAKER__OPEN_MAX_MS", 100)
        .start();
    let customer = TestCustomer::new(&server);
    let received = server.scratch().join("received");
    let receiver = receiver_as(&received, Behaviour::status(500));
    let subscription = customer.subscribe_with(&serde_json::json!({
        "event_selector": {"type": "event_type", "value": "*"},
        "webhook_url": receiver.url(),
        "batch": {"max_events": 10, "max_wait_ms": 10},
        "retry": {"max_retries": 1, "max_delay_s": 1},
    }));
    let sent = server.scratch().join("sent");
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 1,
        rate: Some(100.0),
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, &sent);
    traffic.wait_for_accepted(50);
    let accepted = traffic.finish().whole_run.events_accepted;
    customer.wait_for_dead_letters("exhausted", usize::try_from(accepted).unwrap());
    receiver.set_behaviour(Behaviour::default()).unwrap();
    wait_until("redrives to deliver all", || {
        customer.redrive(&subscription.id);
        std::thread::sleep(Duration::from_millis(200));
        receiver.stats().events >= accepted
    });
    check::nothing_lost(&sent, &received);
    wait_until("the dead letters to be gone", || customer.dead_letters().is_empty());
}
