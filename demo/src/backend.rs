//! The demo's backend: its routes, and the tasks that serve them.
//!
//! | route | purpose |
//! |---|---|
//! | `POST /demo/trigger` | judges a document and sends it to Sluice |
//! | `GET /demo/inbox` | the mails, the newest first |
//! | `GET /health` | whether it serves |
//! | `POST /demo/webhook` | Sluice's webhooks, signed |
//! | `POST /demo/session` | the console's sign-in: exchanges the code of the printed address for the key |
//! | `GET /demo/receivers`, `PUT /demo/receivers/{name}` | the receivers, and how one answers |
//! | `GET /demo/requests`, `GET /demo/requests/{id}`, `DELETE /demo/requests` | the webhooks that the receivers got |
//!
//! The routes of the last two rows need the customer's key. All other paths are passed on to Sluice.

use crate::answer::{DemoAnswer, DemoRefusal, json_answer, request_id, whole};
use crate::document::Document;
use crate::listener::{admit, json_body, wrong_method};
use crate::mailroom::Mailroom;
use crate::proxy::Proxy;
use crate::receivers::{AnswerMode, DemoReceiver, MailReceiver, Receivers};
use crate::rule::{judge, sentence};
use crate::sluice::SluiceClient;
use crate::webhook;
use http::header::{AUTHORIZATION, HeaderValue, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The path of the webhooks that ask for mails.
pub const WEBHOOK_PATH: &str = "/demo/webhook";

/// Most connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The pause after an accept that failed, perhaps for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const BODY_BYTES_MAX: usize = 64 << 10;
const WEBHOOK_BYTES_MAX: usize = 9 << 20;
const LIST_MAX: usize = 200;
const KEY_BYTES_MAX: usize = 255;

/// The parts that the backend needs to serve.
pub struct BackendConfig {
    /// Sluice's public listener.
    pub sluice: SocketAddr,
    /// The sample customer's key.
    pub api_key: String,
    /// The code in the printed address, which opens the console.
    pub code: String,
    /// All receivers of the demo.
    pub receivers: Vec<DemoReceiver>,
    /// The receiver of mails.
    pub mail_receiver: Arc<MailReceiver>,
    /// The sender of the mails.
    pub mailroom: Mailroom,
}

/// Why the backend cannot start.
#[derive(Debug, Error)]
pub enum BackendError {
    /// The address cannot be listened on.
    #[error("the demo's address {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The client of Sluice cannot be made.
    #[error("the demo's client of Sluice")]
    Client(#[source] reqwest::Error),
}

/// A bound listener that does not answer yet.
pub struct Backend {
    listener: TcpListener,
    address: SocketAddr,
}

/// The parts that every request needs.
struct Desk {
    sluice: SluiceClient,
    proxy: Proxy,
    api_key: String,
    code: String,
    receivers: Receivers,
    mail_receiver: Arc<MailReceiver>,
    mailroom: Mailroom,
}

impl Backend {
    /// Listens.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn bind(address: SocketAddr) -> Result<Self, BackendError> {
        let failed = |source| BackendError::Listen(address, source);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address, with the real port if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop; then ends every connection.
    ///
    /// # Errors
    /// If the client of Sluice cannot be made.
    pub async fn run(self, config: BackendConfig, stop: CancellationToken) -> Result<(), BackendError> {
        let connections = TaskTracker::new();
        let desk = Arc::new(Desk {
            sluice: SluiceClient::new(&format!("http://{}", config.sluice), &config.api_key)
                .map_err(BackendError::Client)?,
            proxy: Proxy { target: config.sluice, connections: connections.clone(), stop: stop.clone() },
            api_key: config.api_key,
            code: config.code,
            receivers: Receivers(config.receivers),
            mail_receiver: config.mail_receiver,
            mailroom: config.mailroom,
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Cancelling loses nothing: the permit is given back, and `accept` is cancel safe.
        while let Some(accepted) = stop
            .run_until_cancelled(async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            })
            .await
        {
            let (place, Ok((stream, _))) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (desk, stop) = (Arc::clone(&desk), stop.clone());
            connections.spawn(async move {
                stop.run_until_cancelled(serve(desk, stream)).await;
                drop(place);
            });
        }
        connections.close();
        connections.wait().await;
        Ok(())
    }
}

async fn serve(desk: Arc<Desk>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    if let Err(error) = http1.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the demo broke");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeRequest {
    answer: AnswerMode,
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> DemoAnswer {
        let path = request.uri().path();
        let is_demo = path == "/" || path == "/health" || path == "/demo" || path.starts_with("/demo/");
        if let Err(refusal) = admit(request.method(), request.headers(), is_demo) {
            return refusal.answer();
        }
        if !is_demo {
            return self.proxy.pass(request).await;
        }
        let (parts, body) = request.into_parts();
        self.route(&parts, body).await.unwrap_or_else(DemoRefusal::answer)
    }

    async fn route(&self, parts: &Parts, body: Incoming) -> Result<DemoAnswer, DemoRefusal> {
        let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
        let ok = |value: &Value| Ok(json_answer(StatusCode::OK, value));
        // A HEAD is answered as a GET, whose body hyper leaves out.
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        match (method, path.as_slice()) {
            (&Method::GET, [""]) => Ok(to_console()),
            (&Method::GET, ["health"]) => ok(&self.health()),
            (&Method::POST, ["demo", "trigger"]) => self.trigger(parts, body).await,
            (&Method::GET, ["demo", "inbox"]) => ok(&self.inbox(parts)?),
            (&Method::POST, ["demo", "webhook"]) => self.webhook(parts, body).await,
            (&Method::POST, ["demo", "session"]) => self.session(parts, body).await,
            (&Method::GET, ["demo", "receivers"]) => {
                self.authorize(&parts.headers)?;
                ok(&self.receivers.view())
            }
            (&Method::PUT, ["demo", "receivers", name]) => {
                self.authorize(&parts.headers)?;
                let body = json_body(&parts.headers, body, BODY_BYTES_MAX).await?;
                let request: ModeRequest = read("answer", &body)?;
                ok(&self.receivers.behave(name, request.answer)?)
            }
            (&Method::GET, ["demo", "requests"]) => {
                self.authorize(&parts.headers)?;
                let (limit, receiver) = (limit(parts)?, query(parts, "receiver"));
                ok(&self.receivers.list(receiver.as_deref(), limit)?)
            }
            (&Method::GET, ["demo", "requests", id]) => {
                self.authorize(&parts.headers)?;
                ok(&self.receivers.one(id)?)
            }
            (&Method::DELETE, ["demo", "requests"]) => {
                self.authorize(&parts.headers)?;
                self.receivers.clear();
                ok(&json!({}))
            }
            (_, [""] | ["health"] | ["demo", "inbox" | "receivers"] | ["demo", "requests", _]) => {
                Ok(wrong_method("GET"))
            }
            (_, ["demo", "trigger" | "webhook" | "session"]) => Ok(wrong_method("POST")),
            (_, ["demo", "receivers", _]) => Ok(wrong_method("PUT")),
            (_, ["demo", "requests"]) => Ok(wrong_method("GET, DELETE")),
            _ => Err(DemoRefusal::not_found("route of the demo")),
        }
    }

    fn health(&self) -> Value {
        json!({
            "status": "healthy", "environment": "demo",
            "mail": { "place": self.mailroom.place(), "sent": self.mailroom.sent() },
        })
    }

    async fn trigger(&self, parts: &Parts, body: Incoming) -> Result<DemoAnswer, DemoRefusal> {
        let body = json_body(&parts.headers, body, BODY_BYTES_MAX).await?;
        let document = Document::read(&body)?;
        let key = idempotency_key(&parts.headers)?;
        let reasons = judge(document.priority, &document.description);
        let message = sentence(document.priority, &reasons);
        if reasons.is_empty() {
            let verdict = json!({ "triggered": false, "reasons": [], "message": message });
            return Ok(json_answer(StatusCode::OK, &verdict));
        }
        let event = document.event(&reasons);
        let event_id = self.sluice.send(&event, &key).await?;
        let verdict = json!({
            "triggered": true, "reasons": reasons, "message": message,
            "event_id": event_id, "event_type": event["event_type"],
        });
        Ok(json_answer(StatusCode::ACCEPTED, &verdict))
    }

    fn inbox(&self, parts: &Parts) -> Result<Value, DemoRefusal> {
        let mails = self.mailroom.newest(limit(parts)?);
        Ok(json!({ "mails": mails, "total": mails.len(), "place": self.mailroom.place() }))
    }

    async fn webhook(&self, parts: &Parts, body: Incoming) -> Result<DemoAnswer, DemoRefusal> {
        let body = json_body(&parts.headers, body, WEBHOOK_BYTES_MAX).await?;
        let answer = webhook::take(&self.mail_receiver, &self.mailroom, parts, &body).await;
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = json_answer(status, &answer.body);
        if let Some(seconds) = answer.retry_after_s {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Ok(reply)
    }

    /// Gives the key in exchange for the code, which only the terminal shows.
    async fn session(&self, parts: &Parts, body: Incoming) -> Result<DemoAnswer, DemoRefusal> {
        let body = json_body(&parts.headers, body, BODY_BYTES_MAX).await?;
        let request: SessionRequest = read("code", &body)?;
        if !is_same(&request.code, &self.code) {
            let message = "this address is of another run of the demo: use the one that the terminal shows";
            return Err(DemoRefusal::new(StatusCode::FORBIDDEN, "WRONG_CODE", message));
        }
        Ok(json_answer(StatusCode::OK, &json!({ "api_key": self.api_key })))
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), DemoRefusal> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = given.strip_prefix("Bearer ").unwrap_or_default();
        if is_same(given, &self.api_key) {
            return Ok(());
        }
        let message = "the key of the demo's customer is needed, as Authorization: Bearer";
        Err(DemoRefusal::new(StatusCode::UNAUTHORIZED, "INVALID_API_KEY", message))
    }
}

/// Compares two texts in constant time.
fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn to_console() -> DemoAnswer {
    let mut answer = Response::new(whole(""));
    *answer.status_mut() = StatusCode::FOUND;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/console/"));
    answer
}

fn read<'a, T: Deserialize<'a>>(field: &str, body: &'a [u8]) -> Result<T, DemoRefusal> {
    serde_json::from_slice(body)
        .map_err(|error| DemoRefusal::field("INVALID_REQUEST", field, format!("cannot be read: {error}")))
}

/// A value of the query; nothing in the demo's values needs decoding.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    let mut found = pairs.filter_map(|pair| pair.split_once('=')).filter(|(known, _)| *known == name);
    found.next().map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

fn limit(parts: &Parts) -> Result<usize, DemoRefusal> {
    let Some(given) = query(parts, "limit") else { return Ok(LIST_MAX / 2) };
    match given.parse() {
        Ok(limit @ 1..=LIST_MAX) => Ok(limit),
        _ => Err(DemoRefusal::field(
            "INVALID_QUERY",
            "limit",
            format!("{given} is not between 1 and {LIST_MAX}"),
        )),
    }
}

/// The caller's idempotency key, or a new one: the backend's own retries need one too.
fn idempotency_key(headers: &HeaderMap) -> Result<String, DemoRefusal> {
    let Some(given) = headers.get("idempotency-key") else {
        return Ok(format!("demo-{}{}", request_id(), request_id()));
    };
    match given.to_str() {
        Ok(key) if !key.trim().is_empty() && key.len() <= KEY_BYTES_MAX => Ok(key.to_owned()),
        _ => Err(DemoRefusal::field("INVALID_REQUEST", "Idempotency-Key", "must have 1 to 255 characters")),
    }
}
