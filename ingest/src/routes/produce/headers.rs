//! The headers of a request with events.

use super::refusal::bad_key;
use crate::decode::BodyForm;
use crate::decode::cloud_events::CloudForm;
use crate::error::ApiError;
use crate::media_type::{check_charset, is_media_type};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The media types of one event a line.
const NDJSON: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// How the body holds its events, by its `Content-Type`. Without one it is JSON,
/// and so is the translation of CloudEvents.
pub(super) fn body_form(headers: &HeaderMap, cloud: Option<CloudForm>) -> Result<BodyForm, ApiError> {
    let Some(content_type) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else {
        return Ok(BodyForm::Json);
    };
    match cloud {
        // The charset is the data's, which the translation checks.
        Some(CloudForm::Binary) => return Ok(BodyForm::Json),
        Some(CloudForm::Structured | CloudForm::Batch) => {
            check_charset(content_type)?;
            return Ok(BodyForm::Json);
        }
        None => {}
    }
    if is_media_type(content_type, "application/json") {
        check_charset(content_type)?;
        return Ok(BodyForm::Json);
    }
    if NDJSON.iter().any(|media_type| is_media_type(content_type, media_type)) {
        check_charset(content_type)?;
        return Ok(BodyForm::Ndjson);
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "Content-Type must be application/json, application/x-ndjson, application/cloudevents+json or \
         application/cloudevents-batch+json",
    ))
}

/// The header `Idempotency-Key`.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| bad_key())
}

/// Whether the client prefers a minimal answer: `Prefer: return=minimal` (RFC 7240).
pub(super) fn prefers_minimal(headers: &HeaderMap) -> bool {
    headers.get_all(PREFER).iter().any(|value| {
        value.as_bytes().split(|byte| matches!(byte, b',' | b';')).any(|preference| {
            let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'"');
            let preference: Vec<u8> = preference.iter().copied().filter(is_kept).collect();
            preference.eq_ignore_ascii_case(b"return=minimal")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn the_content_type_says_how_the_body_holds_events() {
        let form = |value| body_form(&headers(CONTENT_TYPE, value), None).ok();
        assert_eq!(form("application/json; charset=utf-8"), Some(BodyForm::Json));
        assert_eq!(form("Application/X-NDJSON"), Some(BodyForm::Ndjson));
        assert_eq!(form("text/plain"), None);
        assert_eq!(form("application/json; charset=utf-16"), None);
        assert_eq!(body_form(&HeaderMap::new(), None).unwrap(), BodyForm::Json);
    }

    #[test]
    fn a_minimal_answer_is_preferred_in_any_spelling() {
        for value in ["return=minimal", "respond-async, return=minimal", "Return = \"minimal\"; foo"] {
            assert!(prefers_minimal(&headers(PREFER, value)), "{value}");
        }
        assert!(!prefers_minimal(&headers(PREFER, "return=representation")));
    }
}
