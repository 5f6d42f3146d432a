//! `GET /v1/dead-letters`.

use super::{DeadLetterFilter, FILTER, REQUEST_MAX, filter};
use crate::contexts::DeadLettersContext;
use crate::cursor::CursorBinding;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::clock::rfc3339_string;
use sluice_model::{CustomerId, DeadLetter, DeadLetterId, EventId, SubscriptionId};
use sluice_ports::event_store::DeadLetterQuery;

/// A dead letter with more events than this shows only the first and the last.
const IDS_SHOWN_MAX: usize = 1000;

#[derive(Serialize)]
struct DeadLetterView {
    dead_letter_id: DeadLetterId,
    /// Another name of `dead_letter_id`.
    id: DeadLetterId,
    workflow_id: SubscriptionId,
    /// Another name of `workflow_id`.
    subscription_id: SubscriptionId,
    reason: &'static str,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    event_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_ids: Option<Vec<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_range: Option<EventRange>,
    first_attempt: Option<String>,
    last_attempt: Option<String>,
    created_at: String,
}

#[derive(Serialize)]
struct EventRange {
    first: EventId,
    last: EventId,
}

fn view(letter: DeadLetter) -> DeadLetterView {
    let delivery = letter.delivery;
    let event_count = delivery.event_count();
    let mut ids = delivery
        .events
        .iter()
        .flat_map(|reference| reference.events.iter().map(|index| reference.batch.event(index)));
    let (event_ids, event_range) = if event_count <= IDS_SHOWN_MAX {
        (Some(ids.collect()), None)
    } else {
        let (first, last) = (ids.next(), ids.last());
        (None, first.zip(last).map(|(first, last)| EventRange { first, last }))
    };
    let time = |ms: u64| (ms > 0).then(|| rfc3339_string(ms));
    DeadLetterView {
        dead_letter_id: letter.id,
        id: letter.id,
        workflow_id: delivery.subscription,
        subscription_id: delivery.subscription,
        reason: letter.reason.as_str(),
        attempts: delivery.attempts,
        last_status: delivery.last.status,
        last_error: delivery.last.error,
        event_count,
        event_ids,
        event_range,
        first_attempt: time(delivery.first_attempt_ms),
        last_attempt: time(delivery.last.at_ms),
        created_at: rfc3339_string(letter.id.ms()),
    }
}

/// A page of dead letters.
pub(super) async fn list(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let query = request.query(&[&FILTER[..], &["limit", "cursor"]].concat())?;
    let (filter, limit) = (filter(&query)?, query.limit(100)?);
    let binding = binding(customer, &filter);
    let after = query.text("cursor").map(|text| open(&binding, text)).transpose()?;
    let mut next = DeadLetterQuery { after, limit: limit + 1, ..filter.query.clone() };
    let (mut letters, mut looked_at, mut has_more) = (Vec::new(), 0, true);
    while letters.len() <= limit && looked_at < REQUEST_MAX && has_more {
        let found = context.store.dead_letters(customer, next.clone()).await?;
        looked_at += found.len();
        has_more = found.len() == next.limit;
        next.after = found.last().map(|letter| letter.id).or(next.after);
        letters.extend(found.into_iter().filter(|letter| filter.admits(letter)));
    }
    // Behind the last of a full page, else behind all that was looked at. The last
    // page has a cursor too: its reader can continue when more dead letters came.
    let mut last = next.after;
    if letters.len() > limit {
        has_more = true;
        letters.truncate(limit);
        last = letters.last().map(|letter| letter.id);
    }
    let cursor = last.map(|id| binding.seal(&id.to_bytes()));
    let letters: Vec<DeadLetterView> = letters.into_iter().map(view).collect();
    let body = json!({ "dead_letters": letters, "cursor": cursor, "has_more": has_more });
    Ok(json(StatusCode::OK, &body))
}

fn binding(customer: CustomerId, filter: &DeadLetterFilter) -> CursorBinding {
    let DeadLetterQuery { subscription, since_ms, until_ms, .. } = &filter.query;
    let reason = filter.reason.map_or(String::new(), |reason| format!(" {}", reason.as_str()));
    let filter = format!("{subscription:?} {since_ms} {until_ms:?}{reason}");
    CursorBinding::new(&[b"dead letters", &customer.to_bytes(), filter.as_bytes()])
}

fn open(binding: &CursorBinding, text: &str) -> Result<DeadLetterId, ApiError> {
    let payload = binding.open(text).and_then(|payload| payload.try_into().ok());
    let payload = payload.ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this query"))?;
    Ok(DeadLetterId::from_bytes(payload))
}
