//! `POST /v1/dead-letters/redrive`.

use super::{DeadLetterFilter, REQUEST_MAX, STEP};
use crate::audited::{audited, draft};
use crate::contexts::DeadLettersContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json as json_reply};
use crate::request::{ApiRequest, TimeRange, either};
use crate::routes::subscriptions::{check_active, new_delivery_shape};
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_catalogue::directory::CustomerState;
use sluice_model::clock::now_ms;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    AuditAction, CustomerId, DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, LastAttempt,
    SubscriptionId, SubscriptionStatus,
};
use sluice_ports::event_store::DeadLetterQuery;

const LIMIT_DEFAULT: usize = 1000;

/// The most dead letters that one request names by their ids.
pub(crate) const IDS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveRequest {
    workflow_id: Option<SubscriptionId>,
    /// Another name of `workflow_id`.
    subscription_id: Option<SubscriptionId>,
    since: Option<String>,
    start_time: Option<String>,
    until: Option<String>,
    end_time: Option<String>,
    reason: Option<DeadLetterReason>,
    /// Only these, as far as the other fields admit them.
    dead_letter_ids: Option<Vec<DeadLetterId>>,
    limit: Option<usize>,
}

impl RedriveRequest {
    fn limit(&self) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=REQUEST_MAX).contains(&limit) {
            return Err(ApiError::invalid("limit", format!("must be between 1 and {REQUEST_MAX}")));
        }
        Ok(limit)
    }

    fn subscription(&self) -> Result<Option<SubscriptionId>, ApiError> {
        let found = either(("workflow_id", self.workflow_id), ("subscription_id", self.subscription_id))?;
        Ok(found.map(|(_, id)| id))
    }

    fn ids(&self) -> Result<Option<&[DeadLetterId]>, ApiError> {
        let ids = self.dead_letter_ids.as_deref();
        if ids.is_some_and(|ids| ids.is_empty() || ids.len() > IDS_MAX) {
            return Err(ApiError::invalid("dead_letter_ids", format!("must have 1 to {IDS_MAX} ids")));
        }
        Ok(ids)
    }

    fn filter(&self) -> Result<DeadLetterFilter, ApiError> {
        let range = TimeRange::read(|name| match name {
            "start_time" => self.start_time.as_deref(),
            "since" => self.since.as_deref(),
            "end_time" => self.end_time.as_deref(),
            _ => self.until.as_deref(),
        })?;
        let query = DeadLetterQuery {
            subscription: self.subscription()?,
            since_ms: range.start_ms.unwrap_or(0),
            until_ms: range.end_ms,
            after: None,
            limit: 0,
        };
        Ok(DeadLetterFilter { query, reason: self.reason })
    }
}

#[derive(Default, Serialize)]
struct Redriven {
    redriven: usize,
    events: usize,
    skipped: usize,
    has_more: bool,
}

/// Redrives the dead letters that a request names.
pub(super) async fn redrive(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let redrive: RedriveRequest = request.optional_json(body).await?;
    let limit = redrive.limit()?;
    let state = customer.state();
    if let Some(id) = redrive.subscription()? {
        let subscription = state.subscription(id).ok_or_else(|| ApiError::not_found("subscription"))?;
        check_active(subscription)?;
    }
    let filter = redrive.filter()?;
    let _turn = context.turns.lock(customer.id()).await;
    let ids = redrive.ids()?;
    let subject = json!({ "workflow_id": filter.query.subscription });
    let details = json!({ "filter": filter.told(), "dead_letter_ids": ids, "limit": limit });
    let draft = draft(customer.id(), AuditAction::DeadLettersRedriven, subject, details);
    let work = redrive_all(context, &state, &filter, ids, limit);
    let told = |done: &Redriven| serde_json::to_value(done).unwrap_or_default();
    let done = audited(request, draft, work, told).await?;
    Ok(json_reply(StatusCode::OK, &done))
}

/// Queues a new delivery of each dead letter, due now, and then deletes the dead
/// letter. A crash between the two delivers twice, and loses nothing.
async fn redrive_all(
    context: &DeadLettersContext,
    state: &CustomerState,
    filter: &DeadLetterFilter,
    ids: Option<&[DeadLetterId]>,
    limit: usize,
) -> Result<Redriven, ApiError> {
    let customer = state.customer.id;
    let mut query = filter.query.clone();
    let mut done = Redriven { has_more: true, ..Redriven::default() };
    if let Some(ids) = ids {
        done.has_more = false;
        let letters = named(context, customer, &query, ids).await?;
        redrive_some(context, state, letters.into_iter().filter(|letter| filter.admits(letter)), &mut done)
            .await?;
    }
    let mut looked_at = 0;
    while done.redriven < limit && done.has_more && looked_at < REQUEST_MAX {
        query.limit = STEP.min(limit - done.redriven);
        let letters = context.store.dead_letters(customer, query.clone()).await?;
        looked_at += letters.len();
        done.has_more = letters.len() == query.limit;
        query.after = letters.last().map(|letter| letter.id).or(query.after);
        redrive_some(context, state, letters.into_iter().filter(|letter| filter.admits(letter)), &mut done)
            .await?;
    }
    Ok(done)
}

/// The dead letters with these ids that the query chooses.
pub(super) async fn named(
    context: &DeadLettersContext,
    customer: CustomerId,
    query: &DeadLetterQuery,
    ids: &[DeadLetterId],
) -> Result<Vec<DeadLetter>, ApiError> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        // If the dead letter exists, it is the first behind the id before its own.
        let after = id.as_u128().checked_sub(1).map(DeadLetterId::from_u128);
        let next = context.store.dead_letters(customer, DeadLetterQuery { after, limit: 1, ..query.clone() });
        found.extend(next.await?.into_iter().filter(|letter| letter.id == *id));
    }
    found.sort_by_key(|letter| letter.id);
    found.dedup_by_key(|letter| letter.id);
    Ok(found)
}

/// Redrives the dead letters whose subscription is active. Any other would become a
/// dead letter again at once, so it stays.
async fn redrive_some(
    context: &DeadLettersContext,
    state: &CustomerState,
    letters: impl Iterator<Item = DeadLetter>,
    done: &mut Redriven,
) -> Result<(), ApiError> {
    let (deliverable, others): (Vec<_>, Vec<_>) = letters.partition(|letter| can_be_delivered(state, letter));
    done.skipped += others.len();
    done.redriven += deliverable.len();
    done.events += deliverable.iter().map(|letter| letter.delivery.event_count()).sum::<usize>();
    move_to_queue(context, state, deliverable).await
}

fn can_be_delivered(state: &CustomerState, letter: &DeadLetter) -> bool {
    let subscription = state.subscription(letter.delivery.subscription);
    subscription.is_some_and(|subscription| subscription.status == SubscriptionStatus::Active)
}

async fn move_to_queue(
    context: &DeadLettersContext,
    state: &CustomerState,
    letters: Vec<DeadLetter>,
) -> Result<(), ApiError> {
    if letters.is_empty() {
        return Ok(());
    }
    let ids = letters.iter().map(|letter| letter.id).collect();
    let now_ms = now_ms();
    let shape = |delivery: &Delivery| {
        state
            .subscription(delivery.subscription)
            .map_or(DeliveryShape::Unpinned, |known| new_delivery_shape(known))
    };
    let untried =
        |letter: DeadLetter| Delivery { shape: shape(&letter.delivery), ..untried(letter.delivery, now_ms) };
    let deliveries = letters.into_iter().map(untried).collect();
    context.queue.put(deliveries).await?;
    context.store.delete_dead_letters(state.customer.id, ids).await?;
    Ok(())
}

/// A new delivery of the same events, due now.
fn untried(delivery: Delivery, now_ms: u64) -> Delivery {
    Delivery {
        id: DeliveryId::new(now_ms),
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: now_ms,
        ..delivery
    }
}
