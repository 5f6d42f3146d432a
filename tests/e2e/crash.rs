//! `kill -9` under load: acknowledged events arrive, whenever the process is killed.

use crate::harness::customer::text;
use crate::harness::{
    Random, ServerConfig, TestCustomer, TestServer, Traffic, check, setting, traffic, turn,
};
use crate::usage;
use sluice_loadtest::receiver::ReceiverHandle;
use sluice_loadtest::sender::{RunConfig, RunReport};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// Kills in the default run: few enough to rarely hit the same place twice.
const KILLS: usize = 10;

fn kills() -> usize {
    setting("SLUICE_TEST_KILLS").map_or(KILLS, |kills| kills.parse().expect("SLUICE_TEST_KILLS is a number"))
}

/// A customer with traffic of its own and a receiver for it.
struct CrashFlow {
    customer: TestCustomer,
    traffic: Traffic,
    receiver: ReceiverHandle,
    received: PathBuf,
}

impl CrashFlow {
    fn start(server: &TestServer, name: &str, shape: impl FnOnce(RunConfig) -> RunConfig) -> Self {
        let customer = TestCustomer::new(server);
        let received = server.scratch().join(format!("{name}.received"));
        let receiver = traffic::receiver(&received, &[]);
        customer.subscribe(&receiver.url());
        let config = RunConfig {
            keys: vec![customer.key.clone()],
            retry_unknown: true,
            timeout: Duration::from_secs(5),
            ..RunConfig::new(server.url())
        };
        let traffic = Traffic::start(shape(config), &server.scratch().join(format!("{name}.sent")));
        Self { customer, traffic, receiver, received }
    }

    /// Stops sending and compares the ledgers.
    fn judge(self, name: &str) -> (TestCustomer, RunReport) {
        let sent = self.traffic.ledger().to_owned();
        let run = self.traffic.finish();
        let report = check::nothing_lost(&sent, &self.received);
        eprintln!("{name}: {}", report.text().trim_end());
        assert_eq!(report.refused, 0, "nothing was wrong with the requests: {}", run.text());
        usage::counts_all_once(&self.customer);
        self.receiver.stop().expect("the receiver's ledger");
        (self.customer, run)
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let _turn = turn::heavy();
    let mut random = Random::new("crash");
    let config = ServerConfig::default()
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20);
    let mut server = config.start();
    let flows = [
        (
            "single, closed loop",
            CrashFlow::start(&server, "single", |run| RunConfig { connections: 8, ..run }),
        ),
        (
            "batches, open loop",
            CrashFlow::start(&server, "open", |run| RunConfig {
                connections: 16,
                batch: 50,
                rate: Some(10_000.0),
                ..run
            }),
        ),
        (
            "large batches, ordered by key",
            CrashFlow::start(&server, "large", |run| RunConfig {
                connections: 2,
                batch: 400,
                rate: Some(8000.0),
                ordering_key: true,
                ..run
            }),
        ),
    ];
    for nth in 0..kills() {
        // Progress first, so that not only starts are killed; then any moment.
        flows.iter().for_each(|(_, flow)| flow.traffic.wait_for_accepted(random.below(2000)));
        std::thread::sleep(Duration::from_millis(random.below(150)));
        server.kill();
        if random.below(3) == 0 {
            eprintln!("kill {nth} strikes a start as well");
            server.restart();
            server.kill();
        }
        server.restart();
    }
    flows.iter().for_each(|(_, flow)| flow.traffic.wait_for_accepted(1000));
    for (name, flow) in flows {
        flow.judge(name);
    }
    let log = server.log();
    // Requests time out while the machine stands still.
    let is_damage = |line: &&str| line.contains("ERROR") && !line.contains("did not answer in time");
    let damaged: Vec<&str> = log.lines().filter(is_damage).collect();
    assert!(damaged.is_empty(), "a kill is no damage: {damaged:?}");
}

#[test]
fn a_request_repeated_with_its_key_through_kill_9_is_stored_once() {
    let _turn = turn::heavy();
    let mut random = Random::new("crash with keys");
    let mut server = TestServer::start();
    let flow = CrashFlow::start(&server, "keyed", |run| RunConfig {
        connections: 8,
        batch: 5,
        rate: Some(2000.0),
        idempotency_keys: true,
        ..run
    });
    for _ in 0..kills() {
        flow.traffic.wait_for_accepted(random.below(500));
        std::thread::sleep(Duration::from_millis(random.below(50)));
        server.kill();
        server.restart();
    }
    flow.traffic.wait_for_accepted(100);
    let (customer, run) = flow.judge("keyed");
    let events = customer.pages("/v1/inbox?limit=1000", "events");
    let marks: Vec<String> = events.iter().map(|event| text(&event["payload"], "mark")).collect();
    let sequence = |mark: &String| mark[22..44].to_owned();
    let distinct: HashSet<String> = marks.iter().map(sequence).collect();
    assert_eq!(distinct.len(), marks.len(), "an event is stored twice");
    assert!(distinct.len() as u64 >= run.whole_run.events_accepted, "{}", run.text());
}
