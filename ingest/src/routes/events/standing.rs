//! `GET /v1/events/{id}/deliveries`: the state of one event at each subscription.

use super::find::find;
use crate::contexts::EventsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sluice_model::clock::rfc3339_string;
use sluice_model::{EventId, Fact, SubscriptionId};

/// The state of an event at one subscription.
#[derive(Debug, Serialize)]
struct SubscriptionStanding {
    workflow_id: SubscriptionId,
    state: &'static str,
    /// Attempts of deliveries of the event's batch.
    attempts: u32,
    last_attempt: Option<String>,
}

/// The subscriptions that matched an event, and its state at each.
pub(super) async fn get(context: &EventsContext, request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let id: EventId = request.path_id()?;
    let stored = find(context, customer.id(), id).await?;
    let subscriptions = stored.facts.iter().filter_map(|(subscription, fact)| {
        let state = state(fact, id.index())?;
        Some(SubscriptionStanding {
            workflow_id: *subscription,
            state,
            attempts: fact.attempts,
            last_attempt: (fact.last_attempt_ms > 0).then(|| rfc3339_string(fact.last_attempt_ms)),
        })
    });
    let body = json!({ "event_id": id, "subscriptions": subscriptions.collect::<Vec<_>>() });
    Ok(json(StatusCode::OK, &body))
}

/// The state of an event of the batch; `None` if the subscription did not match it.
pub(super) fn state(fact: &Fact, index: u16) -> Option<&'static str> {
    match (fact.took.contains(index), fact.gave_up.contains(index)) {
        (true, _) => Some("delivered"),
        (false, true) => Some("failed"),
        (false, false) => fact.matched.contains(index).then_some("pending"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::EventSet;

    #[test]
    fn an_event_is_where_the_facts_say() {
        let fact = Fact {
            matched: EventSet::range(0, 4),
            took: EventSet::range(0, 2),
            gave_up: EventSet::range(1, 3),
            ..Fact::default()
        };
        let states: Vec<_> = (0..5).map(|index| state(&fact, index)).collect();
        assert_eq!(
            states,
            [Some("delivered"), Some("delivered"), Some("failed"), Some("pending"), None],
            "what was redriven and taken is delivered"
        );
    }
}
