//! Sending single test webhooks, for customers who want to see their endpoint's answer.

use crate::attempt::{Courier, Job};
use crate::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use sluice_model::{DeliveryId, EventId, EventRef, EventSet, Subscription};
use sluice_ports::webhook_probe::{ProbeAnswer, WebhookProbe};
use std::sync::Arc;

/// Sends single webhooks as deliveries are sent.
pub(crate) struct Prober(pub(crate) Arc<Courier>);

#[async_trait]
impl WebhookProbe for Prober {
    async fn probe(&self, subscription: Arc<Subscription>, body: Bytes) -> ProbeAnswer {
        let courier = &*self.0;
        let Courier { wire, clock, .. } = courier;
        let target = Arc::new(Target::new(subscription));
        let began_ms = clock.now_ms();
        let delivery = DeliveryId::new(began_ms);
        let events = carried(&body);
        let job = Job {
            delivery,
            number: 1,
            target: Arc::clone(&target),
            events,
            chunks: Arc::new([body]),
            shape: target.delivery_shape(),
            first_envelope: None,
        };
        let (prepared, _room) = courier.shape_and_sign(job).await;
        let reply = match prepared {
            Ok(webhook) => wire.post(&target, webhook).await,
            Err(unsent) => unsent,
        };
        let latency_ms = clock.now_ms().saturating_sub(began_ms);
        let refused = (!reply.failed.is_empty()).then(|| "the answer names the event as failed".to_owned());
        ProbeAnswer {
            delivery,
            status: reply.status(),
            latency_ms,
            error: reply.error.or(refused),
            excerpt: reply.excerpt,
        }
    }
}

/// The events of a body, which an answer may name.
fn carried(body: &[u8]) -> Arc<[EventRef]> {
    #[derive(Deserialize)]
    struct Envelope {
        event_id: EventId,
    }
    let envelopes: Vec<Envelope> = serde_json::from_slice(body).unwrap_or_default();
    let events = envelopes.into_iter().map(|envelope| {
        let index = envelope.event_id.index();
        EventRef { batch: envelope.event_id.batch(), events: EventSet::range(index, index + 1) }
    });
    events.collect()
}
