//! Starts `vectors/server.py` and talks to it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");

/// The vectors of a file.
pub(crate) fn vectors(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(format!("{VECTORS}/{name}.json")).unwrap()).unwrap()
}

/// A server of one test.
pub(crate) struct ScriptServer {
    child: Child,
    origin: String,
}

impl ScriptServer {
    pub(crate) fn start() -> Self {
        // The test's own requests go through a client that asks for the process's provider.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut child = Command::new("python3")
            .arg(format!("{VECTORS}/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs vectors/server.py");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(' ').next().unwrap();
        Self { origin: format!("http://127.0.0.1:{port}"), child }
    }

    /// The base URL below which these answers are given.
    pub(crate) async fn script(&self, answers: &Value) -> String {
        let body = json!({ "answers": answers }).to_string();
        let answer =
            reqwest::Client::new().post(format!("{}/_script", self.origin)).body(body).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        format!("{}{}", self.origin, answer["base"].as_str().unwrap())
    }

    /// The requests that a base has seen.
    pub(crate) async fn seen(&self, base: &str) -> Vec<Value> {
        let url = format!("{}/_seen{}", self.origin, base.strip_prefix(&self.origin).unwrap());
        let answer = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        serde_json::from_value(answer["requests"].take()).unwrap()
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether every field of `part` is in `whole`.
pub(crate) fn is_part(part: &Value, whole: &Value) -> bool {
    match part.as_object() {
        Some(fields) => {
            fields.iter().all(|(name, value)| whole.get(name).is_some_and(|found| is_part(value, found)))
        }
        None => part == whole,
    }
}
