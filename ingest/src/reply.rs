//! Answers: a status, a body that is ready, and few headers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// What every handler answers.
pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// JSON that is already written.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> Reply {
    with_type(status, body, JSON)
}

/// A value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("answers have string keys only");
    json_bytes(status, body.into())
}

/// Prometheus' text format.
pub(crate) fn metrics(body: String) -> Reply {
    with_type(StatusCode::OK, body.into(), TEXT)
}

/// Nothing to say.
pub(crate) fn no_content() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

fn with_type(status: StatusCode, body: Bytes, kind: HeaderValue) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}
