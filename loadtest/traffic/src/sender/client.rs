//! Writes a request, reads its answer: over HTTP/1.1 on a connection of its
//! own, or as a stream of an HTTP/2 connection that several share.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::AsyncWriteExt;

use super::deadline::Deadline;
use crate::chunked::ChunkedBody;
use crate::read_buffer::ReadBuffer;
use crate::request::Rendered;
use crate::response::{AnswerLength, ResponseError, ResponseHead, parse_head};
use crate::target::SendTarget;
use crate::wire::ServerStream;

mod http2;

pub use http2::{Http2Client, Http2Connection};

/// Why there is no answer. After any of these the connection is closed.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The time limit passed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
    /// The server closed the connection before its answer was whole.
    #[error("the server closed the connection before it answered")]
    Closed,
    /// The server closed a kept-open connection before the first byte of an answer: it
    /// may have been idle for too long.
    #[error("the server closed a connection that was kept open, without an answer")]
    Stale,
    /// The answer is malformed.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// HTTP/2 failed.
    #[error("the HTTP/2 stream or connection failed")]
    Http2(#[source] hyper::Error),
    /// The request is not one that HTTP/2 can carry.
    #[error("the request cannot be put as HTTP/2")]
    Request(#[source] http::Error),
}

/// An answer. The start of its body stays in the client until the next exchange.
#[derive(Clone, Copy, Debug)]
pub struct ServerAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// At most the first 64 KiB.
    pub body: &'a [u8],
}

/// The most bytes of a body that are kept.
const BODY_KEPT_MAX: usize = 64 * 1024;
const BUFFER_BYTES: usize = 4096;
/// A connection that was idle for less is used again without a check.
const IDLE_MIN: Duration = Duration::from_millis(1);

/// Sends requests one after another, on a connection that is made anew after
/// it is lost.
#[derive(Debug)]
pub enum LoadClient {
    /// With a connection of its own.
    Http1(Http1Client),
    /// With a stream of a shared connection.
    Http2(Http2Client),
}

impl LoadClient {
    /// A client with a connection of its own; `nth` spreads connections over
    /// the target's addresses.
    pub fn new(target: Arc<SendTarget>, nth: usize, timeout: Duration) -> Self {
        Self::Http1(Http1Client::new(target, nth, timeout))
    }

    /// A client that sends streams of a shared connection.
    pub fn on(connection: Rc<Http2Connection>, timeout: Duration) -> Self {
        Self::Http2(Http2Client::new(connection, timeout))
    }

    /// Returns true if a request can be written now.
    pub fn is_connected(&self) -> bool {
        match self {
            Self::Http1(client) => client.stream.is_some(),
            Self::Http2(client) => client.is_connected(),
        }
    }

    /// Drops a connection that the server closed while it was idle; returns
    /// true if it did.
    pub fn drop_if_stale(&mut self) -> bool {
        match self {
            Self::Http1(client) => client.drop_if_stale(),
            // hyper reads all the time and notices by itself.
            Self::Http2(_) => false,
        }
    }

    /// Connects. Returns false if another sender on the same connection did.
    pub async fn connect(&mut self) -> io::Result<bool> {
        match self {
            Self::Http1(client) => client.connect().await.map(|()| true),
            Self::Http2(client) => client.connect().await,
        }
    }

    /// Sends `request` and waits for the answer.
    pub async fn exchange(
        &mut self,
        request: &Rendered<'_>,
        started: Instant,
    ) -> Result<ServerAnswer<'_>, ExchangeError> {
        match self {
            Self::Http1(client) => client.exchange(request, started).await,
            Self::Http2(client) => client.exchange(request, started).await,
        }
    }
}

/// A keep-alive connection.
#[derive(Debug)]
pub struct Http1Client {
    target: Arc<SendTarget>,
    nth: usize,
    stream: Option<ServerStream>,
    /// Since when the connection waits for its next request; `None` before its first.
    idle_since: Option<Instant>,
    input: ReadBuffer,
    deadline: Deadline,
}

impl Http1Client {
    fn new(target: Arc<SendTarget>, nth: usize, timeout: Duration) -> Self {
        let (input, deadline) = (ReadBuffer::new(BUFFER_BYTES), Deadline::new(timeout));
        Self { target, nth, stream: None, idle_since: None, input, deadline }
    }

    async fn connect(&mut self) -> io::Result<()> {
        let connect = self.target.connect(self.nth);
        let connected = self.deadline.run(Instant::now(), connect).await;
        self.stream = Some(connected.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?);
        self.idle_since = None;
        Ok(())
    }

    fn drop_if_stale(&mut self) -> bool {
        let idle = self.idle_since.is_some_and(|since| since.elapsed() >= IDLE_MIN);
        let stale = idle && self.stream.as_mut().is_some_and(|stream| !stream.is_fresh());
        if stale {
            self.stream = None;
        }
        stale
    }

    async fn exchange(
        &mut self,
        request: &Rendered<'_>,
        started: Instant,
    ) -> Result<ServerAnswer<'_>, ExchangeError> {
        self.input.clear();
        // Taken out, so that the connection is closed unless the exchange succeeds.
        let mut stream = self.stream.take().ok_or(ExchangeError::Closed)?;
        let mut answer = AnswerReader { input: &mut self.input, kept: Vec::new(), chunked: false };
        let exchange = async {
            stream.write_all(request.bytes).await.map_err(ExchangeError::Lost)?;
            stream.flush().await.map_err(ExchangeError::Lost)?;
            answer.read(&mut stream, request.is_head()).await
        };
        let finished = self.deadline.run(started, exchange).await;
        let limit = self.deadline.limit();
        let (kept, chunked) = (std::mem::take(&mut answer.kept), answer.chunked);
        let silent = self.input.unread().is_empty();
        let head = match finished.unwrap_or(Err(ExchangeError::TimedOut(limit))) {
            Err(ExchangeError::Closed | ExchangeError::Lost(_)) if silent && self.idle_since.is_some() => {
                return Err(ExchangeError::Stale);
            }
            other => other?,
        };
        if !head.closes {
            self.stream = Some(stream);
            self.idle_since = Some(Instant::now());
        }
        if chunked {
            self.input.replace(&kept);
            return Ok(ServerAnswer { status: head.status, body: self.input.unread() });
        }
        let body = self.input.unread().get(head.head_bytes..).unwrap_or_default();
        let length = match head.body {
            AnswerLength::Known(length) => length,
            AnswerLength::Chunked | AnswerLength::UntilClose => BODY_KEPT_MAX,
        };
        Ok(ServerAnswer { status: head.status, body: &body[..body.len().min(length)] })
    }
}

/// Reads one answer.
struct AnswerReader<'a> {
    /// The head and the start of a body of known length stay unread here.
    input: &'a mut ReadBuffer,
    /// The start of a chunked body, put together.
    kept: Vec<u8>,
    chunked: bool,
}

impl AnswerReader<'_> {
    /// Reads an answer to its end. The answer to a HEAD request has no body,
    /// whatever its head says (RFC 9110, section 9.3.2).
    async fn read(
        &mut self,
        stream: &mut ServerStream,
        to_head: bool,
    ) -> Result<ResponseHead, ExchangeError> {
        let mut head = loop {
            match parse_head(self.input.unread())? {
                Some(interim) if interim.status < 200 && interim.status != 101 => {
                    self.input.consume(interim.head_bytes);
                }
                Some(head) => break head,
                None => self.fill(stream, self.input.unread().len() + 1).await?,
            }
        };
        if to_head {
            head.closes &= head.body != AnswerLength::UntilClose;
            head.body = AnswerLength::Known(0);
        }
        match head.body {
            AnswerLength::Known(length) => self.read_known(stream, head.head_bytes, length).await?,
            AnswerLength::Chunked => self.read_chunks(stream, head.head_bytes).await?,
            AnswerLength::UntilClose => self.read_until_close(stream, head.head_bytes).await?,
        }
        Ok(head)
    }

    async fn read_known(
        &mut self,
        stream: &mut ServerStream,
        head: usize,
        length: usize,
    ) -> Result<(), ExchangeError> {
        let kept_max = head + length.min(BODY_KEPT_MAX);
        let mut missing = (head + length).saturating_sub(self.input.unread().len());
        while missing > 0 {
            let before = self.input.unread().len();
            self.fill(stream, before + missing.min(BODY_KEPT_MAX)).await?;
            missing = missing.saturating_sub(self.input.unread().len() - before);
            self.input.truncate(kept_max);
        }
        Ok(())
    }

    async fn read_chunks(&mut self, stream: &mut ServerStream, head: usize) -> Result<(), ExchangeError> {
        self.chunked = true;
        self.input.consume(head);
        let mut body = ChunkedBody::default();
        loop {
            let kept = &mut self.kept;
            let keep = |data: &[u8]| {
                let room = BODY_KEPT_MAX.saturating_sub(kept.len());
                kept.extend_from_slice(&data[..data.len().min(room)]);
                Ok(())
            };
            let used = body.take(self.input.unread(), keep).map_err(ResponseError::from)?;
            self.input.consume(used);
            if body.is_done() {
                return Ok(());
            }
            self.fill(stream, self.input.unread().len() + BUFFER_BYTES).await?;
        }
    }

    async fn read_until_close(
        &mut self,
        stream: &mut ServerStream,
        head: usize,
    ) -> Result<(), ExchangeError> {
        loop {
            self.input.truncate(head + BODY_KEPT_MAX);
            self.input.reserve(self.input.unread().len() + BUFFER_BYTES);
            match self.input.fill(stream).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // TLS servers often close without a `close_notify`.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(ExchangeError::Lost(error)),
            }
        }
    }

    async fn fill(&mut self, stream: &mut ServerStream, room: usize) -> Result<(), ExchangeError> {
        self.input.reserve(room);
        match self.input.fill(stream).await {
            Ok(0) => Err(ExchangeError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(ExchangeError::Lost(error)),
        }
    }
}

#[cfg(test)]
mod tests;
