//! A small HTTP listener for probes and scrapers. Every answer is computed from
//! memory, so no request waits.

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may live.
const CONNECTION_WITHIN: Duration = Duration::from_secs(60);
/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// The pause after an accept that failed, perhaps for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct ListenerAnswer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl ListenerAnswer {
    /// An answer in JSON.
    pub(crate) const fn json(status: StatusCode, body: String) -> Self {
        Self { status, content_type: "application/json", body }
    }
}

/// Answers by the path of a request.
pub(crate) type ListenerAnswers = Arc<dyn Fn(&str) -> ListenerAnswer + Send + Sync>;

/// A bound listener that does not answer yet.
pub(crate) struct ProbeListener {
    tcp: TcpListener,
}

impl ProbeListener {
    /// Listens at `address`; `name` is the configuration's name of it, for the error.
    pub(crate) async fn bind(name: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let tcp = TcpListener::bind(address).await.with_context(|| format!("{name} {address}"))?;
        Ok(Self { tcp })
    }

    /// The address, with the real port if 0 was asked for.
    #[cfg(feature = "aws")]
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.tcp.local_addr()?)
    }

    /// Answers until told to stop; then ends every connection, so that the
    /// address is free when this returns.
    pub(crate) async fn run(self, answers: ListenerAnswers, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        // Cancelling `accept` loses no connection: it is cancel safe.
        while let Some(accepted) = stop.run_until_cancelled(self.tcp.accept()).await {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
            let answers = Arc::clone(&answers);
            connections.spawn(async move {
                let service = service_fn(|request| std::future::ready(respond(&answers, &request)));
                let mut http1 = http1::Builder::new();
                http1.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
                let served = http1.serve_connection(TokioIo::new(stream), service);
                if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_WITHIN, served).await {
                    tracing::debug!(%error, "a connection broke");
                }
                drop(permit);
            });
        }
        connections.shutdown().await;
    }
}

fn respond(
    answers: &ListenerAnswers,
    request: &Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let ListenerAnswer { status, content_type, body } = answers(request.uri().path());
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}
