//! The yardsticks: a bare hyper server, HTTP/1.1 and h2c, that reads each request
//! and answers 202 with a fixed body; and the same server with the least work that
//! makes the events durable first ([`durable`]). No HTTP server on the same stack can
//! be faster than the first, and no durable server faster than the second.

pub mod disk;
pub mod durable;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use durable::{DurableError, DurableWork};

const ANSWER: &[u8] = br#"{"event_id":"01890a5d-ac96-774b-bcce-b302099a8057","status":"accepted","message":"Event accepted","timestamp":"2026-01-01T00:00:00.000Z"}"#;

/// Listens on `address`; serve with [`serve`].
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers every request on every connection until `stop`, then closes the
/// connections and returns. With `work` an answer waits until the request's
/// events are on the disk. Spawns onto the current runtime.
pub async fn serve(listener: TcpListener, work: Option<DurableWork>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        // Cancelling `accept` loses no connection: it is cancel safe.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(serve_connection(stream, work.clone(), stop.clone()))),
            // Usually file descriptors have run out: some connections must end first.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
    connections.close();
    connections.wait().await;
}

/// How an HTTP/2 connection starts (RFC 9113, section 3.4), and no other does.
const HTTP2_START: &[u8] = b"PRI ";

async fn serve_connection(stream: TcpStream, work: Option<DurableWork>, stop: CancellationToken) {
    // A client that is gone shows in the next read.
    stream.set_nodelay(true).ok();
    let serve = async {
        let mut start = [0; HTTP2_START.len()];
        let peeked = stream.peek(&mut start).await.unwrap_or(0);
        let io = TokioIo::new(stream);
        let service = service_fn(|request| answer(request, work.clone()));
        // The client sees for itself how its connection ends.
        if start[..peeked] == *HTTP2_START {
            let builder = http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(io, service).await.ok();
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            builder.serve_connection(io, service).await.ok();
        }
    };
    // A stop drops connections with whatever is in flight on them.
    tokio::select! {
        () = stop.cancelled() => {}
        () = serve => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    work: Option<DurableWork>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let status = match (read(request.into_body()).await, work) {
        (None, _) => StatusCode::BAD_REQUEST,
        (Some(_), None) => StatusCode::ACCEPTED,
        (Some(body), Some(work)) => match work.keep(body).await {
            Ok(()) => StatusCode::ACCEPTED,
            Err(DurableError::Json(_)) => StatusCode::BAD_REQUEST,
            Err(DurableError::Disk) => StatusCode::SERVICE_UNAVAILABLE,
        },
    };
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The whole body, copied only if it comes in several pieces.
async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.reserve(data.len() + first.len());
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Some(if whole.is_empty() { first } else { whole.into() })
}
