//! A running ingest role, and a client that can misbehave.

use serde_json::Value;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EngineConfig};
use sluice_ingest::{AdminTokens, BoundIngest, IngestConfig, IngestParts};
use sluice_model::{DeliveryId, Subscription};
use sluice_ports::Log;
use sluice_ports::webhook_probe::{ProbeAnswer, WebhookProbe};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const ADMIN: &str = "the admin token";

/// A running ingest role with one customer.
pub(crate) struct RunningIngest {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) customer: String,
    pub(crate) key: String,
    pub(crate) engine: Arc<EmbeddedEngine>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A development configuration on free ports.
pub(crate) fn config() -> IngestConfig {
    let mut config = IngestConfig { environment: "development".into(), ..IngestConfig::default() };
    config.listen.set_port(0);
    config.admin_listen.set_port(0);
    config.allow_private_webhooks = true;
    config
}

/// A running ingest role with the test customer.
pub(crate) async fn start(config: IngestConfig) -> RunningIngest {
    start_without_customer(config).await.with_customer().await
}

pub(crate) async fn start_without_customer(config: IngestConfig) -> RunningIngest {
    start_on(config, |log| log).await
}

/// A running ingest role whose log is made by `change` from the engine's.
pub(crate) async fn start_on(
    config: IngestConfig,
    change: impl FnOnce(Arc<dyn Log>) -> Arc<dyn Log>,
) -> RunningIngest {
    config.validate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = EngineConfig { lanes: 8, ..EngineConfig::default() }.settings();
    let engine = Arc::new(EmbeddedEngine::open(folder.path(), settings).await.unwrap());
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let (directory, refresher) =
        Directory::load(Arc::new(catalogue), DirectorySettings::default()).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(refresher.run(CancellationToken::new()));
    let bound = BoundIngest::bind(IngestParts {
        config,
        directory: directory.clone(),
        events: engine.events.clone(),
        queue: engine.queue.clone(),
        log: change(engine.log.clone()),
        idempotency: engine.idempotency.clone(),
        rates: Arc::new(LocalRates::new(directory)),
        lost: Box::new(Vec::new),
        rows: engine.rows.clone(),
        probe: Arc::new(Echo),
        lanes: 8,
        admin_tokens: Arc::new(AdminTokens::new([ADMIN])),
        shards: Box::new(Vec::new),
        breakers: Box::new(|_| None),
        render_metrics: Box::new(|| "# nothing\n".into()),
    });
    let bound = bound.unwrap();
    let (public, admin) = (bound.public_address(), bound.admin_address());
    let task = tokio::spawn(bound.run(stop.clone()));
    let (customer, key) = (String::new(), String::new());
    RunningIngest { public, admin, customer, key, engine, stop, task, _folder: folder }
}

/// Answers a probe with the body that it was given.
struct Echo;

#[async_trait::async_trait]
impl WebhookProbe for Echo {
    async fn probe(&self, subscription: Arc<Subscription>, body: bytes::Bytes) -> ProbeAnswer {
        ProbeAnswer {
            delivery: DeliveryId::new(1),
            status: Some(if subscription.webhook_url.ends_with("/refuse") { 400 } else { 204 }),
            latency_ms: 7,
            error: None,
            excerpt: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

impl RunningIngest {
    /// The same, with the test customer.
    pub(crate) async fn with_customer(mut self) -> Self {
        let made = RawClient::connect(self.admin).await.admin("POST", "/admin/test-customer", "").await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (self.customer, self.key) =
            (text(&made.json()["customer"]["customer_id"]), text(&made.json()["api_key"]));
        self
    }

    pub(crate) async fn client(&self) -> RawClient {
        RawClient { key: self.key.clone(), ..RawClient::connect(self.public).await }
    }

    pub(crate) async fn admin(&self) -> RawClient {
        RawClient::connect(self.admin).await
    }
}

/// An answer, unparsed.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The error's code.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert_eq!(json["error"]["request_id"], self.headers["x-request-id"], "{json}");
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// One connection.
pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    pub(crate) key: String,
    unread: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, key: String::new(), unread: Vec::new() }
    }

    /// Sends bytes; returns whether the other side is still there.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer, or nothing if the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.read_answer());
        wait.await.expect("an answer, or the end, within 20 s")
    }

    async fn read_answer(&mut self) -> Option<RawAnswer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: HashMap<String, String> = lines.map(header).collect();
        let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
        while self.unread.len() < len {
            self.more().await?;
        }
        Some(RawAnswer { status, headers, body: self.unread.drain(..len).collect() })
    }

    /// The next bytes of a streamed body.
    pub(crate) async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            self.more().await?;
        }
        Some(self.unread.drain(..count).collect())
    }

    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }

    /// Whether the connection ends within this time.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> bool {
        let ended = async { while self.more().await.is_some() {} };
        tokio::time::timeout(time, ended).await.is_ok()
    }

    /// The head of a customer's request.
    pub(crate) fn head(&self, method: &str, path: &str, more: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: ingest\r\nauthorization: Bearer {}\r\n{more}\r\n",
            self.key
        )
    }

    pub(crate) async fn request_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> RawAnswer {
        let body = body.as_ref();
        let length = format!("content-length: {}\r\n{headers}", body.len());
        let mut bytes = self.head(method, path, &length).into_bytes();
        bytes.extend_from_slice(body);
        self.send(bytes).await;
        self.answer().await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, body: impl AsRef<[u8]>) -> RawAnswer {
        self.request_with(method, path, "content-type: application/json\r\n", body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> RawAnswer {
        self.request_with("GET", path, "", "").await
    }

    pub(crate) async fn post_event(&mut self) -> RawAnswer {
        self.request("POST", "/v1/events", r#"{"event_type":"a.b","payload":{"n":1}}"#).await
    }

    /// Sends an operator's request.
    pub(crate) async fn admin(&mut self, method: &str, path: &str, body: &str) -> RawAnswer {
        self.key = ADMIN.into();
        self.request(method, path, body).await
    }
}
