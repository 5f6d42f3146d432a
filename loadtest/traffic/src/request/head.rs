//! Writes the heads of requests.

use super::{BodyEncoding, BodyFormat, RequestContent, RequestShape, RequestStamp};
use crate::hex;

/// The parts of a head that are the same in every request.
#[derive(Debug)]
pub(super) struct FixedHead {
    /// The request line and Host.
    start: Vec<u8>,
    /// Headers of the body and the user's.
    headers: Vec<u8>,
    /// True if each customer's key is written: the user gives no `Authorization`.
    keyed: bool,
    /// True if an empty body is announced with a length of 0.
    empty_length: bool,
}

impl FixedHead {
    pub(super) fn new(shape: &RequestShape) -> Self {
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

    pub(super) fn write(
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
