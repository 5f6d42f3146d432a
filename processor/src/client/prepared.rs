//! A signed webhook: its headers and its body.

use crate::attempt::Job;
use crate::sign::SignError;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use sluice_model::EventRef;
use sluice_model::trace::{self, TraceParent};
use std::sync::Arc;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const SUBSCRIPTION_ID: HeaderName = HeaderName::from_static("sluice-subscription-id");
const ATTEMPT: HeaderName = HeaderName::from_static("sluice-attempt");
const EVENT_COUNT: HeaderName = HeaderName::from_static("sluice-event-count");

/// A signed webhook, ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    headers: HeaderMap,
    chunks: Arc<[Bytes]>,
    events: Arc<[EventRef]>,
    signed_ms: u64,
    /// The attempt's span and its parent, if the first event has a trace.
    pub(crate) trace: Option<(TraceParent, TraceParent)>,
}

impl Prepared {
    /// Signs a webhook.
    ///
    /// # Errors
    /// If the subscription has no usable secret.
    pub fn sign(job: &Job, now_ms: u64) -> Result<Self, SignError> {
        let id = job.delivery.to_string();
        let signature = job.target.signer()?.sign(&id, now_ms / 1000, &job.chunks, now_ms)?;
        let text = |value: String| HeaderValue::try_from(value).expect("ids, digits and base64 fit a header");
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Without this header every coding of the answer would be acceptable (RFC 9110, 12.5.3).
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(WEBHOOK_ID, text(id));
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now_ms / 1000));
        headers.insert(WEBHOOK_SIGNATURE, text(signature));
        headers.insert(SUBSCRIPTION_ID, job.target.id_header());
        headers.insert(ATTEMPT, HeaderValue::from(job.number));
        headers.insert(EVENT_COUNT, HeaderValue::from(job.event_count()));
        // Each attempt is a span of its own.
        let span = job.delivery.as_u128() as u64 ^ u64::from(job.number).rotate_right(16);
        let parent = match &job.first_envelope {
            Some(envelope) => TraceParent::of_envelope(envelope),
            None => trace_of(&job.chunks),
        };
        let trace = parent.map(|parent| (parent.child(span), parent));
        if let Some((own, _)) = trace {
            headers.insert(trace::HEADER, text(own.as_str().to_owned()));
        }
        let (chunks, events) = (Arc::clone(&job.chunks), Arc::clone(&job.events));
        Ok(Self { headers, chunks, events, signed_ms: now_ms, trace })
    }

    /// The headers of the request.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, in pieces.
    #[must_use]
    pub const fn chunks(&self) -> &Arc<[Bytes]> {
        &self.chunks
    }

    /// The events that the body carries.
    #[must_use]
    pub fn events(&self) -> &[EventRef] {
        &self.events
    }

    /// When it was signed, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn signed_ms(&self) -> u64 {
        self.signed_ms
    }
}

/// The trace of a webhook's first event. A long first event has a chunk of its own, after the bracket.
fn trace_of(chunks: &[Bytes]) -> Option<TraceParent> {
    match chunks {
        [bracket, envelopes, ..] if bracket == "[" => TraceParent::of_envelope(envelopes),
        [first, ..] => TraceParent::of_envelope(first),
        [] => None,
    }
}
