//! A real HTTP server on loopback that receives webhooks and reacts as the test wants.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The reaction of the receiver to a webhook.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// Answers with a status.
    Status(u16),
    /// Answers with a status, a header and a body.
    Answer(u16, &'static str, String, String),
    /// Never answers.
    Hang,
    /// Breaks the connection.
    Drop,
    /// Asks again after a moment.
    Later,
}

/// A webhook as it was received.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedWebhook {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl ReceivedWebhook {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `n` of every event `{"n":…}` in the body.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let events: Vec<serde_json::Value> = serde_json::from_slice(&self.body).unwrap();
        events.iter().map(|event| event["n"].as_u64().unwrap()).collect()
    }
}

type React = dyn Fn(&ReceivedWebhook, usize) -> Reaction + Send + Sync;

/// The receiver; it ends when dropped.
pub(crate) struct WebhookReceiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedWebhook>>>,
    came: Arc<Notify>,
    server: JoinHandle<()>,
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl WebhookReceiver {
    /// Starts a receiver; `react` gets the webhook and the number of earlier ones.
    pub(crate) async fn start(
        react: impl Fn(&ReceivedWebhook, usize) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<ReceivedWebhook>>>::default();
        let came = Arc::new(Notify::new());
        let react: Arc<React> = Arc::new(react);
        let server = tokio::spawn(serve(listener, Arc::clone(&received), Arc::clone(&came), react));
        Self { address, received, came, server }
    }

    /// Starts a receiver that answers 200 once `may` allows it.
    pub(crate) async fn start_slow(
        may: impl Fn(&ReceivedWebhook, usize) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::start(
            move |webhook, before| if may(webhook, before) { Reaction::Status(200) } else { Reaction::Later },
        )
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn received(&self) -> Vec<ReceivedWebhook> {
        self.received.lock().clone()
    }

    /// Waits until this many webhooks were received.
    pub(crate) async fn until(&self, count: usize) -> Vec<ReceivedWebhook> {
        let wait = async {
            loop {
                let came = self.came.notified();
                let received = self.received();
                if received.len() >= count {
                    return received;
                }
                came.await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), wait).await;
        waited.unwrap_or_else(|_| panic!("{} of {count} webhooks came", self.received().len()))
    }
}

async fn serve(
    listener: TcpListener,
    received: Arc<Mutex<Vec<ReceivedWebhook>>>,
    came: Arc<Notify>,
    react: Arc<React>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (received, came, react) = (Arc::clone(&received), Arc::clone(&came), Arc::clone(&react));
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                answer(request, Arc::clone(&received), Arc::clone(&came), Arc::clone(&react))
            });
            // Some tests ask for a dropped connection.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    received: Arc<Mutex<Vec<ReceivedWebhook>>>,
    came: Arc<Notify>,
    react: Arc<React>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let webhook = ReceivedWebhook { path: parts.uri.path().into(), headers: parts.headers, body };
    let before = {
        let mut received = received.lock();
        received.push(webhook.clone());
        received.len() - 1
    };
    came.notify_waiters();
    let response = |status: u16| Response::builder().status(status);
    let mut reaction = react(&webhook, before);
    while matches!(reaction, Reaction::Later) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        reaction = react(&webhook, before);
    }
    match reaction {
        Reaction::Later => unreachable!("it was asked until it said something else"),
        Reaction::Status(status) => Ok(response(status).body(Full::default()).unwrap()),
        Reaction::Answer(status, name, value, body) => {
            Ok(response(status).header(name, value).body(Full::from(body)).unwrap())
        }
        Reaction::Hang => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Reaction::Drop => Err(std::io::Error::other("as told")),
    }
}
