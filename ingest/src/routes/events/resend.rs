//! `POST /v1/events/{id}/resend`.

use super::find::find;
use crate::contexts::EventsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::{ApiRequest, either};
use crate::routes::subscriptions::{check_active, new_delivery_shape};
use crate::trials::on_own_thread;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_model::clock::now_ms;
use sluice_model::{
    Delivery, DeliveryId, EventId, EventRef, EventSet, LastAttempt, Subscription, SubscriptionId,
    SubscriptionStatus,
};
use sluice_ports::event_store::StoredBatch;
use sluice_selector::{MatchScratch, Selector, Verdict};
use std::sync::Arc;

/// Deliveries that are queued at a time.
const STEP: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResendRequest {
    /// By default every subscription that matches the event.
    workflow_id: Option<SubscriptionId>,
    /// Another name of `workflow_id`.
    subscription_id: Option<SubscriptionId>,
}

#[derive(Serialize)]
struct ResentDelivery {
    workflow_id: SubscriptionId,
    delivery_id: DeliveryId,
}

/// Delivers an event anew, whatever the outcome of its earlier deliveries: to the named
/// subscription, or to every active subscription that matches it.
pub(super) async fn resend(
    context: &EventsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let ResendRequest { workflow_id, subscription_id } = request.optional_json(body).await?;
    let named = either(("workflow_id", workflow_id), ("subscription_id", subscription_id))?;
    let customer = request.customer()?;
    let id: EventId = request.path_id()?;
    let stored = find(context, customer.id(), id).await?;
    let state = customer.state();
    let subscriptions = match named {
        Some((_, workflow_id)) => {
            let named = state.subscription(workflow_id).ok_or_else(|| ApiError::not_found("subscription"))?;
            check_active(named)?;
            vec![Arc::clone(named)]
        }
        None => {
            let _trial = context.trials.enter(customer.id())?;
            on_own_thread(move || matching(&state.subscriptions, &stored, id.index())).await?
        }
    };
    let now_ms = now_ms();
    let deliveries: Vec<Delivery> =
        subscriptions.iter().map(|subscription| delivery(subscription, id, now_ms)).collect();
    let resent: Vec<ResentDelivery> = deliveries
        .iter()
        .map(|delivery| ResentDelivery { workflow_id: delivery.subscription, delivery_id: delivery.id })
        .collect();
    for step in deliveries.chunks(STEP) {
        context.queue.put(step.to_vec()).await?;
    }
    Ok(json(StatusCode::ACCEPTED, &json!({ "event_id": id, "deliveries": resent })))
}

/// The active subscriptions that match the event.
fn matching(all: &[Arc<Subscription>], stored: &StoredBatch, index: u16) -> Vec<Arc<Subscription>> {
    let (event_type, envelope) = (stored.batch.event_type(index), stored.batch.envelope(index));
    let mut scratch = MatchScratch::default();
    let mut view = scratch.view(event_type, &envelope);
    let mut matches = |subscription: &&Arc<Subscription>| {
        subscription.status == SubscriptionStatus::Active
            && Selector::parse(&subscription.selector).is_ok_and(|selector| {
                let verdict = match selector.compiled().decided_by_type(event_type) {
                    Some(decided) => Verdict::from(decided),
                    None => selector.compiled().evaluate(&mut view),
                };
                verdict != Verdict::NoMatch
            })
    };
    all.iter().filter(|subscription| matches(subscription)).cloned().collect()
}

/// A new delivery of one event, due now.
fn delivery(subscription: &Subscription, id: EventId, now_ms: u64) -> Delivery {
    Delivery {
        id: DeliveryId::new(now_ms),
        customer: subscription.customer,
        subscription: subscription.id,
        events: vec![EventRef { batch: id.batch(), events: EventSet::range(id.index(), id.index() + 1) }],
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: now_ms,
        shape: new_delivery_shape(subscription),
    }
}
