//! Backups of the embedded engine, as docs/operate.md says: a copy of the data
//! directory as it was at one moment, and a server that goes on from the copy.

use crate::harness::traffic::receiver_at;
use crate::harness::{ServerConfig, TestCustomer, TestServer, Traffic, check, directory, ports, turn};
use sluice_loadtest::receiver::Behaviour;
use sluice_loadtest::sender::RunConfig;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().expect("run cp");
    assert!(copied.success(), "copy {} to {}", from.display(), to.display());
}

fn traffic(server: &TestServer, customer: &TestCustomer, ledger: &str) -> Traffic {
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 4,
        batch: 20,
        rate: Some(4000.0),
        timeout: Duration::from_secs(5),
        ..RunConfig::new(server.url())
    };
    Traffic::start(config, &server.scratch().join(ledger))
}

/// Accepts events that cannot be delivered yet. `copies` makes the backup while other
/// events arrive, and the server dies. A server that starts from the backup delivers
/// the backup's events.
fn restores(copies: impl FnOnce(&mut TestServer, &Path)) {
    let _turn = turn::heavy();
    let small = |config: ServerConfig| {
        config
            .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
            .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20)
    };
    let mut server = small(ServerConfig::default()).start();
    let customer = TestCustomer::new(&server);
    let endpoint = ports::reserved_address();
    customer.subscribe(&format!("http://{endpoint}/hook"));

    let before = traffic(&server, &customer, "before");
    before.wait_for_accepted(5000);
    let sent = before.ledger().to_owned();
    before.finish();
    // The copy is made while the log, the queue and the tables are written.
    let after = traffic(&server, &TestCustomer::new(&server), "after");
    after.wait_for_accepted(1000);
    let kept = directory();
    let backup = kept.path().join("backup");
    copies(&mut server, &backup);
    server.kill();
    drop(after);

    let restored = small(ServerConfig::default()).data_dir(&backup).start();
    let received = restored.scratch().join("received");
    let receiver = receiver_at(endpoint, &received, &[], Behaviour::default());
    check::nothing_lost(&sent, &received);
    // The customer's key works, and events that it sends now arrive, too.
    let again = traffic(&restored, &customer.at(&restored), "again");
    again.wait_for_accepted(500);
    let sent = again.ledger().to_owned();
    again.finish();
    check::settle_all(&sent, &received);
    receiver.stop().expect("the receiver's ledger");
    let damaged: Vec<String> =
        restored.log().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
    assert!(damaged.is_empty(), "a backup is not damaged: {damaged:?}");
}

#[test]
fn a_copy_of_a_frozen_servers_data_is_a_backup() {
    restores(|server, backup| {
        server.freeze();
        copy(server.data_dir(), backup);
        server.thaw();
    });
}

#[test]
fn a_copy_of_a_killed_servers_data_is_a_backup() {
    restores(|server, backup| {
        server.kill();
        copy(server.data_dir(), backup);
        server.restart();
    });
}
