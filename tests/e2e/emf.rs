//! Metrics for CloudWatch on standard output: a line an interval for each role.

use crate::harness::{Seen, ServerConfig, TestCustomer, TestEndpoint, TestServer, wait_for};
use serde_json::{Value, json};

fn lines(server: &TestServer, role: &str) -> Vec<Value> {
    let read = |line: String| {
        line.starts_with('{')
            .then(|| serde_json::from_str::<Value>(&line).expect("a line is one JSON object"))
    };
    server.output().into_iter().filter_map(read).filter(|line| line["Role"] == role).collect()
}

fn sum(lines: &[Value], metric: &str) -> u64 {
    lines.iter().map(|line| line[metric].as_u64().unwrap_or_else(|| panic!("no {metric}: {line}"))).sum()
}

#[test]
fn each_role_writes_lines_that_add_up_to_what_happened_until_the_end() {
    let config = ServerConfig::default()
        .env("SLUICE_TELEMETRY__EMF", true)
        .env("SLUICE_TELEMETRY__EMF_INTERVAL_S", 1)
        .env("SLUICE_TELEMETRY__EMF_NAMESPACE", "Sluice/test");
    let mut server = config.start();
    let (customer, endpoint) = (TestCustomer::new(&server), TestEndpoint::healthy());
    customer.subscribe(&endpoint.url());
    let send = || customer.send(&json!({"event_type": "a.b", "payload": 1}));
    send();
    wait_for("two lines of each role, ready", || {
        let told = ["ingest", "processor"].map(|role| lines(&server, role));
        told.iter().all(|lines| lines.iter().filter(|line| line["Ready"] == 1).count() >= 2).then_some(())
    });
    // Events after the last full interval are in the line that is written at the end.
    for _ in 0..9 {
        send();
    }
    wait_for("all events", || (endpoint.seen().iter().flat_map(Seen::events).count() >= 10).then_some(()));
    server.terminate();
    let delivered = wait_for("the last lines", || {
        let lines = lines(&server, "processor");
        (sum(&lines, "EventsDelivered") >= 10).then_some(lines)
    });
    assert_eq!((sum(&delivered, "EventsDelivered"), sum(&delivered, "Receipts")), (10, 10));
    let accepted = lines(&server, "ingest");
    assert_eq!((sum(&accepted, "EventsAccepted"), sum(&accepted, "Requests")), (10, 10));
    assert_eq!(accepted[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Sluice/test");
    assert_eq!(accepted.last().unwrap()["Ready"], 0, "it drains");
    let names: Vec<&str> = accepted[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(names.contains(&"Processes") && names.contains(&"DependenciesLost"), "{names:?}");
}

#[test]
fn nothing_is_written_unless_it_is_asked_for() {
    let mut server = TestServer::start();
    TestCustomer::new(&server).send(&json!({"event_type": "a.b", "payload": 1}));
    server.terminate();
    assert!(server.output().iter().all(|line| line.starts_with("ready ")), "{:?}", server.output());
}
