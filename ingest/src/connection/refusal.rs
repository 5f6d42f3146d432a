//! Requests that are not HTTP: the HTTP library refuses them before there is
//! a request, with a bare head. On its way to the socket that head is replaced
//! by a refusal in the API's shape.

use crate::reply::REQUEST_ID;
use crate::request_id;
use http::{HeaderValue, StatusCode};
use std::sync::OnceLock;

/// A bare head is shorter than this; ours that are as short have an id.
const BARE_BYTES_MAX: usize = 160;

/// The refusal of a connection, which is its last answer.
#[derive(Debug, Default)]
pub(crate) struct Refusal(OnceLock<Told>);

/// What a client was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) request_id: HeaderValue,
    bytes: Box<[u8]>,
}

impl Refusal {
    /// What was told, if anything was.
    pub(crate) fn told(&self) -> Option<&Told> {
        self.0.get()
    }

    /// What to write in place of `bare`: the same bytes each time it is asked.
    pub(super) fn in_place_of(&self, bare: &Bare<'_>) -> &[u8] {
        &self.0.get_or_init(|| bare.told()).bytes
    }
}

/// A head that the HTTP library wrote by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bare<'a> {
    /// Where it begins; what is before it are whole answers.
    pub(super) at: usize,
    status: StatusCode,
    date: &'a str,
}

impl<'a> Bare<'a> {
    /// The bare head at the end of what is written. Costs a look at four bytes
    /// where there is none: our answers end with their bodies.
    pub(super) fn at_the_end_of(written: &'a [u8]) -> Option<Self> {
        if !written.ends_with(b"\r\n\r\n") {
            return None;
        }
        let from = written.len().saturating_sub(BARE_BYTES_MAX);
        let at = from + written[from..].windows(7).rposition(|bytes| bytes == b"HTTP/1.")?;
        let mut lines = std::str::from_utf8(&written[at..]).ok()?.split("\r\n");
        let status = StatusCode::from_bytes(lines.next()?.get(9..12)?.as_bytes()).ok()?;
        let (mut is_empty, mut date) = (false, "");
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "content-length" => is_empty = value == "0",
                "date" => date = value,
                "connection" => {}
                // The library says no more than these.
                _ => return None,
            }
        }
        (is_empty && status.is_client_error()).then_some(Self { at, status, date })
    }

    fn told(&self) -> Told {
        let (code, message) = match self.status {
            StatusCode::URI_TOO_LONG => ("URI_TOO_LONG", "the request's target is too long"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ("HEADERS_TOO_LARGE", "the request's head is too long or has too many headers")
            }
            _ => ("MALFORMED_REQUEST", "this is not a request of HTTP/1.1"),
        };
        let request_id = request_id::new();
        let more = format!("date: {}\r\n", self.date);
        let bytes = last_answer(self.status, code, message, &request_id, &more).into_bytes().into();
        Told { status: self.status, code, request_id, bytes }
    }
}

/// A refusal as it is written by hand, where there is no request to answer.
pub(crate) fn last_answer(
    status: StatusCode,
    code: &str,
    message: &str,
    request_id: &HeaderValue,
    more_headers: &str,
) -> String {
    // Our own ids are hexadecimal digits and a hyphen.
    let id = request_id.to_str().unwrap_or_default();
    let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}","request_id":"{id}"}}}}"#);
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\n{more_headers}{REQUEST_ID}: {id}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                        date: Sat, 21 Nov 2026 20:28:28 GMT\r\n\r\n";

    #[test]
    fn only_a_bare_head_at_the_end_is_replaced() {
        let before = "HTTP/1.1 200 OK\r\nx-request-id: a\r\ncontent-length: 2\r\n\r\n{}";
        let written = format!("{before}{BARE}");
        let found = Bare::at_the_end_of(written.as_bytes()).unwrap();
        assert_eq!((found.at, found.status), (before.len(), StatusCode::BAD_REQUEST));
        let of_1_0 = BARE.replace("HTTP/1.1", "HTTP/1.0").replace("connection: close\r\n", "");
        assert!(Bare::at_the_end_of(of_1_0.as_bytes()).is_some());
        let other = [
            before.to_owned(),
            String::new(),
            "\r\n\r\n".into(),
            "HTTP/1.\r\n\r\n".into(),
            BARE.replace("400 Bad Request", "204 No Content"),
            BARE.replace("400 Bad Request", "40"),
            BARE.replace("content-length: 0", "content-length: 9"),
            BARE.replace("date:", "x-request-id: a\r\ndate:"),
            BARE.replace("connection: close", &format!("x: {}", "y".repeat(BARE_BYTES_MAX))),
            format!("{BARE}{{}}"),
        ];
        for written in other {
            assert_eq!(Bare::at_the_end_of(written.as_bytes()), None, "{written}");
        }
    }

    #[test]
    fn a_refusal_has_the_length_and_the_id_that_it_says_and_stays_the_same() {
        let refusal = Refusal::default();
        let bare = Bare::at_the_end_of(BARE.as_bytes()).unwrap();
        let text = std::str::from_utf8(refusal.in_place_of(&bare)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(head.contains("date: Sat, 21 Nov 2026 20:28:28 GMT\r\n"), "{text}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{text}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let id = body["error"]["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-request-id: {id}\r\n")), "{text}");
        assert_eq!(refusal.in_place_of(&bare), text.as_bytes());
        assert_eq!(refusal.told().unwrap().code, "MALFORMED_REQUEST");
    }
}
