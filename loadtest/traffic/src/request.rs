//! Requests kept ready to send: head and body lie side by side in one buffer,
//! and each send patches what differs from the last.

use crate::coding;
use crate::event::{BodyTemplate, EventShape, EventShapeError, EventTemplate};
use crate::hex;
use crate::random::SplitMix;

/// How events are put together in a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFormat {
    /// One event as a JSON object, more as a JSON array.
    Json,
    /// One JSON object a line.
    NdJson,
    /// A JSON array, however few events: what a webhook receives.
    JsonArray,
}

/// `Content-Encoding` of the bodies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyEncoding {
    /// Not compressed.
    None,
    /// Compressed for each send (fastest level; costs the generator far more
    /// than everything else it does).
    Gzip,
    /// Compressed for each send with zstd, at about a tenth of gzip's cost.
    Zstd,
}

/// What every request of a run has in common.
#[derive(Clone, Debug)]
pub struct RequestShape {
    /// `host:port` for the Host header.
    pub authority: String,
    /// `POST`, or any other token.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Further headers; each stands in place of one that would be written by itself.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: RequestContent,
    /// Whether to ask for short answers (`Prefer: return=minimal`).
    pub prefer_minimal: bool,
    /// Whether each request has an `Idempotency-Key` of its own.
    pub idempotency_keys: bool,
}

/// What requests carry.
#[derive(Clone, Debug)]
pub enum RequestContent {
    /// Marked events.
    Events {
        /// Their shapes, taking turns.
        events: Vec<EventShape>,
        /// Events a request.
        batch: usize,
        /// How they are put together.
        format: BodyFormat,
        /// How bodies are compressed.
        encoding: BodyEncoding,
    },
    /// A body of the user's, or none: for servers that do not take events.
    Plain(Option<BodyTemplate>),
}

impl RequestShape {
    /// Events a request; a plain request counts as one.
    pub fn batch(&self) -> usize {
        match &self.content {
            RequestContent::Events { batch, .. } => *batch,
            RequestContent::Plain(_) => 1,
        }
    }

    /// Returns true if a request may be sent again when a connection closed
    /// before its answer: its method is idempotent (RFC 9110, section 9.2.2),
    /// or the server tells repetitions by their key.
    pub(crate) fn may_repeat(&self) -> bool {
        let idempotent = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];
        self.idempotency_keys || idempotent.contains(&self.method.as_str())
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// Which events a request carries, and for whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RequestStamp<'a> {
    /// The customer's API key, if any is needed.
    pub(crate) key: Option<&'a str>,
    pub(crate) stream: u32,
    pub(crate) first_sequence: u64,
    pub(crate) sent_ns: u64,
}

/// A request as it goes on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'a> {
    /// Head and body.
    pub bytes: &'a [u8],
    /// How long the head is, with its empty line.
    pub head_bytes: usize,
}

impl Rendered<'_> {
    /// Returns true if the answer has a head only.
    pub(crate) fn is_head(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }
}

/// Bodies that no server may take: cut short, of the wrong types, without a
/// required member, not UTF-8, no event at all. Each is as bad as an NDJSON line.
const BAD_BODIES: [&[u8]; 5] = [
    br#"{"event_type":"bad.event","payload":{"a":"#,
    br#"{"event_type":7,"payload":{}}"#,
    br#"{"event_type":"bad.event"}"#,
    b"{\"event_type\":\"bad.event\",\"payload\":{\"a\":\"\xff\xfe\"}}",
    b"\"only text\"",
];

/// One connection's requests. A body is kept for each arrangement of event
/// types; they take turns.
#[derive(Debug)]
pub(crate) struct RequestBuffer {
    shape: RequestShape,
    fixed: FixedHead,
    run: u64,
    random: SplitMix,
    bodies: Vec<PreparedBody>,
    next_body: usize,
    head: Vec<u8>,
    /// The last rendered request, if it does not stand in its body's buffer.
    compressed: Vec<u8>,
}

/// The parts of a head that are the same in every request.
#[derive(Debug)]
struct FixedHead {
    /// The request line and Host.
    start: Vec<u8>,
    /// Headers of the body and the user's.
    headers: Vec<u8>,
    /// Whether the user's headers leave room for each customer's key.
    keyed: bool,
    /// Whether an empty body is announced.
    empty_length: bool,
}

#[derive(Debug)]
struct PreparedBody {
    /// Room for the head, written to end where the body starts; then the body.
    bytes: Vec<u8>,
    body_start: usize,
    head_start: usize,
    parts: BodyParts,
}

/// What differs between two sends of a body.
#[derive(Debug)]
enum BodyParts {
    Events {
        /// Where each event starts, and which template it follows.
        events: Vec<(usize, usize)>,
        templates: Vec<EventTemplate>,
    },
    Plain(BodyTemplate),
}

impl RequestBuffer {
    pub(crate) fn new(shape: RequestShape, run: u64, seed: u64) -> Result<Self, EventShapeError> {
        let bodies = match &shape.content {
            RequestContent::Events { events, batch, format, .. } => {
                let templates: Vec<_> =
                    events.iter().map(|event| EventTemplate::new(event, run)).collect::<Result<_, _>>()?;
                let arrangements = templates.len().div_ceil(*batch).max(1);
                (0..arrangements)
                    .map(|arrangement| PreparedBody::events(*batch, *format, &templates, arrangement * batch))
                    .collect()
            }
            RequestContent::Plain(body) => vec![PreparedBody::plain(body.clone().unwrap_or_default())],
        };
        let (fixed, random) = (FixedHead::new(&shape), SplitMix::new(seed));
        let (head, compressed) = (Vec::new(), Vec::new());
        Ok(Self { shape, fixed, run, random, bodies, next_body: 0, head, compressed })
    }

    /// The request with the given events.
    pub(crate) fn render(&mut self, stamp: &RequestStamp<'_>) -> Rendered<'_> {
        let turn = self.next_body;
        self.next_body = (turn + 1) % self.bodies.len();
        let body = &mut self.bodies[turn];
        body.stamp(stamp, &mut self.random);
        let encoding = match &self.shape.content {
            RequestContent::Events { encoding, .. } => *encoding,
            RequestContent::Plain(_) => BodyEncoding::None,
        };
        let plain = &body.bytes[body.body_start..];
        let packed = match encoding {
            BodyEncoding::None => {
                let body_bytes = plain.len();
                self.fixed.write(&mut self.head, &self.shape, self.run, stamp, body_bytes);
                body.put_head(&self.head);
                return Rendered { bytes: &body.bytes[body.head_start..], head_bytes: self.head.len() };
            }
            BodyEncoding::Gzip => coding::gzip(plain),
            BodyEncoding::Zstd => coding::zstd(plain),
        };
        self.fixed.write(&mut self.head, &self.shape, self.run, stamp, packed.len());
        put_together(&mut self.compressed, &self.head, &packed)
    }

    /// The nth request that no server may take (they take turns).
    pub(crate) fn render_bad(&mut self, stamp: &RequestStamp<'_>, nth: usize) -> Rendered<'_> {
        let body = BAD_BODIES[nth % BAD_BODIES.len()];
        let mut shape = self.shape.clone();
        if let RequestContent::Events { encoding, .. } = &mut shape.content {
            *encoding = BodyEncoding::None;
        }
        FixedHead::new(&shape).write(&mut self.head, &shape, self.run, stamp, body.len());
        put_together(&mut self.compressed, &self.head, body)
    }
}

/// Room before a body; a head that needs more moves the body, once.
const HEAD_ROOM: usize = 512;

impl PreparedBody {
    fn events(batch: usize, format: BodyFormat, templates: &[EventTemplate], first_type: usize) -> Self {
        let array = match format {
            BodyFormat::Json => batch > 1,
            BodyFormat::NdJson => false,
            BodyFormat::JsonArray => true,
        };
        let mut bytes = vec![b' '; HEAD_ROOM];
        let mut events = Vec::with_capacity(batch);
        if array {
            bytes.push(b'[');
        }
        for event in 0..batch {
            let template = (first_type + event) % templates.len();
            if event > 0 {
                bytes.push(if array { b',' } else { b'\n' });
            }
            events.push((bytes.len(), template));
            bytes.extend_from_slice(templates[template].bytes());
        }
        if array {
            bytes.push(b']');
        }
        let parts = BodyParts::Events { events, templates: templates.to_vec() };
        Self { bytes, body_start: HEAD_ROOM, head_start: HEAD_ROOM, parts }
    }

    fn plain(body: BodyTemplate) -> Self {
        let mut bytes = vec![b' '; HEAD_ROOM];
        bytes.extend_from_slice(body.bytes());
        Self { bytes, body_start: HEAD_ROOM, head_start: HEAD_ROOM, parts: BodyParts::Plain(body) }
    }

    fn stamp(&mut self, stamp: &RequestStamp<'_>, random: &mut SplitMix) {
        let body = &mut self.bytes[self.body_start..];
        match &self.parts {
            BodyParts::Events { events, templates } => {
                for (nth, &(start, template)) in events.iter().enumerate() {
                    let sequence = stamp.first_sequence + nth as u64;
                    let event = &mut body[start - HEAD_ROOM..];
                    templates[template].stamp(event, stamp.stream, sequence, stamp.sent_ns, random);
                }
            }
            BodyParts::Plain(template) => {
                template.fill(body, stamp.stream, stamp.first_sequence, stamp.sent_ns, random);
            }
        }
    }

    fn put_head(&mut self, head: &[u8]) {
        if head.len() > self.body_start {
            let more = head.len() - self.body_start;
            self.bytes.splice(0..0, std::iter::repeat_n(b' ', more));
            self.body_start += more;
        }
        self.head_start = self.body_start - head.len();
        self.bytes[self.head_start..self.body_start].copy_from_slice(head);
    }
}

impl FixedHead {
    fn new(shape: &RequestShape) -> Self {
        let mut start = format!("{} {} HTTP/1.1\r\n", shape.method, shape.path);
        if !shape.has_header("host") {
            start.push_str(&format!("Host: {}\r\n", shape.authority));
        }
        let mut own = Vec::new();
        let (body_type, encoding) = match &shape.content {
            RequestContent::Events { format: BodyFormat::NdJson, encoding, .. } => {
                (Some("application/x-ndjson"), *encoding)
            }
            RequestContent::Events { encoding, .. } => (Some("application/json"), *encoding),
            RequestContent::Plain(body) => (body.as_ref().map(|_| "application/json"), BodyEncoding::None),
        };
        own.extend(body_type.map(|kind| ("Content-Type", kind)));
        match encoding {
            BodyEncoding::None => {}
            BodyEncoding::Gzip => own.push(("Content-Encoding", "gzip")),
            BodyEncoding::Zstd => own.push(("Content-Encoding", "zstd")),
        }
        if shape.prefer_minimal {
            own.push(("Prefer", "return=minimal"));
        }
        own.retain(|(name, _)| !shape.has_header(name));
        let given = shape.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: String =
            own.into_iter().chain(given).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self {
            start: start.into_bytes(),
            headers: headers.into_bytes(),
            keyed: !shape.has_header("authorization"),
            empty_length: !["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"].contains(&shape.method.as_str()),
        }
    }

    fn write(
        &self,
        head: &mut Vec<u8>,
        shape: &RequestShape,
        run: u64,
        stamp: &RequestStamp<'_>,
        body_bytes: usize,
    ) {
        head.clear();
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
        put(&[&self.start]);
        if let Some(key) = stamp.key.filter(|_| self.keyed) {
            put(&[b"Authorization: Bearer ", key.as_bytes(), b"\r\n"]);
        }
        put(&[&self.headers]);
        if shape.idempotency_keys {
            let (run, stream) = (hex::encode_16(run), hex::encode_8(stamp.stream));
            let sequence = hex::encode_16(stamp.first_sequence);
            put(&[b"Idempotency-Key: ", &run, b"-", &stream, b"-", &sequence, b"\r\n"]);
        }
        if body_bytes > 0 || self.empty_length {
            put(&[b"Content-Length: ", itoa::Buffer::new().format(body_bytes).as_bytes(), b"\r\n"]);
        }
        put(&[b"\r\n"]);
    }
}

fn put_together<'a>(request: &'a mut Vec<u8>, head: &[u8], body: &[u8]) -> Rendered<'a> {
    request.clear();
    request.extend_from_slice(head);
    request.extend_from_slice(body);
    Rendered { bytes: request, head_bytes: head.len() }
}

#[cfg(test)]
mod tests;
