//! Answers: a status, a body that is ready, and few headers.

use crate::stream::EventStream;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What every handler answers.
pub(crate) type Reply = Response<Body>;

/// An answer's body.
#[derive(Debug)]
pub(crate) enum Body {
    /// It is ready.
    Whole(Full<Bytes>),
    /// It comes as it happens.
    Stream(EventStream),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(stream) => stream.poll_next(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

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

/// Server-sent events, as they happen.
pub(crate) fn event_stream(stream: EventStream) -> Reply {
    let mut reply = Response::new(Body::Stream(stream));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers are told not to gather this one.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    reply
}

/// Nothing to say.
pub(crate) fn no_content() -> Reply {
    let mut reply = Response::new(Body::Whole(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

fn with_type(status: StatusCode, body: Bytes, kind: HeaderValue) -> Reply {
    let mut reply = Response::new(Body::Whole(Full::new(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}
