//! Subscriptions: which events a customer wants delivered, where and how.

mod header;
mod shape;

pub use header::WebhookHeader;
pub use shape::{DeliveryShape, ShapeId, WebhookBody, WebhookShape};

use super::{CustomerId, SubscriptionId};
use serde::{Deserialize, Serialize};

/// When a webhook is cut: when its events reach the first of these limits. The API checks
/// the values that a customer sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchPolicy {
    /// The most events of a webhook.
    pub max_events: u32,
    /// The most bytes of a webhook's body; a single larger event goes alone.
    pub max_bytes: u32,
    /// The longest time that an event waits for further events, in milliseconds.
    pub max_wait_ms: u32,
}

impl BatchPolicy {
    /// The greatest `max_wait_ms` of a subscription: half the default time after
    /// which a shard hands a waiting event over to the work queue.
    pub const MAX_WAIT_MS_MAX: u32 = 5000;
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self { max_events: 100, max_bytes: 262_144, max_wait_ms: 50 }
    }
}

/// How failed deliveries are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The longest wait between two attempts, in seconds.
    pub max_delay_s: u32,
    /// How a 4xx answer is treated, other than those that ask for another attempt.
    pub client_errors: ClientErrors,
}

/// How to treat a delivery whose 4xx answer does not ask for another attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientErrors {
    /// It becomes a dead letter at once.
    #[default]
    DeadLetter,
    /// It is retried like a delivery that was answered with a 5xx.
    Retry,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 5, max_delay_s: 86_400, client_errors: ClientErrors::DeadLetter }
    }
}

/// Whether a subscription receives events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SubscriptionStatus {
    /// It receives events.
    Active,
    /// It receives none until somebody enables it.
    Disabled {
        /// Why it was disabled.
        reason: DisabledReason,
    },
}

/// Why a subscription was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// Its customer disabled it.
    ByCustomer,
    /// Its endpoint answered 410: it is gone for good.
    Gone,
    /// Its backlog grew beyond the limit.
    BacklogFull,
}

impl DisabledReason {
    /// The reason as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByCustomer => "by_customer",
            Self::Gone => "gone",
            Self::BacklogFull => "backlog_full",
        }
    }
}

/// A secret that signs webhooks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// The secret's text: `whsec_` and base64 for HMAC-SHA256 (`v1`), `whsk_` and
    /// base64 for ed25519 (`v1a`).
    pub text: String,
    /// Until when the secret signs beside a newer one, in milliseconds since the
    /// Unix epoch; `None` if there is no newer one.
    pub expires_at_ms: Option<u64>,
}

/// How webhooks are signed: a scheme of Standard Webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureScheme {
    /// HMAC-SHA256 with a secret that the receiver has, too.
    #[default]
    V1,
    /// ed25519 with a key whose public half the receiver has.
    V1a,
}

/// The beginning of the text of an ed25519 key, the whole of which is secret.
pub const PRIVATE_KEY_PREFIX: &str = "whsk_";

impl SigningSecret {
    /// The scheme that it signs by.
    #[must_use]
    pub fn scheme(&self) -> SignatureScheme {
        if self.text.starts_with(PRIVATE_KEY_PREFIX) { SignatureScheme::V1a } else { SignatureScheme::V1 }
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningSecret").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

/// A selector, a webhook URL, secrets and policies, of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The subscription's id; `workflow_id` in the API.
    pub id: SubscriptionId,
    /// The customer that owns the subscription.
    pub customer: CustomerId,
    /// Starts at 1 and grows by 1 with every change.
    pub version: u32,
    /// The selector's JSON, which was checked when it was stored.
    pub selector: String,
    /// The URL that webhooks are sent to.
    pub webhook_url: String,
    /// When webhooks are cut.
    pub batch: BatchPolicy,
    /// How failed deliveries are retried.
    pub retry: RetryPolicy,
    /// Whether events of one ordering key wait for those before them.
    pub ordered: bool,
    /// The customer's own note about the subscription.
    pub description: Option<String>,
    /// Whether the subscription receives events.
    pub status: SubscriptionStatus,
    /// The secrets that sign its webhooks, the newest first.
    pub secrets: Vec<SigningSecret>,
    /// The headers that go with each of its webhooks, ascending by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<WebhookHeader>,
    /// The most events a second that it is sent; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<u32>,
    /// The shape of its webhooks.
    #[serde(default, skip_serializing_if = "WebhookShape::is_plain")]
    pub shape: WebhookShape,
    /// The subscription receives the events accepted from this time on, in
    /// milliseconds since the Unix epoch.
    pub effective_at_ms: u64,
    /// When the subscription was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When the subscription last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

impl Subscription {
    /// The scheme that its newest secret signs by.
    #[must_use]
    pub fn signature(&self) -> SignatureScheme {
        self.secrets.first().map_or(SignatureScheme::V1, SigningSecret::scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_old_reads_and_a_row_without_options_is_stored_as_of_old() {
        let old = r#"{"id":"00000000-0000-7000-8000-000000000001","customer":"00000000-0000-7000-8000-000000000002","version":3,"selector":"{}","webhook_url":"https://example.com/","batch":{"max_events":100,"max_bytes":262144,"max_wait_ms":50},"retry":{"max_retries":5,"max_delay_s":86400,"client_errors":"dead_letter"},"ordered":false,"description":null,"status":{"state":"active"},"secrets":[{"text":"whsec_x","expires_at_ms":null}],"effective_at_ms":1,"created_at_ms":2,"updated_at_ms":3}"#;
        let subscription: Subscription = serde_json::from_str(old).unwrap();
        assert!(subscription.headers.is_empty() && subscription.shape.is_plain());
        assert_eq!(
            (subscription.rate_limit_per_second, subscription.signature()),
            (None, SignatureScheme::V1)
        );
        assert_eq!(serde_json::to_string(&subscription).unwrap(), old);
        let header = WebhookHeader { name: "x-key".into(), value: "hidden".into() };
        let shape = WebhookShape { body: WebhookBody::Single, template: Some("1".into()) };
        let full =
            Subscription { headers: vec![header], rate_limit_per_second: Some(9), shape, ..subscription };
        let stored = serde_json::to_string(&full).unwrap();
        let more = r#","headers":[{"name":"x-key","value":"hidden"}],"rate_limit_per_second":9,"shape":{"body":"single","template":"1"},"#;
        assert!(stored.contains(more), "{stored}");
        assert_eq!(serde_json::from_str::<Subscription>(&stored).unwrap(), full);
        assert!(!format!("{full:?}").contains("hidden"));
    }

    #[test]
    fn a_status_is_stored_as_it_always_was() {
        for reason in [DisabledReason::ByCustomer, DisabledReason::Gone, DisabledReason::BacklogFull] {
            let status = SubscriptionStatus::Disabled { reason };
            let stored = format!(r#"{{"state":"disabled","reason":"{}"}}"#, reason.as_str());
            assert_eq!(serde_json::to_string(&status).unwrap(), stored);
            assert_eq!(serde_json::from_str::<SubscriptionStatus>(&stored).unwrap(), status);
        }
    }
}
