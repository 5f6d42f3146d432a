//! A socket that counts what moves through it, and on which the HTTP library's
//! own refusals take the API's shape.

use super::refusal::Bare;
use super::{Connection, Protocol, bump};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What bytes come through. One type, so that hyper's code is there once.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    /// Boxed: some connections are plain and should not carry its room.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection's socket.
#[derive(Debug)]
pub(crate) struct Io {
    stream: Stream,
    connection: Arc<Connection>,
    /// How much of the connection's refusal is written.
    refused: usize,
}

/// Calls a method of whichever stream it is.
macro_rules! on_stream {
    ($io:expr, $stream:ident => $call:expr) => {
        match &mut $io.stream {
            Stream::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl Io {
    pub(crate) const fn new(stream: Stream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, refused: 0 }
    }

    /// The bare refusal at the end of what is to be written.
    fn refusal<'a>(&self, bytes: &'a [u8]) -> Option<Bare<'a>> {
        Bare::at_the_end_of(bytes).filter(|_| self.connection.protocol() == Protocol::Http1)
    }

    /// Writes the refusal in place of `bare`, which is told as written once
    /// the refusal is: until then it is asked for again.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, bare: &Bare<'_>, len: usize) -> Poll<io::Result<usize>> {
        let connection = Arc::clone(&self.connection);
        let refusal = connection.refusal.in_place_of(bare);
        while let Some(rest) = refusal.get(self.refused..).filter(|rest| !rest.is_empty()) {
            let written = on_stream!(self, stream => stream.poll_write(cx, rest));
            match ready!(self.wrote(written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.refused += count,
            }
        }
        Poll::Ready(Ok(len))
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            bump(&self.connection.moves);
        }
        written
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = on_stream!(self, stream => stream.poll_read(cx, buffer));
        if buffer.filled().len() > before {
            bump(&self.connection.moves);
            self.connection.head_begun.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = match self.refusal(bytes) {
            Some(bare) if bare.at == 0 => return self.poll_refuse(cx, &bare, bytes.len()),
            Some(bare) => &bytes[..bare.at],
            None => bytes,
        };
        let written = on_stream!(self, stream => stream.poll_write(cx, bytes));
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices = match slices.split_last() {
            Some((last, before)) if self.refusal(last).is_some() => match before {
                [] => return self.poll_write(cx, last),
                _ => before,
            },
            _ => slices,
        };
        let written = on_stream!(self, stream => stream.poll_write_vectored(cx, slices));
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx))
    }
}
