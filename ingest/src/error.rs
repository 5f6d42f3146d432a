//! Refusals, in the one shape that the API promises.

use crate::reply::{Reply, json_bytes};
use http::StatusCode;
use http::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::Value;
use sluice_model::limiter::Quota;
use sluice_ports::PortError;
use sluice_ports::catalogue::CatalogueError;
use std::borrow::Cow;
use std::time::Duration;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A request that is not done as asked: what the client is told.
#[derive(Debug)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    details: Option<Value>,
    retry_after: Option<Duration>,
    quota: Option<Quota>,
    allow: Option<String>,
    close: bool,
    /// For the log, not for the client.
    cause: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    request_id: &'a str,
}

impl ApiError {
    /// `code` is part of the API: it never changes.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            quota: None,
            allow: None,
            close: false,
            cause: None,
        }))
    }

    /// 400: a field is wrong.
    pub(crate) fn invalid(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
            .details(serde_json::json!({ "field": field }))
    }

    /// 404: there is no such thing, or it is another customer's.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no such {what}"))
    }

    /// 409: it is not in a state for that.
    pub(crate) fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 503: try again.
    pub(crate) fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message).retry_after(Duration::from_secs(1))
    }

    /// Adds `details`.
    pub(crate) fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Adds `Retry-After`.
    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Adds `RateLimit` and `RateLimit-Policy`.
    pub(crate) fn quota(mut self, quota: Quota) -> Self {
        self.0.quota = Some(quota);
        self
    }

    /// Adds `Allow`.
    pub(crate) fn allow(mut self, methods: String) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// The connection cannot be used for another request.
    pub(crate) fn close(mut self) -> Self {
        self.0.close = true;
        self
    }

    /// Adds what the log is told beside the request's id.
    pub(crate) fn because(mut self, cause: &impl std::fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The answer.
    pub(crate) fn into_reply(self, request_id: &HeaderValue) -> Reply {
        let Inner { status, code, message, details, retry_after, quota, allow, close, cause: _ } = *self.0;
        let body = Envelope {
            error: Body {
                code,
                message: &message,
                details: details.as_ref(),
                // Sane ids are visible ASCII; see request_id.rs.
                request_id: request_id.to_str().unwrap_or_default(),
            },
        };
        let body = serde_json::to_vec(&body).expect("answers have string keys only");
        let mut reply = json_bytes(status, body.into());
        let headers = reply.headers_mut();
        if let Some(after) = retry_after {
            headers.insert(RETRY_AFTER, seconds_up(after).into());
        }
        if let Some(Quota { rate, burst, remaining, reset }) = quota {
            // draft-ietf-httpapi-ratelimit-headers-10.
            headers.insert(RATE_LIMIT_POLICY, text(format!("\"events\";q={rate};w=1;burst={burst}")));
            headers.insert(RATE_LIMIT, text(format!("\"events\";r={remaining};t={}", seconds_up(reset))));
        }
        if let Some(methods) = allow {
            headers.insert(ALLOW, text(methods));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits and ASCII names")
}

/// Whole seconds, at least one where there is anything to wait for.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable { retry_after, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "a store does not answer")
                    .retry_after(retry_after)
                    .because(&error)
            }
            PortError::Closed { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "SHUTTING_DOWN", "the server is shutting down")
                    .retry_after(Duration::from_secs(1))
            }
            PortError::Refused { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "STORE_REFUSED", "a store refuses this for good")
                    .because(&error)
            }
            PortError::Damaged { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "DAMAGED", "stored data is damaged")
                    .because(&error)
            }
        }
    }
}

impl From<CatalogueError> for ApiError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::NotFound => Self::not_found("thing"),
            CatalogueError::Conflict(message) => Self::conflict(message),
            CatalogueError::Port(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_refusal_has_the_shape_and_headers_of_the_api() {
        let quota = Quota { rate: 10, burst: 20, remaining: 3, reset: Duration::from_millis(1200) };
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "slow \"down\"")
            .details(serde_json::json!({ "field": "x" }))
            .retry_after(Duration::from_millis(1))
            .quota(quota);
        let reply = error.into_reply(&HeaderValue::from_static("r-1"));
        let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("retry-after"), "1");
        assert_eq!(header("ratelimit-policy"), "\"events\";q=10;w=1;burst=20");
        assert_eq!(header("ratelimit"), "\"events\";r=3;t=2");
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"error":{"code":"RATE_LIMITED","message":"slow \"down\"","details":{"field":"x"},"request_id":"r-1"}}"#
        );
    }
}
