//! Controls: the checks of the other tests find faults that are planted for them.

use crate::harness::endpoint::EndpointReply;
use crate::harness::traffic::{receiver_at, wait_received};
use crate::harness::{
    Request, TestCustomer, TestEndpoint, TestServer, Traffic, check, ports, traffic, wait_until,
};
use sluice_loadtest::receiver::Behaviour;
use sluice_loadtest::sender::RunConfig;
use std::path::{Path, PathBuf};

fn run(server: &TestServer, customer: &TestCustomer, ledger: &Path) -> u64 {
    let config = RunConfig {
        keys: vec![customer.key.clone()],
        connections: 2,
        rate: Some(500.0),
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, ledger);
    traffic.wait_for_accepted(100);
    traffic.finish().whole_run.events_accepted
}

#[test]
fn a_receiver_that_forgets_some_of_what_it_took_is_found_out() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let path = |name: &str| -> PathBuf { server.scratch().join(name) };
    let address = ports::reserved_address();
    let first = receiver_at(address, &path("first"), &[], Behaviour::default());
    customer.subscribe(&first.url());
    let early = run(&server, &customer, &path("sent"));
    wait_received(&first, "the first part", |stats| stats.events >= early);
    first.stop().expect("the first receiver's ledger");
    assert!(check::nothing_lost(&path("sent"), &path("first")).ok);

    // The sender's ledger is continued; a receiver with an empty ledger takes the rest.
    let second = receiver_at(address, &path("second"), &[], Behaviour::default());
    let late = run(&server, &customer, &path("sent"));
    wait_received(&second, "the second part", |stats| stats.events >= late);
    second.stop().expect("the second receiver's ledger");
    for (ledger, lost) in [("first", late), ("second", early)] {
        let report = check::compare(&path("sent"), &path(ledger));
        assert!(!report.ok);
        assert_eq!(report.lost, lost, "{}", report.text());
    }
}

#[test]
fn an_altered_byte_on_the_way_to_the_receiver_is_found_out() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let received = server.scratch().join("received");
    let receiver = traffic::receiver(&received, &[]);
    let address = receiver.address();
    // A proxy that passes each webhook on with one letter changed.
    let altering = TestEndpoint::start(move |seen| {
        let mut body = seen.body.clone();
        let at = body.windows(8).position(|part| part == b"\"user\":\"").expect("a marked event") + 12;
        body[at] = if body[at] == b'x' { b'y' } else { b'x' };
        Request::post("/").body(body).expect(address, 200);
        EndpointReply::status(200)
    });
    customer.subscribe(&altering.url());
    let sent = server.scratch().join("sent");
    run(&server, &customer, &sent);
    wait_until("a damaged event", || receiver.stats().corrupted > 0);
    receiver.stop().expect("the receiver's ledger");
    let report = check::compare(&sent, &received);
    assert!(!report.ok && report.corrupted > 0, "{}", report.text());
}

#[test]
fn a_receiver_with_another_secret_takes_nothing() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let other =
        traffic::receiver(&server.scratch().join("other"), &["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
    customer.subscribe(&other.url());
    let sent = run(&server, &customer, &server.scratch().join("sent"));
    let stats = wait_received(&other, "refused webhooks", |stats| stats.signature_failures > 0);
    assert!(sent > 0);
    assert_eq!(stats.events, 0);
}
