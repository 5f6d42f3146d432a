//! Checks of a payload, which is otherwise forwarded unread.

use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_schema::nests_deeper_than;

/// How deep a payload may nest.
pub(super) const DEPTH_MAX: usize = sluice_schema::PAYLOAD_DEPTH_MAX;

/// Refuses a field that nests too deep.
pub(super) fn check_depth(field: &str, json: &str) -> Result<(), String> {
    // Most payloads have too few brackets to nest too deep.
    if opening_brackets(json.as_bytes()) <= DEPTH_MAX {
        return Ok(());
    }
    if nests_deeper_than(json, DEPTH_MAX) {
        return Err(format!("`{field}` nests deeper than {DEPTH_MAX} levels"));
    }
    Ok(())
}

/// The checks of a payload that is no event's: how deep it nests, and its escapes.
pub(crate) fn check_payload(json: &str) -> Result<(), String> {
    check_depth("payload", json)?;
    check_unicode("payload", json)
}

/// Refuses a field with half of a surrogate pair.
pub(super) fn check_unicode(field: &str, json: &str) -> Result<(), String> {
    match is_unicode(json) {
        true => Ok(()),
        false => Err(format!("`{field}` has half of a surrogate pair (\\ud800 to \\udfff alone)")),
    }
}

/// How many `{` and `[` there are. They differ in one bit, so one comparison finds both.
fn opening_brackets(json: &[u8]) -> usize {
    const CHUNK: usize = 128;
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    json.chunks(CHUNK).map(|chunk| usize::from(count(chunk))).sum()
}

/// Whether no escape of a JSON text is half of a surrogate pair. The grammar
/// allows one (RFC 8259, 8.2), but it encodes no text, and a strict receiver
/// would refuse the whole webhook with all of its events.
fn is_unicode(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut position = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(position..).unwrap_or_default()) {
        position += found;
        position += match code_unit(bytes, position) {
            Some(0xd800..=0xdbff) if matches!(code_unit(bytes, position + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => return false,
            Some(_) => 6,
            None => 2,
        };
    }
    true
}

/// The code unit of the `\uXXXX` at `position`.
fn code_unit(bytes: &[u8], position: usize) -> Option<u16> {
    let digits = bytes.get(position..position + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A payload's own `event_type`, if it is a string.
pub(super) fn event_type(json: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        event_type: Option<&'a RawValue>,
    }
    if !json.starts_with('{') || !json.contains("event_type") {
        return None;
    }
    let typed: Typed<'_> = serde_json::from_str(json).ok()?;
    typed.event_type.filter(|kind| kind.get().starts_with('"'))
}
