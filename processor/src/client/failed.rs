//! Which events a 2xx answer's body names as not taken: `{"failed":["<event_id>", …]}`.
//!
//! An entry may also be an object with `event_id`. Only a JSON object can name events. If the
//! body is one, or may be one, and its `failed` cannot be read to the end, no event counts as
//! taken: the receiver can drop a duplicate by its `event_id`, but a lost event is lost for good.

use flate2::read::GzDecoder;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use sluice_model::{EventId, EventRef};
use std::io::Read as _;

/// How reading a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// The body is whole.
    Whole,
    /// The body is longer than [`AnswerBody::bytes_max`].
    TooLong,
    /// The body stopped before its end, for this reason.
    CutOff(String),
}

/// The part of an answer's body that was read.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: BodyEnd,
    /// The most bytes that are read.
    pub(crate) bytes_max: usize,
    /// The content or transfer coding, if it is not `identity` or `chunked`.
    pub(crate) coding: Option<String>,
}

/// Why a body that names failed events, or may name some, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the answer is coded as `{0}`, which was not offered")]
    Coded(String),
    #[error("the answer is not in UTF-8")]
    NotUtf8,
    #[error("the answer may name failed events and is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer may name failed events and is cut off: {0}")]
    CutOff(String),
    #[error("the answer has a `failed` and is not valid JSON: {0}")]
    NotJson(String),
    #[error("the answer's `failed` is not a list")]
    NotAList,
    #[error("the answer's `failed` has an entry that is no event of this delivery: {0}")]
    Stranger(String),
}

/// The one member that is read of the answer's object.
#[derive(Deserialize)]
struct FailedMember<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    failed: Option<&'a RawValue>,
}

/// Reads `null` as a value, so that it is not taken for a missing member.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(from).map(Some)
}

/// The events of a delivery that the body of a 2xx answer names as failed.
///
/// # Errors
/// If the body names failed events, or may name some, and cannot be read.
pub(crate) fn failed_events(body: &AnswerBody, delivery: &[EventRef]) -> Result<Vec<EventId>, Unreadable> {
    let is_gzip = body.bytes.starts_with(&[0x1f, 0x8b]);
    match &body.coding {
        Some(coding) if !body.bytes.is_empty() => coded(body, coding, is_gzip, delivery),
        None if is_gzip => coded(body, "gzip", is_gzip, delivery),
        _ => plain(body, delivery),
    }
}

/// Judges a body in a coding that was not offered. A list in it does not count: either nothing
/// in it mentions failed events, or no event counts as taken.
fn coded(
    body: &AnswerBody,
    coding: &str,
    is_gzip: bool,
    delivery: &[EventRef],
) -> Result<Vec<EventId>, Unreadable> {
    let refused = || Unreadable::Coded(coding.to_owned());
    if !is_gzip || body.end != BodyEnd::Whole {
        return Err(refused());
    }
    let mut bytes = Vec::new();
    let most = body.bytes_max as u64 + 1;
    GzDecoder::new(&*body.bytes).take(most).read_to_end(&mut bytes).map_err(|_| refused())?;
    let end = if bytes.len() > body.bytes_max { BodyEnd::TooLong } else { BodyEnd::Whole };
    let decoded = AnswerBody { bytes, end, bytes_max: body.bytes_max, coding: None };
    plain(&decoded, delivery).ok().filter(Vec::is_empty).ok_or_else(refused)
}

fn plain(body: &AnswerBody, delivery: &[EventRef]) -> Result<Vec<EventId>, Unreadable> {
    let bytes = body.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body.bytes);
    // An object in UTF-16 or UTF-32 begins with a byte order mark, or has a zero beside its `{`.
    if matches!(
        bytes,
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, b'{', ..] | [b'{', 0, ..] | [0, 0, 0, b'{', ..]
    ) {
        return Err(Unreadable::NotUtf8);
    }
    match (bytes.trim_ascii_start().first(), &body.end) {
        (Some(b'{') | None, BodyEnd::TooLong) => Err(Unreadable::TooLong(body.bytes_max)),
        (Some(b'{'), end) => object(bytes, end, delivery),
        (None, BodyEnd::CutOff(why)) => Err(Unreadable::CutOff(why.clone())),
        (None, BodyEnd::Whole) => Ok(Vec::new()),
        (Some(_), _) => text(bytes),
    }
}

/// Judges a body that begins like a JSON object.
fn object(bytes: &[u8], end: &BodyEnd, delivery: &[EventRef]) -> Result<Vec<EventId>, Unreadable> {
    let failed = match (serde_json::from_slice::<FailedMember<'_>>(bytes), end) {
        (Ok(member), _) => member.failed,
        (Err(_), BodyEnd::CutOff(why)) => return Err(Unreadable::CutOff(why.clone())),
        (Err(error), _) if error.classify() == Category::Eof => {
            return Err(Unreadable::CutOff(error.to_string()));
        }
        (Err(error), _) if has(bytes, b"failed") => return Err(Unreadable::NotJson(error.to_string())),
        (Err(_), _) => None,
    };
    let Some(failed) = failed else { return Ok(Vec::new()) };
    let entries: Vec<Value> = serde_json::from_str(failed.get()).map_err(|_| Unreadable::NotAList)?;
    entries.iter().map(|entry| event_of(entry, delivery)).collect()
}

/// Judges any other body: it names no events, unless it is not JSON and mentions `"failed"`, as
/// an object after a program's warnings does.
fn text(bytes: &[u8]) -> Result<Vec<EventId>, Unreadable> {
    if !has(bytes, b"\"failed\"") {
        return Ok(Vec::new());
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(Unreadable::NotJson(error.to_string())),
    }
}

/// The event that an entry of the list names, as an id or an object with an id.
fn event_of(entry: &Value, delivery: &[EventRef]) -> Result<EventId, Unreadable> {
    let text = entry.as_str().or_else(|| entry.get("event_id")?.as_str());
    let id = text.and_then(|text| text.parse::<EventId>().ok());
    let is_carried = |id: &EventId| {
        let mut batches = delivery.iter().filter(|events| events.batch == id.batch());
        batches.any(|events| events.events.contains(id.index()))
    };
    id.filter(is_carried).ok_or_else(|| Unreadable::Stranger(entry.to_string()))
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests;
