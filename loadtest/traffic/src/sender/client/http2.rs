//! HTTP/2, over TLS or by prior knowledge (h2c): several senders share one
//! connection, each with one stream at a time.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::super::deadline::Deadline;
use super::{BODY_KEPT_MAX, ExchangeError, ServerAnswer};
use crate::request::Rendered;
use crate::response::Lines;
use crate::target::SendTarget;

/// Flow control windows, large enough never to slow an answer down.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;

/// A connection that the senders of one thread share.
#[derive(Debug)]
pub struct Http2Connection {
    target: Arc<SendTarget>,
    nth: usize,
    /// Held while one of the senders connects for all.
    connecting: tokio::sync::Mutex<()>,
    open: RefCell<Option<OpenHttp2>>,
}

#[derive(Debug)]
struct OpenHttp2 {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for OpenHttp2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Runs hyper's tasks on the thread that they came from.
#[derive(Clone, Copy, Debug)]
struct LocalTasks;

impl<F> hyper::rt::Executor<F> for LocalTasks
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

impl Http2Connection {
    /// A connection that is made with its first request; `nth` spreads
    /// connections over the target's addresses.
    pub fn new(target: Arc<SendTarget>, nth: usize) -> Self {
        Self { target, nth, connecting: tokio::sync::Mutex::new(()), open: RefCell::new(None) }
    }

    fn requests(&self) -> Option<SendRequest<Full<Bytes>>> {
        let open = self.open.borrow();
        open.as_ref().map(|open| &open.requests).filter(|requests| !requests.is_closed()).cloned()
    }

    async fn connect(&self) -> io::Result<()> {
        let stream = self.target.connect(self.nth).await?;
        let (requests, connection) = Builder::new(LocalTasks)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::task::spawn_local(async move {
            // Every request on the connection reports its own failure.
            connection.await.ok();
        });
        self.open.replace(Some(OpenHttp2 { requests, driver: driver.abort_handle() }));
        Ok(())
    }
}

/// One sender on a shared connection.
#[derive(Debug)]
pub struct Http2Client {
    connection: Rc<Http2Connection>,
    body: Vec<u8>,
    deadline: Deadline,
}

impl Http2Client {
    pub(super) fn new(connection: Rc<Http2Connection>, timeout: Duration) -> Self {
        Self { connection, body: Vec::new(), deadline: Deadline::new(timeout) }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.requests().is_some()
    }

    /// Connects unless another sender has; returns false if one had.
    pub(super) async fn connect(&mut self) -> io::Result<bool> {
        let connection = Rc::clone(&self.connection);
        let connect = async {
            let _only_one = connection.connecting.lock().await;
            if connection.requests().is_some() {
                return Ok(false);
            }
            connection.connect().await.map(|()| true)
        };
        let connected = self.deadline.run(Instant::now(), connect).await;
        connected.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    pub(super) async fn exchange(
        &mut self,
        request: &Rendered<'_>,
        started: Instant,
    ) -> Result<ServerAnswer<'_>, ExchangeError> {
        let Some(mut requests) = self.connection.requests() else { return Err(ExchangeError::Closed) };
        let request = to_http2(request, &self.connection.target).map_err(ExchangeError::Request)?;
        let kept = &mut self.body;
        let exchange = async {
            requests.ready().await?;
            let answer = requests.send_request(request).await?;
            let status = answer.status().as_u16();
            read_body(answer.into_body(), kept).await?;
            Ok(status)
        };
        // Giving up drops the exchange, which resets its stream alone.
        let finished = self.deadline.run(started, exchange).await;
        let limit = self.deadline.limit();
        let status = finished.ok_or(ExchangeError::TimedOut(limit))?.map_err(failure)?;
        Ok(ServerAnswer { status, body: &self.body })
    }
}

/// A request that hyper cancels met a connection that was closed meanwhile.
fn failure(error: hyper::Error) -> ExchangeError {
    if error.is_canceled() { ExchangeError::Stale } else { ExchangeError::Http2(error) }
}

/// Reads a body to its end and keeps its start.
async fn read_body(mut body: Incoming, kept: &mut Vec<u8>) -> Result<(), hyper::Error> {
    kept.clear();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = BODY_KEPT_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(())
}

/// Puts a request whose head is written as HTTP/1.1 into the form of HTTP/2.
fn to_http2(request: &Rendered<'_>, target: &SendTarget) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let (head, body) = request.bytes.split_at(request.head_bytes.min(request.bytes.len()));
    let mut lines = Lines(head);
    let mut first = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let uri = http::Uri::builder()
        .scheme(target.scheme())
        .authority(target.authority())
        .path_and_query(path)
        .build()?;
    let mut built = http::Request::builder().method(method).uri(uri);
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !name.eq_ignore_ascii_case(b"host") {
            built = built.header(name, value);
        }
    }
    built.body(Full::new(Bytes::copy_from_slice(body)))
}
