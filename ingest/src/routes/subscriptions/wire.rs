//! Subscriptions as requests and answers write them.

use super::headers::{GivenHeaders, masked};
use super::shape::TransformField;
use crate::error::ApiError;
use crate::request::{FieldChange, only_object, or_default};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_catalogue::secrets::SigningKey;
use sluice_model::clock::rfc3339_string;
use sluice_model::subscription::WebhookBody;
use sluice_model::{
    BatchPolicy, ClientErrors, CustomerId, RetryPolicy, SignatureScheme, Subscription, SubscriptionId,
    SubscriptionStatus,
};
use std::collections::BTreeMap;

pub(crate) const DESCRIPTION_BYTES_MAX: usize = 1024;

/// The greatest rate limit of a subscription, in events a second.
pub(crate) const SUBSCRIPTION_RATE_MAX: u32 = 10_000_000;

/// A new subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSubscription {
    pub event_selector: Box<RawValue>,
    pub webhook_url: String,
    #[serde(default, deserialize_with = "only_object")]
    pub batch: BatchChange,
    #[serde(default, deserialize_with = "only_object")]
    pub retry: RetryChange,
    #[serde(default, deserialize_with = "or_default")]
    pub ordered: bool,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub headers: GivenHeaders,
    pub secret: Option<String>,
    pub signature: Option<SignatureScheme>,
    pub rate_limit_per_second: Option<u32>,
    pub body: Option<WebhookBody>,
    pub transform: Option<TransformField>,
}

impl NewSubscription {
    /// A subscription with the default policies.
    pub(super) fn with_defaults(event_selector: Box<RawValue>, webhook_url: String) -> Self {
        let (batch, retry) = Default::default();
        Self {
            event_selector,
            webhook_url,
            batch,
            retry,
            ordered: false,
            description: None,
            headers: GivenHeaders::new(),
            secret: None,
            signature: None,
            rate_limit_per_second: None,
            body: None,
            transform: None,
        }
    }
}

/// A subscription for development.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestSubscription {
    pub customer_id: CustomerId,
    pub webhook_url: String,
    #[serde(default)]
    pub event_selector: Option<Box<RawValue>>,
}

/// The fields to change; an absent field stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionChange {
    pub event_selector: Option<Box<RawValue>>,
    pub webhook_url: Option<String>,
    #[serde(default, deserialize_with = "only_object")]
    pub batch: BatchChange,
    #[serde(default, deserialize_with = "only_object")]
    pub retry: RetryChange,
    pub ordered: Option<bool>,
    #[serde(default)]
    pub description: FieldChange<String>,
    #[serde(default)]
    pub headers: FieldChange<GivenHeaders>,
    #[serde(default)]
    pub rate_limit_per_second: FieldChange<u32>,
    pub body: Option<WebhookBody>,
    #[serde(default)]
    pub transform: FieldChange<TransformField>,
    pub status: Option<WantedStatus>,
}

/// A status that a customer may set.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WantedStatus {
    Active,
    Disabled,
}

/// The given fields of a [`BatchPolicy`].
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BatchChange {
    pub max_events: Option<u32>,
    max_bytes: Option<u32>,
    max_wait_ms: Option<u32>,
}

impl BatchChange {
    pub(super) fn onto(self, old: BatchPolicy) -> BatchPolicy {
        BatchPolicy {
            max_events: self.max_events.unwrap_or(old.max_events),
            max_bytes: self.max_bytes.unwrap_or(old.max_bytes),
            max_wait_ms: self.max_wait_ms.unwrap_or(old.max_wait_ms),
        }
    }
}

/// The given fields of a [`RetryPolicy`].
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetryChange {
    max_retries: Option<u32>,
    max_delay_s: Option<u32>,
    client_errors: Option<ClientErrors>,
}

impl RetryChange {
    pub(super) fn onto(self, old: RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            max_retries: self.max_retries.unwrap_or(old.max_retries),
            max_delay_s: self.max_delay_s.unwrap_or(old.max_delay_s),
            client_errors: self.client_errors.unwrap_or(old.client_errors),
        }
    }
}

fn in_range(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), ApiError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ApiError::invalid(field, format!("{value} is not between {min} and {max}")))
}

/// The policy, if its values are in range.
pub(super) fn checked_batch(policy: BatchPolicy) -> Result<BatchPolicy, ApiError> {
    in_range("batch.max_events", policy.max_events, 1, 10_000)?;
    in_range("batch.max_bytes", policy.max_bytes, 1024, 8 << 20)?;
    in_range("batch.max_wait_ms", policy.max_wait_ms, 0, BatchPolicy::MAX_WAIT_MS_MAX)?;
    Ok(policy)
}

/// The policy, if its values are in range.
pub(super) fn checked_retry(policy: RetryPolicy) -> Result<RetryPolicy, ApiError> {
    in_range("retry.max_retries", policy.max_retries, 0, 100)?;
    in_range("retry.max_delay_s", policy.max_delay_s, 1, 86_400)?;
    Ok(policy)
}

/// The rate limit, if it is in range.
pub(super) fn checked_rate(rate: Option<u32>) -> Result<Option<u32>, ApiError> {
    if let Some(rate) = rate {
        in_range("rate_limit_per_second", rate, 1, SUBSCRIPTION_RATE_MAX)?;
    }
    Ok(rate)
}

/// The description, if it is not too long.
pub(super) fn checked_description(text: Option<String>) -> Result<Option<String>, ApiError> {
    if text.as_ref().is_some_and(|text| text.len() > DESCRIPTION_BYTES_MAX) {
        return Err(ApiError::invalid(
            "description",
            format!("is longer than {DESCRIPTION_BYTES_MAX} bytes"),
        ));
    }
    Ok(text)
}

/// A subscription as answers show it.
#[derive(Serialize)]
pub(super) struct SubscriptionView<'a> {
    workflow_id: SubscriptionId,
    customer_id: CustomerId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    event_selector: Option<Box<RawValue>>,
    webhook_url: &'a str,
    batch: BatchPolicy,
    retry: RetryPolicy,
    ordered: bool,
    description: Option<&'a str>,
    headers: BTreeMap<&'a str, &'static str>,
    signature: SignatureScheme,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    rate_limit_per_second: Option<u32>,
    body: WebhookBody,
    transform: Option<TransformField>,
    version: u32,
    effective_at: String,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// A subscription without its secret.
pub(super) fn view(subscription: &Subscription) -> SubscriptionView<'_> {
    let (status, status_reason) = match &subscription.status {
        SubscriptionStatus::Active => ("active", None),
        SubscriptionStatus::Disabled { reason } => ("disabled", Some(reason.as_str())),
    };
    SubscriptionView {
        workflow_id: subscription.id,
        customer_id: subscription.customer,
        status,
        status_reason,
        // The selector was checked when it was stored.
        event_selector: RawValue::from_string(subscription.selector.clone()).ok(),
        webhook_url: &subscription.webhook_url,
        batch: subscription.batch,
        retry: subscription.retry,
        ordered: subscription.ordered,
        description: subscription.description.as_deref(),
        headers: masked(&subscription.headers),
        signature: subscription.signature(),
        public_key: public_key(subscription),
        rate_limit_per_second: subscription.rate_limit_per_second,
        body: subscription.shape.body,
        transform: TransformField::of(&subscription.shape),
        version: subscription.version,
        effective_at: rfc3339_string(subscription.effective_at_ms),
        created_at: rfc3339_string(subscription.created_at_ms),
        updated_at: rfc3339_string(subscription.updated_at_ms),
        secret: None,
    }
}

/// A subscription with its newest secret, for the answer that made the secret. The
/// receiver of an ed25519 signature needs only the public key, so the private key is
/// never shown.
pub(super) fn view_with_secret(subscription: &Subscription) -> SubscriptionView<'_> {
    let newest = subscription.secrets.first();
    let shared = newest.filter(|secret| secret.scheme() == SignatureScheme::V1);
    SubscriptionView { secret: shared.map(|secret| secret.text.as_str()), ..view(subscription) }
}

/// The public half of the newest key, if it has one.
fn public_key(subscription: &Subscription) -> Option<String> {
    let newest = subscription.secrets.first().filter(|secret| secret.scheme() == SignatureScheme::V1a)?;
    SigningKey::parse(&newest.text).ok()?.public_key()
}
