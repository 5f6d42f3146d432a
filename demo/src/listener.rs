//! The demo's listener: which requests it takes, how large, and for how long.
//!
//! It is for this machine's browser: it listens on loopback, and refuses requests that
//! name another host (a page of another site could have its name point here) and
//! requests of other sites' pages to the demo's own routes.

use crate::answer::{DemoAnswer, DemoRefusal};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::time::Duration;

/// How long the body of a request to the demo may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Refuses a request that is not from this machine's own pages or programs.
pub(crate) fn admit(method: &Method, headers: &HeaderMap, is_demo_route: bool) -> Result<(), DemoRefusal> {
    let host = text(headers, HOST.as_str());
    if !is_loopback(host) {
        let message =
            format!("the demo is for this machine: open it as 127.0.0.1 or localhost, not as {host}");
        return Err(DemoRefusal::new(StatusCode::MISDIRECTED_REQUEST, "OTHER_HOST", message));
    }
    let Some(origin) = headers.get(ORIGIN).filter(|_| is_demo_route) else { return Ok(()) };
    let is_own = origin.to_str().is_ok_and(|origin| origin.strip_prefix("http://") == Some(host));
    if is_own || matches!(*method, Method::GET | Method::HEAD) {
        // Without CORS headers in the answer, a browser shows it to no page of another site.
        return Ok(());
    }
    Err(DemoRefusal::new(StatusCode::FORBIDDEN, "OTHER_ORIGIN", "pages of other sites may not use the demo"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a `Host` names this machine. Any port is allowed, since it may be forwarded.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// Reads a JSON body of at most `bytes_max` bytes.
pub(crate) async fn json_body(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
) -> Result<Bytes, DemoRefusal> {
    let kind = text(headers, CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        // This check also keeps out forms of other sites.
        let message = "the body must be JSON, with Content-Type: application/json";
        return Err(DemoRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let read = tokio::time::timeout(BODY_WITHIN, Limited::new(body, bytes_max).collect()).await;
    match read {
        Err(_elapsed) => {
            Err(DemoRefusal::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "the body took too long"))
        }
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is longer than {bytes_max} bytes");
            Err(DemoRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message))
        }
        Ok(Err(error)) => Err(DemoRefusal::new(
            StatusCode::BAD_REQUEST,
            "BODY_BROKEN",
            format!("the body broke off: {error}"),
        )),
    }
}

/// An answer that says which methods a route has.
pub(crate) fn wrong_method(allowed: &'static str) -> DemoAnswer {
    let refusal = DemoRefusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("this route has {allowed}"),
    );
    let mut answer = refusal.answer();
    answer.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static(allowed));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, http::HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, http::HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn only_this_machine_is_let_in() {
        let admit = |host, origin, method: Method| {
            super::admit(&method, &asking(host, origin), true).map_err(|refusal| refusal.status.as_u16())
        };
        for host in ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:80", "127.0.0.1"] {
            assert_eq!(admit(host, None, Method::POST), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "evil.example:127",
            "[::1",
            "127.0.0.1:x",
        ] {
            assert_eq!(admit(host, None, Method::GET), Err(421), "{host}");
        }
        let own = Some("http://127.0.0.1:80");
        assert_eq!(admit("127.0.0.1:80", own, Method::POST), Ok(()));
        assert_eq!(admit("127.0.0.1:80", Some("http://127.0.0.1:81"), Method::POST), Err(403));
        assert_eq!(admit("127.0.0.1:80", Some("https://evil.example"), Method::PUT), Err(403));
        assert_eq!(admit("127.0.0.1:80", Some("null"), Method::DELETE), Err(403));
        assert_eq!(admit("127.0.0.1:80", Some("https://evil.example"), Method::GET), Ok(()));
        let elsewhere =
            super::admit(&Method::POST, &asking("127.0.0.1:80", Some("https://a.example")), false);
        assert!(elsewhere.is_ok(), "Sluice has rules of its own");
    }
}
