//! The envelope: one event as a webhook carries it, written once at the edge.
//!
//! ```text
//! {"event_id":"<36>","customer_id":"<36>"[,"event_type":…][,"source":…][,"tags":[…]]
//!  [,"metadata":{…}],"payload":<as it came>,"timestamp":"<24>"}
//! ```
//!
//! The id comes first, so that its place is known and the lane's buffer can
//! write it when the event joins a batch.

use crate::model::ids::ID_TEXT_LEN;

const BEFORE_ID: &[u8] = b"{\"event_id\":\"";

/// Where the id's text begins in an envelope.
pub const ID_OFFSET: usize = BEFORE_ID.len();

/// What an envelope says, beside its id. The JSON fields are copied as they are.
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

/// Appends an envelope with a blank id.
pub fn write(parts: &EnvelopeParts<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(BEFORE_ID);
    out.extend_from_slice(&[b'0'; ID_TEXT_LEN]);
    out.extend_from_slice(b"\",\"customer_id\":\"");
    out.extend_from_slice(parts.customer);
    out.push(b'"');
    let mut field = |name: &[u8], json: Option<&[u8]>| {
        if let Some(json) = json {
            out.extend_from_slice(name);
            out.extend_from_slice(json);
        }
    };
    field(b",\"event_type\":", parts.event_type);
    field(b",\"source\":", parts.source);
    field(b",\"tags\":", parts.tags);
    field(b",\"metadata\":", parts.metadata);
    field(b",\"payload\":", Some(parts.payload));
    out.extend_from_slice(b",\"timestamp\":\"");
    out.extend_from_slice(parts.timestamp);
    out.extend_from_slice(b"\"}");
}

/// Writes an event's id into its envelope.
///
/// # Panics
/// If `envelope` is shorter than any envelope is.
pub fn stamp(id: &[u8; ID_TEXT_LEN], envelope: &mut [u8]) {
    envelope[ID_OFFSET..ID_OFFSET + ID_TEXT_LEN].copy_from_slice(id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, Lane};

    #[test]
    fn an_envelope_is_json_with_its_id_in_place() {
        let customer = crate::model::CustomerId::from_u128(1).text();
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
        let id = EventId::new(77, Lane::new(5).unwrap(), 9, 0xabc);
        stamp(&id.text(), &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["event_id"], id.to_string());
        assert_eq!(json["payload"]["k"], 1);
        assert_eq!(json["tags"][0], "x");
        assert!(json.get("source").is_none());
    }
}
