//! Samples that the tests of this crate share.

pub(crate) mod receiver;
pub(crate) mod rig;
pub(crate) mod store;

pub(crate) use receiver::WebhookReceiver as Receiver;
pub(crate) use receiver::{Reaction, WebhookReceiver};
pub(crate) use rig::Rig;
pub(crate) use store::{NeverTakes, RecordingStores};

use crate::breaker::BreakerPolicy;
use crate::endpoint::{EndpointLimits, Endpoints};
use bytes::Bytes;
use sluice_model::subscription::{DeliveryShape, SigningSecret};
use sluice_model::{
    AttemptRecord, Batch, BatchId, BatchPolicy, Customer, CustomerId, CustomerStatus, Delivery, DeliveryId,
    EventId, EventMeta, EventRef, EventSet, Lane, LastAttempt, RetryPolicy, Subscription, SubscriptionId,
    SubscriptionStatus,
};
use std::sync::Arc;

/// A batch of one type whose envelopes have these sizes.
pub(crate) fn batch_of_sizes(sizes: &[usize]) -> Batch {
    let events: Vec<_> = sizes.iter().map(|size| ("", "x".repeat(*size))).collect();
    batch(CustomerId::from_u128(1), batch_id(1, 1), &events)
}

/// The id of batch `n` at `ms` in lane 3.
pub(crate) fn batch_id(ms: u64, n: u64) -> BatchId {
    EventId::new(ms, Lane::new(3).expect("a lane"), n, 0).batch()
}

/// A batch of (type, envelope) pairs.
pub(crate) fn batch(customer: CustomerId, id: BatchId, events: &[(&str, String)]) -> Batch {
    let mut types: Vec<Box<str>> = Vec::new();
    let mut rows = Vec::new();
    let mut body = String::new();
    for (kind, envelope) in events {
        let known = types.iter().position(|known_type| **known_type == **kind);
        let index = known.unwrap_or_else(|| {
            types.push((*kind).into());
            types.len() - 1
        });
        if !rows.is_empty() {
            body.push(',');
        }
        body.push_str(envelope);
        rows.push(EventMeta { end: body.len() as u32, kind: index as u16, ordering: 0 });
    }
    Batch { customer, id, types, events: rows, claims: Vec::new(), body: Bytes::from(body) }
}

/// Subscription `n` of customer 1, to all events.
pub(crate) fn subscription(n: u128) -> Subscription {
    Subscription {
        id: SubscriptionId::from_u128(n),
        customer: CustomerId::from_u128(1),
        version: 1,
        selector: r#"{"type":"event_type","value":"*"}"#.into(),
        webhook_url: "http://127.0.0.1:9/hook".into(),
        batch: BatchPolicy::default(),
        retry: RetryPolicy::default(),
        ordered: false,
        description: None,
        status: SubscriptionStatus::Active,
        secrets: vec![SigningSecret {
            text: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            expires_at_ms: None,
        }],
        headers: Vec::new(),
        rate_limit_per_second: None,
        shape: Default::default(),
        effective_at_ms: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

/// An attempt without content.
pub(crate) fn attempt_record() -> AttemptRecord {
    AttemptRecord {
        delivery: DeliveryId::from_u128(1),
        at_ms: 0,
        status: Some(200),
        latency_ms: 1,
        attempt: 1,
        events: 1,
        error: None,
        excerpt: String::new(),
        carried: Arc::default(),
    }
}

/// A delivery of `events` events of one batch to subscription `n`.
pub(crate) fn delivery(n: u128, events: u16) -> Delivery {
    Delivery {
        id: DeliveryId::new(1),
        customer: CustomerId::from_u128(1),
        subscription: SubscriptionId::from_u128(n),
        events: vec![EventRef { batch: batch_id(1, 1), events: EventSet::range(0, events) }],
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: 0,
        shape: DeliveryShape::Plain,
    }
}

/// Customer 1.
pub(crate) fn customer() -> Customer {
    Customer {
        id: CustomerId::from_u128(1),
        name: "one".into(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: 1000,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

/// No endpoints yet, with limits that tests can reach.
pub(crate) fn endpoints() -> Arc<Endpoints> {
    Arc::new(Endpoints::new(EndpointLimits { breaker: BreakerPolicy::default(), concurrency_max: 16 }))
}
