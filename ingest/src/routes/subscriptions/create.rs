//! Creating a subscription.

use super::wire::{self, NewSubscription, TestSubscription, view_with_secret};
use super::{checked_selector, headers, secret, shape, webhook_url};
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json};
use crate::request::ApiRequest;
use http::StatusCode;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use sluice_catalogue::directory::CustomerEntry;
use sluice_model::clock::now_ms;
use sluice_model::subscription::WebhookShape;
use sluice_model::{Subscription, SubscriptionId, SubscriptionStatus};

/// `POST /v1/subscriptions`.
pub(super) async fn create(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let customer = request.customer()?;
    let new: NewSubscription = request.json(body).await?;
    create_for(context, request, &customer, new).await
}

/// `POST /admin/test-subscription`: by default a subscription to every event; in
/// development only.
pub(super) async fn test_subscription(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    if !context.is_development {
        return Err(ApiError::not_found("path"));
    }
    let TestSubscription { customer_id, webhook_url, event_selector } = request.json(body).await?;
    let customer = request.directory.customer(customer_id);
    let customer = customer.ok_or_else(|| ApiError::not_found("customer"))?;
    let every_event = || RawValue::from_string(r#"{"type":"event_type","value":"*"}"#.to_owned());
    let event_selector = match event_selector {
        Some(selector) => selector,
        None => every_event().map_err(|error| ApiError::invalid("event_selector", error.to_string()))?,
    };
    create_for(context, request, &customer, NewSubscription::with_defaults(event_selector, webhook_url)).await
}

async fn create_for(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    customer: &CustomerEntry,
    new: NewSubscription,
) -> Result<ApiReply, ApiError> {
    let max = context.customer_max;
    if customer.state().subscriptions.len() >= max {
        let text = format!("the customer has {max} subscriptions, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_SUBSCRIPTIONS", text));
    }
    let now_ms = now_ms();
    let body = new.body.unwrap_or_default();
    let batch = new.batch.onto(Default::default());
    let template = new.transform.map(|transform| transform.checked(context.transform)).transpose()?;
    let subscription = Subscription {
        id: SubscriptionId::new(now_ms),
        customer: customer.id(),
        version: 1,
        selector: checked_selector(&new.event_selector)?,
        webhook_url: webhook_url::check(&new.webhook_url, context.allow_private_webhooks)?,
        batch: wire::checked_batch(shape::batch_of_body(batch, new.batch.max_events, body, body)?)?,
        retry: wire::checked_retry(new.retry.onto(Default::default()))?,
        ordered: new.ordered,
        description: wire::checked_description(new.description)?,
        status: SubscriptionStatus::Active,
        secrets: vec![secret::first(new.secret, new.signature.unwrap_or_default())?],
        headers: headers::checked(&new.headers, &[], &context.limits)?,
        rate_limit_per_second: wire::checked_rate(new.rate_limit_per_second)?,
        shape: WebhookShape { body, template },
        effective_at_ms: now_ms,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    let active = request.directory.activate(subscription, request.origin()).await?;
    Ok(json(StatusCode::CREATED, &view_with_secret(&active)))
}
