//! Samples of stored data for the contract suites.

use bytes::Bytes;
use sluice_model::clock;
use sluice_model::ids::BatchIds;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    Batch, Claim, CustomerId, Delivery, DeliveryId, EventMeta, EventRef, EventSet, Lane, LastAttempt,
    SubscriptionId,
};
use std::sync::Arc;

/// Makes ascending batches of one customer in one lane.
#[derive(Debug, Clone)]
pub struct Batches {
    /// The customer.
    pub customer: CustomerId,
    ids: BatchIds,
}

impl Batches {
    /// Batches of a new customer, with ids from now on.
    #[must_use]
    pub fn new(lane: Lane) -> Self {
        let now_ms = clock::now_ms();
        Self { customer: CustomerId::new(now_ms), ids: BatchIds::new(lane, now_ms) }
    }

    /// A batch of `events` events of about `bytes` bytes each, made now.
    pub fn next(&mut self, events: u16, bytes: usize) -> Arc<Batch> {
        self.next_at(clock::now_ms(), events, bytes)
    }

    /// A batch with the id time `ms`, or the least time above the previous batch's.
    pub fn next_at(&mut self, ms: u64, events: u16, bytes: usize) -> Arc<Batch> {
        let id = self.ids.next(ms);
        let (mut body, mut metas) = (Vec::new(), Vec::new());
        for index in 0..events {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(
                format!("{{\"event_id\":\"{}\",\"payload\":\"", id.event(index)).as_bytes(),
            );
            let counter = id.first().as_u128() as u64 ^ u64::from(index);
            // Varied, so that it does not compress to nothing.
            body.extend((0..bytes as u64).map(|i| b'a' + (counter.wrapping_mul(i * i + 31) >> 7) as u8 % 26));
            body.extend_from_slice(b"\"}");
            metas.push(EventMeta { end: body.len() as u32, kind: index % 2, ordering: 0 });
        }
        let types = vec!["order.created".into(), "order.paid".into()];
        let (customer, body) = (self.customer, Bytes::from(body));
        Arc::new(Batch { customer, id, types, events: metas, claims: Vec::new(), body })
    }
}

/// `batch` with a claim of all its events, as part `part` of `parts` of a request.
#[must_use]
pub fn claimed(batch: &Batch, key: [u8; 16], body: [u8; 16], part: u16, parts: u16) -> Arc<Batch> {
    let claim = Claim { key, body, first: 0, count: batch.len(), part, parts };
    Arc::new(Batch { claims: vec![claim], ..batch.clone() })
}

/// A delivery of the first events of a batch.
#[must_use]
pub fn delivery(batch: &Batch, subscription: SubscriptionId, events: u16, due_ms: u64) -> Delivery {
    Delivery {
        id: DeliveryId::new(clock::now_ms()),
        customer: batch.customer,
        subscription,
        events: vec![EventRef { batch: batch.id, events: EventSet::range(0, events) }],
        attempts: 1,
        first_attempt_ms: due_ms,
        last: LastAttempt { status: Some(503), error: Some("busy".to_owned()), at_ms: due_ms },
        due_ms,
        shape: DeliveryShape::Plain,
    }
}

/// A delivery with more bytes than one item of any networked store: every second event of
/// many batches.
#[must_use]
pub fn huge_delivery(batch: &Batch, subscription: SubscriptionId) -> Delivery {
    let mut ids = BatchIds::new(batch.id.lane(), batch.id.ms());
    let mut events = EventSet::new();
    (0..2048).for_each(|index| events.push(index * 2));
    let events = (0..300).map(|_| EventRef { batch: ids.next(batch.id.ms()), events: events.clone() });
    Delivery { events: events.collect(), ..delivery(batch, subscription, 1, 5) }
}
