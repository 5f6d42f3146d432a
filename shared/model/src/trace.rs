//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), from a request to the
//! webhooks that carry its events.
//!
//! A request's `traceparent` is written into `metadata.traceparent` of each of its events, in
//! the envelope that the ingest process writes anyway. So it is stored, delivered, retried and replayed
//! with the event, and costs nothing if there is none. The header of a webhook continues the
//! trace of its first event; the traces of its other events are in the body.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

mod span;

pub use span::{Span, SpanKind, begin, listen, tell};

/// The header's name.
pub const HEADER: &str = "traceparent";

/// Bytes of a `traceparent`: version, trace id, parent id and flags in hexadecimal.
const LEN: usize = 55;
/// The place of the parent's id.
const PARENT: std::ops::Range<usize> = 36..52;

/// A valid `traceparent` of version 00.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent([u8; LEN]);

impl TraceParent {
    /// Reads a header's value; `None` if it is not valid (section 3.2: it is
    /// then to be ignored). A later version is read as version 00.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let head: [u8; LEN] = value.get(..LEN)?.try_into().ok()?;
        let hex = |range: std::ops::Range<usize>| {
            head[range].iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
        };
        let some = |range: std::ops::Range<usize>| head[range].iter().any(|byte| *byte != b'0');
        let dashes = [2, 35, 52].into_iter().all(|offset| head[offset] == b'-');
        let version = &head[..2];
        let ends = match version {
            b"00" => value.len() == LEN,
            b"ff" => false,
            _ => value.len() == LEN || value[LEN] == b'-',
        };
        let valid = ends && dashes && hex(0..2) && hex(3..35) && hex(PARENT) && hex(53..55);
        if !valid || !some(3..35) || !some(PARENT) {
            return None;
        }
        let mut trace = Self(head);
        trace.0[..2].copy_from_slice(b"00");
        Some(trace)
    }

    /// The header's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// True if the caller records the trace (the flag `sampled`).
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        // The lowest bit of the last hexadecimal digit.
        let digit = char::from(self.0[LEN - 1]).to_digit(16);
        digit.is_some_and(|digit| digit & 1 == 1)
    }

    /// The id of the trace, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.as_str()[3..35]
    }

    /// The id of the parent, 16 hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        &self.as_str()[PARENT]
    }

    /// The same trace, continued by `span`.
    #[must_use]
    pub fn child(mut self, span: u64) -> Self {
        let span = format!("{:016x}", span.max(1));
        self.0[PARENT].copy_from_slice(span.as_bytes());
        self
    }

    /// The trace of the first event of a webhook's body, which begins with the event's envelope
    /// or with the array's bracket. Reads up to the payload, which follows the metadata.
    #[must_use]
    pub fn of_envelope(body: &[u8]) -> Option<Self> {
        let envelope = body.strip_prefix(b"[").unwrap_or(body);
        let mut found = None;
        let mut json = serde_json::Deserializer::from_slice(envelope);
        // The visitor ends reading early by returning an error.
        Head(&mut found).deserialize(&mut json).ok();
        found
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An envelope up to its payload.
struct Head<'f>(&'f mut Option<TraceParent>);

#[derive(Deserialize)]
struct TracedMetadata<'a> {
    #[serde(borrow, default)]
    traceparent: Option<Cow<'a, str>>,
}

impl<'de> DeserializeSeed<'de> for Head<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Head<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            match &*name {
                "metadata" => {
                    let metadata: TracedMetadata<'de> = fields.next_value()?;
                    *self.0 = metadata.traceparent.and_then(|text| TraceParent::parse(text.as_bytes()));
                    return Err(A::Error::custom("seen"));
                }
                // The payload follows the metadata, so there is no trace.
                "payload" => return Err(A::Error::custom("seen")),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_what_the_specification_calls_valid_is_taken() {
        assert_eq!(TraceParent::parse(GOOD.as_bytes()).unwrap().as_str(), GOOD);
        let later = format!("cc{}-more", &GOOD[2..]);
        assert_eq!(TraceParent::parse(later.as_bytes()).unwrap().as_str(), GOOD);
        for bad in [
            "",
            &GOOD[1..],
            &format!("{GOOD}-x"),
            &format!("ff{}", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &format!("cc{}x", &GOOD[2..]),
        ] {
            assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_child_is_of_the_same_trace() {
        let child = TraceParent::parse(GOOD.as_bytes()).unwrap().child(0xabc);
        assert!(
            child.is_sampled()
                && !TraceParent::parse(GOOD.replace("-01", "-02").as_bytes()).unwrap().is_sampled()
        );
        assert_eq!((child.trace_id(), child.parent_id()), (&GOOD[3..35], "0000000000000abc"));
        assert_eq!(child.as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01");
        assert_eq!(TraceParent::parse(child.child(0).as_str().as_bytes()), Some(child.child(1)));
    }

    #[test]
    fn an_envelope_says_its_own_trace_and_not_its_payload_s() {
        let read =
            |json: &str| TraceParent::of_envelope(json.as_bytes()).map(|trace| trace.as_str().to_owned());
        let metadata = format!(
            r#"[{{"event_id":"x","tags":["metadata"],"metadata":{{"a":1,"traceparent":"{GOOD}"}},"payload":"#
        );
        assert_eq!(read(&metadata).as_deref(), Some(GOOD), "it looks past the metadata");
        assert_eq!(
            read(&format!(r#"[{{"event_id":"x","payload":{{"metadata":{{"traceparent":"{GOOD}"}}}}}}]"#)),
            None
        );
        assert_eq!(read(r#"[{"metadata":{"traceparent":"nonsense"},"payload":1}]"#), None);
        assert_eq!(read(r#"[{"metadata":{"traceparent":7},"payload":1}]"#), None);
        assert_eq!(read(""), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>, text in "[0-9a-f-]{50,60}") {
            std::hint::black_box((TraceParent::parse(&bytes), TraceParent::parse(text.as_bytes())));
            std::hint::black_box(TraceParent::of_envelope(&bytes));
        }
    }
}
