//! The listener of a processor of its own: is it alive, is it ready, its metrics.

use crate::distributed::{Lost, Render};
use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sluice_processor::Processor;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at a time: probes and a scraper.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may live.
const CONNECTION_WITHIN: Duration = Duration::from_secs(60);
/// How long a request's head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// What it answers from.
struct Health {
    processor: Processor,
    lost: Lost,
    render: Render,
}

/// A bound listener.
pub(crate) struct Listening {
    tcp: TcpListener,
    address: SocketAddr,
    health: Arc<Health>,
}

/// Listens at `address`.
pub(crate) async fn bind(
    address: SocketAddr,
    processor: Processor,
    lost: Lost,
    render: Render,
) -> anyhow::Result<Listening> {
    let tcp = TcpListener::bind(address).await;
    let tcp = tcp.with_context(|| format!("processor_listen {address}"))?;
    let address = tcp.local_addr()?;
    Ok(Listening { tcp, address, health: Arc::new(Health { processor, lost, render }) })
}

impl Listening {
    /// The address, with the real port where 0 was asked for.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Cancelling `accept` loses no connection: it is cancel safe.
        while let Some(accepted) = stop.run_until_cancelled(self.tcp.accept()).await {
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
            let health = Arc::clone(&self.health);
            tokio::spawn(async move {
                let service = service_fn(|request| std::future::ready(health.answer(&request)));
                let mut http1 = http1::Builder::new();
                http1.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
                let served = http1.serve_connection(TokioIo::new(stream), service);
                if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_WITHIN, served).await {
                    tracing::debug!(%error, "a connection broke");
                }
                drop(permit);
            });
        }
    }
}

impl Health {
    fn answer(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let json = "application/json";
        let (status, kind, body) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, json, r#"{"status":"alive"}"#.to_owned()),
            "/readyz" | "/health" => {
                let (ready, body) = self.ready();
                (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, json, body)
            }
            "/metrics" => (StatusCode::OK, "text/plain; version=0.0.4", (self.render)()),
            _ => (StatusCode::NOT_FOUND, json, r#"{"error":{"code":"NOT_FOUND"}}"#.to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        Ok(response)
    }

    /// Whether it works its shards, and what it lacks to. One that has no
    /// shard is ready: others have them all.
    fn ready(&self) -> (bool, String) {
        let status = self.processor.status();
        let lost = (self.lost)();
        let working = status.ready || (status.shards.is_empty() && status.worker_running);
        let reason = match (lost.is_empty(), working) {
            (false, _) => Some("a dependency is lost"),
            (true, false) => Some("a task does not run or makes no progress"),
            (true, true) => None,
        };
        let shards: Vec<_> = status
            .shards
            .iter()
            .map(|shard| {
                serde_json::json!({
                    "shard": shard.shard,
                    "running": shard.running,
                    "lag_ms": shard.lag_ms,
                    "unsettled_events": shard.unsettled_events,
                    "restarts": shard.restarts,
                })
            })
            .collect();
        let body = serde_json::json!({ "ready": reason.is_none(), "reason": reason, "lost": lost, "shards": shards });
        (reason.is_none(), body.to_string())
    }
}
