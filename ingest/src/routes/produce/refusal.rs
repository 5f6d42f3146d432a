//! The refusals of requests with events.

use crate::decode::{EventError, EventsBodyError};
use crate::error::ApiError;
use crate::lanes::Full;
use crate::produce::ProduceError;
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::limiter::Denied;
use sluice_ports::Rates;
use std::time::Duration;

pub(super) fn refusal(error: ProduceError, customer: &CustomerEntry, rates: &dyn Rates) -> ApiError {
    match error {
        ProduceError::Body(error) => unreadable(error),
        ProduceError::Event(error) => invalid_event(error),
        ProduceError::AllRejected(list) => all_rejected(&list),
        ProduceError::Full(Full::Process) => ApiError::overloaded("too many events wait for the log"),
        ProduceError::Full(Full::Customer) => {
            ApiError::overloaded("too many events of this customer wait for the log")
        }
        ProduceError::RateLimited(denied) => rate_limited(denied, customer, rates),
        ProduceError::BadKey => bad_key(),
        ProduceError::InFlight => ApiError::new(
            StatusCode::CONFLICT,
            "IDEMPOTENCY_IN_FLIGHT",
            "a request with this Idempotency-Key is in flight",
        )
        .retry_after(Duration::from_secs(1)),
        ProduceError::KeyMismatch => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_MISMATCH",
            "this Idempotency-Key was used with another body",
        ),
        ProduceError::NotTaken { detail, retry_after } => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "LOG_UNAVAILABLE", "the log accepts no events now")
                .details(json!({ "outcome": "not_taken" }))
                .because(&detail)
                .retry_after(retry_after)
        }
        ProduceError::Unknown { detail } => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "OUTCOME_UNKNOWN",
            "the events may or may not have been accepted; send the same request again, with an \
             Idempotency-Key to have them once",
        )
        .details(json!({ "outcome": "unknown" }))
        .because(&detail)
        .retry_after(Duration::from_secs(1)),
        ProduceError::Port(error) => error.into(),
    }
}

pub(super) fn bad_key() -> ApiError {
    ApiError::invalid("Idempotency-Key", "must be 1 to 256 bytes of ASCII")
}

fn bad_request(code: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

/// The refusal of a request whose one event is invalid.
fn invalid_event(error: EventError) -> ApiError {
    match error.limit_bytes {
        None => {
            let refused = bad_request(error.code, error.message);
            match error.misfits {
                Some(misfits) => refused.details(json!(misfits)),
                None => refused,
            }
        }
        Some(bytes) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error.code, error.message)
            .details(json!({ "limit_bytes": bytes })),
    }
}

fn unreadable(error: EventsBodyError) -> ApiError {
    match error {
        EventsBodyError::Malformed(reason) => bad_request("INVALID_BODY", reason),
        EventsBodyError::Empty => bad_request("EMPTY_BATCH", "the request has no event".into()),
        EventsBodyError::TooMany { max } => {
            let text = format!("the request has more than {max} events");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_MANY_EVENTS", text)
                .details(json!({ "limit_events": max }))
        }
    }
}

fn all_rejected(list: &Bytes) -> ApiError {
    let details = serde_json::from_slice(list).unwrap_or_default();
    ApiError::new(StatusCode::BAD_REQUEST, "ALL_REJECTED", "every event of the request is invalid")
        .details(details)
}

fn rate_limited(denied: Denied, customer: &CustomerEntry, rates: &dyn Rates) -> ApiError {
    let quota = rates.quota(customer.rated());
    let text = format!("more than {} events a second", quota.rate);
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", text)
        .retry_after(denied.retry_after)
        .quota(quota)
}
