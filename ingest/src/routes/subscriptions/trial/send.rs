//! Sending a test event, which is stored nowhere.

use crate::contexts::SubscriptionsContext;
use crate::decode::check_payload;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use http::StatusCode;
use serde_json::json;
use serde_json::value::RawValue;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_model::wire::envelope::{self, EnvelopeParts};
use sluice_model::{CustomerId, EventId, Lane, Subscription};
use std::sync::Arc;

/// The most bytes of a test event's payload.
const PAYLOAD_BYTES_MAX: usize = 16 << 10;

/// The most bytes of a test event's type.
const TYPE_BYTES_MAX: usize = 256;

/// The lane that a test event's id names.
const LANE: Lane = Lane::new(0).expect("a lane");

const EVENT_TYPE: &str = "sluice.test";
const PAYLOAD: &str = r#"{"message":"This is a test event of Sluice."}"#;

/// Sends a test event to the subscription, whatever its selector and status, and
/// returns the endpoint's answer.
pub(super) async fn send(
    context: &SubscriptionsContext,
    subscription: Arc<Subscription>,
    payload: Option<&RawValue>,
) -> Result<ApiReply, ApiError> {
    let (id, body) = test_webhook(subscription.customer, None, payload)?;
    let Ok(_turn) = context.probes.try_acquire() else {
        return Err(ApiError::overloaded("too many test events are on their way"));
    };
    let answer = context.probe.probe(subscription, body.into()).await;
    let is_taken = |status| (200..300).contains(&status);
    let delivered = answer.error.is_none() && answer.status.is_some_and(is_taken);
    let body = json!({
        "delivered": delivered,
        "event_id": id,
        "delivery_id": answer.delivery,
        "status_code": answer.status,
        "latency_ms": answer.latency_ms,
        "error": answer.error,
        "answer_excerpt": answer.status.map(|_| answer.excerpt),
    });
    Ok(json(StatusCode::OK, &body))
}

/// The id of a new test event, and the plain body of a webhook with it.
pub(in crate::routes::subscriptions) fn test_webhook(
    customer: CustomerId,
    event_type: Option<&str>,
    payload: Option<&RawValue>,
) -> Result<(EventId, Vec<u8>), ApiError> {
    let payload = payload.map_or(PAYLOAD, RawValue::get);
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(ApiError::invalid("payload", format!("has more than {PAYLOAD_BYTES_MAX} bytes")));
    }
    check_payload(payload).map_err(|text| ApiError::invalid("payload", text))?;
    let event_type = event_type.unwrap_or(EVENT_TYPE);
    if event_type.is_empty() || event_type.len() > TYPE_BYTES_MAX {
        return Err(ApiError::invalid("event_type", format!("must have 1 to {TYPE_BYTES_MAX} bytes")));
    }
    let now_ms = clock::now_ms();
    let id = EventId::new(now_ms, LANE, random_u128() as u64, 0);
    let event_type = json!(event_type).to_string();
    let mut body = b"[".to_vec();
    let parts = EnvelopeParts {
        customer: &customer.text(),
        event_type: Some(event_type.as_bytes()),
        source: None,
        tags: None,
        metadata: None,
        payload: payload.as_bytes(),
        timestamp: &clock::rfc3339(now_ms),
    };
    envelope::write(&parts, &mut body);
    envelope::stamp(&id.text(), &mut body[1..]);
    body.push(b']');
    Ok((id, body))
}
