//! Subscriptions: what a customer wants delivered, where and how.

use super::{CustomerId, SubscriptionId};
use serde::{Deserialize, Serialize};

/// When a webhook's batch is cut. A batch closes at the first limit it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchPolicy {
    /// The most events of a webhook.
    pub max_events: u32,
    /// The most bytes of a webhook's body; a single larger event goes alone.
    pub max_bytes: u32,
    /// The longest that an event waits for company, in milliseconds.
    pub max_wait_ms: u32,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self { max_events: 100, max_bytes: 262_144, max_wait_ms: 50 }
    }
}

/// How failed deliveries are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The longest wait between two attempts, in seconds.
    pub max_delay_s: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 5, max_delay_s: 86_400 }
    }
}

/// Whether a subscription receives events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SubscriptionStatus {
    /// It does.
    Active,
    /// It does not, until somebody enables it.
    Disabled {
        /// Why, for people: `gone`, `backlog_full`, `by_customer`.
        reason: String,
    },
}

/// A secret that signs webhooks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// The secret's text, `whsec_` and base64.
    pub text: String,
    /// Until when it signs beside a newer one; forever where there is no newer one.
    pub expires_at_ms: Option<u64>,
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningSecret").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

/// A selector, a webhook URL, secrets and policies, of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id; `workflow_id` in the API.
    pub id: SubscriptionId,
    /// Whose it is.
    pub customer: CustomerId,
    /// One up with every change.
    pub version: u32,
    /// The selector's JSON, already checked.
    pub selector: String,
    /// Where webhooks go.
    pub webhook_url: String,
    /// How webhooks are cut.
    pub batch: BatchPolicy,
    /// How failures are tried again.
    pub retry: RetryPolicy,
    /// Whether events of one ordering key wait for those before them.
    pub ordered: bool,
    /// The customer's words about it.
    pub description: Option<String>,
    /// Whether it receives events.
    pub status: SubscriptionStatus,
    /// The newest first.
    pub secrets: Vec<SigningSecret>,
    /// Events accepted from then on count, in milliseconds since the Unix epoch.
    pub effective_at_ms: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When it last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}
