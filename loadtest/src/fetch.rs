//! Single HTTP requests outside the load, for metrics, figures and administration.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use thiserror::Error;

use crate::target::{HttpVersion, SendTarget, TargetError};
use crate::tls::TlsSettings;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The URL is not one that can be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server cannot be reached.
    #[error("connecting to {0}")]
    Connect(String, #[source] std::io::Error),
    /// The answer is not HTTP/1.1.
    #[error("asking {0}")]
    Http(String, #[source] hyper::Error),
    /// The request cannot be built.
    #[error("asking {0}")]
    Request(String, #[source] http::Error),
    /// The answer broke off or is too long.
    #[error("reading the answer of {0}")]
    Body(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// There was no answer in time.
    #[error("{0} did not answer within {1:?}")]
    TimedOut(String, Duration),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// At most 64 MiB.
    pub body: Bytes,
}

/// Asks `method url` once, on a connection of its own.
pub async fn fetch(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Fetched, FetchError> {
    fetch_with(&TlsSettings::default(), method, url, headers, body, timeout).await
}

/// [`fetch`], with TLS settings.
pub async fn fetch_with(
    tls: &TlsSettings,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Fetched, FetchError> {
    let ask = async {
        let target = SendTarget::resolve(url, tls, HttpVersion::Http1, timeout).await?;
        ask(&target, method, url, headers, body).await
    };
    let asked = tokio::time::timeout(timeout, ask).await;
    asked.unwrap_or_else(|_elapsed| Err(FetchError::TimedOut(url.to_owned(), timeout)))
}

async fn ask(
    target: &SendTarget,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Fetched, FetchError> {
    let named = || url.to_owned();
    let io = TokioIo::new(target.connect(0).await.map_err(|error| FetchError::Connect(named(), error))?);
    let failed = |error| FetchError::Http(named(), error);
    let (mut requests, connection) = hyper::client::conn::http1::handshake(io).await.map_err(failed)?;
    let path = target.path().unwrap_or("/");
    let mut request = http::Request::builder().method(method).uri(path).header("Host", target.authority());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body)));
    let exchange = async {
        let request = request.map_err(|error| FetchError::Request(named(), error))?;
        let answer = requests.send_request(request).await.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| FetchError::Body(named(), error))?.to_bytes();
        Ok(Fetched { status, body })
    };
    // The connection is driven until the answer is whole, then dropped.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        fetched = &mut exchange => fetched,
        // It ends first if the server closes it right after its answer.
        _ended = connection => exchange.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::{Receiver, ReceiverConfig};

    #[tokio::test]
    async fn an_answer_comes_whole_and_a_missing_server_is_named() {
        let receiver = Receiver::start(ReceiverConfig::default()).expect("a receiver");
        let url = format!("{}/stats", receiver.url());
        let limit = Duration::from_secs(10);
        let stats = fetch("GET", &url, &[("X-A", "b")], Vec::new(), limit).await.expect("an answer");
        assert_eq!(stats.status, 200);
        assert!(stats.body.starts_with(b"{") && stats.body.ends_with(b"}"));
        receiver.stop().expect("stopped");
        let failed = fetch("GET", &url, &[], Vec::new(), limit).await.expect_err("nobody listens");
        assert!(matches!(failed, FetchError::Connect(..)), "{failed:?}");
    }
}
