//! An event as readers see it: its envelope with its status.

use crate::status::Standing;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluice_model::clock::{RFC3339_LEN, rfc3339};
use std::borrow::Cow;
use std::io::Write;

/// Appends the envelope, with the fields of `standing` added to it.
pub(crate) fn write(envelope: &[u8], standing: &Standing, out: &mut Vec<u8>) {
    let open = envelope.strip_suffix(b"}").unwrap_or(envelope);
    out.extend_from_slice(open);
    let Standing { status, attempts, last_attempt_ms, acknowledged_at_ms } = standing;
    write!(out, ",\"status\":\"{}\",\"delivery_attempts\":{attempts}", status.as_str())
        .expect("a vector takes all");
    out.extend_from_slice(b",\"last_delivery_timestamp\":");
    write_time(*last_attempt_ms, out);
    out.extend_from_slice(b",\"acknowledged_at\":");
    write_time(*acknowledged_at_ms, out);
    out.push(b'}');
}

fn write_time(ms: Option<u64>, out: &mut Vec<u8>) {
    match ms {
        None => out.extend_from_slice(b"null"),
        Some(ms) => {
            out.push(b'"');
            out.extend_from_slice(&rfc3339(ms));
            out.push(b'"');
        }
    }
}

/// When the event was accepted: the last field of its envelope (see `wire::envelope`).
pub(crate) fn timestamp(envelope: &[u8]) -> &[u8] {
    let end = envelope.len().saturating_sub(2);
    envelope.get(end.saturating_sub(RFC3339_LEN)..end).unwrap_or_default()
}

/// The fields of an envelope that a filter looks at.
#[derive(Debug, Deserialize)]
pub(crate) struct EnvelopeFields<'a> {
    #[serde(borrow, default)]
    pub source: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub tags: Vec<Cow<'a, str>>,
    /// Skipped without being built.
    #[serde(rename = "payload")]
    _payload: IgnoredAny,
}

/// An envelope's source and tags.
pub(crate) fn fields(envelope: &[u8]) -> Option<EnvelopeFields<'_>> {
    serde_json::from_slice(envelope).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;
    use crate::testing::stored_batch;

    #[test]
    fn an_item_is_its_envelope_and_its_standing() {
        let stored = stored_batch(2);
        let envelope = stored.batch.envelope(1);
        let mut out = Vec::new();
        write(&envelope, &status::standing(&stored, 1), &mut out);
        let item: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(item["event_id"], stored.batch.event_id(1).to_string());
        assert_eq!(item["status"], "pending");
        assert_eq!(item["delivery_attempts"], 0);
        assert!(item["acknowledged_at"].is_null() && item["last_delivery_timestamp"].is_null());
        assert_eq!(timestamp(&envelope), b"1970-01-01T00:00:01.000Z");
        let fields = fields(&envelope).unwrap();
        assert_eq!(
            (fields.source.as_deref(), &fields.tags[..]),
            (Some("s1"), &["a".into(), "bc".into()][..])
        );
        assert_eq!(timestamp(b""), b"");
    }
}
