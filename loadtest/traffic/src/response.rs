//! Reads the heads of HTTP/1.1 answers: the status, where the body ends, and whether
//! the connection stays open.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::{self, Finder};
use thiserror::Error;

use crate::chunked::ChunkError;

/// Longest head of an answer, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where an answer's body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AnswerLength {
    Known(usize),
    Chunked,
    /// It ends with the connection, since the server names no length.
    UntilClose,
}

/// The parts of an answer's head that matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// Bytes of the head with its empty line.
    pub(crate) head_bytes: usize,
    pub(crate) body: AnswerLength,
    /// True if the server closes the connection after this answer.
    pub(crate) closes: bool,
}

/// Why an answer cannot be read; its connection is closed.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum ResponseError {
    /// The status line is not `HTTP/1.x NNN`.
    #[error("the answer is not HTTP/1")]
    NotHttp,
    /// The head is longer than this program reads.
    #[error("the answer's head is longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// `Content-Length` is malformed.
    #[error("the answer's Content-Length is not a number")]
    BadLength,
    /// The chunks of the body are malformed.
    #[error("the answer's chunked body is malformed: {0}")]
    BadChunk(&'static str),
}

impl From<ChunkError> for ResponseError {
    fn from(error: ChunkError) -> Self {
        Self::BadChunk(match error {
            ChunkError::Size => "a chunk's size is not a hexadecimal number",
            ChunkError::End => "a chunk does not end with a line end",
            ChunkError::TooLong(_) => "it is too long",
        })
    }
}

/// Reads the head at the start of `bytes`; `None` while it is incomplete.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<ResponseHead>, ResponseError> {
    let Some(lines_end) = find_head_end(bytes) else {
        return if bytes.len() >= HEAD_BYTES_MAX { Err(ResponseError::HeadTooLong) } else { Ok(None) };
    };
    let mut lines = Lines(&bytes[..lines_end]);
    let (minor, status) = parse_status(lines.next().unwrap_or_default())?;
    let mut closes = minor == b'0';
    let (mut length, mut coding) = (None, None);
    for line in lines {
        // Few headers matter: the first letter rules most of them out.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = header_value(line, b"content-length") {
                    length = Some(parse_length(value)?);
                } else if let Some(value) = header_value(line, b"connection") {
                    closes = closes_connection(value, closes);
                }
            }
            Some(b't') => coding = header_value(line, b"transfer-encoding").or(coding),
            _ => {}
        }
    }
    let bodiless = status < 200 || status == 204 || status == 304;
    let body = match (bodiless, coding, length) {
        (true, _, _) => AnswerLength::Known(0),
        (_, Some(coding), _) if ends_in_chunked(coding) => AnswerLength::Chunked,
        (_, None, Some(length)) => AnswerLength::Known(length),
        _ => AnswerLength::UntilClose,
    };
    closes |= body == AnswerLength::UntilClose;
    Ok(Some(ResponseHead { status, head_bytes: lines_end + 4, body, closes }))
}

/// Reads a `Connection` header, a list of tokens; returns `otherwise` if none of
/// them decides.
fn closes_connection(value: &[u8], otherwise: bool) -> bool {
    let mut tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tokens.clone().any(|token| token.eq_ignore_ascii_case(b"close"))
        || (otherwise && !tokens.any(|token| token.eq_ignore_ascii_case(b"keep-alive")))
}

fn ends_in_chunked(coding: &[u8]) -> bool {
    let last = coding.rsplit(|&byte| byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\r\n\r\n"));

/// The end of a head's lines: the line end before its empty line.
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

/// The numbers of accepted and refused events in an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventCounts {
    /// Taken.
    pub accepted: u64,
    /// Refused.
    pub rejected: u64,
}

/// Both counts stand within this many bytes of the answer's start.
const COUNTS_WITHIN: usize = 1024;

/// Finds `"accepted":n` and `"rejected":n` without parsing the JSON.
pub(crate) fn parse_counts(body: &[u8]) -> Option<EventCounts> {
    let start = &body[..body.len().min(COUNTS_WITHIN)];
    Some(EventCounts {
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
        let body = AnswerLength::Known(17);
        let expected = ResponseHead { status: 202, head_bytes: whole, body, closes: false };
        assert_eq!(head(ANSWER), Ok(Some(expected)));
    }

    #[test]
    fn a_closing_server_is_noticed() {
        let closes = |text: &[u8]| head(text).expect("valid").expect("complete").closes;
        assert!(closes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n"));
        assert!(closes(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(!closes(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
        assert!(closes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, close\r\n\r\n"));
        assert!(!closes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo\r\n\r\n"));
    }

    #[test]
    fn the_end_of_a_body_is_known_in_each_of_its_forms() {
        let end = |headers: &str| {
            let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            let head = head(text.as_bytes()).expect("valid").expect("complete");
            (head.body, head.closes)
        };
        assert_eq!(end("Transfer-Encoding: chunked\r\n"), (AnswerLength::Chunked, false));
        assert_eq!(
            end("Content-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n"),
            (AnswerLength::Chunked, false)
        );
        assert_eq!(end("Transfer-Encoding: gzip\r\n"), (AnswerLength::UntilClose, true));
        assert_eq!(end(""), (AnswerLength::UntilClose, true));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n"), Err(ResponseError::BadLength));
        assert_eq!(head(b"SSH-2.0-OpenSSH\r\n\r\n"), Err(ResponseError::NotHttp));
        assert_eq!(head(&[b'x'; HEAD_BYTES_MAX]), Err(ResponseError::HeadTooLong));
    }

    #[test]
    fn answers_without_a_body_need_no_length() {
        let body = AnswerLength::Known(0);
        let expected = ResponseHead { status: 204, head_bytes: 27, body, closes: false };
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some(expected)));
    }

    #[test]
    fn counts_are_found_in_an_answer_to_many() {
        let body = br#"{"accepted": 998,"rejected":2,"events":[{"index":0}]}"#;
        assert_eq!(parse_counts(body), Some(EventCounts { accepted: 998, rejected: 2 }));
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
