//! Webhooks that somebody sends to see what comes back.
//!
//! Not a store with adapters: the edge asks, and what delivers answers. It is
//! a port because neither knows the other.

use async_trait::async_trait;
use bytes::Bytes;
use sluice_model::{DeliveryId, Subscription};
use std::sync::Arc;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// `webhook-id`.
    pub delivery: DeliveryId,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// What went wrong, where no answer came.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

/// Sends one webhook, once, as a delivery would be sent: signed, guarded,
/// within the configured timeout. Nothing is stored and nobody's breaker
/// learns of it.
#[async_trait]
pub trait WebhookProbe: Send + Sync + 'static {
    /// Sends `body`, a JSON array of one event.
    async fn probe(&self, subscription: Arc<Subscription>, body: Bytes) -> ProbeAnswer;
}
