//! Turns a call into the exact bytes of a request, and an answer into a value.

use crate::error::{RefusedRequest, SdkError};
use crate::retry::retry_after;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use http::{HeaderName, Method, StatusCode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::io::Write as _;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request. Every attempt sends these same bytes.
#[derive(Debug, Clone)]
pub(crate) struct PreparedRequest {
    pub method: Method,
    pub url: reqwest::Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

impl PreparedRequest {
    /// Whether an `Idempotency-Key` makes repeats harmless.
    pub(crate) fn is_keyed(&self) -> bool {
        self.headers.contains_key(IDEMPOTENCY_KEY)
    }
}

/// The target and the credential of requests.
#[derive(Debug, Clone)]
pub(crate) struct RequestTarget {
    /// The base URL, without a slash at its end.
    base: String,
    headers: HeaderMap,
    gzip_min_bytes: usize,
}

impl RequestTarget {
    pub(crate) fn new(base_url: &str, key: &str, gzip_min_bytes: usize) -> Result<Self, SdkError> {
        let bad = || {
            SdkError::Setting(format!(
                "base_url must be http://host or https://host, with a path at most, not {base_url}"
            ))
        };
        let url = reqwest::Url::parse(base_url).map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https")
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
        {
            return Err(bad());
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| SdkError::Setting("the key must be printable ASCII".into()))?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), headers, gzip_min_bytes })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// The request of a call; `body` is JSON text.
    pub(crate) fn prepare(
        &self,
        method: Method,
        path: &str,
        query: &QueryPairs,
        body: Option<Vec<u8>>,
    ) -> Result<PreparedRequest, SdkError> {
        let text = format!("{}{path}{}", self.base, query.text());
        let url = reqwest::Url::parse(&text)
            .map_err(|error| SdkError::Setting(format!("{text} is no URL: {error}")))?;
        let mut headers = self.headers.clone();
        let body = body.map(|plain| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if plain.len() < self.gzip_min_bytes {
                return Bytes::from(plain);
            }
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip(&plain)
        });
        Ok(PreparedRequest { method, url, headers, body })
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("a vector takes every write").into()
}

/// A path segment: an id with a slash in it stays one segment.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && text.len() > 2) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes every write");
        }
    }
    out
}

/// The parameters of a query, in the order in which they were declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryPairs(Vec<(String, String)>);

impl QueryPairs {
    pub(crate) fn of<Q: Serialize>(query: &Q) -> Result<Self, SdkError> {
        let encode = |error: serde_json::Error| SdkError::Encode(error.to_string());
        let text = serde_json::to_string(query).map_err(encode)?;
        serde_json::from_str(&text).map_err(encode)
    }

    /// These parameters, and `value` for `name`.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Self(pairs)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            out.push(if out.is_empty() { '?' } else { '&' });
            write!(out, "{name}={}", segment(value)).expect("a string takes every write");
        }
        out
    }
}

impl<'de> Deserialize<'de> for QueryPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = QueryPairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a query")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<QueryPairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    match value {
                        Value::Null => {}
                        Value::String(text) => pairs.push((name, text)),
                        other => pairs.push((name, other.to_string())),
                    }
                }
                Ok(QueryPairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct WholeAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl WholeAnswer {
    /// The value of a success.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, SdkError> {
        serde_json::from_slice(&self.body).map_err(|error| SdkError::Answer(error.to_string()))
    }

    /// The error of an answer that is no success.
    pub(crate) fn refused(&self, now_ms: i64) -> SdkError {
        let body = serde_json::from_slice::<Value>(&self.body);
        let mut fields =
            body.ok().and_then(|mut value| value.get_mut("error").map(Value::take)).unwrap_or_default();
        if !fields.is_object() {
            let excerpt: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
            fields = serde_json::json!({ "message": excerpt });
        }
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let header = |name: &HeaderName| {
            self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let retry_after_text = header(&RETRY_AFTER);
        SdkError::Api(Box::new(RefusedRequest {
            status: self.status.as_u16(),
            code: text("code").unwrap_or_else(|| "UNKNOWN".into()),
            message: text("message").unwrap_or_default(),
            request_id: text("request_id").or_else(|| header(&REQUEST_ID)),
            retry_after: retry_after_text.as_deref().and_then(|text| retry_after(text, now_ms)),
            retry_after_text,
            details: fields["details"].take(),
        }))
    }
}
