//! Subscriptions: create, list, get, change, delete, enable, new secret. The
//! same for a customer and for an operator who names one.

mod wire;

use super::id;
use super::webhook_url;
use crate::error::ApiError;
use crate::reply::{Reply, json, no_content};
use crate::service::Call;
use http::StatusCode;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use sluice_catalogue::secrets::new_signing_secret;
use sluice_model::clock::now_ms;
use sluice_model::subscription::SigningSecret;
use sluice_model::{CustomerId, Subscription, SubscriptionId, SubscriptionStatus};
use sluice_ports::catalogue::CatalogueError;
use sluice_selector::Selector;
use std::sync::Arc;
pub(crate) use wire::DESCRIPTION_MAX;
use wire::{Change, New, TestSubscription, Wanted, view, view_with_secret};

/// How long an old secret signs beside its successor.
const OLD_SECRET_MS: u64 = 24 * 3_600_000;

/// The most secrets of a subscription; rotating faster drops the oldest.
const SECRETS_MAX: usize = 4;

/// Tries of a change against others that change the same subscription.
const TRIES: u32 = 8;

/// `POST /v1/subscriptions`.
pub(super) async fn create(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let customer = call.customer()?.id();
    let new: New = call.json(body).await?;
    create_for(call, customer, new).await
}

/// `POST /admin/test-subscription`: one that takes everything, in development only.
pub(super) async fn test_subscription(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    if !call.edge.config.is_development() {
        return Err(ApiError::not_found("path"));
    }
    let TestSubscription { customer_id, webhook_url, event_selector } = call.json(body).await?;
    if call.edge.directory.customer(customer_id).is_none() {
        return Err(ApiError::not_found("customer"));
    }
    let everything = || RawValue::from_string(r#"{"type":"event_type","value":"*"}"#.to_owned());
    let event_selector = match event_selector {
        Some(selector) => selector,
        None => everything().map_err(|e| ApiError::invalid("event_selector", e.to_string()))?,
    };
    create_for(call, customer_id, New::of(event_selector, webhook_url)).await
}

async fn create_for(call: &Call<'_>, customer: CustomerId, new: New) -> Result<Reply, ApiError> {
    let edge = call.edge;
    let max = edge.config.subscriptions_max;
    let entry = edge.directory.customer(customer).ok_or_else(|| ApiError::not_found("customer"))?;
    if entry.state().subscriptions.len() >= max {
        let text = format!("the customer has {max} subscriptions, the most there may be");
        return Err(ApiError::new(StatusCode::CONFLICT, "TOO_MANY_SUBSCRIPTIONS", text));
    }
    let now_ms = now_ms();
    let secret = SigningSecret { text: new_signing_secret(), expires_at_ms: None };
    let subscription = Subscription {
        id: SubscriptionId::new(now_ms),
        customer,
        version: 1,
        selector: check_selector(&new.event_selector)?,
        webhook_url: webhook_url::check(&new.webhook_url, edge.config.allow_private_webhooks)?,
        batch: wire::checked_batch(new.batch.onto(Default::default()))?,
        retry: wire::checked_retry(new.retry.onto(Default::default()))?,
        ordered: new.ordered,
        description: wire::checked_description(new.description)?,
        status: SubscriptionStatus::Active,
        secrets: vec![secret],
        effective_at_ms: now_ms,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    let active = edge.directory.activate(subscription).await?;
    Ok(json(StatusCode::CREATED, &view_with_secret(&active)))
}

/// `GET /v1/subscriptions`.
pub(super) fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let query = call.query(&["limit", "cursor"])?;
    let (limit, after) = (query.limit(100)?, query.id::<SubscriptionId>("cursor")?);
    let state = call.customer()?.state();
    let all = &state.subscriptions;
    let start = after.map_or(0, |after| all.partition_point(|of| of.id <= after));
    let page = all.get(start..(start + limit).min(all.len())).unwrap_or_default();
    let has_more = start + page.len() < all.len();
    let cursor = has_more.then(|| page.last().map(|of| of.id)).flatten();
    let subscriptions: Vec<_> = page.iter().map(|of| view(of)).collect();
    let body = serde_json::json!({
        "subscriptions": subscriptions, "total": all.len(), "cursor": cursor, "has_more": has_more,
    });
    Ok(json(StatusCode::OK, &body))
}

/// `GET /v1/subscriptions/{id}`.
pub(super) fn get(call: &Call<'_>) -> Result<Reply, ApiError> {
    Ok(json(StatusCode::OK, &view(&*find(call)?)))
}

/// `PATCH /v1/subscriptions/{id}`. Events that came before the change and are
/// not matched yet are matched with the old or the new one, never with neither.
pub(super) async fn patch(call: &Call<'_>, body: Incoming) -> Result<Reply, ApiError> {
    let change: Change = call.json(body).await?;
    let selector = change.event_selector.as_deref().map(check_selector).transpose()?;
    let allow_private = call.edge.config.allow_private_webhooks;
    let url = change.webhook_url.as_deref().map(|url| webhook_url::check(url, allow_private)).transpose()?;
    let changed = update(call, |of| {
        of.selector = selector.clone().unwrap_or_else(|| std::mem::take(&mut of.selector));
        of.webhook_url = url.clone().unwrap_or_else(|| std::mem::take(&mut of.webhook_url));
        of.batch = wire::checked_batch(change.batch.onto(of.batch))?;
        of.retry = wire::checked_retry(change.retry.onto(of.retry))?;
        of.ordered = change.ordered.unwrap_or(of.ordered);
        if let Some(description) = &change.description {
            of.description = wire::checked_description(description.clone())?;
        }
        Ok(match change.status {
            None => Start::Unchanged,
            Some(Wanted::Active) if of.status == SubscriptionStatus::Active => Start::Unchanged,
            Some(Wanted::Active) => {
                of.status = SubscriptionStatus::Active;
                Start::Now
            }
            Some(Wanted::Disabled) => {
                of.status = SubscriptionStatus::Disabled { reason: "by_customer".to_owned() };
                Start::Unchanged
            }
        })
    })
    .await?;
    Ok(json(StatusCode::OK, &view(&changed)))
}

/// `DELETE /v1/subscriptions/{id}`.
pub(super) async fn delete(call: &Call<'_>) -> Result<Reply, ApiError> {
    let found = find(call)?;
    let deleted = call.edge.directory.delete_subscription(found.customer, found.id).await;
    deleted.map_err(of_subscription)?;
    Ok(no_content())
}

/// `POST /v1/subscriptions/{id}/rotate-secret`.
pub(super) async fn rotate_secret(call: &Call<'_>) -> Result<Reply, ApiError> {
    let now_ms = now_ms();
    let fresh = SigningSecret { text: new_signing_secret(), expires_at_ms: None };
    let changed = update(call, |of| {
        of.secrets.retain(|old| old.expires_at_ms.is_none_or(|at| at > now_ms));
        for old in &mut of.secrets {
            old.expires_at_ms.get_or_insert(now_ms + OLD_SECRET_MS);
        }
        of.secrets.insert(0, fresh.clone());
        of.secrets.truncate(SECRETS_MAX);
        Ok(Start::Unchanged)
    })
    .await?;
    Ok(json(StatusCode::OK, &view_with_secret(&changed)))
}

/// `POST /v1/subscriptions/{id}/enable`.
pub(super) async fn enable(call: &Call<'_>) -> Result<Reply, ApiError> {
    let changed = update(call, |of| {
        if of.status == SubscriptionStatus::Active {
            return Ok(Start::Unchanged);
        }
        of.status = SubscriptionStatus::Active;
        Ok(Start::Now)
    })
    .await?;
    Ok(json(StatusCode::OK, &view(&changed)))
}

/// From when a changed subscription counts.
enum Start {
    /// From when it did.
    Unchanged,
    /// Anew.
    Now,
}

/// Changes the subscription that the path names, against others that do the same.
async fn update(
    call: &Call<'_>,
    change: impl Fn(&mut Subscription) -> Result<Start, ApiError>,
) -> Result<Subscription, ApiError> {
    let directory = &call.edge.directory;
    for _ in 0..TRIES {
        let found = find(call)?;
        let mut changed = Subscription::clone(&found);
        let start = change(&mut changed)?;
        if changed == *found {
            return Ok(changed);
        }
        changed.version += 1;
        changed.updated_at_ms = now_ms().max(found.updated_at_ms);
        let stored = match start {
            Start::Unchanged => directory.put_subscription(&changed).await.map(|()| changed),
            Start::Now => directory.activate(changed).await,
        };
        match stored {
            Ok(changed) => return Ok(changed),
            Err(CatalogueError::Conflict(_)) => directory.refresh().await?,
            Err(error) => return Err(of_subscription(error)),
        }
    }
    Err(ApiError::conflict("the subscription is being changed by others"))
}

pub(super) fn find(call: &Call<'_>) -> Result<Arc<Subscription>, ApiError> {
    let id: SubscriptionId = id(call.params.id, "id")?;
    let state = call.customer()?.state();
    state.subscription(id).cloned().ok_or_else(|| ApiError::not_found("subscription"))
}

fn of_subscription(error: CatalogueError) -> ApiError {
    match error {
        CatalogueError::NotFound => ApiError::not_found("subscription"),
        other => other.into(),
    }
}

fn check_selector(selector: &RawValue) -> Result<String, ApiError> {
    match Selector::parse(selector.get()) {
        Ok(selector) => Ok(selector.original().to_owned()),
        Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, "INVALID_SELECTOR", error.to_string())
            .details(serde_json::json!({ "field": "event_selector", "pointer": error.pointer }))),
    }
}
