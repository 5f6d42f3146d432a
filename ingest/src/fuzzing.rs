//! The bodies of the fuzz targets: each parses a part of a request and asserts
//! what must hold of the result, whatever the bytes.

use crate::body::inflated_lens;
use crate::cursor::{self, CursorBinding};
use crate::decode::cloud_events::CloudForm;
use crate::decode::{self, BodyForm, EnvelopeContext, EventLimits};
use crate::request::parse_time;
use crate::routes::check_webhook_url;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use sluice_model::fuzzing::Target;
use sluice_model::ids::ID_TEXT_LEN;
use sluice_model::trace::TraceParent;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    ("request_body", request_body),
    ("cloud_events", cloud_events),
    ("cloud_event_headers", cloud_event_headers),
    ("cursor", cursor_text),
    ("compressed_body", compressed_body),
    ("query_and_url", query_and_url),
];

const LIMITS: EventLimits = EventLimits { event_bytes_max: 4096, request_events_max: 50 };
const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context(trace: Option<TraceParent>) -> EnvelopeContext<'static> {
    let customer = &[b'c'; ID_TEXT_LEN];
    EnvelopeContext { customer, timestamp: b"2026-11-21T10:59:39.123Z", fan_out: 3, lane: 1, trace }
}

/// A request's body, as JSON and as lines, with and without a trace: every event
/// is accepted or refused, and every accepted event becomes an envelope.
pub fn request_body(bytes: &[u8]) {
    for form in [BodyForm::Json, BodyForm::Ndjson] {
        let plain = check(bytes, form, None);
        let traced = check(bytes, form, TraceParent::parse(TRACE));
        assert_eq!(plain, traced, "a trace changes what is accepted");
    }
}

/// How many events of a body are accepted, and the indexes of those refused.
fn check(bytes: &[u8], form: BodyForm, trace: Option<TraceParent>) -> Option<(usize, Vec<usize>)> {
    let decoded = decode::decode(bytes, form, context(trace), LIMITS, &[], None).ok()?;
    assert!(decoded.accepted() + decoded.rejected.len() <= LIMITS.request_events_max);
    assert!(decoded.choices.is_empty() || decoded.choices.len() == decoded.accepted());
    for (_, chunk) in &decoded.chunks {
        let array = [b"[", chunk.body().as_slice(), b"]"].concat();
        let envelopes: Vec<Value> = match serde_json::from_slice(&array) {
            Ok(envelopes) => envelopes,
            Err(error) if is_beyond(&error) => continue,
            Err(error) => unreachable!("an envelope is not JSON: {error}"),
        };
        assert_eq!(envelopes.len(), chunk.len());
        for envelope in &envelopes {
            assert!(envelope.get("payload").is_some(), "{envelope}");
            assert!(trace.is_none() || envelope["metadata"].get("traceparent").is_some(), "{envelope}");
        }
    }
    Some((decoded.accepted(), decoded.rejected.iter().map(|(at, _)| *at).collect()))
}

/// Whether JSON has a number that a `Value` cannot hold. Such numbers are
/// forwarded unchanged.
fn is_beyond(error: &serde_json::Error) -> bool {
    error.to_string().contains("number out of range")
}

/// CloudEvents in the JSON format, one and a batch: the translation can be decoded.
pub fn cloud_events(bytes: &[u8]) {
    let headers = HeaderMap::new();
    for form in [CloudForm::Structured, CloudForm::Batch] {
        if let Ok(translated) = form.translate(&headers, bytes, LIMITS.event_bytes_max) {
            check(&translated.body, BodyForm::Json, None);
            assert!(translated.refusals.is_sorted_by_key(|(index, _)| *index));
        }
    }
}

/// CloudEvents in headers: lines `name: value`, an empty line, the data.
pub fn cloud_event_headers(bytes: &[u8]) {
    let head_end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (lines, data) = (&bytes[..head_end], bytes.get(head_end + 2..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Ok(translated) = CloudForm::Binary.translate(&headers, data, LIMITS.event_bytes_max) {
        check(&translated.body, BodyForm::Json, None);
    }
}

/// A cursor: it opens for its own binding and for no other.
pub fn cursor_text(bytes: &[u8]) {
    let binding = CursorBinding::new(&[b"customer", b"filter"]);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(payload) = binding.open(text)
    {
        assert_eq!(binding.seal(&payload), text);
    }
    let bytes = &bytes[..bytes.len().min(1024)];
    let sealed = binding.seal(bytes);
    assert_eq!(binding.open(&sealed).as_deref(), Some(bytes));
    assert_eq!(
        CursorBinding::new(&[b"custom", b"erfilter"]).open(&sealed),
        None,
        "it opens for another query"
    );
    std::hint::black_box(cursor::read_positions(bytes));
}

/// A compressed body: its decompression is bounded.
pub fn compressed_body(bytes: &[u8]) {
    const MAX: usize = 64 << 10;
    for out in inflated_lens(bytes, MAX).into_iter().flatten() {
        assert!(out <= MAX, "{out} bytes came out");
    }
}

/// Times of queries, and webhook URLs.
pub fn query_and_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    std::hint::black_box(parse_time(text, "time").ok());
    if let Ok(url) = check_webhook_url(text, false) {
        assert_eq!(check_webhook_url(&url, false).ok().as_ref(), Some(&url), "a checked URL is refused");
        assert!(url.starts_with("https://"), "{url}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus");
        sluice_model::fuzzing::rounds(TARGETS, corpora, 2000);
    }
}
