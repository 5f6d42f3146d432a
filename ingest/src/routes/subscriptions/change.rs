//! Changing, enabling and deleting a subscription, and rotating its secret.

use super::read::find;
use super::wire::{self, SubscriptionChange, WantedStatus, view, view_with_secret};
use super::{catalogue_error, checked_selector, webhook_url};
use crate::contexts::SubscriptionsContext;
use crate::error::ApiError;
use crate::reply::{ApiReply, json as json_reply, no_content};
use crate::request::ApiRequest;
use http::StatusCode;
use hyper::body::Incoming;
use serde_json::json;
use sluice_catalogue::secrets::new_signing_secret;
use sluice_model::clock::{now_ms, rfc3339_string};
use sluice_model::subscription::SigningSecret;
use sluice_model::{DisabledReason, Subscription, SubscriptionStatus};
use sluice_ports::catalogue::CatalogueError;

/// How long an old secret signs beside its successor.
const OLD_SECRET_MS: u64 = 24 * 3_600_000;

/// The most secrets of a subscription. A rotation that would need one more is refused.
const SECRETS_MAX: usize = 4;

/// How often a change is tried while others change the same subscription.
const TRIES: u32 = 8;

/// From when on a changed subscription counts.
enum EffectiveFrom {
    /// From when it counted before the change.
    Unchanged,
    /// From now on.
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
    let changed = update(request, |subscription| {
        if let Some(selector) = &selector {
            subscription.selector.clone_from(selector);
        }
        if let Some(url) = &url {
            subscription.webhook_url.clone_from(url);
        }
        subscription.batch = wire::checked_batch(change.batch.onto(subscription.batch))?;
        subscription.retry = wire::checked_retry(change.retry.onto(subscription.retry))?;
        subscription.ordered = change.ordered.unwrap_or(subscription.ordered);
        let description = change.description.clone().onto(subscription.description.take());
        subscription.description = wire::checked_description(description)?;
        Ok(change.status.map_or(EffectiveFrom::Unchanged, |status| set_status(subscription, status)))
    })
    .await?;
    Ok(json_reply(StatusCode::OK, &view(&changed)))
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
    let deleted = request.directory.delete_subscription(found.customer, found.id).await;
    deleted.map_err(catalogue_error)?;
    Ok(no_content())
}

/// `POST /v1/subscriptions/{id}/rotate-secret`.
pub(super) async fn rotate_secret(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let now_ms = now_ms();
    let fresh = SigningSecret { text: new_signing_secret(), expires_at_ms: None };
    let changed = update(request, |subscription| {
        let secrets = &mut subscription.secrets;
        secrets.retain(|old| old.expires_at_ms.is_none_or(|at| at > now_ms));
        if secrets.len() >= SECRETS_MAX {
            return Err(too_many_secrets(secrets));
        }
        for old in &mut *secrets {
            old.expires_at_ms.get_or_insert(now_ms + OLD_SECRET_MS);
        }
        secrets.insert(0, fresh.clone());
        Ok(EffectiveFrom::Unchanged)
    })
    .await?;
    Ok(json_reply(StatusCode::OK, &view_with_secret(&changed)))
}

/// The refusal of a rotation that would drop a secret while it still signs.
fn too_many_secrets(secrets: &[SigningSecret]) -> ApiError {
    let first_expiry_ms = secrets.iter().filter_map(|secret| secret.expires_at_ms).min();
    let text = format!("{} secrets sign, the most there may be; the oldest must expire first", secrets.len());
    let error = ApiError::new(StatusCode::CONFLICT, "TOO_MANY_SECRETS", text);
    match first_expiry_ms {
        Some(ms) => error.details(json!({ "possible_at": rfc3339_string(ms) })),
        None => error,
    }
}

/// `POST /v1/subscriptions/{id}/enable`.
pub(super) async fn enable(request: &ApiRequest<'_>) -> Result<ApiReply, ApiError> {
    let changed = update(request, |subscription| Ok(set_status(subscription, WantedStatus::Active))).await?;
    Ok(json_reply(StatusCode::OK, &view(&changed)))
}

/// Changes the subscription that the path names, while others may change it too.
async fn update(
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
            EffectiveFrom::Unchanged => directory.put_subscription(&changed).await.map(|()| changed),
            EffectiveFrom::Now => directory.activate(changed).await,
        };
        match stored {
            Ok(changed) => return Ok(changed),
            Err(CatalogueError::Conflict(_)) => directory.refresh().await?,
            Err(error) => return Err(catalogue_error(error)),
        }
    }
    Err(ApiError::conflict("the subscription is being changed by others"))
}
