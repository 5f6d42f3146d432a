//! The binary mode (CloudEvents HTTP Protocol Binding 1.0, section 3.1):
//! attributes in headers, the data as the body.

use super::{Attribute, Data, invalid, write};
use crate::decode::EventError;
use crate::media_type::is_utf8;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The event of a request.
pub(super) fn event(headers: &HeaderMap, body: &[u8], event_bytes_max: usize) -> Result<Vec<u8>, EventError> {
    if body.len() > event_bytes_max {
        return Err(EventError::too_large(body.len(), event_bytes_max));
    }
    let mut attributes = Vec::new();
    for (header, value) in headers {
        if let Some(name) = header.as_str().strip_prefix("ce-") {
            if name == "datacontenttype" {
                return Err(invalid("`datacontenttype` is the Content-Type header in binary mode"));
            }
            attributes.push(attribute(name, &value_text(name, value)?)?);
        }
    }
    let kind = match headers.get(CONTENT_TYPE) {
        None => None,
        Some(value) => {
            let text = value.to_str().map_err(|_other| invalid("Content-Type is not ASCII"))?;
            attributes.push(attribute("datacontenttype", text)?);
            Some(text)
        }
    };
    write(&attributes, &data(kind, body)?)
}

fn attribute<'a>(name: &'a str, text: &str) -> Result<Attribute<'a>, EventError> {
    let json = serde_json::to_string(text).map_err(|error| invalid(error.to_string()))?;
    Ok(Attribute { name: Cow::Borrowed(name), json: Cow::Owned(json) })
}

fn data<'a>(kind: Option<&str>, body: &'a [u8]) -> Result<Data<'a>, EventError> {
    if body.is_empty() {
        return Ok(Data::None);
    }
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let is_text = essence.as_deref().is_some_and(|kind| kind.starts_with("text/") || kind.ends_with("xml"));
    let is_json = essence.as_deref().is_none_or(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
    if let Some(kind) = kind.filter(|kind| !is_utf8(kind.as_bytes()))
        && (is_json || is_text)
    {
        return Err(invalid(format!("the charset of `{kind}` must be utf-8")));
    }
    if is_json {
        let raw: &RawValue = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("the data is not JSON: {error}")))?;
        return Ok(Data::Json(raw));
    }
    match std::str::from_utf8(body) {
        Ok(text) if is_text => Ok(Data::Text(text)),
        Err(_) if is_text => Err(invalid("the data is not UTF-8")),
        _ => Ok(Data::Base64(Cow::Owned(format!("\"{}\"", STANDARD.encode(body))))),
    }
}

/// A header's value as the attribute's text: quotes are removed, then
/// percent-encoding is decoded once (section 3.1.3.2).
fn value_text(name: &str, value: &HeaderValue) -> Result<String, EventError> {
    let bytes = value.as_bytes().trim_ascii();
    let unquoted = match bytes {
        [b'"', inner @ .., b'"'] => unescape(inner),
        _ => bytes.to_vec(),
    };
    let mut out = Vec::with_capacity(unquoted.len());
    let mut position = 0;
    while let Some(byte) = unquoted.get(position) {
        let hex = unquoted.get(position + 1..position + 3).filter(|_| *byte == b'%').and_then(hex_byte);
        out.push(hex.unwrap_or(*byte));
        position += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).map_err(|_other| invalid(format!("the header `ce-{name}` is not UTF-8")))
}

fn unescape(inner: &[u8]) -> Vec<u8> {
    let (mut out, mut escaped) = (Vec::with_capacity(inner.len()), false);
    for byte in inner {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(*byte);
        }
    }
    out
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*digits.first()?)?, digit(*digits.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}
