//! The envelope: one event in the bytes that a webhook carries, written once at the ingest process.
//!
//! ```text
//! {"event_id":"<36>","customer_id":"<36>"[,"event_type":…][,"source":…][,"tags":[…]]
//!  [,"metadata":{…}],"payload":<as it came>,"timestamp":"<24>"}
//! ```
//!
//! The id comes first, so that its place is known and the lane's buffer can write it when the
//! event joins a batch.

use crate::ids::{ID_TEXT_LEN, IdText};
use crate::{BatchId, EventMeta};

const BEFORE_ID: &[u8] = b"{\"event_id\":\"";
const BEFORE_CUSTOMER: &[u8] = b"\",\"customer_id\":\"";
const EVENT_TYPE: &[u8] = b",\"event_type\":";
const SOURCE: &[u8] = b",\"source\":";
const TAGS: &[u8] = b",\"tags\":";
const METADATA: &[u8] = b",\"metadata\":";
const PAYLOAD: &[u8] = b",\"payload\":";
const BEFORE_TIMESTAMP: &[u8] = b",\"timestamp\":\"";
const END: &[u8] = b"\"}";

/// Where the id's text begins in an envelope.
pub const ID_OFFSET: usize = BEFORE_ID.len();

/// The content of an envelope, apart from its id. The JSON fields are copied unchanged.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeParts<'a> {
    /// `"customer_id":"…"`: the text of the id.
    pub customer: &'a [u8; ID_TEXT_LEN],
    /// A JSON string.
    pub event_type: Option<&'a [u8]>,
    /// A JSON string.
    pub source: Option<&'a [u8]>,
    /// A JSON array of strings.
    pub tags: Option<&'a [u8]>,
    /// A JSON object.
    pub metadata: Option<&'a [u8]>,
    /// Any JSON.
    pub payload: &'a [u8],
    /// RFC 3339.
    pub timestamp: &'a [u8],
}

impl EnvelopeParts<'_> {
    /// How many bytes [`write`] appends.
    #[expect(clippy::len_without_is_empty, reason = "an envelope is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        let field = |name: &[u8], json: Option<&[u8]>| json.map_or(0, |json| name.len() + json.len());
        BEFORE_ID.len()
            + ID_TEXT_LEN
            + BEFORE_CUSTOMER.len()
            + ID_TEXT_LEN
            + 1
            + field(EVENT_TYPE, self.event_type)
            + field(SOURCE, self.source)
            + field(TAGS, self.tags)
            + field(METADATA, self.metadata)
            + PAYLOAD.len()
            + self.payload.len()
            + BEFORE_TIMESTAMP.len()
            + self.timestamp.len()
            + END.len()
    }
}

/// Appends an envelope with a blank id.
pub fn write(parts: &EnvelopeParts<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(BEFORE_ID);
    out.extend_from_slice(&[b'0'; ID_TEXT_LEN]);
    out.extend_from_slice(BEFORE_CUSTOMER);
    out.extend_from_slice(parts.customer);
    out.push(b'"');
    let mut field = |name: &[u8], json: Option<&[u8]>| {
        if let Some(json) = json {
            out.extend_from_slice(name);
            out.extend_from_slice(json);
        }
    };
    field(EVENT_TYPE, parts.event_type);
    field(SOURCE, parts.source);
    field(TAGS, parts.tags);
    field(METADATA, parts.metadata);
    field(PAYLOAD, Some(parts.payload));
    out.extend_from_slice(BEFORE_TIMESTAMP);
    out.extend_from_slice(parts.timestamp);
    out.extend_from_slice(END);
}

/// Writes an event's id into its envelope.
///
/// # Panics
/// If `envelope` is too short for an id.
pub fn stamp(id: &[u8; ID_TEXT_LEN], envelope: &mut [u8]) {
    envelope[ID_OFFSET..ID_OFFSET + ID_TEXT_LEN].copy_from_slice(id);
}

/// Writes the ids of a batch's events into their envelopes, which end where `events` say.
/// Returns false if an envelope has no room for its id, which never happens to an envelope
/// of [`write`].
pub fn stamp_all(batch: BatchId, events: &[EventMeta], body: &mut [u8]) -> bool {
    let (mut text, mut start) = (IdText::default(), 0);
    for (index, event) in events.iter().enumerate() {
        let Some(envelope) = body.get_mut(start..event.end as usize) else { return false };
        if envelope.len() < ID_OFFSET + ID_TEXT_LEN {
            return false;
        }
        stamp(&text.of(batch.event(index as u16)), envelope);
        start = event.end as usize + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventId, Lane};

    #[test]
    fn an_envelope_is_json_with_its_id_in_place() {
        let customer = crate::CustomerId::from_u128(1).text();
        let mut out = Vec::new();
        let parts = EnvelopeParts {
            customer: &customer,
            event_type: Some(b"\"a.b\""),
            source: None,
            tags: Some(b"[\"x\"]"),
            metadata: None,
            payload: b" {\"k\": 1}",
            timestamp: b"2026-11-21T10:59:39.123Z",
        };
        write(&parts, &mut out);
        assert_eq!(out.len(), parts.len());
        let id = EventId::new(77, Lane::new(5).unwrap(), 9, 0xabc);
        stamp(&id.text(), &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["event_id"], id.to_string());
        assert_eq!(json["payload"]["k"], 1);
        assert_eq!(json["tags"][0], "x");
        assert!(json.get("source").is_none());
    }
}
