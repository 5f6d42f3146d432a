//! A proxy that records the requests it passes on, as [`recording`](crate::recording)
//! has them.
//!
//! A request is recorded when it is whole, before it is passed on: lines stand
//! in the order of arrival. Credentials are never written; customers are told
//! apart by a hash of theirs. Where lines cannot be written as fast as requests
//! come, requests wait: nothing is left out in silence.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::recording::Line;
use crate::target::{Target, TargetError};

mod redact;
mod writer;

pub(crate) use redact::Redaction;

/// Longest body that is passed on, in bytes.
const BODY_BYTES_MAX: usize = 48 << 20;
/// Lines that may wait to be written.
const WAITING_MAX: usize = 256;
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);

/// Headers that belong to a connection, not to a request (RFC 9110, section
/// 7.6.1), and those that this proxy writes itself.
const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
];

/// What to pass on, where, and what not to write.
#[derive(Clone, Debug)]
pub struct RecordConfig {
    /// `http://host:port` of the server.
    pub upstream: String,
    /// The recording, made anew; compressed if it ends in `.gz` or `.zst`.
    pub file: PathBuf,
    /// Headers that are left out besides credentials and cookies.
    pub redact_headers: Vec<String>,
    /// Members of events whose values are replaced, as `payload.card.number`;
    /// arrays on the way are gone through. Bodies are written anew for it.
    pub redact_fields: Vec<String>,
}

/// What was recorded. The field names are stable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RecordStats {
    /// Requests written to the recording.
    pub recorded: u64,
    /// Requests passed on and not written, because fields were to be redacted
    /// in a body that is not understood.
    pub unrecorded: u64,
    /// Requests that the server did not answer; they are recorded.
    pub failed: u64,
}

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The server's URL is not one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The recording cannot be written.
    #[error("writing {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// A thread ended without its result: a defect of this tool.
    #[error("a thread of the recorder failed; its panic is on stderr")]
    Panicked,
}

#[derive(Debug)]
struct Recorder {
    target: Target,
    redaction: Redaction,
    lines: mpsc::Sender<Line>,
    recorded: AtomicU64,
    unrecorded: AtomicU64,
    failed: AtomicU64,
}

/// Passes requests on until `stop`, or until the recording cannot be written.
pub async fn record(
    listener: TcpListener,
    config: RecordConfig,
    stop: CancellationToken,
) -> Result<RecordStats, RecordError> {
    let target = Target::parse(&config.upstream)?.resolve(RESOLVE_LIMIT).await?;
    let failed = |error| RecordError::File(config.file.clone(), error);
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
                    // Closing what is in flight is what stopping means.
                    ended.run_until_cancelled(serving).await;
                });
            }
            // Out of descriptors, say: let some connections end first.
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
        .map_err(|_panic| RecordError::Panicked)?
        .map_err(|_panic| RecordError::Panicked)?
        .map_err(failed)?;
    Ok(stats)
}

/// Each connection has one of its own to the server: requests that came one
/// after another are passed on so.
async fn serve(stream: TcpStream, recorder: Arc<Recorder>) {
    // A client that is gone shows in the next read.
    stream.set_nodelay(true).ok();
    let upstream = Arc::new(Mutex::new(None));
    let service = service_fn(move |request| {
        let (recorder, upstream) = (Arc::clone(&recorder), Arc::clone(&upstream));
        async move { Ok::<_, Infallible>(handle(&recorder, &upstream, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new());
    // The client sees for itself how its connection ends.
    builder.serve_connection(TokioIo::new(stream), service).await.ok();
}

type Upstream = Mutex<Option<SendRequest<Full<Bytes>>>>;

async fn handle(
    recorder: &Recorder,
    upstream: &Upstream,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_too_long_or_broken) => return say(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
    };
    match line(&recorder.redaction, at, &head, &body) {
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

/// The request as it is written; none if it must not be.
pub(crate) fn line(
    redaction: &Redaction,
    at: f64,
    head: &http::request::Parts,
    body: &Bytes,
) -> Option<Line> {
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    let coding = head.headers.get("content-encoding").and_then(|value| value.to_str().ok());
    let body = redaction.body(content_type, coding, body)?;
    let headers = head.headers.iter().filter(|(name, _)| redaction.keeps(name));
    let mut line = Line {
        at: Some(at),
        customer: Some(customer(&head.headers)),
        method: Some(head.method.to_string()),
        path: head.uri.path_and_query().map(ToString::to_string),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        ..Line::default()
    };
    match String::from_utf8(body) {
        Ok(text) => line.body = Some(text),
        Err(binary) => line.body_base64 = Some(STANDARD.encode(binary.as_bytes())),
    }
    Some(line)
}

/// A name for whoever has these credentials, that does not give them away.
fn customer(headers: &HeaderMap) -> String {
    let credential = headers.get("x-api-key").or_else(|| headers.get(AUTHORIZATION));
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
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    remove_connection_headers(&mut head.headers);
    head.headers.insert(HOST, HeaderValue::from_str(recorder.target.authority())?);
    head.version = http::Version::HTTP_11;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse()?;
    let mut upstream = upstream.lock().await;
    if upstream.as_ref().is_none_or(SendRequest::is_closed) {
        let stream = TcpStream::connect(recorder.target.address()).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends when `requests` is dropped; the request says how it failed.
        tokio::spawn(connection);
        *upstream = Some(requests);
    }
    let Some(requests) = upstream.as_mut() else { return Err("no connection to the server".into()) };
    requests.ready().await?;
    let (mut answer, body) =
        requests.send_request(Request::from_parts(head, Full::new(body))).await?.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
    remove_connection_headers(&mut answer.headers);
    Ok(Response::from_parts(answer, Full::new(body)))
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    CONNECTION_HEADERS.iter().for_each(|name| drop(headers.remove(HeaderName::from_static(name))));
}

fn say(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
