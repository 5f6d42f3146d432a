//! A proxy that records the requests it passes on, in the format of
//! [`recording`](crate::recording).
//!
//! A request is recorded when it is whole, before it is passed on, so lines are in
//! the order of arrival. Answers are passed on as they come. Credentials are never
//! written; customers are told apart by a hash of their credentials. If lines cannot
//! be written as fast as requests come, requests wait, and nothing is left out
//! silently.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::digest;
use serde::Serialize;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::recording::RecordingLine;
use crate::target::{HttpVersion, SendTarget, TargetError};
use crate::tls::TlsSettings;

mod redact;
mod writer;

pub use redact::Redaction;

use redact::is_secret;

/// Longest body that is passed on, in bytes.
const BODY_BYTES_MAX: usize = 48 << 20;
/// Lines that may wait to be written.
const WAITING_MAX: usize = 256;
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);

/// Headers that belong to a connection, not to a message (RFC 9110, section 7.6.1).
const CONNECTION_HEADERS: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Which server to pass requests on to, and which parts not to write.
#[derive(Clone, Debug)]
pub struct RecordConfig {
    /// `http[s]://host:port` of the server.
    pub upstream: String,
    /// How the server is trusted, and how this client shows who it is.
    pub tls: TlsSettings,
    /// The recording, made anew; compressed if it ends in `.gz` or `.zst`.
    pub file: PathBuf,
    /// Headers that are left out besides credentials and cookies.
    pub redact_headers: Vec<String>,
    /// Members of events whose values are replaced, as `payload.card.number`;
    /// arrays on the way are gone through. Bodies are written anew for it.
    pub redact_fields: Vec<String>,
}

/// How many requests were recorded. The field names are stable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RecordStats {
    /// Requests written to the recording.
    pub recorded: u64,
    /// Requests passed on and not written, because fields should be redacted in a
    /// body that is not understood.
    pub unrecorded: u64,
    /// Requests that the server did not answer; they are recorded.
    pub failed: u64,
}

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum RecorderError {
    /// The server's URL is not valid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The recording cannot be written.
    #[error("writing {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// A thread ended without its result: a defect of this program.
    #[error("a thread of the recorder failed; its panic is on stderr")]
    Panicked,
}

#[derive(Debug)]
struct Recorder {
    target: SendTarget,
    redaction: Redaction,
    lines: mpsc::Sender<RecordingLine>,
    recorded: AtomicU64,
    unrecorded: AtomicU64,
    failed: AtomicU64,
}

/// Passes requests on until `stop`, or until the recording cannot be written.
pub async fn record(
    listener: TcpListener,
    config: RecordConfig,
    stop: CancellationToken,
) -> Result<RecordStats, RecorderError> {
    let target =
        SendTarget::resolve(&config.upstream, &config.tls, HttpVersion::Http1, RESOLVE_LIMIT).await?;
    let failed = |error| RecorderError::File(config.file.clone(), error);
    let (lines, waiting) = mpsc::channel(WAITING_MAX);
    let ended = stop.child_token();
    let writing = writer::start(&config.file, waiting, ended.clone()).map_err(failed)?;
    let recorder = Arc::new(Recorder {
        target,
        redaction: Redaction::new(&config.redact_headers, &config.redact_fields),
        lines,
        recorded: AtomicU64::new(0),
        unrecorded: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let connections = TaskTracker::new();
    loop {
        // Cancelling `accept` loses no connection: it is cancel safe.
        let accepted = tokio::select! {
            () = ended.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let serving = serve(stream, Arc::clone(&recorder));
                let ended = ended.clone();
                connections.spawn(async move {
                    // A stop closes connections with whatever is in flight on them.
                    ended.run_until_cancelled(serving).await;
                });
            }
            // Usually file descriptors have run out: some connections must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    connections.close();
    connections.wait().await;
    let stats = RecordStats {
        recorded: recorder.recorded.load(Ordering::Relaxed),
        unrecorded: recorder.unrecorded.load(Ordering::Relaxed),
        failed: recorder.failed.load(Ordering::Relaxed),
    };
    // The writer ends with the last sender of lines.
    drop(recorder);
    let written = tokio::task::spawn_blocking(move || writing.join()).await;
    written
        .map_err(|_panic| RecorderError::Panicked)?
        .map_err(|_panic| RecorderError::Panicked)?
        .map_err(failed)?;
    Ok(stats)
}

/// Serves a client connection over a server connection of its own, so that requests
/// stay in their order.
async fn serve(stream: TcpStream, recorder: Arc<Recorder>) {
    // If the client is gone, the next read fails.
    stream.set_nodelay(true).ok();
    let upstream = Arc::new(Mutex::new(None));
    let service = service_fn(move |request| {
        let (recorder, upstream) = (Arc::clone(&recorder), Arc::clone(&upstream));
        async move { Ok::<_, Infallible>(handle(&recorder, &upstream, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new());
    // The client notices by itself how its connection ends.
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}

type Upstream = Mutex<Option<SendRequest<Full<Bytes>>>>;
type PassedBody = BoxBody<Bytes, hyper::Error>;
type PassFailure = Box<dyn std::error::Error + Send + Sync>;

async fn handle(
    recorder: &Recorder,
    upstream: &Upstream,
    request: Request<Incoming>,
) -> Response<PassedBody> {
    let received_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_too_long_or_broken) => return say(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
    };
    match line(&recorder.redaction, received_s, &head, &body) {
        Some(line) => {
            if recorder.lines.send(line).await.is_err() {
                return say(StatusCode::SERVICE_UNAVAILABLE, "the recording cannot be written");
            }
            recorder.recorded.fetch_add(1, Ordering::Relaxed);
        }
        None => drop(recorder.unrecorded.fetch_add(1, Ordering::Relaxed)),
    }
    match pass_on(recorder, upstream, head, body).await {
        Ok(answer) => answer,
        Err(error) => {
            recorder.failed.fetch_add(1, Ordering::Relaxed);
            say(StatusCode::BAD_GATEWAY, &crate::chain(&*error))
        }
    }
}

/// The request as it is written; `None` if it must not be written.
pub(crate) fn line(
    redaction: &Redaction,
    at: f64,
    head: &http::request::Parts,
    body: &Bytes,
) -> Option<RecordingLine> {
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    let coding = head.headers.get("content-encoding").and_then(|value| value.to_str().ok());
    let body = redaction.body(content_type, coding, body)?;
    let headers = head.headers.iter().filter(|(name, _)| redaction.keeps(name));
    let mut line = RecordingLine {
        at: Some(at),
        customer: Some(customer(&head.headers)),
        method: Some(head.method.to_string()),
        path: head.uri.path_and_query().map(|path| redaction.path(path.as_str())),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        ..RecordingLine::default()
    };
    match String::from_utf8(body) {
        Ok(text) => line.body = Some(text),
        Err(binary) => line.body_base64 = Some(STANDARD.encode(binary.as_bytes())),
    }
    Some(line)
}

/// A name for the customer with these credentials: a hash, which does not reveal them.
fn customer(headers: &HeaderMap) -> String {
    let other = || headers.iter().find(|(name, _)| is_secret(name.as_str())).map(|(_, value)| value);
    let credential = headers.get("x-api-key").or_else(|| headers.get(AUTHORIZATION)).or_else(other);
    let Some(credential) = credential else { return "anonymous".into() };
    let bytes = credential.as_bytes();
    let key = bytes.strip_prefix(b"Bearer ").unwrap_or(bytes);
    let hash = digest::digest(&digest::SHA256, key);
    hash.as_ref().iter().take(8).fold("k-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

async fn pass_on(
    recorder: &Recorder,
    upstream: &Upstream,
    mut head: http::request::Parts,
    body: Bytes,
) -> Result<Response<PassedBody>, PassFailure> {
    remove_connection_headers(&mut head.headers);
    // The body is whole by now: its length is written anew.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(HOST, HeaderValue::from_str(recorder.target.authority())?);
    head.version = http::Version::HTTP_11;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse()?;
    let mut request = Request::from_parts(head, Full::new(body));
    let mut upstream = upstream.lock().await;
    loop {
        let requests = match upstream.as_mut().filter(|requests| !requests.is_closed()) {
            Some(requests) => requests,
            None => upstream.insert(connect(recorder).await?),
        };
        if requests.ready().await.is_err() {
            // The server closed a connection that was idle.
            *upstream = None;
            continue;
        }
        match requests.try_send_request(request).await {
            Ok(answer) => {
                let (mut head, body) = answer.into_parts();
                remove_connection_headers(&mut head.headers);
                // Passed on as it comes: a stream of events has no end.
                return Ok(Response::from_parts(head, body.boxed()));
            }
            Err(mut failed) => match failed.take_message() {
                // Not sent: the connection was closed meanwhile.
                Some(unsent) => {
                    request = unsent;
                    *upstream = None;
                }
                None => return Err(failed.into_error().into()),
            },
        }
    }
}

async fn connect(recorder: &Recorder) -> Result<SendRequest<Full<Bytes>>, PassFailure> {
    let io = TokioIo::new(recorder.target.connect(0).await?);
    let (requests, connection) = hyper::client::conn::http1::handshake(io).await?;
    // It ends when `requests` is dropped; the request says how it failed.
    tokio::spawn(connection);
    Ok(requests)
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    CONNECTION_HEADERS.iter().for_each(|name| drop(headers.remove(HeaderName::from_static(name))));
}

fn say(status: StatusCode, text: &str) -> Response<PassedBody> {
    let body = Full::new(Bytes::from(text.to_owned()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
