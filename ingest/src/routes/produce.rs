//! `POST /v1/events`: HTTP on one side, [`Producer`](crate::produce::Producer) on the other.

use super::is_media_type;
use crate::body;
use crate::decode::cloud_events::CloudForm;
use crate::decode::{BodyError, BodyForm};
use crate::error::ApiError;
use crate::lanes::Full;
use crate::metrics::Taken;
use crate::produce::{ProduceError, Wishes};
use crate::reply::{REPLAYED, Reply, json_bytes};
use crate::service::Call;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::clock;
use sluice_model::limiter::Denied;
use sluice_model::trace::{self, TraceParent};
use sluice_ports::Rates;
use std::time::{Duration, Instant};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Takes the events of a request, and tells of it where it is traced.
pub(crate) async fn produce(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let parent = call.parts.headers.get(trace::HEADER).and_then(|value| TraceParent::parse(value.as_bytes()));
    let span = parent.and_then(trace::begin);
    let mut accepted = 0;
    let outcome = take(call, body, span.or(parent), &mut accepted).await;
    if let (Some(own), Some(parent)) = (span, parent) {
        let status = outcome.as_ref().map_or_else(ApiError::status, Reply::status);
        tell_span(own, parent, call.started, status, accepted);
    }
    outcome
}

async fn take(
    call: &Call<'_>,
    body: Incoming,
    trace: Option<TraceParent>,
    accepted: &mut usize,
) -> Result<Reply, ApiError> {
    let edge = call.edge;
    let key = call.key.as_ref().ok_or_else(|| ApiError::not_found("path"))?;
    let customer = &**key.customer();
    let headers = &call.parts.headers;
    let cloud = CloudForm::of(headers);
    let form = cloud.map_or_else(|| form(headers), |_| Ok(BodyForm::Json));
    let mut permit = edge.admission.permit(customer.id());
    let body = body::read(call.connection, headers, body, &mut permit, edge.event_bodies()).await?;
    let (body, refusals) = match cloud {
        None => (body, Vec::new()),
        Some(cloud) => {
            // Both are in memory for a moment.
            body::charge(&mut permit, 2 * body.len())?;
            let translated = cloud.translate(headers, &body, edge.config.limits.event_bytes_max);
            let translated = translated
                .map_err(|error| refusal(ProduceError::Body(error), customer, edge.producer.rates()))?;
            (translated.body.into(), translated.refusals)
        }
    };
    let wishes = Wishes {
        form: form?,
        idempotency_key: idempotency_key(headers)?,
        minimal: minimal(headers),
        refusals: &refusals,
        trace,
    };
    match edge.producer.produce(customer, wishes, &body).await {
        Ok(answer) => {
            edge.streams.wake(customer.id());
            *accepted = answer.accepted;
            edge.metrics.took(Taken {
                accepted: answer.accepted,
                rejected: answer.rejected,
                replayed: answer.replayed,
                body_bytes: body.len(),
                after: call.started.elapsed(),
            });
            let mut reply = json_bytes(StatusCode::ACCEPTED, answer.body);
            if answer.replayed {
                reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            Ok(reply)
        }
        Err(error) => Err(refusal(error, customer, edge.producer.rates())),
    }
}

/// Tells of a request, whatever became of it.
fn tell_span(own: TraceParent, parent: TraceParent, started: Instant, status: StatusCode, accepted: usize) {
    let ended_ms = clock::now_ms();
    let began_ms = ended_ms.saturating_sub(started.elapsed().as_millis() as u64);
    let (kind, status) = (trace::SpanKind::Produce, Some(status.as_u16()));
    trace::tell(trace::Span { kind, own, parent, began_ms, ended_ms, status, events: accepted as u64 });
}

/// How the body holds its events, by its `Content-Type`; JSON where it says nothing.
fn form(headers: &HeaderMap) -> Result<BodyForm, ApiError> {
    let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return Ok(BodyForm::Json) };
    if is_media_type(kind, "application/json") {
        return Ok(BodyForm::Json);
    }
    let ndjson = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
    if ndjson.iter().any(|name| is_media_type(kind, name)) {
        return Ok(BodyForm::Ndjson);
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "Content-Type may be application/json, application/x-ndjson, application/cloudevents+json or \
         application/cloudevents-batch+json",
    ))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| bad_key())
}

/// `Prefer: return=minimal` (RFC 7240).
fn minimal(headers: &HeaderMap) -> bool {
    headers.get_all(PREFER).iter().any(|value| {
        value.as_bytes().split(|byte| matches!(byte, b',' | b';')).any(|part| {
            let part: Vec<u8> =
                part.iter().filter(|byte| !matches!(byte, b' ' | b'\t' | b'"')).copied().collect();
            part.eq_ignore_ascii_case(b"return=minimal")
        })
    })
}

fn bad_key() -> ApiError {
    ApiError::invalid("Idempotency-Key", "must be 1 to 256 bytes of ASCII")
}

fn refusal(error: ProduceError, customer: &CustomerEntry, rates: &dyn Rates) -> ApiError {
    let bad = |code, message: String| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    match error {
        ProduceError::Body(BodyError::Malformed(why)) => bad("INVALID_BODY", why),
        ProduceError::Body(BodyError::Empty) => bad("EMPTY_BATCH", "the request has no event".into()),
        ProduceError::Body(BodyError::TooMany { max }) => {
            let text = format!("the request has more than {max} events");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_MANY_EVENTS", text)
                .details(json!({ "limit_events": max }))
        }
        ProduceError::Event(error) => bad(error.code, error.message),
        ProduceError::AllRejected(list) => all_rejected(&list),
        ProduceError::Full(Full::Edge) => ApiError::overloaded("too many events wait for the log"),
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
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "LOG_UNAVAILABLE", "the log takes no events now")
                .details(json!({ "outcome": "not_taken" }))
                .because(&detail)
                .retry_after(retry_after)
        }
        ProduceError::Unknown { detail } => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "OUTCOME_UNKNOWN",
            "the events may or may not have been taken; send the same request again, with an \
                 Idempotency-Key to have them once",
        )
        .details(json!({ "outcome": "unknown" }))
        .because(&detail)
        .retry_after(Duration::from_secs(1)),
        ProduceError::Port(error) => error.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn the_content_type_says_how_the_body_holds_events() {
        let of = |value| form(&headers(CONTENT_TYPE, value)).ok();
        assert_eq!(of("application/json; charset=utf-8"), Some(BodyForm::Json));
        assert_eq!(of("Application/X-NDJSON"), Some(BodyForm::Ndjson));
        assert_eq!(of("text/plain"), None);
        assert_eq!(form(&HeaderMap::new()).unwrap(), BodyForm::Json);
    }

    #[test]
    fn a_minimal_answer_is_preferred_in_any_spelling() {
        for value in ["return=minimal", "respond-async, return=minimal", "Return = \"minimal\"; foo"] {
            assert!(minimal(&headers(PREFER, value)), "{value}");
        }
        assert!(!minimal(&headers(PREFER, "return=representation")));
    }
}
