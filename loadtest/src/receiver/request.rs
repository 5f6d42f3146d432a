//! Reads HTTP/1.1 requests: heads, and bodies with a length or in chunks.

use thiserror::Error;

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
    #[error("a chunk's size is not a hexadecimal number")]
    ChunkSize,
    #[error("a chunk does not end with a line end")]
    ChunkEnd,
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

/// Looks at a name only if its first letter can be that of one that matters.
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

/// Puts a chunked body together as its bytes come (RFC 9112, section 7.1).
#[derive(Debug, Default)]
pub(super) struct ChunkedBody {
    state: ChunkState,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ChunkState {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

/// Longest line of a chunk's size or a trailer, in bytes.
const LINE_BYTES_MAX: usize = 4096;

impl ChunkedBody {
    pub(super) fn is_done(&self) -> bool {
        self.state == ChunkState::Done
    }

    /// Takes what it can of `input`, appends the data to `body`; how many
    /// bytes of `input` are used up.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        body_bytes_max: usize,
    ) -> Result<usize, RequestError> {
        let mut used = 0;
        while self.state != ChunkState::Done {
            let rest = &input[used..];
            used += match self.state {
                ChunkState::Data(missing) => {
                    let count = missing.min(rest.len());
                    if count == 0 {
                        break;
                    }
                    if body.len() + count > body_bytes_max {
                        return Err(RequestError::BodyTooLong(body_bytes_max));
                    }
                    body.extend_from_slice(&rest[..count]);
                    self.state = if count == missing {
                        ChunkState::DataEnd
                    } else {
                        ChunkState::Data(missing - count)
                    };
                    count
                }
                _ => match memchr::memchr(b'\n', rest) {
                    Some(end) => {
                        let line = &rest[..end];
                        self.line(line.strip_suffix(b"\r").unwrap_or(line))?;
                        end + 1
                    }
                    None if rest.len() > LINE_BYTES_MAX => return Err(RequestError::ChunkSize),
                    None => break,
                },
            };
        }
        Ok(used)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), RequestError> {
        self.state = match self.state {
            ChunkState::Size => match chunk_size(line)? {
                0 => ChunkState::Trailer,
                size => ChunkState::Data(size),
            },
            ChunkState::DataEnd if line.is_empty() => ChunkState::Size,
            ChunkState::DataEnd => return Err(RequestError::ChunkEnd),
            ChunkState::Trailer if line.is_empty() => ChunkState::Done,
            other => other,
        };
        Ok(())
    }
}

/// The size before an extension, if any.
fn chunk_size(line: &[u8]) -> Result<usize, RequestError> {
    let end = memchr::memchr(b';', line).unwrap_or(line.len());
    let digits = std::str::from_utf8(line[..end].trim_ascii()).map_err(|_why| RequestError::ChunkSize)?;
    if digits.starts_with('+') {
        return Err(RequestError::ChunkSize);
    }
    usize::from_str_radix(digits, 16).map_err(|_why| RequestError::ChunkSize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn bad_chunks_are_refused() {
        for (input, error) in [
            (b"x\r\n".as_slice(), RequestError::ChunkSize),
            (b"+1\r\na\r\n", RequestError::ChunkSize),
            (b"1\r\nab\r\n", RequestError::ChunkEnd),
            (b"ff\r\n0123456789", RequestError::BodyTooLong(9)),
        ] {
            assert_eq!(ChunkedBody::default().take(input, &mut Vec::new(), 9), Err(error));
        }
    }

    proptest! {
        #[test]
        fn a_chunked_body_is_put_together_however_it_comes(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
            step in 1_usize..30,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nTrailer: x\r\n\r\nNEXT");
            let (mut chunked, mut body, mut start, mut end) = (ChunkedBody::default(), Vec::new(), 0, 0);
            while !chunked.is_done() {
                end = (end + step).min(wire.len());
                start += chunked.take(&wire[start..end], &mut body, 1 << 20).expect("valid");
            }
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(&wire[start..], b"NEXT");
        }
    }
}
