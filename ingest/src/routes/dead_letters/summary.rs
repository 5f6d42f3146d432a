//! `GET /v1/dead-letters/summary`: how many dead letters a filter names.

use super::{FILTER, REQUEST_MAX, filter};
use crate::contexts::DeadLettersContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::SubscriptionId;
use std::collections::BTreeMap;

#[derive(Default, Clone, Copy, Serialize)]
struct LetterCounts {
    dead_letters: usize,
    events: usize,
}

#[derive(Serialize)]
struct OfReason {
    reason: &'static str,
    #[serde(flatten)]
    counts: LetterCounts,
}

#[derive(Serialize)]
struct OfSubscription {
    workflow_id: SubscriptionId,
    #[serde(flatten)]
    counts: LetterCounts,
}

impl LetterCounts {
    fn add(&mut self, events: usize) {
        self.dead_letters += 1;
        self.events += events;
    }
}

/// Counts dead letters, up to as many as one request redrives or deletes.
pub(super) async fn count(
    context: &DeadLettersContext,
    request: &ApiRequest<'_>,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let mut filter = filter(&request.query(&FILTER)?)?;
    let _turn = context.turns.lock(customer).await;
    let (mut all, mut looked_at, mut complete) = (LetterCounts::default(), 0, false);
    let mut by_reason: BTreeMap<&str, LetterCounts> = BTreeMap::new();
    let mut by_subscription: BTreeMap<SubscriptionId, LetterCounts> = BTreeMap::new();
    while looked_at < REQUEST_MAX && !complete {
        let letters = context.store.dead_letters(customer, filter.query.clone()).await?;
        looked_at += letters.len();
        complete = letters.len() < filter.query.limit;
        filter.query.after = letters.last().map(|letter| letter.id).or(filter.query.after);
        for letter in letters.iter().filter(|letter| filter.admits(letter)) {
            let events = letter.delivery.event_count();
            all.add(events);
            by_reason.entry(letter.reason.as_str()).or_default().add(events);
            by_subscription.entry(letter.delivery.subscription).or_default().add(events);
        }
    }
    let by_reason = by_reason.into_iter().map(|(reason, counts)| OfReason { reason, counts });
    let by_workflow = by_subscription.into_iter();
    let by_workflow = by_workflow.map(|(workflow_id, counts)| OfSubscription { workflow_id, counts });
    let body = json!({
        "dead_letters": all.dead_letters,
        "events": all.events,
        "by_reason": by_reason.collect::<Vec<_>>(),
        "by_workflow": by_workflow.collect::<Vec<_>>(),
        "complete": complete,
    });
    Ok(json(StatusCode::OK, &body))
}
