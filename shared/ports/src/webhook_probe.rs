//! Test webhooks: one POST, whose answer is returned to the caller.
//!
//! There is no store behind this port. The ingest role asks and the processor role sends; it
//! is a port because neither role knows the other.

use async_trait::async_trait;
use bytes::Bytes;
use sluice_model::{DeliveryId, Subscription};
use std::sync::Arc;

/// The outcome of a test webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// `webhook-id`.
    pub delivery: DeliveryId,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// The time from sending to the answer's end, in milliseconds.
    pub latency_ms: u64,
    /// What went wrong, if no answer came.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

/// Sends one webhook, once, as a delivery is sent: signed, with its address checked, within
/// the configured timeout. Nothing is stored, and the breaker does not count the outcome.
#[async_trait]
pub trait WebhookProbe: Send + Sync + 'static {
    /// Sends `body`, a JSON array of one event.
    async fn probe(&self, subscription: Arc<Subscription>, body: Bytes) -> ProbeAnswer;
}
