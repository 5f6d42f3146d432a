//! Reads a request's body: bounded in bytes and time, charged as it arrives,
//! decompressed under the same limit.

mod inflate;

use crate::admission::{Admission, BodyPermit, NoBodyRoom};
use crate::connection::{ClientConnection, ConnectionPhase, HttpProtocol};
use crate::error::ApiError;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, EXPECT, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use inflate::ContentCoding;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use inflate::inflated_lens;
use sluice_model::CustomerId;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// The most bytes reserved at once for a body whose length is announced.
const ROOM: usize = 1 << 20;

/// Limits of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes, both as they arrive and decompressed.
    pub bytes_max: usize,
    /// Time until the last byte.
    pub timeout: Duration,
}

/// Reads bodies under the limits of the process.
pub(crate) struct BodyIntake {
    admission: Admission,
    limits: BodyLimits,
}

impl BodyIntake {
    pub(crate) const fn new(admission: Admission, limits: BodyLimits) -> Self {
        Self { admission, limits }
    }

    /// A permit that a customer's body is charged to.
    pub(crate) const fn permit(&self, customer: CustomerId) -> BodyPermit<'_> {
        self.admission.permit(customer)
    }

    /// The limits of bodies with events.
    pub(crate) const fn limits(&self) -> BodyLimits {
        self.limits
    }

    /// The same limits, with at most so many bytes.
    pub(crate) fn limits_up_to(&self, bytes_max: usize) -> BodyLimits {
        BodyLimits { bytes_max, ..self.limits }
    }

    /// Bytes of bodies in flight.
    pub(crate) fn bytes(&self) -> usize {
        self.admission.bytes()
    }
}

/// Reads a body to its end. An error that leaves bytes of the body unread
/// closes the connection.
pub(crate) async fn read(
    connection: &ClientConnection,
    headers: &HeaderMap,
    mut body: Incoming,
    permit: &mut BodyPermit<'_>,
    limits: BodyLimits,
) -> Result<Bytes, ApiError> {
    let encoding = encoding(headers)?;
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > limits.bytes_max as u64) {
        discard(connection, headers, body, limits, limits.bytes_max as u64).await;
        return Err(too_large(limits.bytes_max).close());
    }
    let raw = match collect(connection, &mut body, announced, permit, limits).await {
        Ok(raw) => raw,
        Err(error) => {
            if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                discard(connection, headers, body, limits, limits.bytes_max as u64).await;
            }
            return Err(error.close());
        }
    };
    match encoding {
        None => Ok(raw),
        Some(encoding) => inflate::inflate(encoding, raw, limits.bytes_max, permit).await,
    }
}

/// Reads and drops up to `bytes` of the body of a refused request, so that the
/// client reads its answer before it meets a closed connection.
pub(crate) async fn discard(
    connection: &ClientConnection,
    headers: &HeaderMap,
    mut body: Incoming,
    limits: BodyLimits,
    bytes: u64,
) {
    // A client that waits for `100 Continue` has sent nothing, and will not.
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut dropped = 0;
    connection.enter(ConnectionPhase::Body);
    while let Ok(Some(chunk)) = next(connection, &mut body, limits.timeout).await {
        dropped += chunk.len() as u64;
        if dropped > bytes {
            break;
        }
    }
    connection.enter(ConnectionPhase::Serving);
}

async fn collect(
    connection: &ClientConnection,
    body: &mut Incoming,
    announced: Option<u64>,
    permit: &mut BodyPermit<'_>,
    limits: BodyLimits,
) -> Result<Bytes, ApiError> {
    if announced == Some(0) {
        return Ok(Bytes::new());
    }
    connection.enter(ConnectionPhase::Body);
    let whole = async {
        let Some(first) = next(connection, body, limits.timeout).await? else { return Ok(Bytes::new()) };
        permit.grow_to(first.len()).map_err(no_room)?;
        if body.is_end_stream() {
            return if first.len() > limits.bytes_max { Err(too_large(limits.bytes_max)) } else { Ok(first) };
        }
        let room = announced.map_or(2 * first.len(), |bytes| bytes as usize);
        let mut all = BytesMut::with_capacity(room.clamp(first.len(), ROOM.max(first.len())));
        all.extend_from_slice(&first);
        drop(first);
        while let Some(chunk) = next(connection, body, limits.timeout).await? {
            let len = all.len() + chunk.len();
            if len > limits.bytes_max {
                return Err(too_large(limits.bytes_max));
            }
            permit.grow_to(len).map_err(no_room)?;
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    };
    let read = match connection.protocol() {
        // The sweep over connections enforces the timeout.
        HttpProtocol::Http1 => whole.await,
        HttpProtocol::Http2 => tokio::time::timeout(limits.timeout, whole)
            .await
            .unwrap_or_else(|_elapsed| Err(late(limits.timeout))),
    };
    connection.enter(ConnectionPhase::Serving);
    read
}

/// The body's next bytes.
async fn next(
    connection: &ClientConnection,
    body: &mut Incoming,
    timeout: Duration,
) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending if connection.is_body_late() => Poll::Ready(Err(late(timeout))),
            frame => frame.map(Ok),
        });
        match frame.await? {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
                // Trailers are ignored.
            }
            Some(Err(error)) => {
                let text = format!("the body cannot be read: {error}");
                return Err(ApiError::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", text));
            }
        }
    }
}

fn encoding(headers: &HeaderMap) -> Result<Option<ContentCoding>, ApiError> {
    let mut all = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let name = first.as_bytes().trim_ascii();
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if all.next().is_none() {
        if is(b"identity") || is(b"") {
            return Ok(None);
        }
        if is(b"gzip") || is(b"x-gzip") {
            return Ok(Some(ContentCoding::Gzip));
        }
        if is(b"zstd") {
            return Ok(Some(ContentCoding::Zstd));
        }
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_ENCODING",
        "Content-Encoding must be gzip or zstd, and only one of them",
    )
    .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd")))
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        format!("the body is larger than {bytes_max} bytes"),
    )
    .details(serde_json::json!({ "limit_bytes": bytes_max }))
}

fn late(timeout: Duration) -> ApiError {
    let text = format!("the body did not arrive within {} ms", timeout.as_millis());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", text)
}

/// Charges a permit for the bytes that a body is turned into.
pub(crate) fn charge(permit: &mut BodyPermit<'_>, bytes: usize) -> Result<(), ApiError> {
    permit.grow_to(bytes).map_err(no_room)
}

fn no_room(full: NoBodyRoom) -> ApiError {
    match full {
        NoBodyRoom::Process => ApiError::overloaded("too many bytes of requests are in flight"),
        NoBodyRoom::Customer => {
            ApiError::overloaded("too many bytes of this customer's requests are in flight")
        }
    }
}
