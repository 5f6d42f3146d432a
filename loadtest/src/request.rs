//! Requests kept ready to send: head and body lie side by side in one buffer,
//! and each send patches what differs from the last.

use crate::coding;
use crate::event::{EventShape, EventShapeError, EventTemplate};
use crate::hex;
use crate::random::Random;

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
    /// As they are.
    None,
    /// Compressed for each send (fastest level; costs the generator far more
    /// than everything else it does).
    Gzip,
    /// As `Gzip`, with zstd, which costs about a tenth of it.
    Zstd,
}

/// What every request of a run has in common.
#[derive(Clone, Debug)]
pub(crate) struct RequestShape {
    /// `host:port` for the Host header.
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) events: Vec<EventShape>,
    pub(crate) batch: usize,
    pub(crate) format: BodyFormat,
    pub(crate) encoding: BodyEncoding,
    pub(crate) prefer_minimal: bool,
    pub(crate) idempotency_keys: bool,
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
pub(crate) struct Rendered<'a> {
    /// Head and body.
    pub(crate) bytes: &'a [u8],
    /// How long the head is, with its empty line.
    pub(crate) head_bytes: usize,
}

/// Cut short, of the wrong types, without what is required, not UTF-8, no event
/// at all. As an NDJSON line each is as bad.
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
    run: u64,
    random: Random,
    bodies: Vec<Body>,
    next_body: usize,
    head: Vec<u8>,
    /// The last rendered request, if it does not stand in its body's buffer.
    compressed: Vec<u8>,
}

#[derive(Debug)]
struct Body {
    /// Room for the head, written to end where the body starts; then the body.
    bytes: Vec<u8>,
    body_start: usize,
    head_start: usize,
    /// Where each event starts, and which template it follows.
    events: Vec<(usize, usize)>,
    templates: Vec<EventTemplate>,
}

impl RequestBuffer {
    pub(crate) fn new(shape: RequestShape, run: u64, seed: u64) -> Result<Self, EventShapeError> {
        let templates: Vec<_> =
            shape.events.iter().map(|event| EventTemplate::new(event, run)).collect::<Result<_, _>>()?;
        let arrangements = templates.len().div_ceil(shape.batch).max(1);
        let bodies = (0..arrangements)
            .map(|arrangement| Body::new(&shape, &templates, arrangement * shape.batch))
            .collect();
        let random = Random::new(seed);
        Ok(Self { shape, run, random, bodies, next_body: 0, head: Vec::new(), compressed: Vec::new() })
    }

    /// The request with the given events.
    pub(crate) fn render(&mut self, stamp: &RequestStamp<'_>) -> Rendered<'_> {
        let turn = self.next_body;
        self.next_body = (turn + 1) % self.bodies.len();
        let body = &mut self.bodies[turn];
        body.stamp(stamp, &mut self.random);
        match self.shape.encoding {
            BodyEncoding::None => {
                let body_bytes = body.bytes.len() - body.body_start;
                write_head(&mut self.head, &self.shape, self.run, stamp, body_bytes);
                body.put_head(&self.head);
                Rendered { bytes: &body.bytes[body.head_start..], head_bytes: self.head.len() }
            }
            BodyEncoding::Gzip | BodyEncoding::Zstd => {
                let plain = &body.bytes[body.body_start..];
                let gzipped = self.shape.encoding == BodyEncoding::Gzip;
                let packed = if gzipped { coding::gzip(plain) } else { coding::zstd(plain) };
                write_head(&mut self.head, &self.shape, self.run, stamp, packed.len());
                put_together(&mut self.compressed, &self.head, &packed)
            }
        }
    }

    /// The nth request that no server may take (they take turns).
    pub(crate) fn render_bad(&mut self, stamp: &RequestStamp<'_>, nth: usize) -> Rendered<'_> {
        let body = BAD_BODIES[nth % BAD_BODIES.len()];
        let shape = RequestShape { encoding: BodyEncoding::None, ..self.shape.clone() };
        write_head(&mut self.head, &shape, self.run, stamp, body.len());
        put_together(&mut self.compressed, &self.head, body)
    }
}

/// Room before a body; a head that needs more moves the body, once.
const HEAD_ROOM: usize = 512;

impl Body {
    fn new(shape: &RequestShape, templates: &[EventTemplate], first_type: usize) -> Self {
        let array = match shape.format {
            BodyFormat::Json => shape.batch > 1,
            BodyFormat::NdJson => false,
            BodyFormat::JsonArray => true,
        };
        let mut bytes = vec![b' '; HEAD_ROOM];
        let mut events = Vec::with_capacity(shape.batch);
        if array {
            bytes.push(b'[');
        }
        for event in 0..shape.batch {
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
        let templates = templates.to_vec();
        Self { bytes, body_start: HEAD_ROOM, head_start: HEAD_ROOM, events, templates }
    }

    fn stamp(&mut self, stamp: &RequestStamp<'_>, random: &mut Random) {
        let body = &mut self.bytes[self.body_start..];
        for (nth, &(start, template)) in self.events.iter().enumerate() {
            let sequence = stamp.first_sequence + nth as u64;
            let event = &mut body[start - HEAD_ROOM..];
            self.templates[template].stamp(event, stamp.stream, sequence, stamp.sent_ns, random);
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

fn write_head(
    head: &mut Vec<u8>,
    shape: &RequestShape,
    run: u64,
    stamp: &RequestStamp<'_>,
    body_bytes: usize,
) {
    head.clear();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
    put(&[b"POST ", shape.path.as_bytes(), b" HTTP/1.1\r\nHost: ", shape.authority.as_bytes(), b"\r\n"]);
    if let Some(key) = stamp.key {
        put(&[b"Authorization: Bearer ", key.as_bytes(), b"\r\n"]);
    }
    put(&[match shape.format {
        BodyFormat::Json | BodyFormat::JsonArray => b"Content-Type: application/json\r\n".as_slice(),
        BodyFormat::NdJson => b"Content-Type: application/x-ndjson\r\n",
    }]);
    match shape.encoding {
        BodyEncoding::None => {}
        BodyEncoding::Gzip => put(&[b"Content-Encoding: gzip\r\n"]),
        BodyEncoding::Zstd => put(&[b"Content-Encoding: zstd\r\n"]),
    }
    if shape.prefer_minimal {
        put(&[b"Prefer: return=minimal\r\n"]);
    }
    if shape.idempotency_keys {
        let (run, stream) = (hex::encode_16(run), hex::encode_8(stamp.stream));
        let sequence = hex::encode_16(stamp.first_sequence);
        put(&[b"Idempotency-Key: ", &run, b"-", &stream, b"-", &sequence, b"\r\n"]);
    }
    put(&[b"Content-Length: ", itoa::Buffer::new().format(body_bytes).as_bytes(), b"\r\n\r\n"]);
}

fn put_together<'a>(request: &'a mut Vec<u8>, head: &[u8], body: &[u8]) -> Rendered<'a> {
    request.clear();
    request.extend_from_slice(head);
    request.extend_from_slice(body);
    Rendered { bytes: request, head_bytes: head.len() }
}

#[cfg(test)]
mod tests;
