//! Cross-origin requests: which pages may use the API, and the headers that say so.

use crate::reply::{ApiReply, no_content};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Headers that the API reads by name. The headers that a preflight asks for are allowed too.
const HEADERS: &str = "authorization, x-api-key, content-type, content-encoding, idempotency-key, prefer, \
                       traceparent, tracestate, x-request-id, last-event-id";
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, ratelimit, ratelimit-policy, idempotent-replayed, accept-encoding, allow, \
     www-authenticate",
);
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may use the API.
#[derive(Debug)]
pub(crate) enum Cors {
    /// None: no CORS header is sent.
    Off,
    /// Any. Credentials are headers, never cookies, so a page gains nothing that
    /// it does not already have.
    Any,
    /// Only these.
    Listed(Vec<HeaderValue>),
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        if origins.is_empty() {
            return Self::Off;
        }
        if origins.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::Listed(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// The answer to a preflight request of an allowed origin.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<ApiReply> {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        self.allowed(headers)?;
        let mut reply = no_content();
        let out = reply.headers_mut();
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(headers));
        out.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(reply)
    }

    /// Marks the answer as readable for the page, if its origin is allowed.
    pub(crate) fn mark(&self, request: &HeaderMap, reply: &mut ApiReply) {
        if let Some(origin) = self.allowed(request) {
            let out = reply.headers_mut();
            out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            out.insert(VARY, HeaderValue::from_static("origin, access-control-request-headers"));
        }
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Self::Off => None,
            Self::Any => headers.contains_key(ORIGIN).then(|| HeaderValue::from_static("*")),
            Self::Listed(origins) => headers.get(ORIGIN).filter(|origin| origins.contains(origin)).cloned(),
        }
    }
}

/// The headers that a page may send: those that the API reads, and those that
/// the preflight asks for. `*` would not include `Authorization`, and `ce-…`
/// headers have names that only the page knows.
fn allowed_headers(preflight: &HeaderMap) -> HeaderValue {
    let mut text = HEADERS.to_owned();
    for names in preflight.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        for name in names.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(name)
                && !HEADERS.split(", ").any(|known| known == name.as_str())
            {
                text.push_str(", ");
                text.push_str(name.as_str());
            }
        }
    }
    HeaderValue::try_from(text).expect("names of headers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(cors: &Cors, origin: &'static str) -> (bool, Option<HeaderValue>) {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        let mut reply = no_content();
        cors.mark(&headers, &mut reply);
        let told = reply.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        (cors.preflight(&Method::OPTIONS, &headers).is_some(), told)
    }

    #[test]
    fn only_listed_origins_are_told_anything() {
        let listed = Cors::new(&["https://a.example".to_owned()]);
        assert_eq!(
            asked(&listed, "https://a.example"),
            (true, Some(HeaderValue::from_static("https://a.example")))
        );
        assert_eq!(asked(&listed, "https://b.example"), (false, None));
        assert_eq!(asked(&Cors::new(&[]), "https://a.example"), (false, None));
        let any = Cors::new(&["*".to_owned()]);
        assert_eq!(asked(&any, "https://b.example"), (true, Some(HeaderValue::from_static("*"))));
    }

    #[test]
    fn a_preflight_allows_the_headers_that_it_asks_for() {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_static("ce-specversion,CE-Partitionkey, traceparent,,a b,x\"y"),
        );
        let allowed = allowed_headers(&headers);
        let names: Vec<_> = allowed.to_str().unwrap().split(", ").collect();
        for name in ["authorization", "idempotency-key", "traceparent", "ce-specversion", "ce-partitionkey"] {
            assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name}: {names:?}");
        }
        assert_eq!(names.len(), HEADERS.split(", ").count() + 2, "{names:?}");
    }
}
