//! The exit status and the percentiles of `run` against servers that hang, die,
//! refuse, answer in chunks or close idle connections. The program must never
//! say "ok" when nothing was measured.

use std::io::Write;
use std::net::TcpStream;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::fake::{ACCEPTED, FakeServer, answer_all, answer_until_idle, read_request};
use crate::process::{ProgramServer, output};

/// A run's exit status and result.
fn run(url: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let common = ["run", "--url", url, "--warmup", "0s", "--progress", "none", "--json"];
    let output = output(&[&common[..], arguments].concat());
    (output.status.code(), parsed(&output))
}

fn parsed(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).expect("one line of JSON: was the command used wrongly?")
}

fn number(result: &Value, path: &str) -> f64 {
    let value = path.split('.').fold(result, |value, member| &value[member]);
    assert!(value.is_number(), "{path} of {result}");
    value.as_f64().unwrap_or_default()
}

/// The limits that hold.
fn kept(result: &Value) -> Vec<&str> {
    let limits = result["thresholds"].as_array().expect("limits");
    limits
        .iter()
        .filter(|limit| limit["ok"] == true)
        .filter_map(|limit| limit["expression"].as_str())
        .collect()
}

const LIMITS: [&str; 6] =
    ["--threshold", "p99<100ms", "--threshold", "error_rate==0", "--threshold", "service_p99<100ms"];

#[test]
fn a_closed_port_fails_every_limit() {
    for rate in [&["--connections", "4"][..], &["--rate", "100"]] {
        let arguments = [&LIMITS[..], rate, &["--duration", "500ms", "--timeout", "2s"]].concat();
        let (status, result) = run("http://127.0.0.1:1", &arguments);
        assert_eq!((status, kept(&result)), (Some(1), vec![]), "{result}");
        assert!(number(&result, "measured.requests_unanswered") > 0.0, "{result}");
    }
    let (status, _) = run("http://127.0.0.1:1", &["--duration", "300ms", "--connections", "2"]);
    assert_eq!(status, Some(1), "nothing was measured, with or without a limit");
}

#[test]
fn times_in_which_nothing_is_measured_are_refused() {
    let server = ProgramServer::start(&["baseline"]);
    let refused = |arguments: &[&str]| {
        let result = output(&[&["run", "--url", &server.url, "--progress", "none"], arguments].concat());
        (result.status.code(), String::from_utf8_lossy(&result.stderr).into_owned())
    };
    for arguments in [
        &["--duration", "0s", "--threshold", "p99<1s"][..],
        &["--rate", "100/1s", "--warmup", "2s", "--threshold", "p99<1s"],
        &["--rate", "100/1s", "--warmup", "1s"],
        &["--requests", "0"],
    ] {
        let (status, said) = refused(arguments);
        assert_eq!(status, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("nothing would be measured") || said.contains("above 0"), "{said}");
    }
    // All requests fall into the warm-up.
    let (status, said) =
        refused(&["-n", "5", "--warmup", "5s", "--duration", "100ms", "--threshold", "p99<1s"]);
    assert_eq!(status, Some(1), "{said}");
}

#[test]
fn a_server_that_stops_answering_shows_in_every_percentile() {
    // Answers at once, then hangs from the hundredth request on.
    let answered = AtomicUsize::new(0);
    let server = FakeServer::start(move |_, mut stream| {
        while read_request(&mut stream).is_some() {
            if answered.fetch_add(1, Ordering::Relaxed) >= 100 {
                std::thread::sleep(Duration::from_secs(60));
            }
            stream.write_all(ACCEPTED).expect("written");
        }
    });
    let load = ["--rate", "200", "--duration", "2s", "--timeout", "1s", "--connections", "10"];
    let (status, result) = run(&server.url, &[&LIMITS[..], &load].concat());
    assert_eq!((status, kept(&result)), (Some(1), vec![]), "{result}");
    // A hundred of four hundred requests were answered; the rest waited a second or to the end.
    assert!(number(&result, "unsent_requests") > 100.0, "{result}");
    assert_eq!(
        number(&result, "latency_us.count"),
        number(&result, "measured.requests") + number(&result, "unsent_requests"),
        "every request that was due is in the percentiles: {result}"
    );
    assert!(number(&result, "latency_us.p50") > 200_000.0, "{result}");
    assert!(number(&result, "latency_us.p99") >= 1_000_000.0, "{result}");
    assert!(number(&result, "latency_by_status_us.none.count") > 0.0, "{result}");
}

#[test]
fn a_server_that_dies_leaves_no_request_uncounted() {
    let server = ProgramServer::start(&["baseline"]);
    let url = server.url.clone();
    let kill = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        server.kill();
    });
    let load = ["--rate", "50", "--duration", "1s", "--timeout", "3s", "--connections", "50"];
    let (status, result) = run(&url, &[&LIMITS[..], &load].concat());
    kill.join().expect("no panic");
    assert_eq!((status, kept(&result)), (Some(1), vec![]), "{result}");
    assert_eq!(number(&result, "measured.requests") + number(&result, "unsent_requests"), 50.0, "{result}");
    assert!(number(&result, "measured.requests_unanswered") >= 15.0, "{result}");
    assert_eq!(number(&result, "latency_us.count"), 50.0, "{result}");
}

#[test]
fn refusals_do_not_make_percentiles_better() {
    // Every other request is refused at once, the others take 150 ms.
    for refusal in ["429 Too Many Requests", "401 Unauthorized", "503 Service Unavailable"] {
        let seen = AtomicUsize::new(0);
        let refused = format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n");
        let server = FakeServer::start(move |_, mut stream| {
            while read_request(&mut stream).is_some() {
                if seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                    stream.write_all(refused.as_bytes()).expect("written");
                } else {
                    std::thread::sleep(Duration::from_millis(150));
                    stream.write_all(ACCEPTED).expect("written");
                }
            }
        });
        let load = ["--connections", "4", "--duration", "1s", "--threshold", "p50<100ms"];
        let (status, result) = run(&server.url, &load);
        assert_eq!(status, Some(1), "{result}");
        assert!(number(&result, "latency_us.min") >= 140_000.0, "{result}");
        assert_eq!(number(&result, "latency_us.count"), number(&result, "measured.requests_acknowledged"));
        let refused = &result["latency_by_status_us"][&refusal[..3]];
        assert!(refused["p99"].as_u64().is_some_and(|p99| p99 < 140_000), "{result}");
        assert!(result["latency_by_status_us"]["202"]["p95"].as_u64() >= Some(140_000), "{result}");
    }
}

#[test]
fn a_run_that_is_refused_altogether_fails() {
    let server = ProgramServer::start(&["receive", "--status", "403"]);
    let (status, result) = run(&server.url, &["--duration", "300ms", "--threshold", "p99<10s"]);
    assert_eq!((status, kept(&result)), (Some(1), vec![]), "{result}");
    let (status, _) = run(&server.url, &["--duration", "300ms"]);
    assert_eq!(status, Some(1), "without a limit as well");
}

#[test]
fn answers_in_chunks_or_without_a_length_are_read() {
    let chunked =
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n";
    let unbounded = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n{}";
    let servers = [
        FakeServer::start(move |_, mut stream| answer_all(&mut stream, chunked)),
        FakeServer::start(move |_, mut stream| {
            read_request(&mut stream).expect("a request");
            stream.write_all(unbounded).expect("written");
        }),
    ];
    for server in servers {
        let load = ["-n", "40", "--connections", "4", "--threshold", "error_rate==0"];
        let (status, result) = run(&server.url, &load);
        assert_eq!((status, number(&result, "measured.requests_acknowledged")), (Some(0), 40.0), "{result}");
    }
}

#[test]
fn counts_in_a_chunked_answer_are_understood() {
    let chunked = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"accepted\":\r\n10\r\n7,\"rejected\":3  \r\n1\r\n}\r\n0\r\n\r\n";
    let server = FakeServer::start(move |_, mut stream| answer_all(&mut stream, chunked));
    let (_, result) = run(&server.url, &["-n", "2", "--batch", "10", "--connections", "1"]);
    assert_eq!(number(&result, "measured.events_accepted"), 14.0, "{result}");
    assert_eq!(number(&result, "measured.events_rejected"), 6.0, "{result}");
}

#[test]
fn acknowledged_requests_whose_events_are_rejected_are_errors() {
    let load = ["-n", "20", "--batch", "2", "--connections", "1", "--threshold", "error_rate<=0.4"];
    for (accepted, error_rate, status) in [(2, 0.0, 0), (1, 0.5, 1), (0, 1.0, 1)] {
        let body = format!(r#"{{"accepted":{accepted},"rejected":{},"events":[]}}"#, 2 - accepted);
        let answer = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer: &'static [u8] = answer.into_bytes().leak();
        let server = FakeServer::start(move |_, mut stream| answer_all(&mut stream, answer));
        let (ended, result) = run(&server.url, &load);
        assert_eq!(ended, Some(status), "{result}");
        assert_eq!(number(&result["thresholds"][0], "value"), error_rate, "{result}");
        // Without any limit a run of which nothing was accepted fails all the same.
        let (ended, _) = run(&server.url, &load[..6]);
        assert_eq!(ended, Some(i32::from(accepted == 0)), "{accepted} accepted");
    }
}

#[test]
fn connections_that_the_server_closes_when_idle_are_no_errors() {
    let server = FakeServer::start(|_, stream| answer_until_idle(stream, Duration::from_millis(50)));
    // Each connection waits 200 ms between two requests.
    let load = ["--rate", "50", "--connections", "10", "--duration", "2s", "--threshold", "error_rate==0"];
    let (status, result) = run(&server.url, &load);
    assert_eq!(status, Some(0), "{result}");
    assert!(number(&result, "whole_run.connections_closed_idle") > 50.0, "{result}");
    assert_eq!(number(&result, "whole_run.connections_lost"), 0.0, "{result}");
}

#[test]
fn a_server_that_cuts_connections_off_looks_slow_not_fast() {
    // Half the requests are cut off at once, the others take 50 ms.
    let server = FakeServer::start(|nth, mut stream: TcpStream| {
        while read_request(&mut stream).is_some() {
            if nth.is_multiple_of(2) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(ACCEPTED).expect("written");
        }
    });
    let load = ["-n", "60", "--connections", "4", "--timeout", "2s", "--threshold", "p99<1s"];
    let (status, result) = run(&server.url, &load);
    assert_eq!(status, Some(1), "{result}");
    assert!(number(&result, "latency_us.min") >= 45_000.0, "{result}");
    assert!(number(&result, "latency_us.max") >= 1_990_000.0, "a lost answer counts as the limit: {result}");
}

#[test]
fn an_interrupted_run_keeps_no_limit() {
    let server = ProgramServer::start(&["baseline"]);
    let sender = crate::process::command(&[
        "run",
        "--url",
        &server.url,
        "--duration",
        "10m",
        "--warmup",
        "0s",
        "--json",
        "--progress",
        "none",
        "--threshold",
        "p99<10s",
    ])
    .stdout(std::process::Stdio::piped())
    .spawn()
    .expect("the sender starts");
    std::thread::sleep(Duration::from_millis(500));
    let pid = sender.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let ended = sender.wait_with_output().expect("it ends");
    assert_eq!(
        (ended.status.code(), &parsed(&ended)["ended"]),
        (Some(1), &"interrupted".into()),
        "{ended:?}"
    );
}

#[test]
fn results_without_anything_to_judge_are_refused_by_report_and_compare() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (good, nothing, empty) = (path("good.json"), path("nothing.json"), path("empty.json"));
    std::fs::write(&empty, "{}").expect("written");
    let server = ProgramServer::start(&["baseline"]);
    assert_eq!(run(&server.url, &["-n", "20", "--out", &good]).0, Some(0));
    let closed = ["--duration", "100ms", "--rate", "1", "--timeout", "50ms", "--out", &nothing];
    assert_eq!(run("http://127.0.0.1:1", &closed).0, Some(1));
    let status = |arguments: &[&str]| output(arguments).status.code();
    assert_eq!(status(&["compare", &good, &good, "--fail-on", "p99:+0%"]), Some(0));
    assert_eq!(status(&["compare", &empty, &empty]), Some(1));
    assert_eq!(status(&["compare", &good, &empty]), Some(1));
    assert_eq!(status(&["compare", &good, &nothing, "--fail-on", "p99:+10%"]), Some(1));
    assert_eq!(status(&["compare", &good, &good, "--fail-on", "p98:+10%"]), Some(1));
    assert_eq!(status(&["report", &empty]), Some(1));
    assert_eq!(status(&["report", &nothing, "--threshold", "p99<10s"]), Some(1));
    assert_eq!(status(&["merge", &good, &good]), Some(1), "the same run twice");
}

#[test]
fn empty_ledgers_fail_a_verification() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (sent, received) = (path("sent"), path("received"));
    let receiver = ProgramServer::start(&["receive", "--ledger", &received]);
    receiver.interrupt();
    let load = ["--duration", "100ms", "--timeout", "50ms", "--connections", "1", "--ledger", &sent];
    assert_eq!(run("http://127.0.0.1:1", &load).0, Some(1));
    let verified = output(&["verify", "--sent", &sent, "--received", &received]);
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    assert!(String::from_utf8_lossy(&verified.stdout).contains("nothing to verify"), "{verified:?}");
}

#[test]
fn a_replay_of_nothing_fails_and_what_was_played_is_never_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let receiver = ProgramServer::start(&["receive"]);
    let replay = |text: &str, arguments: &[&str]| {
        let (file, out) = (path("r.jsonl"), path("out.json"));
        std::fs::write(&file, text).expect("written");
        std::fs::remove_file(&out).ok();
        let common = [
            "replay",
            &file,
            "--url",
            &receiver.url,
            "--speed",
            "max",
            "--progress",
            "none",
            "--json",
            "--out",
            &out,
        ];
        let output = output(&[&common[..], arguments].concat());
        let written = std::fs::read_to_string(&out).ok();
        (output.status.code(), written.map(|text| serde_json::from_str::<Value>(&text).expect("JSON")))
    };
    let good = "{\"event\":{\"payload\":{}}}\n".repeat(10);
    assert_eq!(replay("", &[]).0, Some(1));
    assert_eq!(replay(&good, &["--customer", "nobody"]).0, Some(1));
    let (status, cut) = replay(&format!("{good}{{\"event\":{{\"pay"), &["--threshold", "error_rate==0"]);
    assert_eq!((status, &cut.expect("a result")["played"]), (Some(0), &10.into()));
    let (status, broken) = replay(&format!("{good}nonsense\n{good}"), &[]);
    let broken = broken.expect("a result all the same");
    assert_eq!((status, &broken["played"]), (Some(1), &10.into()), "{broken}");
    assert!(broken["recording_error"].as_str().is_some_and(|error| error.contains("line 11")), "{broken}");
}

#[test]
fn what_would_fail_after_a_run_is_refused_before() {
    let server = ProgramServer::start(&["baseline"]);
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing/out.json");
    for arguments in [
        &["--out", "result.txt"][..],
        &["--out", missing.to_str().expect("text")],
        &["--threshold", "p98<10"],
        &["--threshold", "receiver.missing==0"],
        &["--threshold", "watched.cores<1"],
        &["--threshold", "eror_rate<1%"],
    ] {
        let started = std::time::Instant::now();
        let common = ["run", "--url", &server.url, "--duration", "5m"];
        let refused = output(&[&common[..], arguments].concat());
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "it did not run: {arguments:?}");
        let replayed = output(&[&["replay", "/dev/null", "--url", &server.url], arguments].concat());
        assert_eq!(replayed.status.code(), Some(1), "{arguments:?}");
    }
    let unitless = output(&["run", "--url", &server.url, "--threshold", "p99<10"]);
    assert_eq!(unitless.status.code(), Some(2), "used wrongly");
    assert!(String::from_utf8_lossy(&unitless.stderr).contains("needs a unit"), "{unitless:?}");
}

#[test]
fn a_conversion_without_a_result_fails_and_spares_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (log, out) = (path("log"), path("out.jsonl"));
    std::fs::write(&log, "garbage\n".repeat(5)).expect("written");
    let convert = |to: &str| output(&["convert", &log, "--from", "access-log", "--out", to]).status.code();
    assert_eq!((convert(&out), convert(&log)), (Some(1), Some(1)));
    assert!(!std::path::Path::new(&out).exists());
    assert_eq!(std::fs::read_to_string(&log).expect("there"), "garbage\n".repeat(5));
}
