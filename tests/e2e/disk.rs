//! A full disk: requests are refused, nothing is lost, and the server recovers when there is room again.

use crate::harness::traffic::wait_received;
use crate::harness::{HttpAnswer, TestServer, Traffic};
use crate::harness::{
    Request, ServerConfig, TestCustomer, check, directory, tell, traffic, turn, wait_for, wait_until,
};
use serde_json::json;
use sluice_loadtest::sender::RunConfig;
use std::path::Path;
use std::process::Command;

const DISK_BYTES: usize = 48 << 20;
/// Deleted to make room.
const BALLAST_BYTES: usize = 24 << 20;

/// A small disk; gone when this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` if this user may not mount.
    fn mount() -> Option<Self> {
        let directory = directory();
        let options = format!("size={DISK_BYTES},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "sluice-test"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since the server may still be ending.
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

fn send(server: &TestServer, customer: &TestCustomer, kilobytes: usize) -> HttpAnswer {
    let mut state = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    })
    .take(kilobytes * 64)
    .collect();
    let event = json!({"payload": noise});
    Request::post("/v1/events").bearer(&customer.key).json(&event).send(server.public()).expect("an answer")
}

#[test]
fn a_full_disk_is_503_at_the_door_loses_nothing_and_ends_when_there_is_room() {
    let _turn = turn::heavy();
    let Some(disk) = SmallDisk::mount() else {
        tell("SKIPPED: A FULL DISK IS NOT TESTED, as this user may not mount a tmpfs");
        return;
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_BYTES]).expect("the ballast");
    let mut server = ServerConfig::default()
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20)
        .data_dir(&disk.path().join("data"))
        .start();
    let customer = TestCustomer::new(&server);
    let received = server.scratch().join("received");
    let receiver = traffic::receiver(&received, &[]);
    customer.subscribe(&receiver.url());
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 4,
        batch: 4,
        rate: Some(400.0),
        event_bytes: 20_000,
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config.clone(), &server.scratch().join("sent"));

    let full = wait_for("the full disk to be told", || {
        Some(send(&server, &customer, 100)).filter(|answer| answer.status != 202)
    });
    assert_eq!(full.status, 503, "{}", full.text());
    full.error_code();
    assert!(full.header("retry-after").is_some(), "{:?}", full.headers);
    wait_until("the traffic to be refused as well", || {
        traffic.counters().events_rejected + traffic.counters().events_unknown > 0
    });
    // Earlier events can still be read, and the process is alive.
    assert!(!customer.get("/v1/inbox?limit=1")["events"].as_array().unwrap().is_empty());

    std::fs::remove_file(&ballast).expect("make room");
    wait_until("events to be taken again without a restart", || send(&server, &customer, 1).status == 202);
    traffic.wait_for_accepted(100);
    let sent = traffic.ledger().to_owned();
    let run = traffic.finish();
    assert_eq!(run.answers.keys().filter(|status| !matches!(status, 202 | 503)).count(), 0, "{}", run.text());
    check::nothing_lost(&sent, &received);

    // Once more, with a crash on the nearly full disk.
    server.kill();
    server.restart();
    let before = receiver.stats().events;
    let again = Traffic::start(RunConfig { event_bytes: 220, ..config }, &sent);
    again.wait_for_accepted(40);
    again.finish();
    wait_received(&receiver, "events after the crash", |stats| stats.events >= before + 40);
    check::nothing_lost(&sent, &received);
}
