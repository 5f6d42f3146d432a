//! Writes a request, reads its answer: HTTP/1.1 on a connection of its own, or
//! a stream of an HTTP/2 connection that several share.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::deadline::Deadline;
use crate::read_buffer::ReadBuffer;
use crate::request::Rendered;
use crate::response::{ResponseError, ResponseHead, parse_head};

mod http2;

pub(crate) use http2::{Http2Client, Http2Connection};

/// Why there is no answer. After any of these the connection is closed.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
    #[error("the server closed the connection before it answered")]
    Closed,
    #[error(transparent)]
    Response(#[from] ResponseError),
    #[error("the HTTP/2 stream or connection failed")]
    Http2(#[source] hyper::Error),
    #[error("the request cannot be put as HTTP/2")]
    Request(#[source] http::Error),
}

/// An answer; what is kept of the body lies in the client until the next exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Of longer bodies only the start is kept.
const BODY_KEPT_MAX: usize = 64 * 1024;
const BUFFER_BYTES: usize = 4096;

/// Sends requests one after another, on a connection that is made anew after
/// it is lost.
#[derive(Debug)]
pub(crate) enum Client {
    Http1(Http1Client),
    Http2(Http2Client),
}

impl Client {
    pub(crate) fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self::Http1(Http1Client::new(address, timeout))
    }

    /// Sends streams of a connection.
    pub(crate) fn on(connection: Rc<Http2Connection>, timeout: Duration) -> Self {
        Self::Http2(Http2Client::new(connection, timeout))
    }

    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Self::Http1(client) => client.is_connected(),
            Self::Http2(client) => client.is_connected(),
        }
    }

    /// Connects; whether that was its own doing.
    pub(crate) async fn connect(&mut self) -> io::Result<bool> {
        match self {
            Self::Http1(client) => client.connect().await.map(|()| true),
            Self::Http2(client) => client.connect().await,
        }
    }

    /// Sends `request` and waits for the answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &Rendered<'_>,
        started: Instant,
    ) -> Result<Answer<'_>, ExchangeError> {
        match self {
            Self::Http1(client) => client.exchange(request.bytes, started).await,
            Self::Http2(client) => client.exchange(request, started).await,
        }
    }
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Http1Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    input: ReadBuffer,
    deadline: Deadline,
}

impl Http1Client {
    pub(crate) fn new(address: SocketAddr, timeout: Duration) -> Self {
        let deadline = Deadline::new(timeout);
        Self { address, stream: None, input: ReadBuffer::new(BUFFER_BYTES), deadline }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) async fn connect(&mut self) -> io::Result<()> {
        let connect = TcpStream::connect(self.address);
        let connected = self.deadline.run(Instant::now(), connect).await;
        let stream = connected.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Sends `request` on the connection and waits for the answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        started: Instant,
    ) -> Result<Answer<'_>, ExchangeError> {
        self.input.clear();
        // Taken out, so that any way of ending but the good one closes it.
        let mut stream = self.stream.take().ok_or(ExchangeError::Closed)?;
        let exchange = async {
            stream.write_all(request).await.map_err(ExchangeError::Lost)?;
            read_answer(&mut stream, &mut self.input).await
        };
        let finished = self.deadline.run(started, exchange).await;
        let head = finished.unwrap_or(Err(ExchangeError::TimedOut(self.deadline.limit())))?;
        if !head.closes {
            self.stream = Some(stream);
        }
        let kept = self.input.unread().get(head.head_bytes..).unwrap_or_default();
        Ok(Answer { status: head.status, body: &kept[..kept.len().min(head.body_bytes)] })
    }
}

/// Reads an answer to its end; its head and the start of its body stay unread.
async fn read_answer(stream: &mut TcpStream, input: &mut ReadBuffer) -> Result<ResponseHead, ExchangeError> {
    let head = loop {
        match parse_head(input.unread())? {
            Some(interim) if interim.status < 200 => input.consume(interim.head_bytes),
            Some(head) => break head,
            None => fill(stream, input, input.unread().len() + 1).await?,
        }
    };
    let kept_max = head.head_bytes + head.body_bytes.min(BODY_KEPT_MAX);
    let mut missing = (head.head_bytes + head.body_bytes).saturating_sub(input.unread().len());
    while missing > 0 {
        let before = input.unread().len();
        fill(stream, input, before + missing.min(BODY_KEPT_MAX)).await?;
        missing = missing.saturating_sub(input.unread().len() - before);
        input.truncate(kept_max);
    }
    Ok(head)
}

async fn fill(stream: &mut TcpStream, input: &mut ReadBuffer, room: usize) -> Result<(), ExchangeError> {
    input.reserve(room);
    match input.fill(stream).await {
        Ok(0) => Err(ExchangeError::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(ExchangeError::Lost(error)),
    }
}

#[cfg(test)]
mod tests;
