//! The data directory holds customers' events and secrets, so only its owner can read it.

use crate::harness::traffic::wait_received;
use crate::harness::{ServerConfig, TestCustomer, TestServer, Traffic, traffic};
use sluice_loadtest::sender::RunConfig;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Every file and directory below `path`, and `path` itself, with its mode.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Vec::new() };
    let mut found = vec![(path.to_owned(), meta.permissions().mode() & 0o777)];
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).expect("list a directory") {
            found.extend(modes(&entry.expect("an entry").path()));
        }
    }
    found
}

#[track_caller]
fn assert_private(data: &Path) {
    let modes = modes(data);
    let wanted = |path: &Path| if path.is_dir() { 0o700 } else { 0o600 };
    // A file may go while others are looked at.
    let open: Vec<_> = modes.iter().filter(|(path, mode)| path.exists() && *mode != wanted(path)).collect();
    assert!(open.is_empty(), "readable by others, or not by their owner: {open:?}");
    let names = ["format", "catalogue.db", "catalogue.journal", "log/shard-0/bounds", "state/flushed"];
    for name in names {
        assert!(modes.iter().any(|(path, _)| path == &data.join(name)), "{name} was looked at");
    }
    for end in ["seg", "idx"] {
        let is_wanted = |(path, _): &&(PathBuf, u32)| path.extension().is_some_and(|found| found == end);
        assert!(modes.iter().any(|found| is_wanted(&found)), "a file .{end} was looked at");
    }
}

/// Sends and delivers enough events for several segments of the log.
fn fill(server: &TestServer, customer: &TestCustomer) {
    let received = server.scratch().join("received");
    let receiver = traffic::receiver(&received, &[]);
    customer.subscribe(&receiver.url());
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 4,
        batch: 20,
        event_bytes: 2000,
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, &server.scratch().join("sent"));
    traffic.wait_for_accepted(2000);
    traffic.finish();
    wait_received(&receiver, "the events", |stats| stats.events >= 2000);
}

fn config() -> ServerConfig {
    ServerConfig::default()
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_FLUSH_BYTES", 1 << 20)
}

#[test]
fn what_the_server_stores_is_private_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let mut server = config().shell(&format!("umask {umask}")).make_admin_token().start();
        let customer = TestCustomer::new(&server);
        fill(&server, &customer);
        assert_private(server.data_dir());
        server.terminate();
        assert_private(server.data_dir());
    }
}

#[test]
fn what_others_could_read_is_made_private_at_the_next_start() {
    let mut server = config().start();
    let customer = TestCustomer::new(&server);
    fill(&server, &customer);
    server.terminate();
    for (path, mode) in modes(server.data_dir()) {
        let open = if path.is_dir() { 0o777 } else { mode | 0o066 };
        std::fs::set_permissions(&path, Permissions::from_mode(open)).expect("open a file to others");
    }
    // A foreign file in the directory is left alone.
    let foreign = server.data_dir().join("notes.txt");
    std::fs::write(&foreign, "mine").expect("a foreign file");
    std::fs::set_permissions(&foreign, Permissions::from_mode(0o644)).expect("a foreign file's mode");
    server.restart();
    let mode = std::fs::metadata(&foreign).expect("the foreign file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o644);
    std::fs::remove_file(&foreign).expect("remove the foreign file");
    assert_private(server.data_dir());
}
