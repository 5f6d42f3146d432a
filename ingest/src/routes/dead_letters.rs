//! Dead letters: list, redrive, delete.

use super::{Query, id, rfc3339, time};
use crate::cursor;
use crate::error::ApiError;
use crate::reply::{Reply, json};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_catalogue::directory::CustomerState;
use sluice_model::clock::now_ms;
use sluice_model::{
    CustomerId, DeadLetter, DeadLetterId, Delivery, DeliveryId, EventId, LastAttempt, SubscriptionId,
    SubscriptionStatus,
};
use sluice_ports::event_store::DeadLetterQuery;

/// Event ids that one dead letter lists; of more it tells the first, the last and how many.
const IDS_SHOWN_MAX: usize = 1000;
/// Dead letters read, redriven or deleted at one time.
const STEP: usize = 200;
const REDRIVE_DEFAULT: usize = 1000;
const REDRIVE_MAX: usize = 10_000;

#[derive(Serialize)]
struct View {
    id: DeadLetterId,
    subscription_id: SubscriptionId,
    reason: &'static str,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    event_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_ids: Option<Vec<EventId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_range: Option<Range>,
    first_attempt: Option<String>,
    last_attempt: Option<String>,
    created_at: String,
}

#[derive(Serialize)]
struct Range {
    first: EventId,
    last: EventId,
}

fn view(letter: DeadLetter) -> View {
    let delivery = letter.delivery;
    let event_count = delivery.event_count();
    let mut ids = delivery.events.iter().flat_map(|of| of.events.iter().map(|index| of.batch.event(index)));
    let (event_ids, event_range) = if event_count <= IDS_SHOWN_MAX {
        (Some(ids.collect()), None)
    } else {
        let (first, last) = (ids.next(), ids.last());
        (None, first.zip(last).map(|(first, last)| Range { first, last }))
    };
    let time = |ms: u64| (ms > 0).then(|| rfc3339(ms));
    View {
        id: letter.id,
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
        created_at: rfc3339(letter.id.ms()),
    }
}

/// `GET /v1/dead-letters`.
pub(super) async fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?.id();
    let query = call.query(&["subscription_id", "since", "until", "limit", "cursor"])?;
    let (wanted, limit) = (wanted(&query)?, query.limit(100)?);
    let binding = format!("{:?} {} {:?}", wanted.subscription, wanted.since_ms, wanted.until_ms);
    let customer_bytes = customer.to_bytes();
    let binding: [&[u8]; 3] = [b"dead letters", &customer_bytes, binding.as_bytes()];
    let after = match query.text("cursor") {
        None => None,
        Some(text) => {
            let payload = cursor::open(&binding, text).and_then(|payload| payload.try_into().ok());
            let payload =
                payload.ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this query"))?;
            Some(DeadLetterId::from_bytes(payload))
        }
    };
    let mut letters = call
        .edge
        .events
        .dead_letters(customer, DeadLetterQuery { after, limit: limit + 1, ..wanted })
        .await?;
    let has_more = letters.len() > limit;
    letters.truncate(limit);
    // A reader that has come to the end goes on from there later.
    let last = letters.last().map(|letter| letter.id).or(after);
    let cursor = last.map(|id| cursor::seal(&binding, &id.to_bytes()));
    let letters: Vec<View> = letters.into_iter().map(view).collect();
    let body = json!({ "dead_letters": letters, "cursor": cursor, "has_more": has_more });
    Ok(json(StatusCode::OK, &body))
}

fn wanted(query: &Query<'_>) -> Result<DeadLetterQuery, ApiError> {
    Ok(DeadLetterQuery {
        subscription: query.id("subscription_id")?,
        since_ms: query.time("since")?.unwrap_or(0),
        until_ms: query.time("until")?,
        after: None,
        limit: STEP,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    subscription_id: Option<SubscriptionId>,
    /// RFC 3339.
    since: Option<String>,
    /// RFC 3339.
    until: Option<String>,
    limit: Option<usize>,
}

/// `POST /v1/dead-letters/redrive`: each becomes a new delivery, due now, and
/// is then deleted. A crash between the two delivers twice, never not at all.
pub(super) async fn redrive(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let customer = call.customer()?;
    let asked: Redrive = call.optional_json(body).await?;
    let limit = asked.limit.unwrap_or(REDRIVE_DEFAULT);
    if !(1..=REDRIVE_MAX).contains(&limit) {
        return Err(ApiError::invalid("limit", format!("must be between 1 and {REDRIVE_MAX}")));
    }
    let state = customer.state();
    if let Some(id) = asked.subscription_id {
        let found = state.subscription(id).ok_or_else(|| ApiError::not_found("subscription"))?;
        if found.status != SubscriptionStatus::Active {
            return Err(ApiError::conflict("the subscription is disabled; enable it first"));
        }
    }
    let bound = |text: Option<String>, field| text.map(|text| time(&text, field)).transpose();
    let mut query = DeadLetterQuery {
        subscription: asked.subscription_id,
        since_ms: bound(asked.since, "since")?.unwrap_or(0),
        until_ms: bound(asked.until, "until")?,
        after: None,
        limit: 0,
    };
    let (mut redriven, mut events, mut skipped, mut has_more) = (0, 0, 0, true);
    while redriven < limit && has_more {
        query.limit = STEP.min(limit - redriven);
        let letters = call.edge.events.dead_letters(customer.id(), query.clone()).await?;
        has_more = letters.len() == query.limit;
        query.after = letters.last().map(|letter| letter.id).or(query.after);
        // What would come straight back is left where it is.
        let (alive, dead): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| can_be_delivered(&state, letter));
        skipped += dead.len();
        redriven += alive.len();
        events += alive.iter().map(|letter| letter.delivery.event_count()).sum::<usize>();
        move_to_queue(call, customer.id(), alive).await?;
    }
    let body = json!({ "redriven": redriven, "events": events, "skipped": skipped, "has_more": has_more });
    Ok(json(StatusCode::OK, &body))
}

fn can_be_delivered(state: &CustomerState, letter: &DeadLetter) -> bool {
    let subscription = state.subscription(letter.delivery.subscription);
    subscription.is_some_and(|of| of.status == SubscriptionStatus::Active)
}

async fn move_to_queue(
    call: &Call<'_>,
    customer: CustomerId,
    letters: Vec<DeadLetter>,
) -> Result<(), ApiError> {
    if letters.is_empty() {
        return Ok(());
    }
    let ids = letters.iter().map(|letter| letter.id).collect();
    let now_ms = now_ms();
    let deliveries = letters.into_iter().map(|letter| anew(letter.delivery, now_ms)).collect();
    call.edge.queue.put(deliveries).await?;
    call.edge.events.delete_dead_letters(customer, ids).await?;
    Ok(())
}

/// The delivery as if it had never been tried.
fn anew(delivery: Delivery, now_ms: u64) -> Delivery {
    Delivery {
        id: DeliveryId::new(now_ms),
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: now_ms,
        ..delivery
    }
}

/// `DELETE /v1/dead-letters/{id}`.
pub(super) async fn delete_one(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?.id();
    let id: DeadLetterId = id(call.params.id, "id")?;
    match call.edge.events.delete_dead_letters(customer, vec![id]).await? {
        0 => Err(ApiError::not_found("dead letter")),
        deleted => Ok(json(StatusCode::OK, &json!({ "deleted": deleted }))),
    }
}

/// `DELETE /v1/dead-letters?…`: those that a filter names, at most so many.
pub(super) async fn delete_many(call: &Call<'_>) -> Result<Reply, ApiError> {
    let customer = call.customer()?.id();
    let query = call.query(&["subscription_id", "since", "until"])?;
    let wanted = wanted(&query)?;
    if wanted.subscription.is_none() && wanted.until_ms.is_none() && wanted.since_ms == 0 {
        return Err(ApiError::invalid("subscription_id", "say which: subscription_id, since or until"));
    }
    let (mut deleted, mut has_more) = (0, true);
    while deleted < REDRIVE_MAX && has_more {
        let letters = call.edge.events.dead_letters(customer, wanted.clone()).await?;
        has_more = letters.len() == STEP;
        let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
        if !ids.is_empty() {
            deleted += call.edge.events.delete_dead_letters(customer, ids).await?;
        }
    }
    Ok(json(StatusCode::OK, &json!({ "deleted": deleted, "has_more": has_more })))
}
