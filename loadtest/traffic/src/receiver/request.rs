//! Reads the heads of HTTP/1.1 requests.

use thiserror::Error;

use crate::chunked::ChunkError;
use crate::response::{Lines, header_value, parse_length};

/// Longest head of a request, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where a request's body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BodyLength {
    Known(usize),
    Chunked,
}

/// A request's first line and the headers that matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestHead<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) body: BodyLength,
    pub(super) expects_continue: bool,
    pub(super) closes: bool,
    pub(super) webhook_id: Option<&'a [u8]>,
    pub(super) webhook_timestamp: Option<&'a [u8]>,
    pub(super) webhook_signature: Option<&'a [u8]>,
    pub(super) subscription: Option<&'a [u8]>,
    pub(super) event_count: Option<u64>,
}

/// Why a request cannot be read; it is answered 400 (or 413) and the
/// connection closed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(super) enum RequestError {
    #[error("the request line is not METHOD PATH HTTP/1.x")]
    RequestLine,
    #[error("the head is longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    #[error("Content-Length is not one number")]
    Length,
    #[error("Transfer-Encoding is not chunked")]
    Encoding,
    #[error("the body is longer than {0} bytes")]
    BodyTooLong(usize),
    #[error(transparent)]
    Chunk(ChunkError),
}

impl From<ChunkError> for RequestError {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::TooLong(limit) => Self::BodyTooLong(limit),
            other => Self::Chunk(other),
        }
    }
}

/// Reads a head, without its empty line.
pub(super) fn parse_head(head: &[u8]) -> Result<RequestHead<'_>, RequestError> {
    let mut lines = Lines(head);
    let mut first = lines.next().unwrap_or_default().split(|&byte| byte == b' ');
    let (Some(method), Some(path), Some(version), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Err(RequestError::RequestLine);
    };
    let minor = version.strip_prefix(b"HTTP/1.").ok_or(RequestError::RequestLine)?;
    let mut request = RequestHead {
        method,
        path,
        body: BodyLength::Known(0),
        expects_continue: false,
        closes: minor == b"0",
        webhook_id: None,
        webhook_timestamp: None,
        webhook_signature: None,
        subscription: None,
        event_count: None,
    };
    let mut length = None;
    for line in lines {
        read_header(line, &mut request, &mut length)?;
    }
    if let (BodyLength::Known(_), Some(length)) = (request.body, length) {
        request.body = BodyLength::Known(length);
    }
    Ok(request)
}

/// Reads a header. Compares its name only if the first letter is that of a header that matters.
fn read_header<'a>(
    line: &'a [u8],
    request: &mut RequestHead<'a>,
    length: &mut Option<usize>,
) -> Result<(), RequestError> {
    let value = |name: &[u8]| header_value(line, name);
    match line.first().map(u8::to_ascii_lowercase) {
        Some(b'c') => {
            if let Some(value) = value(b"content-length") {
                let given = parse_length(value).map_err(|_why| RequestError::Length)?;
                if length.replace(given).is_some_and(|former| former != given) {
                    return Err(RequestError::Length);
                }
            } else if let Some(value) = value(b"connection") {
                request.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        Some(b't') => {
            if let Some(value) = value(b"transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(RequestError::Encoding);
                }
                request.body = BodyLength::Chunked;
            }
        }
        Some(b'e') => {
            if let Some(value) = value(b"expect") {
                request.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
        }
        Some(b'w') => {
            request.webhook_id = request.webhook_id.or(value(b"webhook-id"));
            request.webhook_timestamp = request.webhook_timestamp.or(value(b"webhook-timestamp"));
            request.webhook_signature = request.webhook_signature.or(value(b"webhook-signature"));
        }
        Some(b's') => {
            request.subscription = request.subscription.or(value(b"sluice-subscription-id"));
            if let Some(value) = value(b"sluice-event-count") {
                request.event_count = parse_length(value).ok().map(|count| count as u64);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_of_a_head_is_read() {
        let head = parse_head(
            b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nWebhook-Id: w-1\r\n\
              webhook-timestamp: 17\r\nwebhook-signature: v1,a v1,b\r\nExpect: 100-continue\r\n\
              sluice-subscription-id: sub\r\nsluice-event-count: 3",
        )
        .expect("valid");
        assert_eq!((head.method, head.path), (b"POST".as_slice(), b"/hook".as_slice()));
        assert_eq!(head.body, BodyLength::Known(12));
        assert!(head.expects_continue && !head.closes);
        assert_eq!(head.webhook_id, Some(b"w-1".as_slice()));
        assert_eq!(head.webhook_timestamp, Some(b"17".as_slice()));
        assert_eq!(head.webhook_signature, Some(b"v1,a v1,b".as_slice()));
        assert_eq!((head.subscription, head.event_count), (Some(b"sub".as_slice()), Some(3)));
    }

    #[test]
    fn chunked_wins_over_a_length() {
        for order in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{order}");
            assert_eq!(parse_head(text.as_bytes()).expect("valid").body, BodyLength::Chunked);
        }
    }

    #[test]
    fn bad_heads_are_refused() {
        for (head, error) in [
            ("", RequestError::RequestLine),
            ("GET /", RequestError::RequestLine),
            ("GET / HTTP/2", RequestError::RequestLine),
            ("POST / HTTP/1.1\r\nContent-Length: -1", RequestError::Length),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", RequestError::Length),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip", RequestError::Encoding),
        ] {
            assert_eq!(parse_head(head.as_bytes()).map(|_| ()), Err(error), "{head}");
        }
    }
}
