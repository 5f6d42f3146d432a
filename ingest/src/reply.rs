//! Answers: a status, a body that is ready or is streamed, and few headers.

mod streamed;

pub(crate) use streamed::StreamedBody;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What every handler returns.
pub(crate) type ApiReply = Response<ReplyBody>;

/// An answer's body.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All of its bytes are known.
    Whole(Full<Bytes>),
    /// Its bytes are written while events happen.
    Streamed(StreamedBody),
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Streamed(body) => body.poll_next(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Tells a proxy not to buffer an answer.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer of JSON that is already written.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> ApiReply {
    with_type(status, body, JSON)
}

/// An answer of a value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> ApiReply {
    let body = serde_json::to_vec(value).expect("answers have string keys only");
    json_bytes(status, body.into())
}

/// An answer in Prometheus' text format.
pub(crate) fn metrics(body: String) -> ApiReply {
    with_type(StatusCode::OK, body.into(), PROMETHEUS)
}

/// A page for people.
pub(crate) fn html(body: Bytes) -> ApiReply {
    with_type(StatusCode::OK, body, HTML)
}

/// An answer of server-sent events.
pub(crate) fn event_stream(body: StreamedBody) -> ApiReply {
    let mut reply = Response::new(ReplyBody::Streamed(body));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    reply
}

/// 204: an answer without a body.
pub(crate) fn no_content() -> ApiReply {
    let mut reply = Response::new(ReplyBody::Whole(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// 304: the client has the file already.
#[cfg(feature = "console")]
pub(crate) fn not_modified() -> ApiReply {
    let mut reply = no_content();
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    reply
}

/// An answer of a file.
#[cfg(feature = "console")]
pub(crate) fn bytes_of_type(status: StatusCode, body: Bytes, content_type: HeaderValue) -> ApiReply {
    with_type(status, body, content_type)
}

fn with_type(status: StatusCode, body: Bytes, content_type: HeaderValue) -> ApiReply {
    let mut reply = Response::new(ReplyBody::Whole(Full::new(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}
