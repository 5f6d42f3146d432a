//! Passes requests on to Sluice, so that the console, the API and the demo have one
//! origin, and the page's policy needs to allow no other.

use crate::answer::{DemoAnswer, DemoRefusal};
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ABOUT: &str = "/console/about.json";
const ABOUT_BYTES_MAX: usize = 16 << 10;
/// Headers of one connection (RFC 9110, 7.6.1).
const OF_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Where requests are passed on to.
pub(crate) struct Proxy {
    pub(crate) target: SocketAddr,
    /// The connections to it.
    pub(crate) connections: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Proxy {
    /// Passes a request on, and its answer back as it comes, so streams work.
    pub(crate) async fn pass(&self, mut request: Request<Incoming>) -> DemoAnswer {
        let is_about = request.uri().path() == ABOUT;
        without_connection(request.headers_mut());
        if let Ok(host) = HeaderValue::try_from(self.target.to_string()) {
            request.headers_mut().insert(HOST, host);
        }
        let mut answer = match self.ask(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let message = format!("Sluice did not answer: {error}");
                return DemoRefusal::new(StatusCode::BAD_GATEWAY, "SLUICE_AWAY", message).answer();
            }
        };
        without_connection(answer.headers_mut());
        if is_about && answer.status().is_success() {
            with_demo(answer).await
        } else {
            answer.map(BodyExt::boxed)
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Result<Response<Incoming>, String> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(self.target)).await;
        let stream =
            connecting.map_err(|_elapsed| "no connection in time")?.map_err(|error| error.to_string())?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            // Cancelled only at the end of the demo, which ends the requests that are passed on.
            if let Some(Err(error)) = stop.run_until_cancelled(connection).await {
                tracing::debug!(%error, "a connection to Sluice broke");
            }
        });
        sender.send_request(request).await.map_err(|error| error.to_string())
    }
}

fn without_connection(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
}

/// Adds `demo: true` to an answer, so that the console shows the demo's views.
async fn with_demo(answer: Response<Incoming>) -> DemoAnswer {
    let (mut parts, body) = answer.into_parts();
    let read = Limited::new(body, ABOUT_BYTES_MAX).collect().await.ok();
    let Some(mut about) = read.and_then(|read| serde_json::from_slice::<Value>(&read.to_bytes()).ok()) else {
        return DemoRefusal::new(StatusCode::BAD_GATEWAY, "SLUICE_AWAY", "the answer cannot be read")
            .answer();
    };
    about["demo"] = Value::Bool(true);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_ENCODING);
    Response::from_parts(parts, crate::answer::whole(about.to_string()))
}
