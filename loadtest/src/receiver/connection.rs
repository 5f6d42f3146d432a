//! One connection of a receiver: reads requests, judges and answers them.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::behaviour::{Behaviour, Reply};
use super::request::{self, BodyLength, ChunkedBody, RequestError, RequestHead, parse_head};
use super::signature::{SignatureError, SignedHeaders};
use super::tracker::Delivery;
use super::{KeptDelivery, Shared};
use crate::random::Random;
use crate::read_buffer::ReadBuffer;
use crate::response::{Lines, find_head_end, header_value};
use crate::scan::{ScannedMark, event_id_before, scan};

const BUFFER_BYTES: usize = 256 * 1024;
/// Room for more of a chunked body.
const CHUNK_ROOM: usize = 64 * 1024;

/// The buffers of a connection, reused for every request.
struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    random: Random,
    input: ReadBuffer,
    head: Vec<u8>,
    chunked: Vec<u8>,
    marks: Vec<ScannedMark>,
    output: Vec<u8>,
}

/// Why a connection ends.
enum End {
    /// The other side is gone, or it was asked for.
    Closed,
    /// It sent what cannot be read.
    Malformed(RequestError),
}

impl From<io::Error> for End {
    fn from(_lost: io::Error) -> Self {
        Self::Closed
    }
}

impl From<RequestError> for End {
    fn from(error: RequestError) -> Self {
        Self::Malformed(error)
    }
}

/// What to say to a request.
enum Answer {
    Say(u16, Vec<u8>),
    Hang,
    Close,
}

/// Serves a connection until it is closed. Cancelled at any point, it leaves
/// the shared state whole: each delivery is counted in one step.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, number: u64) {
    // A sender that is gone shows in the next read.
    stream.set_nodelay(true).ok();
    let mut connection = Connection {
        stream,
        shared,
        random: Random::new(number),
        input: ReadBuffer::new(BUFFER_BYTES),
        head: Vec::new(),
        chunked: Vec::new(),
        marks: Vec::new(),
        output: Vec::new(),
    };
    loop {
        match connection.serve_request().await {
            Ok(()) => {}
            Err(End::Closed) => return,
            Err(End::Malformed(error)) => return connection.refuse(error).await,
        }
    }
}

impl Connection {
    async fn serve_request(&mut self) -> Result<(), End> {
        self.read_head().await?;
        // The head leaves the connection while it is looked at, to be looked
        // at beside the buffers; its allocation comes back below.
        let bytes = std::mem::take(&mut self.head);
        let head = parse_head(&bytes)?;
        if head.expects_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body_bytes = self.read_body(head.body).await?;
        let received_ns = unix_ns();
        let behaviour = *self.shared.behaviour.lock();
        let answer = match (head.method, head.path) {
            (b"GET", b"/stats") => self.say_stats(),
            (b"POST", b"/reset") => {
                self.shared.reset();
                Answer::Say(200, b"{}".to_vec())
            }
            (b"PUT", b"/behaviour") => self.change_behaviour(head.body, body_bytes),
            (b"POST", _) => {
                let reply = behaviour.choose(&mut self.random);
                if behaviour.delay_ms > 0 {
                    tokio::time::sleep(behaviour.delay()).await;
                }
                self.deliver(&head, &bytes, body_bytes, received_ns, reply, &behaviour)
            }
            _ => Answer::Say(405, Vec::new()),
        };
        if head.body != BodyLength::Chunked {
            self.input.consume(body_bytes);
        }
        let closes = head.closes;
        self.head = bytes;
        self.answer(answer, closes, behaviour.retry_after_s).await
    }

    /// Reads a head into `self.head`, without its empty line.
    async fn read_head(&mut self) -> Result<(), End> {
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

    /// Reads a body: one of known length stays unread in `self.input`, one in
    /// chunks is put together in `self.chunked`. How long it is.
    async fn read_body(&mut self, length: BodyLength) -> Result<usize, End> {
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
                    let used = body.take(self.input.unread(), &mut self.chunked, limit)?;
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

    async fn fill(&mut self) -> Result<(), End> {
        if self.input.fill(&mut self.stream).await? == 0 { Err(End::Closed) } else { Ok(()) }
    }

    fn body(&self, length: BodyLength, body_bytes: usize) -> &[u8] {
        match length {
            BodyLength::Known(_) => &self.input.unread()[..body_bytes],
            BodyLength::Chunked => &self.chunked,
        }
    }

    fn say_stats(&self) -> Answer {
        let stats = self.shared.tracker.lock().stats();
        match serde_json::to_vec(&stats) {
            Ok(json) => Answer::Say(200, json),
            Err(error) => Answer::Say(500, error.to_string().into_bytes()),
        }
    }

    fn change_behaviour(&self, length: BodyLength, body_bytes: usize) -> Answer {
        let changed = serde_json::from_slice(self.body(length, body_bytes))
            .map_err(|error| error.to_string())
            .and_then(|behaviour| self.shared.set_behaviour(behaviour).map_err(str::to_owned));
        match changed {
            Ok(()) => Answer::Say(200, b"{}".to_vec()),
            Err(fault) => Answer::Say(400, fault.into_bytes()),
        }
    }

    /// Judges and counts a delivery.
    fn deliver(
        &mut self,
        head: &RequestHead<'_>,
        head_bytes: &[u8],
        body_bytes: usize,
        received_ns: u64,
        reply: Reply,
        behaviour: &Behaviour,
    ) -> Answer {
        // Not `self.body`: the marks beside it are filled meanwhile.
        let body = match head.body {
            BodyLength::Known(_) => &self.input.unread()[..body_bytes],
            BodyLength::Chunked => &self.chunked,
        };
        let answer = if verify(&self.shared, head, body, received_ns).is_err() {
            self.shared.tracker.lock().refuse_signature();
            Answer::Say(401, b"{}".to_vec())
        } else {
            let garbled = scan(body, &mut self.marks);
            let delivery = Delivery {
                subscription: head.subscription.unwrap_or(head.path),
                id: head.webhook_id,
                event_count: head.event_count,
                body_bytes: body_bytes as u64,
                received_ns,
                garbled,
            };
            match reply {
                Reply::Status(status @ 200..300) => {
                    let share = behaviour.fail_events_share;
                    let failed = fail_events(body, &mut self.marks, share, &mut self.random);
                    take(&self.shared, &delivery, &self.marks, failed.len());
                    Answer::Say(status, failed_answer(&failed))
                }
                other => {
                    let events = self.marks.len() as u64 + garbled;
                    self.shared.tracker.lock().refuse(head.event_count.unwrap_or(events));
                    match other {
                        Reply::Status(status) => Answer::Say(status, b"{}".to_vec()),
                        Reply::Hang => Answer::Hang,
                        Reply::Close => Answer::Close,
                    }
                }
            }
        };
        if self.shared.keep_deliveries > 0 {
            keep(&self.shared, head, head_bytes, body, &answer);
        }
        self.shared.changed.notify_waiters();
        answer
    }

    async fn answer(&mut self, answer: Answer, closes: bool, retry_after_s: Option<u32>) -> Result<(), End> {
        let (status, body) = match answer {
            Answer::Say(status, body) => (status, body),
            Answer::Close => return Err(End::Closed),
            Answer::Hang => {
                // Until the sender gives up; what it still sends is read and dropped.
                loop {
                    self.input.clear();
                    self.fill().await?;
                }
            }
        };
        write_answer(&mut self.output, status, &body, closes, retry_after_s);
        self.stream.write_all(&self.output).await?;
        if closes { Err(End::Closed) } else { Ok(()) }
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

fn verify(
    shared: &Shared,
    head: &RequestHead<'_>,
    body: &[u8],
    received_ns: u64,
) -> Result<(), SignatureError> {
    let headers = SignedHeaders {
        id: head.webhook_id,
        timestamp: head.webhook_timestamp,
        signature: head.webhook_signature,
    };
    shared.verifier.verify(&headers, body, received_ns / 1_000_000_000)
}

fn take(shared: &Shared, delivery: &Delivery<'_>, marks: &[ScannedMark], failed: usize) {
    let full = {
        let mut tracker = shared.tracker.lock();
        tracker.refuse_events(failed as u64);
        let taken = Delivery {
            event_count: delivery.event_count.map(|count| count.saturating_sub(failed as u64)),
            ..*delivery
        };
        tracker.take(&taken, marks)
    };
    if full {
        shared.write_entries();
    }
}

/// Removes a share of the marks; the ids of their events, which are to fail.
fn fail_events(body: &[u8], marks: &mut Vec<ScannedMark>, share: f64, random: &mut Random) -> Vec<String> {
    let (mut failed, mut from) = (Vec::new(), 0);
    if share > 0.0 {
        marks.retain(|mark| {
            let id = event_id_before(body, std::mem::replace(&mut from, mark.at), mark.at);
            let fails = random.unit() < share && id.is_some();
            failed.extend(id.filter(|_| fails).map(|id| String::from_utf8_lossy(id).into_owned()));
            !fails
        });
    }
    failed
}

fn failed_answer(failed: &[String]) -> Vec<u8> {
    if failed.is_empty() {
        return b"{}".to_vec();
    }
    serde_json::json!({ "failed": failed }).to_string().into_bytes()
}

fn keep(shared: &Shared, head: &RequestHead<'_>, head_bytes: &[u8], body: &[u8], answer: &Answer) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = |line: &[u8]| {
        let colon = memchr::memchr(b':', line)?;
        let value = header_value(line, &line[..colon].to_ascii_lowercase())?;
        Some((text(&line[..colon]).to_ascii_lowercase(), text(value)))
    };
    let delivery = KeptDelivery {
        path: text(head.path),
        headers: Lines(head_bytes).skip(1).filter_map(header).collect(),
        body: body.to_vec(),
        answered: match answer {
            Answer::Say(status, _) => Some(*status),
            Answer::Hang | Answer::Close => None,
        },
    };
    let mut kept = shared.kept.lock();
    if kept.len() >= shared.keep_deliveries {
        kept.pop_front();
    }
    kept.push_back(delivery);
}

fn write_answer(output: &mut Vec<u8>, status: u16, body: &[u8], closes: bool, retry_after_s: Option<u32>) {
    // 204 and 304 have no body, whatever is said.
    let body = if matches!(status, 204 | 304) { b"".as_slice() } else { body };
    let mut number = itoa::Buffer::new();
    output.clear();
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(number.format(status).as_bytes());
    output.extend_from_slice(b" X\r\nContent-Type: application/json\r\nContent-Length: ");
    output.extend_from_slice(number.format(body.len()).as_bytes());
    if let (Some(seconds), 300..) = (retry_after_s, status) {
        output.extend_from_slice(b"\r\nRetry-After: ");
        output.extend_from_slice(number.format(seconds).as_bytes());
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
