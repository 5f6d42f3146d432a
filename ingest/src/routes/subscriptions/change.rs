//! Changing, enabling and deleting a subscription.

use super::read::find;
use super::wire::{self, SubscriptionChange, WantedStatus, view};
use super::{catalogue_error, checked_selector, headers, shape, webhook_url};
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json as json_reply, no_content};
use crate::request::{ApiRequest, FieldChange};
use http::StatusCode;
use hyper::body::Incoming;
use sluice_model::clock::now_ms;
use sluice_model::{DisabledReason, Subscription, SubscriptionStatus};
use sluice_ports::catalogue::CatalogueError;
use sluice_shape::ShapeLimits;

/// How often a change is tried while others change the same subscription.
const TRIES: u32 = 8;

/// The `effective_at` of a changed subscription.
pub(super) enum EffectiveFrom {
    /// As before the change.
    Unchanged,
    /// The present time.
    Now,
}

/// `PATCH /v1/subscriptions/{id}`. Events that were accepted before the change
/// and are not matched yet are matched with the old or the new version.
pub(super) async fn patch(
    context: &SubscriptionsContext,
    request: &ApiRequest<'_>,
    body: Incoming,
) -> Result<ApiReply, ApiError> {
    let change: SubscriptionChange = request.json(body).await?;
    let selector = change.event_selector.as_deref().map(checked_selector).transpose()?;
    let check_url = |url: &str| webhook_url::check(url, context.allow_private_webhooks);
    let url = change.webhook_url.as_deref().map(check_url).transpose()?;
    let template = checked_template(&change.transform, context.transform)?;
    let changed = update(request, |subscription| {
        if let Some(selector) = &selector {
            subscription.selector.clone_from(selector);
        }
        if let Some(url) = &url {
            subscription.webhook_url.clone_from(url);
        }
        let body = change.body.unwrap_or(subscription.shape.body);
        let batch = change.batch.onto(subscription.batch);
        let batch = shape::batch_of_body(batch, change.batch.max_events, subscription.shape.body, body)?;
        subscription.batch = wire::checked_batch(batch)?;
        subscription.shape.body = body;
        subscription.shape.template = template.clone().onto(subscription.shape.template.take());
        subscription.retry = wire::checked_retry(change.retry.onto(subscription.retry))?;
        subscription.ordered = change.ordered.unwrap_or(subscription.ordered);
        match &change.headers {
            FieldChange::Keep => {}
            FieldChange::Remove => subscription.headers.clear(),
            FieldChange::Set(given) => {
                subscription.headers = headers::checked(given, &subscription.headers, &context.limits)?;
            }
        }
        let rate = change.rate_limit_per_second.clone().onto(subscription.rate_limit_per_second);
        subscription.rate_limit_per_second = wire::checked_rate(rate)?;
        let description = change.description.clone().onto(subscription.description.take());
        subscription.description = wire::checked_description(description)?;
        Ok(change.status.map_or(EffectiveFrom::Unchanged, |status| set_status(subscription, status)))
    })
    .await?;
    Ok(json_reply(StatusCode::OK, &view(&changed)))
}

/// The template after the change, if a new one compiles.
fn checked_template(
    change: &FieldChange<shape::TransformField>,
    limits: ShapeLimits,
) -> Result<FieldChange<String>, ApiError> {
    Ok(match change {
        FieldChange::Keep => FieldChange::Keep,
        FieldChange::Remove => FieldChange::Remove,
        FieldChange::Set(transform) => FieldChange::Set(transform.checked(limits)?),
    })
}

fn set_status(subscription: &mut Subscription, wanted: WantedStatus) -> EffectiveFrom {
    match wanted {
        WantedStatus::Active if subscription.status == SubscriptionStatus::Active => EffectiveFrom::Unchanged,
        WantedStatus::Active => {
            subscription.status = SubscriptionStatus::Active;
            EffectiveFrom::Now
        }
        WantedStatus::Disabled => {
            subscription.status = SubscriptionStatus::Disabled { reason: DisabledReason::ByCustomer };
            EffectiveFrom::Unchanged
        }
    }
}

/// `DELETE /v1/subscriptions/{id}`.
pub(super) async fn delete(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let found = find(request)?;
    let deleted = request.directory.delete_subscription(found.customer, found.id, request.origin()).await;
    deleted.map_err(catalogue_error)?;
    Ok(no_content())
}

/// `POST /v1/subscriptions/{id}/enable`.
pub(super) async fn enable(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let changed = update(request, |subscription| Ok(set_status(subscription, WantedStatus::Active))).await?;
    Ok(json_reply(StatusCode::OK, &view(&changed)))
}

/// Changes the subscription that the path names, while others may change it too.
pub(super) async fn update(
    request: &ApiRequest<'_>,
    change: impl Fn(&mut Subscription) -> Result<EffectiveFrom, ApiError>,
) -> Result<Subscription, ApiError> {
    let directory = request.directory;
    for _ in 0..TRIES {
        let found = find(request)?;
        let mut changed = Subscription::clone(&found);
        let effective_from = change(&mut changed)?;
        if changed == *found {
            return Ok(changed);
        }
        changed.version += 1;
        changed.updated_at_ms = now_ms().max(found.updated_at_ms);
        let stored = match effective_from {
            EffectiveFrom::Unchanged => {
                directory.put_subscription(&changed, request.origin()).await.map(|()| changed)
            }
            EffectiveFrom::Now => directory.activate(changed, request.origin()).await,
        };
        match stored {
            Ok(changed) => return Ok(changed),
            Err(CatalogueError::Conflict(_)) => directory.refresh().await?,
            Err(error) => return Err(catalogue_error(error)),
        }
    }
    Err(ApiError::conflict("the subscription is being changed by others"))
}
