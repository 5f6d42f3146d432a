//! HTTP/2 with prior knowledge (h2c): several senders share one connection,
//! each with one stream at a time.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::super::deadline::Deadline;
use super::{Answer, BODY_KEPT_MAX, ExchangeError};
use crate::request::Rendered;
use crate::response::Lines;

/// Flow control windows: large enough never to be what is measured.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;

/// A connection that the senders of one thread share.
#[derive(Debug)]
pub(crate) struct Http2Connection {
    address: SocketAddr,
    authority: String,
    /// Held while one of the senders connects for all.
    connecting: tokio::sync::Mutex<()>,
    open: RefCell<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Open {
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
    pub(crate) fn new(address: SocketAddr, authority: &str) -> Self {
        let authority = authority.to_owned();
        Self { address, authority, connecting: tokio::sync::Mutex::new(()), open: RefCell::new(None) }
    }

    fn requests(&self) -> Option<SendRequest<Full<Bytes>>> {
        let open = self.open.borrow();
        open.as_ref().map(|open| &open.requests).filter(|requests| !requests.is_closed()).cloned()
    }

    async fn connect(&self) -> io::Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = Builder::new(LocalTasks)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::task::spawn_local(async move {
            // Every request on it says how it failed.
            connection.await.ok();
        });
        self.open.replace(Some(Open { requests, driver: driver.abort_handle() }));
        Ok(())
    }
}

/// One sender on a shared connection.
#[derive(Debug)]
pub(crate) struct Http2Client {
    connection: Rc<Http2Connection>,
    body: Vec<u8>,
    deadline: Deadline,
}

impl Http2Client {
    pub(crate) fn new(connection: Rc<Http2Connection>, timeout: Duration) -> Self {
        Self { connection, body: Vec::new(), deadline: Deadline::new(timeout) }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.requests().is_some()
    }

    /// Connects unless another sender has; whether it did.
    pub(crate) async fn connect(&mut self) -> io::Result<bool> {
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

    pub(crate) async fn exchange(
        &mut self,
        request: &Rendered<'_>,
        started: Instant,
    ) -> Result<Answer<'_>, ExchangeError> {
        let Some(mut requests) = self.connection.requests() else { return Err(ExchangeError::Closed) };
        let request = to_http2(request, &self.connection.authority).map_err(ExchangeError::Request)?;
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
        let status = finished.ok_or(ExchangeError::TimedOut(limit))?.map_err(ExchangeError::Http2)?;
        Ok(Answer { status, body: &self.body })
    }
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

/// The same request, its HTTP/1.1 head read back.
fn to_http2(request: &Rendered<'_>, authority: &str) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let (head, body) = request.bytes.split_at(request.head_bytes.min(request.bytes.len()));
    let mut lines = Lines(head);
    let mut first = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let uri = http::Uri::builder().scheme("http").authority(authority).path_and_query(path).build()?;
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
