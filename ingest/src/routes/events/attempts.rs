//! `GET /v1/events/{id}/attempts`: the attempts to deliver one event, at most a
//! second old.

use super::find::find;
use super::standing;
use crate::attempt_view::AttemptView;
use crate::contexts::EventsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::{EventId, SubscriptionId};

/// Subscriptions whose attempts one request looks at.
pub(super) const SUBSCRIPTIONS_MAX: usize = 20;

#[derive(Debug, Serialize)]
struct EventAttemptView {
    workflow_id: SubscriptionId,
    #[serde(flatten)]
    attempt: AttemptView,
}

/// The attempts that are kept and surely carried the event, the newest first.
pub(super) async fn get(context: &EventsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?.id();
    let id: EventId = request.path_id()?;
    let query = request.query(&["workflow_id", "limit"])?;
    let (limit, wanted) = (query.limit(100)?, query.id::<SubscriptionId>("workflow_id")?);
    let stored = find(context, customer, id).await?;
    let matching = stored.facts.iter().filter(|(_, fact)| standing::state(fact, id.index()).is_some());
    let mut subscriptions: Vec<SubscriptionId> = matching.map(|(subscription, _)| *subscription).collect();
    subscriptions.retain(|subscription| wanted.is_none_or(|wanted| wanted == *subscription));
    let mut has_more = subscriptions.len() > SUBSCRIPTIONS_MAX;
    subscriptions.truncate(SUBSCRIPTIONS_MAX);
    let _turn = context.reads.lock(customer).await;
    let mut attempts = Vec::new();
    for subscription in subscriptions {
        let kept = context.history.of_event(subscription, id).await?;
        attempts.extend(kept.into_iter().map(|attempt| (subscription, attempt)));
    }
    attempts.sort_by_key(|(subscription, one)| {
        std::cmp::Reverse((one.at_ms, *subscription, one.delivery, one.attempt))
    });
    has_more |= attempts.len() > limit;
    attempts.truncate(limit);
    let view = |(workflow_id, attempt)| EventAttemptView { workflow_id, attempt: AttemptView::from(attempt) };
    let views: Vec<EventAttemptView> = attempts.into_iter().map(view).collect();
    Ok(json(StatusCode::OK, &json!({ "event_id": id, "attempts": views, "has_more": has_more })))
}
