//! The ways of sending, as the command line offers them, and the forms of results.

use std::process::Stdio;
use std::time::Duration;

use crate::process::{ProgramServer, command, json, output};
use serde_json::Value;

fn run(url: &str, arguments: &[&str]) -> Value {
    let common = ["run", "--url", url, "--warmup", "0s", "--progress", "none", "--json"];
    json(&output(&[&common[..], arguments].concat()))
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

#[test]
fn http2_carries_many_requests_on_a_connection() {
    let server = ProgramServer::start(&["baseline"]);
    let arguments = ["--http2", "--streams", "8", "--connections", "2", "--duration", "1s", "--batch", "3"];
    let result = run(&server.url, &arguments);
    assert_eq!(
        (&result["protocol"], count(&result["whole_run"]["connects"])),
        (&"HTTP/2".into(), 2),
        "{result}"
    );
    assert_eq!(count(&result["answers"]["202"]), count(&result["whole_run"]["requests"]));
    assert!(count(&result["whole_run"]["requests"]) > 100, "{result}");
}

#[test]
fn an_http2_server_that_is_gone_is_waited_for() {
    let server = ProgramServer::start(&["baseline"]);
    let address = server.url.strip_prefix("http://").expect("the scheme").to_owned();
    let arguments =
        ["run", "--http2", "--streams", "4", "--connections", "1", "--duration", "3s", "--warmup", "0s"];
    let sender = command(&[&arguments[..], &["--url", &server.url, "--json", "--progress", "none"]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sender starts");
    std::thread::sleep(Duration::from_millis(500));
    server.kill();
    std::thread::sleep(Duration::from_millis(300));
    let again = ProgramServer::start(&["baseline", "--listen", &address]);
    let result = json(&sender.wait_with_output().expect("it ends"));
    assert!(count(&result["whole_run"]["connects"]) >= 2, "{result}");
    assert!(count(&result["whole_run"]["connect_failures"]) > 0, "{result}");
    assert!(count(&result["whole_run"]["requests_unknown"]) <= 4, "one for each stream: {result}");
    again.interrupt();
}

#[test]
fn stages_and_poisson_arrivals_send_what_they_plan() {
    let server = ProgramServer::start(&["baseline"]);
    let sent = |arguments: &[&str]| {
        let result = run(&server.url, arguments);
        count(&result["whole_run"]["requests"]) + count(&result["unsent_requests"])
    };
    // Areas under the lines: 250 + 500 + 0 and, of the bursts, 2 × (45 + 50).
    assert_eq!(sent(&["--rate", "0..1000/500ms,1000/500ms,0/200ms"]), 750);
    let burst = ["--rate", "100", "--burst", "10x/50ms/500ms", "--duration", "1s"];
    assert_eq!(sent(&burst), 190);
    let poisson = sent(&["--rate", "4000", "--arrivals", "poisson", "--duration", "1s"]);
    assert!(poisson != 4000 && (3700..4300).contains(&poisson), "{poisson}: five standard deviations");
    let again = sent(&["--rate", "4000", "--arrivals", "poisson", "--duration", "1s"]);
    assert_eq!(poisson, again, "the seed repeats it");
}

#[test]
fn templates_and_sizes_shape_what_is_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("template.jsonl");
    let text = "{\"order\":\"{{uuid}}\",\"qty\":{{int:1..9}}}\n{\"refund\":\"{{hex:8}}\"}\n";
    std::fs::write(&file, text).expect("written");
    let receiver = ProgramServer::start(&["receive", "--json"]);
    let template = file.to_str().expect("text");
    let result = run(
        &receiver.url,
        &["--envelope", "delivered", "--template", template, "--batch", "7", "--duration", "1s"],
    );
    let stats: Value = serde_json::from_str(&receiver.interrupt()).expect("JSON");
    assert_eq!(stats["events"], result["whole_run"]["events_accepted"]);
    assert_eq!((count(&stats["corrupted"]), count(&stats["unmarked"])), (0, 0));
    let bad = output(&["run", "--url", "http://127.0.0.1:1", "--template", "/nonexistent"]);
    assert_eq!(bad.status.code(), Some(1));
}

#[test]
fn bad_requests_that_are_taken_and_repeats_answered_otherwise_are_counted() {
    let taking = ProgramServer::start(&["baseline"]);
    let shares = ["--idempotency-keys", "--repeat-share", "0.3", "--bad-share", "0.3", "--duration", "1s"];
    let result = run(&taking.url, &shares);
    let total = |result: &Value, name: &str| count(&result["whole_run"][name]);
    // The baseline takes everything and always says the same.
    assert!(total(&result, "bad_requests") > 0);
    assert_eq!(total(&result, "bad_requests"), total(&result, "bad_accepted"));
    assert!(total(&result, "repeats") > 0 && total(&result, "repeats_answered_otherwise") == 0, "{result}");
    // Half of everything is refused: repeats are among it.
    let flaky = ProgramServer::start(&["receive", "--fail-share", "0.5", "--fail-status", "400"]);
    let result = run(&flaky.url, &[&shares[..], &["--envelope", "delivered"]].concat());
    assert!(total(&result, "repeats_answered_otherwise") > 0, "{result}");
    assert!(total(&result, "bad_accepted") < total(&result, "bad_requests"), "{result}");
}

#[test]
fn ctrl_c_ends_with_a_full_report() {
    let server = ProgramServer::start(&["baseline"]);
    let sender = command(&["run", "--url", &server.url, "--duration", "10m", "--json", "--warmup", "0s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the sender starts");
    std::thread::sleep(Duration::from_millis(700));
    let pid = sender.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let result = json(&sender.wait_with_output().expect("it ends"));
    assert!(result["measured_s"].as_f64().expect("seconds") < 60.0);
    assert!(count(&result["latency_us"]["count"]) > 0);
    assert!(!result["timeline"]["points"].as_array().expect("points").is_empty());
}

#[test]
fn thresholds_decide_the_exit_status_and_results_are_compared() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (fast, slow, page, metrics) =
        (path("fast.json"), path("slow.json"), path("page.html"), path("m.prom"));
    let server = ProgramServer::start(&["receive"]);
    let sleepy = ProgramServer::start(&["receive", "--delay-ms", "50"]);
    let common = ["--envelope", "delivered", "--duration", "500ms", "--warmup", "0s", "--connections", "2"];
    let run = |url: &str, arguments: &[&str]| {
        output(&[&["run", "--url", url, "--progress", "none"], &common[..], arguments].concat())
    };
    let good = run(
        &server.url,
        &[
            "--out",
            &fast,
            "--out",
            &page,
            "--out",
            &metrics,
            "--threshold",
            "p50<50ms",
            "--threshold",
            "error_rate<1%",
        ],
    );
    assert!(good.status.success(), "{good:?}");
    let bad = run(&sleepy.url, &["--out", &slow, "--threshold", "p50<50ms"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("FAILED p50<50ms"), "{bad:?}");

    let compare = |limit: &str| output(&["compare", &fast, &slow, "--fail-on", limit]).status.code();
    assert_eq!(
        (compare("p50:+10%"), compare("p50:-10%"), compare("events_per_s:-10%")),
        (Some(1), Some(0), Some(1))
    );
    let same = output(&["compare", &fast, &fast, "--fail-on", "p99:+0%", "--json"]);
    assert_eq!(json(&same)["ok"], true);
    let checked = output(&["report", &slow, "--threshold", "p50>=50ms", "--out", &path("again.html")]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(std::fs::read_to_string(&metrics).expect("written").contains("sluice_loadtest_events_per_s "));
    let page = std::fs::read_to_string(&page).expect("written");
    assert!(page.contains("\"latency_curve\"") && page.ends_with("</html>\n"));
}
