//! One connection of a receiver: reads requests and writes answers.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::ReceiverShared;
use super::behaviour::Behaviour;
use super::judge::{ReceivedRequest, ReceiverAnswer, RequestJudge, is_delivery};
use super::request::{self, BodyLength, RequestError, parse_head};
use crate::calendar::http_date;
use crate::chunked::{ChunkError, ChunkedBody};
use crate::read_buffer::ReadBuffer;
use crate::response::find_head_end;

const BUFFER_BYTES: usize = 256 * 1024;
/// Room for more of a chunked body.
const CHUNK_ROOM: usize = 64 * 1024;

/// The buffers of a connection, reused for every request.
struct ReceiverConnection {
    stream: TcpStream,
    shared: Arc<ReceiverShared>,
    judge: RequestJudge,
    input: ReadBuffer,
    head: Vec<u8>,
    chunked: Vec<u8>,
    output: Vec<u8>,
}

/// Why a connection ends.
enum ServeEnd {
    /// The other side is gone, or asked for the end.
    Closed,
    /// The other side sent a request that cannot be read.
    Malformed(RequestError),
}

impl From<io::Error> for ServeEnd {
    fn from(_lost: io::Error) -> Self {
        Self::Closed
    }
}

impl From<RequestError> for ServeEnd {
    fn from(error: RequestError) -> Self {
        Self::Malformed(error)
    }
}

/// Serves a connection until it is closed. Cancelled at any point, it leaves
/// the shared state whole: each delivery is counted in one step.
pub(super) async fn serve(stream: TcpStream, shared: Arc<ReceiverShared>, number: u64) {
    // If the sender is gone, the next read fails.
    stream.set_nodelay(true).ok();
    let mut connection = ReceiverConnection {
        stream,
        judge: RequestJudge::new(Arc::clone(&shared), number),
        shared,
        input: ReadBuffer::new(BUFFER_BYTES),
        head: Vec::new(),
        chunked: Vec::new(),
        output: Vec::new(),
    };
    loop {
        match connection.serve_request().await {
            Ok(()) => {}
            Err(ServeEnd::Closed) => return,
            Err(ServeEnd::Malformed(error)) => return connection.refuse(error).await,
        }
    }
}

impl ReceiverConnection {
    async fn serve_request(&mut self) -> Result<(), ServeEnd> {
        self.read_head().await?;
        // The head is taken out of `self` so that it can be borrowed beside the
        // buffers; its allocation is put back below.
        let bytes = std::mem::take(&mut self.head);
        let head = parse_head(&bytes)?;
        if head.expects_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body_bytes = self.read_body(head.body).await?;
        let received_ns = unix_ns();
        let behaviour = self.shared.conduct.lock().now();
        if is_delivery(&head) {
            let delay = self.judge.delay(&behaviour);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
        let body = match head.body {
            BodyLength::Known(_) => &self.input.unread()[..body_bytes],
            BodyLength::Chunked => &self.chunked,
        };
        let received = ReceivedRequest { head: &head, head_bytes: &bytes, body, received_ns };
        let answer = self.judge.answer(&received, &behaviour);
        if head.body != BodyLength::Chunked {
            self.input.consume(body_bytes);
        }
        let closes = head.closes;
        self.head = bytes;
        self.answer(answer, closes, RetryAfterHeader::of(&behaviour, received_ns)).await
    }

    /// Reads a head into `self.head`, without its empty line.
    async fn read_head(&mut self) -> Result<(), ServeEnd> {
        let mut searched = 0;
        loop {
            let unread = self.input.unread();
            // An empty line before a request is ignored (RFC 9112, section 2.2).
            if unread.starts_with(b"\r\n") {
                self.input.consume(2);
                continue;
            }
            if let Some(at) = find_head_end(&unread[searched..]) {
                self.head.clear();
                self.head.extend_from_slice(&unread[..searched + at]);
                self.input.consume(searched + at + 4);
                return Ok(());
            }
            if unread.len() > request::HEAD_BYTES_MAX {
                return Err(RequestError::HeadTooLong.into());
            }
            searched = unread.len().saturating_sub(3);
            self.input.reserve(unread.len() + 1);
            self.fill().await?;
        }
    }

    /// Reads a body and returns its length: a body of known length stays unread
    /// in `self.input`, a chunked one is put together in `self.chunked`.
    async fn read_body(&mut self, length: BodyLength) -> Result<usize, ServeEnd> {
        let limit = self.shared.body_bytes_max;
        match length {
            BodyLength::Known(length) if length > limit => Err(RequestError::BodyTooLong(limit).into()),
            BodyLength::Known(length) => {
                self.input.reserve(length);
                while self.input.unread().len() < length {
                    self.fill().await?;
                }
                Ok(length)
            }
            BodyLength::Chunked => {
                self.chunked.clear();
                let mut body = ChunkedBody::default();
                loop {
                    let chunked = &mut self.chunked;
                    let append = |data: &[u8]| {
                        if chunked.len() + data.len() > limit {
                            return Err(ChunkError::TooLong(limit));
                        }
                        chunked.extend_from_slice(data);
                        Ok(())
                    };
                    let used = body.take(self.input.unread(), append).map_err(RequestError::from)?;
                    self.input.consume(used);
                    if body.is_done() {
                        return Ok(self.chunked.len());
                    }
                    self.input.reserve(self.input.unread().len() + CHUNK_ROOM);
                    self.fill().await?;
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<(), ServeEnd> {
        if self.input.fill(&mut self.stream).await? == 0 { Err(ServeEnd::Closed) } else { Ok(()) }
    }

    async fn answer(
        &mut self,
        answer: ReceiverAnswer,
        closes: bool,
        retry_after: Option<RetryAfterHeader>,
    ) -> Result<(), ServeEnd> {
        let (status, body) = match answer {
            ReceiverAnswer::Say(status, body) => (status, body),
            ReceiverAnswer::Close => return Err(ServeEnd::Closed),
            ReceiverAnswer::Reset => {
                // A connection that cannot be reset is closed.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).ok();
                return Err(ServeEnd::Closed);
            }
            ReceiverAnswer::Cut => {
                write_answer(&mut self.output, 200, b"{\"failed\":[]}", false, None);
                self.output.truncate(self.output.len() - 6);
                self.stream.write_all(&self.output).await?;
                return Err(ServeEnd::Closed);
            }
            ReceiverAnswer::Hang => {
                // Reads until the sender gives up, and drops the bytes that it still sends.
                loop {
                    self.input.clear();
                    self.fill().await?;
                }
            }
        };
        write_answer(&mut self.output, status, &body, closes, retry_after);
        self.stream.write_all(&self.output).await?;
        if closes { Err(ServeEnd::Closed) } else { Ok(()) }
    }

    async fn refuse(mut self, error: RequestError) {
        self.shared.tracker.lock().refuse_request();
        let status = match error {
            RequestError::BodyTooLong(_) => 413,
            RequestError::HeadTooLong => 431,
            _ => 400,
        };
        write_answer(&mut self.output, status, error.to_string().as_bytes(), true, None);
        // The connection ends either way.
        self.stream.write_all(&self.output).await.ok();
    }
}

/// A `Retry-After` header in either of its forms (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug)]
enum RetryAfterHeader {
    Seconds(u32),
    /// Unix time.
    Date(u64),
}

impl RetryAfterHeader {
    fn of(behaviour: &Behaviour, now_ns: u64) -> Option<Self> {
        let seconds = behaviour.retry_after_s?;
        // Rounded up: a date in the past asks for nothing.
        let then = now_ns.div_ceil(1_000_000_000) + u64::from(seconds);
        Some(if behaviour.retry_after_date { Self::Date(then) } else { Self::Seconds(seconds) })
    }
}

fn write_answer(
    output: &mut Vec<u8>,
    status: u16,
    body: &[u8],
    closes: bool,
    retry_after: Option<RetryAfterHeader>,
) {
    // 204 and 304 have no body.
    let body = if matches!(status, 204 | 304) { b"".as_slice() } else { body };
    let mut number = itoa::Buffer::new();
    output.clear();
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(number.format(status).as_bytes());
    output.extend_from_slice(b" X\r\nContent-Type: application/json\r\nContent-Length: ");
    output.extend_from_slice(number.format(body.len()).as_bytes());
    if let (Some(retry_after), 300..) = (retry_after, status) {
        output.extend_from_slice(b"\r\nRetry-After: ");
        match retry_after {
            RetryAfterHeader::Seconds(seconds) => output.extend_from_slice(number.format(seconds).as_bytes()),
            RetryAfterHeader::Date(unix_s) => output.extend_from_slice(http_date(unix_s).as_bytes()),
        }
    }
    if closes {
        output.extend_from_slice(b"\r\nConnection: close");
    }
    output.extend_from_slice(b"\r\n\r\n");
    output.extend_from_slice(body);
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
