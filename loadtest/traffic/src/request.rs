//! Requests kept ready to send: head and body are side by side in one buffer, and each
//! send patches only the bytes that differ from the last.

use crate::coding;
use crate::event::{BodyTemplate, EventShape, EventShapeError, EventTemplate};
use crate::random::SeededRandom;

mod head;

use head::FixedHead;

/// How the events of a request are put together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFormat {
    /// One event as a JSON object, more as a JSON array.
    Json,
    /// One JSON object a line.
    NdJson,
    /// A JSON array even for one event, as in a webhook.
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

/// The parts that every request of a run has in common.
#[derive(Clone, Debug)]
pub struct RequestShape {
    /// `host:port` for the Host header.
    pub authority: String,
    /// `POST`, or any other token.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Further headers; each replaces a default header of the same name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: RequestContent,
    /// Asks for short answers (`Prefer: return=minimal`).
    pub prefer_minimal: bool,
    /// Gives each request an `Idempotency-Key` of its own.
    pub idempotency_keys: bool,
}

/// The bodies of requests.
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
    /// The user's body, or none, for servers that do not take events.
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

/// The events that a request carries, and their customer.
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

/// Bodies that no server may accept: cut short, of the wrong types, without a required
/// member, not UTF-8, no event at all. Each is equally invalid as an NDJSON line.
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
    random: SeededRandom,
    bodies: Vec<PreparedBody>,
    next_body: usize,
    head: Vec<u8>,
    /// The last rendered request, if it is not in its body's buffer.
    compressed: Vec<u8>,
}

#[derive(Debug)]
struct PreparedBody {
    /// Room for the head, written to end where the body starts; then the body.
    bytes: Vec<u8>,
    body_start: usize,
    head_start: usize,
    parts: BodyParts,
}

/// The parts of a body that differ between two sends.
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
        let (fixed, random) = (FixedHead::new(&shape), SeededRandom::new(seed));
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

    /// The nth request that no server may accept (the bodies take turns).
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

    fn stamp(&mut self, stamp: &RequestStamp<'_>, random: &mut SeededRandom) {
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

fn put_together<'a>(request: &'a mut Vec<u8>, head: &[u8], body: &[u8]) -> Rendered<'a> {
    request.clear();
    request.extend_from_slice(head);
    request.extend_from_slice(body);
    Rendered { bytes: request, head_bytes: head.len() }
}

#[cfg(test)]
mod tests;
