//! Reads HTTP/1.1 answers: the status, the length of the body, whether the
//! connection goes on. As little as a load generator can do with.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::{self, Finder};
use thiserror::Error;

/// Longest head of an answer, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// Bytes of the head with its empty line.
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
    /// Whether the server closes the connection after this answer.
    pub(crate) closes: bool,
}

/// Why an answer cannot be read; the connection is useless after it.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum ResponseError {
    #[error("the answer is not HTTP/1")]
    NotHttp,
    #[error("the answer's head is longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    #[error(
        "the answer is sent with Transfer-Encoding, which this generator does not read; it needs Content-Length"
    )]
    TransferEncoding,
    #[error("the answer has no Content-Length")]
    NoLength,
    #[error("the answer's Content-Length is not a number")]
    BadLength,
}

/// Reads the head at the start of `bytes`; `None` while it is incomplete.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<ResponseHead>, ResponseError> {
    let Some(lines_end) = find_head_end(bytes) else {
        return if bytes.len() >= HEAD_BYTES_MAX { Err(ResponseError::HeadTooLong) } else { Ok(None) };
    };
    let mut lines = Lines(&bytes[..lines_end]);
    let (minor, status) = parse_status(lines.next().unwrap_or_default())?;
    let mut closes = minor == b'0';
    let mut length = None;
    for line in lines {
        // Few headers matter: look at a name only if its first letter can be one's.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = header_value(line, b"content-length") {
                    length = Some(parse_length(value)?);
                } else if let Some(value) = header_value(line, b"connection") {
                    closes = value.eq_ignore_ascii_case(b"close");
                }
            }
            Some(b't') if header_value(line, b"transfer-encoding").is_some() => {
                return Err(ResponseError::TransferEncoding);
            }
            _ => {}
        }
    }
    let bodiless = status < 200 || status == 204 || status == 304;
    let body_bytes = if bodiless { 0 } else { length.ok_or(ResponseError::NoLength)? };
    Ok(Some(ResponseHead { status, head_bytes: lines_end + 4, body_bytes, closes }))
}

static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\r\n\r\n"));

/// Where the lines of a head end; its empty line is the two bytes after the next two.
pub(crate) fn find_head_end(bytes: &[u8]) -> Option<usize> {
    HEAD_END.find(bytes)
}

/// The lines of a head, without their ends.
pub(crate) struct Lines<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The value of `line` if it is the header `name` (in lower case).
pub(crate) fn header_value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// A Content-Length, as a server or client may write it.
pub(crate) fn parse_length(value: &[u8]) -> Result<usize, ResponseError> {
    parse_number(value).ok_or(ResponseError::BadLength)
}

fn parse_status(line: &[u8]) -> Result<(u8, u16), ResponseError> {
    match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', rest @ ..] => {
            let digits = rest.get(..3).ok_or(ResponseError::NotHttp)?;
            let status = parse_number(digits).ok_or(ResponseError::NotHttp)?;
            Ok((*minor, status as u16))
        }
        _ => Err(ResponseError::NotHttp),
    }
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    })
}

/// How many events an answer to many says were taken and refused.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
}

/// Both counts stand near the start of the answer's JSON.
const COUNTS_WITHIN: usize = 1024;

/// Finds `"accepted":n` and `"rejected":n` without parsing the JSON.
pub(crate) fn parse_counts(body: &[u8]) -> Option<Counts> {
    let start = &body[..body.len().min(COUNTS_WITHIN)];
    Some(Counts {
        accepted: number_after(start, b"\"accepted\":")?,
        rejected: number_after(start, b"\"rejected\":").unwrap_or(0),
    })
}

fn number_after(text: &[u8], name: &[u8]) -> Option<u64> {
    let rest = text[memmem::find(text, name)? + name.len()..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    parse_number(&rest[..digits]).map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nContent-Length: 17\r\n\r\n{\"accepted\": 12}";

    fn head(bytes: &[u8]) -> Result<Option<ResponseHead>, ResponseError> {
        parse_head(bytes)
    }

    #[test]
    fn an_answer_is_incomplete_until_its_empty_line() {
        let whole = ANSWER.len() - 16;
        for cut in 0..whole {
            assert_eq!(head(&ANSWER[..cut]), Ok(None));
        }
        let expected = ResponseHead { status: 202, head_bytes: whole, body_bytes: 17, closes: false };
        assert_eq!(head(ANSWER), Ok(Some(expected)));
    }

    #[test]
    fn a_closing_server_is_noticed() {
        let closes = |text: &[u8]| head(text).expect("valid").expect("complete").closes;
        assert!(closes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n"));
        assert!(closes(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!closes(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked), Err(ResponseError::TransferEncoding));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\n\r\n"), Err(ResponseError::NoLength));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n"), Err(ResponseError::BadLength));
        assert_eq!(head(b"SSH-2.0-OpenSSH\r\n\r\n"), Err(ResponseError::NotHttp));
        assert_eq!(head(&[b'x'; HEAD_BYTES_MAX]), Err(ResponseError::HeadTooLong));
    }

    #[test]
    fn answers_without_a_body_need_no_length() {
        let expected = ResponseHead { status: 204, head_bytes: 27, body_bytes: 0, closes: false };
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some(expected)));
    }

    #[test]
    fn counts_are_found_in_an_answer_to_many() {
        let body = br#"{"accepted": 998,"rejected":2,"events":[{"index":0}]}"#;
        assert_eq!(parse_counts(body), Some(Counts { accepted: 998, rejected: 2 }));
        assert_eq!(parse_counts(br#"{"event_id":"1","status":"accepted","message":""}"#), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_parser_fail_badly(bytes: Vec<u8>) {
            prop_assert!(parse_head(&bytes).is_ok_and(|head| head.is_none()) || !bytes.is_empty());
            parse_counts(&bytes);
        }
    }
}
