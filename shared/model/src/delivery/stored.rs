//! How a [`Delivery`] is stored: the queue, parked lists and dead letters hold it
//! in postcard, which has no names of fields.
//!
//! ```text
//! id, customer, subscription, events, attempts, first_attempt_ms, last,
//! due_ms   u64; its highest bit says that a shape follows
//! shape    0 and 16 bytes: pinned to that shape; 1: not pinned yet
//! ```
//!
//! Without the bit the body is an array of unchanged events. So deliveries that were stored
//! before there were shapes read correctly, and a delivery without a shape takes no more
//! bytes.

use super::{Delivery, EventRef, LastAttempt};
use crate::subscription::{DeliveryShape, ShapeId};
use crate::{CustomerId, DeliveryId, SubscriptionId};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const FIELDS: usize = 9;
const SHAPE_FOLLOWS: u64 = 1 << 63;

#[derive(Serialize, Deserialize)]
enum StoredShape {
    Pinned(ShapeId),
    Unpinned,
}

impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = match self.shape {
            DeliveryShape::Plain => None,
            DeliveryShape::Pinned(id) => Some(StoredShape::Pinned(id)),
            DeliveryShape::Unpinned => Some(StoredShape::Unpinned),
        };
        let mark = if shape.is_some() { SHAPE_FOLLOWS } else { 0 };
        let mut out = serializer.serialize_tuple(FIELDS - usize::from(shape.is_none()))?;
        out.serialize_element(&self.id)?;
        out.serialize_element(&self.customer)?;
        out.serialize_element(&self.subscription)?;
        out.serialize_element(&self.events)?;
        out.serialize_element(&self.attempts)?;
        out.serialize_element(&self.first_attempt_ms)?;
        out.serialize_element(&self.last)?;
        out.serialize_element(&(self.due_ms & !SHAPE_FOLLOWS | mark))?;
        if let Some(shape) = &shape {
            out.serialize_element(shape)?;
        }
        out.end()
    }
}

impl<'de> Deserialize<'de> for Delivery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(FIELDS, StoredDelivery)
    }
}

struct StoredDelivery;

impl<'de> Visitor<'de> for StoredDelivery {
    type Value = Delivery;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a delivery")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Delivery, A::Error> {
        let id: DeliveryId = next(&mut fields)?;
        let customer: CustomerId = next(&mut fields)?;
        let subscription: SubscriptionId = next(&mut fields)?;
        let events: Vec<EventRef> = next(&mut fields)?;
        let attempts: u32 = next(&mut fields)?;
        let first_attempt_ms: u64 = next(&mut fields)?;
        let last: LastAttempt = next(&mut fields)?;
        let due_ms: u64 = next(&mut fields)?;
        let shape = match due_ms & SHAPE_FOLLOWS {
            0 => DeliveryShape::Plain,
            _ => match next(&mut fields)? {
                StoredShape::Pinned(id) => DeliveryShape::Pinned(id),
                StoredShape::Unpinned => DeliveryShape::Unpinned,
            },
        };
        let due_ms = due_ms & !SHAPE_FOLLOWS;
        Ok(Delivery { id, customer, subscription, events, attempts, first_attempt_ms, last, due_ms, shape })
    }
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(fields: &mut A) -> Result<T, A::Error> {
    fields.next_element()?.ok_or_else(|| A::Error::custom("a delivery ends early"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeadLetter, DeadLetterId, DeadLetterReason, EventId, EventSet, Lane};
    use proptest::prelude::*;

    /// A delivery as it was stored before there were shapes.
    #[derive(Serialize)]
    struct DeliveryBeforeShapes {
        id: DeliveryId,
        customer: CustomerId,
        subscription: SubscriptionId,
        events: Vec<EventRef>,
        attempts: u32,
        first_attempt_ms: u64,
        last: LastAttempt,
        due_ms: u64,
    }

    fn delivery(due_ms: u64, shape: DeliveryShape) -> Delivery {
        let batch = EventId::new(1_700_000_000_000, Lane::new(3).unwrap(), 7, 0).batch();
        Delivery {
            id: DeliveryId::from_u128(11),
            customer: CustomerId::from_u128(12),
            subscription: SubscriptionId::from_u128(13),
            events: vec![EventRef { batch, events: EventSet::range(1, 3) }],
            attempts: 2,
            first_attempt_ms: 1_700_000_000_100,
            last: LastAttempt { status: Some(500), error: Some("boom".into()), at_ms: 1_700_000_000_200 },
            due_ms,
            shape,
        }
    }

    #[test]
    fn deliveries_of_old_are_plain_and_plain_ones_are_stored_as_of_old() {
        let plain = delivery(1_700_000_002_000, DeliveryShape::Plain);
        let Delivery { id, customer, subscription, events, attempts, first_attempt_ms, last, due_ms, .. } =
            plain.clone();
        let old = DeliveryBeforeShapes {
            id,
            customer,
            subscription,
            events,
            attempts,
            first_attempt_ms,
            last,
            due_ms,
        };
        let old = postcard::to_stdvec(&(old, vec![7_u64])).unwrap();
        assert_eq!(postcard::to_stdvec(&(&plain, vec![7_u64])).unwrap(), old);
        let read: (Delivery, Vec<u64>) = postcard::from_bytes(&old).unwrap();
        assert_eq!(read, (plain, vec![7]));
    }

    proptest! {
        #[test]
        fn stored_deliveries_read_back(due_ms in 0..SHAPE_FOLLOWS, kind in 0..3u8, bytes: [u8; 16]) {
            let shape = match kind {
                0 => DeliveryShape::Plain,
                1 => DeliveryShape::Pinned(ShapeId::from_bytes(bytes)),
                _ => DeliveryShape::Unpinned,
            };
            let letter = DeadLetter {
                id: DeadLetterId::from_u128(9),
                reason: DeadLetterReason::TransformFailed,
                delivery: delivery(due_ms, shape),
            };
            // The bytes after a delivery are read from their own place.
            let stored = postcard::to_stdvec(&(&letter, 7_u64)).unwrap();
            let read: (DeadLetter, u64) = postcard::from_bytes(&stored).unwrap();
            prop_assert_eq!(read, (letter, 7));
        }
    }
}
