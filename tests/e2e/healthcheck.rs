//! `sluice healthcheck` against the real binary: ready, draining, frozen, gone.

use crate::harness::server::binary;
use crate::harness::{Request, ServerConfig, TestCustomer, directory, ports, wait_for};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;

/// Asks the listeners of a configuration. Nobody listens at the processor's address
/// unless a test does.
fn check(admin: SocketAddr, processor: SocketAddr, more: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = binary()
        .arg("healthcheck")
        .args(more)
        .env("SLUICE_INGEST__ADMIN_LISTEN", admin.to_string())
        .env("SLUICE_PROCESSOR_LISTEN", processor.to_string())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_process_that_runs_is_ready_and_one_that_is_gone_is_not() {
    let nobody = ports::reserved_address();
    let mut server = ServerConfig::default().start();
    for more in [&[][..], &["--role", "up"], &["--role", "ingest"]] {
        let (status, out, _) = check(server.admin(), nobody, more);
        assert_eq!((status, out.starts_with("ready: ingest.admin_listen http://")), (Some(0), true), "{out}");
    }
    let url = server.url();
    assert_eq!(check(nobody, nobody, &["--url", &url]).0, Some(0));
    let (status, _, told) = check(server.admin(), nobody, &["--role", "processor"]);
    // A binary without the distributed engine also knows the role.
    assert_eq!((status, told.contains("nobody listens at processor_listen")), (Some(1), true), "{told}");
    server.terminate();
    let (status, out, told) = check(server.admin(), nobody, &[]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(told.contains("not ready: nobody listens at ingest.admin_listen"), "{told}");
}

#[test]
fn a_process_that_does_not_answer_is_not_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = ports::reserved_address();
    let (status, _, told) = check(silent.local_addr().unwrap(), nobody, &["--timeout", "1"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("ingest.admin_listen") && told.contains("timed out"), "{told}");
}

#[test]
fn a_process_that_drains_is_not_ready_and_the_reason_is_told() {
    let mut server = ServerConfig::default().start();
    let customer = TestCustomer::new(&server);
    // A request whose body is not whole keeps the drain going.
    let event = json!({ "event_type": "a.b", "payload": {} });
    let request = Request::post("/v1/events").bearer(&customer.key).json(&event).bytes();
    let mut held = TcpStream::connect(server.public()).unwrap();
    held.write_all(&request[..request.len() - 1]).unwrap();
    // A later request was served, so this one was accepted, too.
    customer.call(Request::post("/v1/events").json(&event), 202);
    server.ask_to_stop();
    let nobody = ports::reserved_address();
    let told = wait_for("the check to say that the process is not ready", || {
        let (status, _, told) = check(server.admin(), nobody, &[]);
        (status == Some(1)).then_some(told)
    });
    assert!(told.contains("draining (status 503)"), "{told}");
    let (status, out, told) = check(server.admin(), nobody, &["--alive"]);
    assert_eq!(
        (status, out.starts_with("alive: ingest.admin_listen http://")),
        (Some(0), true),
        "{out}{told}"
    );
    held.write_all(&request[request.len() - 1..]).unwrap();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn another_program_at_the_address_is_not_a_ready_process() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut head = [0; 512];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK").unwrap();
    });
    let (status, _, told) = check(address, ports::reserved_address(), &[]);
    assert_eq!((status, told.contains("is this Sluice?")), (Some(1), true), "{told}");
    answers.join().unwrap();
}

#[test]
fn a_wrong_configuration_or_flag_is_exit_status_two() {
    let dir = directory();
    let file = dir.path().join("sluice.toml");
    std::fs::write(&file, "[ingest]\nadmin_listen = \"nowhere\"\n").unwrap();
    let output = binary().arg("--config").arg(&file).arg("healthcheck").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("admin_listen"), "{told}");
    let nobody = ports::reserved_address();
    for wrong in [&["--url", "ftp://a"][..], &["--timeout", "0"], &["--role", "edge"]] {
        let (status, _, told) = check(nobody, nobody, wrong);
        assert!(status != Some(0) && told.contains(wrong[0]), "{told}");
    }
}
