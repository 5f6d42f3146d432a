//! Runs against any HTTP target, and further options of a run.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::fake::{ACCEPTED, FakeServer, read_request};
use crate::process::{ProgramServer, json, output};

fn run(url: &str, arguments: &[&str]) -> Value {
    let common = ["run", "--url", url, "--warmup", "0s", "--progress", "none", "--json"];
    json(&output(&[&common[..], arguments].concat()))
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

/// A server that answers `answer` and keeps the requests it saw.
fn keeping(answer: &'static [u8]) -> (FakeServer, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let server = FakeServer::start(move |_, mut stream| {
        while let Some(request) = read_request(&mut stream) {
            keep.lock().expect("no panic").push(request);
            stream.write_all(answer).expect("written");
        }
    });
    (server, seen)
}

#[test]
fn any_method_body_and_header_is_sent() {
    let (server, seen) = keeping(ACCEPTED);
    let url = format!("{}/any/path?x=1", server.url);
    let body = "name=a&id={{uuid}}";
    let put = ["--method", "PUT", "--body", body, "-H", "Content-Type: text/plain", "-H", "X-A: b"];
    let result = run(&url, &[&put[..], &["-n", "10", "--connections", "2"]].concat());
    assert_eq!(count(&result["measured"]["requests_acknowledged"]), 10);
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.len(), 10);
    for request in seen.iter() {
        assert!(request.starts_with("PUT /any/path?x=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nContent-Type: text/plain\r\n") && request.contains("\r\nX-A: b\r\n"));
        assert!(request.contains("\r\n\r\nname=a&id=") && !request.contains("{{"), "{request}");
    }
    assert_ne!(seen[0].split("id=").nth(1), seen[1].split("id=").nth(1), "fields differ");
}

#[test]
fn get_and_head_have_no_body_and_redirections_are_answers() {
    for (method, answer) in [
        ("GET", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".as_slice()),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
    ] {
        let (server, seen) = keeping(answer);
        let load = ["--method", method, "-n", "6", "--connections", "2", "--threshold", "error_rate==0"];
        let result = run(&server.url, &load);
        assert_eq!(count(&result["measured"]["requests_acknowledged"]), 6, "{result}");
        let first = &seen.lock().expect("no panic")[0];
        assert!(first.starts_with(&format!("{method} / HTTP/1.1\r\n")), "{first}");
        assert!(!first.contains("Content-"), "{first}");
    }
}

#[test]
fn a_body_may_come_from_a_file() {
    let (server, seen) = keeping(ACCEPTED);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("body");
    std::fs::write(&file, "from a file").expect("written");
    run(&server.url, &["--body", &format!("@{}", file.display()), "-n", "1"]);
    assert!(seen.lock().expect("no panic")[0].ends_with("\r\n\r\nfrom a file"));
}

#[test]
fn a_number_of_requests_is_kept_over_threads_and_loops() {
    let server = ProgramServer::start(&["baseline"]);
    for load in [
        &["--connections", "8", "--threads", "2"][..],
        &["--rate", "5000", "--batch", "2", "--threads", "2"],
        &["--http2", "--streams", "4", "--connections", "2"],
    ] {
        let result = run(&server.url, &[load, &["-n", "101"]].concat());
        assert_eq!(count(&result["whole_run"]["requests"]), 101, "{load:?}");
        assert_eq!((count(&result["unsent_requests"]), &result["ended"]), (0, &"planned".into()), "{result}");
    }
}

#[test]
fn connections_grow_with_the_load_of_an_open_loop() {
    let slow = ProgramServer::start(&["receive", "--delay-ms", "200"]);
    let load = ["--envelope", "delivered", "--rate", "200", "--duration", "1s", "--connections", "2"];
    let fixed = run(&slow.url, &load);
    assert_eq!(count(&fixed["connections"]), 2);
    assert!(count(&fixed["unsent_requests"]) > 100, "{fixed}");
    let grown = run(&slow.url, &[&load[..], &["--connections-max", "100"]].concat());
    // 200 a second that take 0.2 s each need forty.
    assert!((30..=100).contains(&count(&grown["connections"])), "{grown}");
    assert!(count(&grown["unsent_requests"]) <= 5, "{grown}");
    let p50 = grown["latency_us"]["p50"].as_u64().expect("a latency");
    assert!(p50 < 400_000, "few wait for a connection: {p50}");
    let usual = run(&slow.url, &["--envelope", "delivered", "--rate", "500", "--duration", "1s"]);
    assert!(count(&usual["connections"]) > 64, "64 and more by default: {usual}");
}

#[test]
fn a_broken_limit_ends_a_run_that_asks_for_it() {
    let slow = ProgramServer::start(&["receive", "--delay-ms", "100"]);
    let started = std::time::Instant::now();
    let ended = output(&[
        "run",
        "--url",
        &slow.url,
        "--envelope",
        "delivered",
        "--duration",
        "10m",
        "--warmup",
        "0s",
        "--json",
        "--progress",
        "none",
        "--threshold",
        "p50<50ms",
        "--fail-fast",
        "1s",
    ]);
    assert!(started.elapsed() < Duration::from_secs(60));
    let result: Value = serde_json::from_slice(&ended.stdout).expect("a result");
    assert_eq!((ended.status.code(), &result["ended"]), (Some(1), &"interrupted".into()), "{result}");
    assert_eq!(result["stopped_by"]["expression"], "p50<50ms", "{result}");
}

#[test]
fn single_results_are_written_as_csv() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("raw.csv");
    let server = ProgramServer::start(&["receive", "--fail-share", "0.5", "--fail-status", "429"]);
    let path = file.to_str().expect("text");
    let result = run(&server.url, &["--envelope", "delivered", "-n", "100", "--raw", path]);
    let text = std::fs::read_to_string(&file).expect("written");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 101);
    assert!(lines[0].starts_with("due_us,latency_us,service_us,status,outcome,"), "{}", lines[0]);
    let lines_with = |outcome: &str| lines.iter().filter(|line| line.contains(outcome)).count() as u64;
    assert_eq!(lines_with(",200,acknowledged,"), count(&result["measured"]["requests_acknowledged"]));
    assert_eq!(lines_with(",429,refused,"), count(&result["measured"]["requests_refused"]));
}

#[test]
fn results_of_several_generators_are_merged() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (fast, slow) = (path("fast.json"), path("slow.json"));
    let server = ProgramServer::start(&["receive"]);
    let sleepy = ProgramServer::start(&["receive", "--delay-ms", "100"]);
    let load = ["--envelope", "delivered", "-n", "90", "--connections", "3"];
    let one = run(&server.url, &[&load[..], &["--out", &fast]].concat());
    let other =
        run(&sleepy.url, &["--envelope", "delivered", "-n", "10", "--connections", "2", "--out", &slow]);
    let merged =
        output(&["merge", &fast, &slow, "--json", "--threshold", "p99>=100ms", "--threshold", "p50<50ms"]);
    let merged = json(&merged);
    assert_eq!((count(&merged["measured"]["requests"]), count(&merged["connections"])), (100, 5), "{merged}");
    assert_eq!((count(&merged["latency_us"]["count"]), count(&merged["generators"])), (100, 2));
    let rate = |result: &Value| result["events_per_s"].as_f64().expect("a rate");
    assert!(
        (rate(&merged) - rate(&one) - rate(&other)).abs() < 0.01 * rate(&merged),
        "rates add up: {merged}"
    );
    assert_eq!(count(&merged["latency_by_status_us"]["200"]["count"]), 100, "{merged}");
    let failed = output(&["merge", &fast, &slow, "--threshold", "p99<100ms"]);
    assert_eq!(failed.status.code(), Some(1));
}

#[test]
fn the_highest_rate_that_keeps_its_limits_is_found() {
    // Two connections that take 10 ms each: 200 a second.
    let slow = ProgramServer::start(&["receive", "--delay-ms", "10"]);
    let search = |rates: &str| {
        output(&[
            "search",
            "--url",
            &slow.url,
            "--envelope",
            "delivered",
            "--rates",
            rates,
            "--duration",
            "700ms",
            "--warmup",
            "100ms",
            "--connections",
            "2",
            "--threshold",
            "p95<200ms",
            "--json",
            "--progress",
            "none",
            "--precision",
            "20",
        ])
    };
    let found = json(&search("20..3000"));
    let rate = found["highest_rate"].as_f64().expect("a rate");
    assert!((40.0..240.0).contains(&rate), "{found}");
    assert!(found["steps"].as_array().is_some_and(|steps| steps.len() >= 5), "{found}");
    assert_eq!(found["rate"].as_f64(), Some(rate), "the best step's result stands at the top");
    assert_eq!(search("1000..3000").status.code(), Some(1), "even the lowest is too much");
}
