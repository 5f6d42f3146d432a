//! Answers of the demo's backend: JSON, and errors in the shape of Sluice's own.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use serde_json::{Value, json};

/// The body of an answer: made here, or streamed on from Sluice.
pub(crate) type DemoBody = BoxBody<Bytes, hyper::Error>;
/// An answer.
pub(crate) type DemoAnswer = Response<DemoBody>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that is refused, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DemoRefusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
    pub(crate) retry_after_s: Option<u64>,
}

impl DemoRefusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: json!({}), retry_after_s: None }
    }

    /// A field that cannot be taken.
    pub(crate) fn field(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self { details: json!({ "field": field }), ..Self::new(StatusCode::BAD_REQUEST, code, message) }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no such {what}"))
    }

    pub(crate) fn answer(self) -> DemoAnswer {
        let id = request_id();
        let error = json!({ "error": {
            "code": self.code, "message": self.message, "details": self.details, "request_id": id,
        }});
        let mut answer = json_answer(self.status, &error);
        if let Ok(id) = HeaderValue::try_from(id) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        if let Some(seconds) = self.retry_after_s {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

/// A JSON answer, marked so that no browser takes it for another type.
pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> DemoAnswer {
    let text = serde_json::to_vec(body).expect("answers are plain data");
    let mut answer = Response::new(whole(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    answer
}

pub(crate) fn whole(bytes: impl Into<Bytes>) -> DemoBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// An id that no other request has.
pub(crate) fn request_id() -> String {
    let mut bytes = [0; 8];
    // Without random numbers an id is only less unique.
    getrandom::fill(&mut bytes).ok();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A code that cannot be guessed: 128 random bits in hexadecimal.
///
/// # Errors
/// If the system has no random numbers.
pub fn new_code() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
