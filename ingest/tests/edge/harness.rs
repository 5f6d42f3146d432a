//! A running edge, and a client that can misbehave.

use serde_json::Value;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EngineConfig};
use sluice_ingest::{BoundEdge, EdgeConfig, EdgeParts};
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

/// An edge that serves, with one customer.
pub(crate) struct Running {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) customer: String,
    pub(crate) key: String,
    pub(crate) engine: Arc<EmbeddedEngine>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A configuration with timeouts that tests can wait for.
pub(crate) fn config() -> EdgeConfig {
    let mut config = EdgeConfig { environment: "development".into(), ..EdgeConfig::default() };
    config.listen.set_port(0);
    config.admin_listen.set_port(0);
    config.allow_private_webhooks = true;
    config
}

/// An edge with one customer, as development has it.
pub(crate) async fn start(config: EdgeConfig) -> Running {
    start_without_customer(config).await.with_customer().await
}

pub(crate) async fn start_without_customer(config: EdgeConfig) -> Running {
    start_on(config, |log| log).await
}

/// An edge whose log is what `change` makes of the engine's.
pub(crate) async fn start_on(
    config: EdgeConfig,
    change: impl FnOnce(Arc<dyn Log>) -> Arc<dyn Log>,
) -> Running {
    config.validate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = EngineConfig { lanes: 8, ..EngineConfig::default() }.settings();
    let engine = Arc::new(EmbeddedEngine::open(folder.path(), settings).await.unwrap());
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let settings = DirectorySettings {
        request_events_max: config.limits.request_events_max,
        ..DirectorySettings::default()
    };
    let (directory, refresher) = Directory::load(Arc::new(catalogue), settings).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(refresher.run(CancellationToken::new()));
    let bound = BoundEdge::bind(EdgeParts {
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
        admin_token: ADMIN.into(),
        render_metrics: Box::new(|| "# nothing\n".into()),
    });
    let bound = bound.unwrap();
    let (public, admin) = (bound.public_address(), bound.admin_address());
    let task = tokio::spawn(bound.run(stop.clone()));
    let (customer, key) = (String::new(), String::new());
    Running { public, admin, customer, key, engine, stop, task, _folder: folder }
}

/// Says what it was asked to send.
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

impl Running {
    /// With a customer, as development has it.
    pub(crate) async fn with_customer(mut self) -> Self {
        let made = Client::connect(self.admin).await.admin("POST", "/admin/test-customer", "").await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (self.customer, self.key) = (text(&made.json()["customer"]["id"]), text(&made.json()["api_key"]));
        self
    }

    pub(crate) async fn client(&self) -> Client {
        Client { key: self.key.clone(), ..Client::connect(self.public).await }
    }

    pub(crate) async fn admin(&self) -> Client {
        Client::connect(self.admin).await
    }
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
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
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) key: String,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, key: String::new(), unread: Vec::new() }
    }

    /// Sends bytes; an error only means that the other side is gone.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer, or nothing where the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.read_answer());
        wait.await.expect("an answer, or the end, within 20 s")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
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
        Some(Answer { status, headers, body: self.unread.drain(..len).collect() })
    }

    /// The next bytes of a body that is being streamed.
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

    /// Whether the connection has ended, or ends soon.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> bool {
        let ended = async { while self.more().await.is_some() {} };
        tokio::time::timeout(time, ended).await.is_ok()
    }

    /// The head of a request of the customer.
    pub(crate) fn head(&self, method: &str, path: &str, more: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer {}\r\n{more}\r\n", self.key)
    }

    pub(crate) async fn request_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let body = body.as_ref();
        let length = format!("content-length: {}\r\n{headers}", body.len());
        let mut bytes = self.head(method, path, &length).into_bytes();
        bytes.extend_from_slice(body);
        self.send(bytes).await;
        self.answer().await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request_with(method, path, "content-type: application/json\r\n", body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request_with("GET", path, "", "").await
    }

    pub(crate) async fn post_event(&mut self) -> Answer {
        self.request("POST", "/v1/events", r#"{"event_type":"a.b","payload":{"n":1}}"#).await
    }

    /// A request of the operator.
    pub(crate) async fn admin(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.key = ADMIN.into();
        self.request(method, path, body).await
    }
}
