//! CloudEvents 1.0 (<https://github.com/cloudevents/spec>) as events of this API.
//!
//! A request with CloudEvents is first rewritten into the API's own JSON and then
//! decoded as such, so that every rule for events also holds for CloudEvents.
//!
//! | CloudEvents | event |
//! |---|---|
//! | `type`, `source` | `event_type`, `source` |
//! | `data` | `payload`; `null` without data |
//! | `data_base64`, or data that is neither JSON nor text | `payload`: base64 in a string; `metadata.cloudevents.data_base64` is `true` |
//! | `partitionkey` (partitioning extension) | `ordering_key` |
//! | `traceparent` (distributed tracing extension) | `metadata.traceparent` too |
//! | `specversion`, `id`, all other attributes | `metadata.cloudevents.<name>` |

mod binary;
mod structured;
#[cfg(test)]
mod tests;

use super::{EventError, EventsBodyError};
use crate::media_type::is_media_type;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName};
use serde_json::value::RawValue;
use sluice_model::clock;
use std::borrow::Cow;

/// The headers that every event in binary mode has.
const REQUIRED: [HeaderName; 4] = [
    HeaderName::from_static("ce-specversion"),
    HeaderName::from_static("ce-id"),
    HeaderName::from_static("ce-source"),
    HeaderName::from_static("ce-type"),
];

/// How a request carries CloudEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloudForm {
    /// Attributes in `ce-…` headers, the data as the body.
    Binary,
    /// One event, JSON format.
    Structured,
    /// A JSON array of events, JSON format.
    Batch,
}

/// A body in the API's own form.
#[derive(Debug)]
pub(crate) struct TranslatedBody {
    /// JSON: an event or an array of events. `{}` stands for a refused event.
    pub body: Vec<u8>,
    /// The refused events by their index.
    pub refusals: Vec<(usize, EventError)>,
}

impl CloudForm {
    /// The form in which a request carries CloudEvents, if it does.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        // Nearly every request is `application/json`, which one comparison rules out.
        if kind.len() >= 23 && kind[..23].eq_ignore_ascii_case(b"application/cloudevents") {
            if is_media_type(kind, "application/cloudevents+json") {
                return Some(Self::Structured);
            }
            if is_media_type(kind, "application/cloudevents-batch+json") {
                return Some(Self::Batch);
            }
        }
        // Nearly every request has none; one with a part of them is told what is missing.
        REQUIRED.iter().any(|name| headers.contains_key(name)).then_some(Self::Binary)
    }

    /// Rewrites a body.
    pub(crate) fn translate(
        self,
        headers: &HeaderMap,
        body: &[u8],
        event_bytes_max: usize,
    ) -> Result<TranslatedBody, EventsBodyError> {
        match self {
            Self::Binary => Ok(one(binary::event(headers, body, event_bytes_max))),
            Self::Structured => structured::one(body).map(one),
            Self::Batch => structured::batch(body),
        }
    }
}

fn one(event: Result<Vec<u8>, EventError>) -> TranslatedBody {
    match event {
        Ok(body) => TranslatedBody { body, refusals: Vec::new() },
        Err(error) => TranslatedBody { body: b"{}".to_vec(), refusals: vec![(0, error)] },
    }
}

fn invalid(message: impl Into<String>) -> EventError {
    EventError::invalid(message)
}

/// An attribute. Its value is JSON: a string, a number or a boolean.
#[derive(Debug)]
struct Attribute<'a> {
    name: Cow<'a, str>,
    json: Cow<'a, str>,
}

/// The data of an event.
enum Data<'a> {
    None,
    Json(&'a RawValue),
    /// A string.
    Text(&'a str),
    /// Base64, as JSON.
    Base64(Cow<'a, str>),
}

/// Writes an event in the API's own form.
fn write(attributes: &[Attribute<'_>], data: &Data<'_>) -> Result<Vec<u8>, EventError> {
    check(attributes)?;
    let mut out = Vec::with_capacity(256 + attributes.len() * 32 + data.len_hint());
    out.push(b'{');
    for (name, field) in [("type", "event_type"), ("source", "source"), ("partitionkey", "ordering_key")] {
        if let Some(attribute) = find(attributes, name) {
            out.extend_from_slice(format!("\"{field}\":{},", attribute.json).as_bytes());
        }
    }
    out.extend_from_slice(b"\"metadata\":{");
    // The Distributed Tracing extension: the event's own trace replaces the request's.
    if let Some(attribute) = find(attributes, "traceparent") {
        out.extend_from_slice(format!("\"traceparent\":{},", attribute.json).as_bytes());
    }
    out.extend_from_slice(b"\"cloudevents\":{");
    let rest = attributes.iter().filter(|attribute| !matches!(&*attribute.name, "type" | "source"));
    for (at, attribute) in rest.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"{}\":{}", attribute.name, attribute.json).as_bytes());
    }
    if matches!(data, Data::Base64(_)) {
        out.extend_from_slice(b",\"data_base64\":true");
    }
    out.extend_from_slice(b"}},\"payload\":");
    match data {
        Data::None => out.extend_from_slice(b"null"),
        Data::Json(raw) => out.extend_from_slice(raw.get().as_bytes()),
        Data::Text(text) => serde_json::to_writer(&mut out, text).map_err(|e| invalid(e.to_string()))?,
        Data::Base64(json) => out.extend_from_slice(json.as_bytes()),
    }
    out.push(b'}');
    Ok(out)
}

impl Data<'_> {
    fn len_hint(&self) -> usize {
        match self {
            Self::None => 4,
            Self::Json(raw) => raw.get().len(),
            Self::Text(text) => text.len() + 2,
            Self::Base64(json) => json.len(),
        }
    }
}

/// The most attributes of an event. Each is compared with all others.
const ATTRIBUTES_MAX: usize = 128;

/// Attributes that the specification defines; all are texts.
const TEXT_ATTRIBUTES: [&str; 8] =
    ["specversion", "id", "type", "source", "subject", "time", "dataschema", "datacontenttype"];

fn find<'a, 'b>(attributes: &'b [Attribute<'a>], name: &str) -> Option<&'b Attribute<'a>> {
    attributes.iter().find(|attribute| attribute.name == name)
}

/// The rules of CloudEvents 1.0, "Context Attributes".
fn check(attributes: &[Attribute<'_>]) -> Result<(), EventError> {
    if attributes.len() > ATTRIBUTES_MAX {
        let text = format!("the event has {} attributes; the limit is {ATTRIBUTES_MAX}", attributes.len());
        return Err(invalid(text));
    }
    for (at, attribute) in attributes.iter().enumerate() {
        check_one(attribute)?;
        if attributes[..at].iter().any(|earlier| earlier.name == attribute.name) {
            return Err(invalid(format!("the CloudEvents attribute `{}` comes twice", attribute.name)));
        }
    }
    for name in ["specversion", "id", "type", "source"] {
        if find(attributes, name).is_none() {
            return Err(invalid(format!("the CloudEvents attribute `{name}` is missing")));
        }
    }
    if find(attributes, "specversion").is_some_and(|version| version.json != "\"1.0\"") {
        return Err(invalid("`specversion` must be 1.0"));
    }
    let time =
        find(attributes, "time").and_then(|time| serde_json::from_str::<Cow<'_, str>>(&time.json).ok());
    if time.is_some_and(|time| clock::parse_rfc3339(&time).is_none()) {
        return Err(invalid("`time` must be RFC 3339, such as 2026-01-31T12:00:00Z"));
    }
    Ok(())
}

fn check_one(attribute: &Attribute<'_>) -> Result<(), EventError> {
    let Attribute { name, json } = attribute;
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_lower) {
        let name: String = name.chars().take(64).collect();
        return Err(invalid(format!("`{name}` is not a CloudEvents attribute: names are a-z and 0-9")));
    }
    let is_text = json.starts_with('"');
    if TEXT_ATTRIBUTES.contains(&&**name) && (!is_text || json.len() == 2) {
        return Err(invalid(format!("the CloudEvents attribute `{name}` must be a non-empty string")));
    }
    if json.starts_with(['{', '[']) {
        return Err(invalid(format!(
            "the CloudEvents attribute `{name}` must be a string, a number or a boolean"
        )));
    }
    Ok(())
}
