//! Checks of a request's head that hold on every route: ambiguous requests are
//! refused, not guessed at.

use crate::error::ApiError;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version};

/// Headers that a request may have once. Of two values a proxy may read one and
/// this process the other.
const SINGLE: [HeaderName; 6] = [
    HOST,
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
];

/// Refuses a request with a repeated header that may come once, one with another
/// transfer coding than chunked, and one of HTTP/1.1 without `Host` (RFC 9112, 3.2).
pub(crate) fn check(parts: &Parts) -> Result<(), ApiError> {
    let headers = &parts.headers;
    // Nearly every request has no header twice, which one comparison shows.
    if headers.len() != headers.keys_len()
        && let Some(name) = SINGLE.iter().find(|name| headers.get_all(*name).iter().count() > 1)
    {
        return Err(invalid(name, "the header comes twice"));
    }
    // hyper reads the chunks and would leave any other coding in the body.
    if headers.contains_key(TRANSFER_ENCODING) && !is_chunked_alone(headers) {
        return Err(invalid(&TRANSFER_ENCODING, "the only transfer coding is chunked"));
    }
    if parts.version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Err(invalid(&HOST, "a request of HTTP/1.1 must have this header"));
    }
    Ok(())
}

fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    values.next().is_some_and(is_chunked) && values.next().is_none()
}

fn invalid(name: &HeaderName, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_HEADER", message)
        .details(serde_json::json!({ "field": name.as_str() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn headers_that_may_come_once_come_once() {
        let host = ("host", "x");
        assert!(check(&parts(Version::HTTP_11, &[host, ("accept", "a"), ("accept", "b")])).is_ok());
        for name in SINGLE {
            let twice = [(name.as_str(), "a"), (name.as_str(), "a")];
            let error = check(&parts(Version::HTTP_11, &[&[host][..], &twice].concat())).unwrap_err();
            assert_eq!(error.code(), "INVALID_HEADER", "{name}");
        }
    }

    #[test]
    fn a_body_is_chunked_and_coded_in_no_other_way() {
        let host = ("host", "x");
        for good in ["chunked", "Chunked", " chunked "] {
            assert!(check(&parts(Version::HTTP_11, &[host, ("transfer-encoding", good)])).is_ok(), "{good}");
        }
        for bad in ["gzip, chunked", "chunked, chunked", "gzip", "identity", ""] {
            assert!(check(&parts(Version::HTTP_11, &[host, ("transfer-encoding", bad)])).is_err(), "{bad}");
        }
        let twice = [host, ("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")];
        assert!(check(&parts(Version::HTTP_11, &twice)).is_err());
    }

    #[test]
    fn only_http_1_1_needs_a_host() {
        assert!(check(&parts(Version::HTTP_11, &[])).is_err());
        assert!(check(&parts(Version::HTTP_10, &[])).is_ok());
        assert!(check(&parts(Version::HTTP_2, &[])).is_ok());
    }
}
