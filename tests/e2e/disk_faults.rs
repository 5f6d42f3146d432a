//! A disk that refuses writes, and directories that are removed: requests are refused,
//! and the server recovers without a restart once the cause is gone.

use crate::harness::traffic::wait_received;
use crate::harness::{
    HttpAnswer, Request, ServerConfig, TestCustomer, TestServer, Traffic, check, tell, traffic, turn,
    wait_for, wait_until,
};
use serde_json::json;
use sluice_loadtest::receiver::ReceiverHandle;
use sluice_loadtest::sender::RunConfig;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

fn config() -> ServerConfig {
    ServerConfig::default()
        .env("SLUICE_ENGINE__LOG_SEGMENT_BYTES", 1 << 20)
        .env("SLUICE_ENGINE__STATE_SEGMENT_BYTES", 1 << 20)
}

/// A server whose writes can be made to fail: the kernel refuses writes beyond the file
/// size limit, to any file. The signal that it also sends would end the process, so it
/// is ignored.
fn start() -> TestServer {
    config().shell("trap '' XFSZ").start()
}

/// Makes every write fail, or lifts the limit.
fn set_file_size_limit(server: &TestServer, limit: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &server.pid().to_string(), &format!("--fsize={limit}:unlimited")]);
    assert!(prlimit.status().expect("run prlimit").success(), "the limit was not set");
}

/// A customer with a subscription, traffic and a receiver.
struct FaultedFlow {
    customer: TestCustomer,
    receiver: ReceiverHandle,
    received: PathBuf,
    traffic: Traffic,
}

impl FaultedFlow {
    fn start(server: &TestServer) -> Self {
        let customer = TestCustomer::new(server);
        let received = server.scratch().join("received");
        let receiver = traffic::receiver(&received, &[]);
        customer.subscribe(&receiver.url());
        let config = RunConfig {
            keys: vec![customer.key.clone()],
            connections: 4,
            batch: 4,
            rate: Some(400.0),
            retry_unknown: true,
            ..RunConfig::new(server.url())
        };
        let traffic = Traffic::start(config, &server.scratch().join("sent"));
        traffic.wait_for_accepted(200);
        Self { customer, receiver, received, traffic }
    }

    /// Stops sending; everything answered 202 must have arrived.
    fn judge(self) {
        self.traffic.wait_for_accepted(200);
        let sent = self.traffic.ledger().to_owned();
        let run = self.traffic.finish();
        assert_eq!(
            run.answers.keys().filter(|status| !matches!(status, 202 | 503)).count(),
            0,
            "{}",
            run.text()
        );
        check::nothing_lost(&sent, &self.received);
        self.receiver.stop().expect("the receiver's ledger");
    }
}

/// A request that must be answered before the client gives up, whatever the answer.
fn answer(request: &Request, address: SocketAddr) -> HttpAnswer {
    request.clone().send(address).expect("an answer")
}

#[track_caller]
fn assert_refused(answer: &HttpAnswer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.text());
    answer.error_code();
    assert!(answer.header("retry-after").is_some(), "{what}: {:?}", answer.headers);
}

/// Requests of a customer and an operator that must be stored: an event, an
/// acknowledgement, a subscription, a customer.
fn writes(
    server: &TestServer,
    customer: &TestCustomer,
    event_id: &str,
) -> [(&'static str, Request, SocketAddr, u16); 4] {
    let key = &customer.key;
    let subscription = json!({
        "event_selector": {"type": "event_type", "value": "never"},
        "webhook_url": "http://127.0.0.1:9/",
    });
    let ack = Request::post(format!("/v1/events/{event_id}/ack"));
    let customer = Request::post("/admin/customers").json(&json!({"name": "another"}));
    [
        (
            "an event",
            Request::post("/v1/events").bearer(key).json(&json!({"payload": 1})),
            server.public(),
            202,
        ),
        ("an acknowledgement", ack.bearer(key), server.public(), 200),
        (
            "a subscription",
            Request::post("/v1/subscriptions").bearer(key).json(&subscription),
            server.public(),
            201,
        ),
        ("a customer", customer.bearer(crate::harness::server::ADMIN_TOKEN), server.admin(), 201),
    ]
}

#[test]
fn writes_that_fail_are_503_and_everything_goes_on_when_they_succeed_again() {
    let _turn = turn::heavy();
    let mut server = start();
    let flow = FaultedFlow::start(&server);
    let event_id = flow.customer.send(&json!({"payload": "before"}));
    for round in 0..2 {
        set_file_size_limit(&server, "1");
        for (what, request, address, _) in writes(&server, &flow.customer, &event_id) {
            // The disk may still have accepted the change of the first try.
            let refused = wait_for("a refusal", || {
                Some(answer(&request, address)).filter(|answer| answer.status == 503)
            });
            assert_refused(&refused, &format!("{what}, round {round}"));
        }
        // Stored events can still be read.
        assert_eq!(flow.customer.event(&event_id)["event_id"], event_id.as_str());
        set_file_size_limit(&server, "unlimited");
        for (what, request, address, good) in writes(&server, &flow.customer, &event_id) {
            // An acknowledgement that was in flight counts.
            let is_done = |status| status == good || (what == "an acknowledgement" && status == 409);
            wait_until(&format!("{what} to be taken again without a restart"), || {
                is_done(answer(&request, address).status)
            });
        }
    }
    let before = flow.receiver.stats().events;
    wait_received(&flow.receiver, "deliveries to go on", |stats| stats.events > before + 100);
    server.kill();
    server.restart();
    flow.judge();
}

#[test]
fn an_idempotency_key_whose_append_failed_can_be_used_again_without_a_restart() {
    let _turn = turn::heavy();
    let server = config().env("SLUICE_ENGINE__IDEMPOTENCY_IN_FLIGHT_MAX", 8).shell("trap '' XFSZ").start();
    let customer = TestCustomer::new(&server);
    customer.send(&json!({"payload": "before"}));
    let keyed = |key: usize| {
        let request = Request::post("/v1/events").bearer(&customer.key).json(&json!({"payload": key}));
        request.header("idempotency-key", format!("key-{key}"))
    };
    set_file_size_limit(&server, "1");
    // More keys than may be in flight: if keys were left behind, the others would be refused.
    for key in 0..24 {
        let refused = answer(&keyed(key), server.public());
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    set_file_size_limit(&server, "unlimited");
    wait_until("events to be taken again", || {
        let event = Request::post("/v1/events").bearer(&customer.key).json(&json!({"payload": 1}));
        answer(&event, server.public()).status == 202
    });
    for key in 0..24 {
        wait_until(&format!("key {key} to be free"), || answer(&keyed(key), server.public()).status == 202);
        let again = answer(&keyed(key), server.public());
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (202, Some("true")),
            "{}",
            again.text()
        );
    }
    let events = customer.pages("/v1/inbox?limit=1000", "events");
    for key in 0..24 {
        let stored = events.iter().filter(|event| event["payload"] == key).count();
        assert!(stored == 1 || (key == 1 && stored > 1), "key {key} is stored {stored} times");
    }
}

#[test]
fn a_log_directory_that_is_removed_is_told_and_used_again_once_it_is_there() {
    let mut server = config().start();
    let customer = TestCustomer::new(&server);
    customer.send(&json!({"payload": "before"}));
    let shard = server.data_dir().join("log/shard-0");
    std::fs::remove_dir_all(&shard).expect("remove the log's directory");
    let send = || {
        let event = Request::post("/v1/events").bearer(&customer.key).json(&json!({"payload": "after"}));
        answer(&event, server.public())
    };
    // Nothing may be answered 202 that a restart would not find.
    let first = send();
    assert_refused(&first, "the first event");
    let refused = send();
    assert_refused(&refused, "the second event");
    wait_until("the log to name the directory", || server.log().contains("log/shard-0"));

    std::fs::create_dir(&shard).expect("make the directory again");
    let taken = wait_for("events to be taken again without a restart", || {
        Some(send()).filter(|answer| answer.status == 202)
    });
    let id = taken.json()["event_id"].as_str().expect("an id").to_owned();
    server.kill();
    server.restart();
    assert_eq!(customer.event(&id)["payload"], "after");
    assert!(server.log().contains("a segment is missing"), "the lost segment is named: {}", server.log());
}

#[test]
fn a_state_directory_that_is_removed_is_told_and_loses_nothing_once_it_is_there() {
    let mut server = config().start();
    let flow = FaultedFlow::start(&server);
    let event_id = flow.customer.send(&json!({"payload": "before"}));
    let ledger = server.data_dir().join("state/ledger");
    std::fs::remove_dir_all(&ledger).expect("remove the ledger's directory");
    let ack = || Request::post(format!("/v1/events/{event_id}/ack")).bearer(&flow.customer.key);
    let refused =
        wait_for("a refusal", || Some(answer(&ack(), server.public())).filter(|answer| answer.status == 503));
    assert_refused(&refused, "an acknowledgement");
    wait_until("the log to name the directory", || server.log().contains("state/ledger"));
    std::fs::create_dir(&ledger).expect("make the directory again");
    wait_until("the acknowledgement to be taken", || {
        matches!(answer(&ack(), server.public()).status, 200 | 409)
    });
    // The whole state is written again, so a crash and the loss of the cache cost nothing.
    wait_until("the state to be written again", || server.log().contains("is written again"));
    server.kill();
    std::fs::remove_dir_all(server.data_dir().join("state/cache")).expect("remove the cache");
    server.restart();
    assert_eq!(flow.customer.event(&event_id)["acknowledged_at"].as_str().map(|_| ()), Some(()));
    flow.judge();
}

#[test]
fn a_log_of_its_own_that_cannot_be_written_does_not_stop_the_server() {
    let server = config().shell("exec 2>/dev/full").start();
    let customer = TestCustomer::new(&server);
    for nth in 0..20 {
        customer.send(&json!({"payload": nth}));
    }
    tell("the server's stderr was /dev/full");
}
