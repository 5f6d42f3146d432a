//! Third-party clients: the CloudEvents SDKs, the Standard Webhooks libraries and
//! readers of server-sent events, in Python and JavaScript.

use crate::harness::{TestCustomer, TestEndpoint, TestServer, node_modules, python_packages, wait_until};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

fn script(name: &str) -> String {
    format!("{}/tests/e2e/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn python(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(script(name)).args(arguments).env("PYTHONPATH", python_packages());
    command
}

fn node(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(script(name)).arg(node_modules()).args(arguments);
    command
}

/// Runs a command, which must succeed; returns the lines that it prints.
#[track_caller]
fn lines(mut command: Command) -> Vec<Value> {
    let output = command.stderr(Stdio::inherit()).output().expect("run the client");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
}

#[test]
fn cloud_events_of_the_python_and_javascript_sdks_are_taken() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let url = format!("{}/v1/events", server.url());
    let arguments = [url.as_str(), &customer.key];
    let answers = [lines(python("cloud_events.py", &arguments)), lines(node("cloud_events.js", &arguments))];
    for answer in answers.iter().flatten() {
        assert_eq!(answer["status"].as_u64().or(Some(202)), Some(202), "{answer}");
        assert!(answer["event_id"].is_string() || answer["accepted"] == 2, "{answer}");
    }
    let events = customer.pages("/v1/inbox?limit=100", "events");
    let ids: Vec<&str> =
        events.iter().map(|event| event["metadata"]["cloudevents"]["id"].as_str().expect("its id")).collect();
    let expected = [
        "python-binary",
        "python-structured",
        "javascript-binary",
        "javascript-structured",
        "javascript-batch-0",
        "javascript-batch-1",
    ];
    assert_eq!(ids, expected);
    for (event, id) in events.iter().zip(expected) {
        let language = id.split('-').next().expect("a language");
        assert_eq!(event["event_type"], "order.created");
        assert_eq!(event["source"], format!("/shop/{language}"));
        assert_eq!(event["payload"], json!({"via": id, "text": "ü"}));
        let attributes = &event["metadata"]["cloudevents"];
        let subject = if id == "javascript-binary" { "Gruss" } else { "Grüße" };
        assert_eq!((&attributes["subject"], &attributes["tenant"]), (&json!(subject), &json!("t1")), "{id}");
    }
}

#[test]
fn webhooks_are_verified_by_the_python_library() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe(&endpoint.url());
    customer.send(&json!({"payload": {"text": "\u{fc}\u{1F980}"}}));
    let webhook = endpoint.wait_for(1)[0].clone();
    let asked = |body: &[u8]| {
        let headers: serde_json::Map<String, Value> =
            webhook.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"headers": headers, "body": STANDARD.encode(body)})
    };
    let mut altered = webhook.body.clone();
    altered[10] ^= 1;
    let question =
        json!({"secret": subscription.secret, "webhooks": [asked(&webhook.body), asked(&altered)]});
    let mut judge = python("webhooks.py", &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    judge.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let said = judge.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Vec<bool>>(&said.stdout).unwrap(), [true, false]);
}

/// A reader that reconnects by itself, and the events that it has read.
struct Reader {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Reader {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the client");
        let stdout = child.stdout.take().expect("it is piped");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&lines);
        // Ends with the client.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                read.lock().push(serde_json::from_str(&line).unwrap_or_else(|_| json!(line)));
            }
        });
        Self { child, lines }
    }

    fn opened(&self) -> usize {
        self.lines.lock().iter().filter(|line| **line == "open").count()
    }

    fn numbers(&self) -> Vec<u64> {
        self.lines.lock().iter().filter_map(Value::as_u64).collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The process may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_stream_s_reader_goes_on_where_it_was_after_kill_9() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let url = format!("{}/v1/stream", server.url());
    let reader = Reader::start(node("stream.js", &[url.as_str(), &customer.key]));
    wait_until("the stream to open", || reader.opened() == 1);
    let send = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            customer.send(&json!({"event_type": "n", "payload": number}));
        }
    };
    send(0..50);
    wait_until("the first events", || reader.numbers().len() == 50);
    for round in 1..=2 {
        server.kill();
        server.restart();
        // Before the reader is back, and after.
        send(round * 50..round * 50 + 25);
        wait_until("the reader to come back", || reader.opened() as u64 > round);
        send(round * 50 + 25..round * 50 + 50);
    }
    wait_until("all events", || reader.numbers().len() >= 150);
    assert_eq!(reader.numbers(), (0..150).collect::<Vec<_>>(), "each once, in order");
    drop(reader);

    // The other library needs the position to continue from.
    let all = format!("{url}?start_time=0");
    let first = lines(python("stream.py", &[&all, &customer.key, "", "60"]));
    let last_id = first.last().unwrap()["last_id"].as_str().expect("where it left off").to_owned();
    server.terminate();
    server.restart();
    let rest = lines(python("stream.py", &[&all, &customer.key, &last_id, "90"]));
    let numbers: Vec<u64> = first.iter().chain(&rest).filter_map(Value::as_u64).collect();
    assert_eq!(numbers, (0..150).collect::<Vec<_>>());
}
