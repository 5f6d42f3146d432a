//! Webhooks that somebody sends to see what comes back.

use crate::attempt::Courier;
use crate::client::{Prepared, Reply};
use crate::outcome::Fault;
use crate::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_model::{DeliveryId, Subscription};
use sluice_ports::webhook_probe::{ProbeAnswer, WebhookProbe};
use std::sync::Arc;

/// Sends single webhooks as deliveries are sent.
pub(crate) struct Prober(pub(crate) Arc<Courier>);

#[async_trait]
impl WebhookProbe for Prober {
    async fn probe(&self, subscription: Arc<Subscription>, body: Bytes) -> ProbeAnswer {
        let Courier { wire, clock, .. } = &*self.0;
        let target = Target::new(subscription);
        let began_ms = clock.now_ms();
        let delivery = DeliveryId::new(began_ms);
        let reply = match Prepared::sign(&target, delivery, 1, 1, Arc::new([body]), began_ms) {
            Ok(webhook) => wire.post(&target, webhook).await,
            Err(error) => Reply::fault(Fault::Unsendable, error.to_string()),
        };
        let latency_ms = clock.now_ms().saturating_sub(began_ms);
        ProbeAnswer {
            delivery,
            status: reply.status(),
            latency_ms,
            error: reply.error,
            excerpt: reply.excerpt,
        }
    }
}
