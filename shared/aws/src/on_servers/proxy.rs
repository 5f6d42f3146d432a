//! `tests/faulty-proxy` between the adapters and the stand-ins.

use crate::AwsConfig;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const PROXY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/faulty-proxy");

/// A running proxy, which ends when it is dropped.
pub(super) struct FaultyProxy {
    control: u16,
    /// The configuration that goes through it.
    pub(super) config: AwsConfig,
    _process: Child,
}

impl FaultyProxy {
    /// A proxy before the configured DynamoDB and SQS.
    pub(super) async fn before(config: &AwsConfig) -> Self {
        let [control, dynamodb, sqs] = [free_port(), free_port(), free_port()];
        let port = |endpoint: &str| endpoint.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
        let mut process = Command::new(PROXY)
            .args(["--count", "--control", &control.to_string()])
            .arg(format!("dynamodb=dynamodb:{dynamodb}:{}", port(&config.dynamodb_endpoint)))
            .arg(format!("sqs=sqs:{sqs}:{}", port(&config.sqs_endpoint)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/faulty-proxy starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        assert_eq!(line, "ready\n");
        let config = AwsConfig {
            dynamodb_endpoint: format!("http://127.0.0.1:{dynamodb}"),
            sqs_endpoint: format!("http://127.0.0.1:{sqs}"),
            ..config.clone()
        };
        Self { control, config, _process: process }
    }

    /// Changes the faults of a route.
    pub(super) async fn fault(&self, route: &str, mut faults: Value) {
        faults["route"] = json!(route);
        self.ask("POST", "/", &faults.to_string()).await;
    }

    /// The faults that were injected so far, by route and fault.
    pub(super) async fn done(&self) -> Value {
        self.ask("GET", "/", "").await
    }

    /// The calls that AWS would bill, by route and kind of row.
    pub(super) async fn counts(&self) -> Value {
        self.ask("GET", "/counts", "").await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let mut connection = TcpStream::connect(("127.0.0.1", self.control)).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
