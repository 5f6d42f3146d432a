//! Refusals, in the one shape that the API promises.

use crate::reply::{ApiReply, json_bytes};
use crate::request_id;
use http::StatusCode;
use http::header::{CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::{Value, json};
use sluice_model::Scopes;
use sluice_model::limiter::Quota;
use sluice_ports::PortError;
use sluice_ports::catalogue::CatalogueError;
use std::borrow::Cow;
use std::time::Duration;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The refusal of a request, as the client sees it.
#[derive(Debug)]
pub(crate) struct ApiError(Box<ErrorParts>);

#[derive(Debug)]
struct ErrorParts {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    details: Option<Value>,
    retry_after: Option<Duration>,
    quota: Option<Quota>,
    header: Option<(HeaderName, HeaderValue)>,
    close: bool,
    /// For the log only; the client does not see it.
    cause: Option<String>,
}

#[derive(Serialize)]
struct ErrorEnvelope<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    request_id: &'a str,
}

impl ApiError {
    /// A refusal. `code` is part of the API: it never changes.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ErrorParts {
            status,
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            quota: None,
            header: None,
            close: false,
            cause: None,
        }))
    }

    /// 400: a field is invalid.
    pub(crate) fn invalid(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message).details(json!({ "field": field }))
    }

    /// 404: the customer has no such thing; another customer may.
    pub(crate) fn not_found(kind: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no such {kind}"))
    }

    /// 403: the customer is suspended.
    pub(crate) fn suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, "CUSTOMER_SUSPENDED", "the customer is suspended")
    }

    /// 403: the key has not the scopes that the route needs.
    pub(crate) fn missing_scopes(missing: Scopes) -> Self {
        let names: Vec<&str> = missing.names().collect();
        let message = match &names[..] {
            [name] => format!("the key lacks the scope {name}"),
            names => format!("the key lacks the scopes {}", names.join(" and ")),
        };
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
            .details(json!({ "missing_scope": names.first(), "missing_scopes": names }))
    }

    /// 409: the thing's state does not allow the request.
    pub(crate) fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 503: this process is too busy; the client may try again.
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

    /// Adds a header: `Allow` or `Accept-Encoding`.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// Closes the connection after the answer: the request's body was not read to its end.
    pub(crate) fn close(mut self) -> Self {
        self.0.close = true;
        self
    }

    /// Adds a cause for the log.
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

    /// The answer that the client gets.
    pub(crate) fn into_reply(self, request_id: &HeaderValue) -> ApiReply {
        let ErrorParts { status, code, message, details, retry_after, quota, header, close, cause: _ } =
            *self.0;
        let body = ErrorEnvelope {
            error: ErrorFields {
                code,
                message: &message,
                details: details.as_ref(),
                request_id: request_id::text(request_id),
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
        if let Some((name, value)) = header {
            headers.insert(name, value);
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

/// Whole seconds, rounded up.
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
            .details(json!({ "field": "x" }))
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
