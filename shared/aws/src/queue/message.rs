//! The bodies of messages.
//!
//! ```text
//! delivery     "sluice1:" and base64 of the delivery (postcard); "sluice2:" if it has a shape
//! dead letter  JSON, for people and tools: see `DeadLetterRef`
//! ```
//!
//! A process that does not know a message's prefix leaves it to others; at last it goes to
//! the dead-letter queue, from where it can be moved back. So a format that older
//! processes would misread has another prefix: processes from before shapes would read
//! the mark of a shape as a time. Builds that marked shapes under "sluice1:" are read.
//!
//! A delivery has at most 10,000 events, a reference at most 30 bytes each:
//! less than half of the 1 MiB that a message may have by default. A queue may
//! allow less: `split`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sluice_model::subscription::DeliveryShape;
use sluice_model::{CustomerId, DeadLetter, DeadLetterId, Delivery, EventId, SubscriptionId};

/// The most event ids that a dead letter's message lists.
pub(super) const IDS_MAX: usize = 1000;
const PREFIX: &str = "sluice1:";
const PREFIX_SHAPED: &str = "sluice2:";

/// A message to send.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) body: String,
    pub(super) delay_s: i32,
    /// The message group: SQS is fair over groups.
    pub(super) group: String,
}

/// A dead letter as its message describes it; the item in the event store is the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeadLetterRef {
    pub(super) dead_letter: DeadLetterTag,
    pub(super) id: DeadLetterId,
    pub(super) customer_id: CustomerId,
    pub(super) subscription_id: SubscriptionId,
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) last_status: Option<u16>,
    pub(super) last_error: Option<String>,
    pub(super) event_count: usize,
    pub(super) event_ids: Vec<EventId>,
}

/// The JSON tag of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DeadLetterTag {
    #[serde(rename = "sluice1")]
    Version1,
}

/// The content of a message.
#[derive(Debug)]
pub(super) enum MessageBody {
    Delivery(Delivery),
    DeadLetter(DeadLetterRef),
}

/// A message that Sluice did not send.
#[derive(Debug, thiserror::Error)]
#[error("not a delivery and not a dead letter: {0}")]
pub(super) struct MessageBodyError(String);

/// The message of a delivery, delayed until the delivery is due, or for the longest delay.
pub(super) fn outgoing(delivery: &Delivery, now_ms: u64, delay_s_max: u32) -> Outgoing {
    let bytes = postcard::to_stdvec(delivery).expect("a delivery has no maps");
    let prefix = match delivery.shape {
        DeliveryShape::Plain => PREFIX,
        DeliveryShape::Pinned(_) | DeliveryShape::Unpinned => PREFIX_SHAPED,
    };
    Outgoing {
        body: format!("{prefix}{}", BASE64.encode(bytes)),
        delay_s: delivery.due_ms.saturating_sub(now_ms).div_ceil(1000).min(delay_s_max.into()) as i32,
        group: delivery.subscription.to_string(),
    }
}

/// The message of a dead letter, which lists at most `ids_max` of its events.
pub(super) fn dead_letter(letter: &DeadLetter, ids_max: usize) -> Outgoing {
    let delivery = &letter.delivery;
    let ids = delivery.events.iter().flat_map(|part| part.events.iter().map(|index| part.batch.event(index)));
    let described = DeadLetterRef {
        dead_letter: DeadLetterTag::Version1,
        id: letter.id,
        customer_id: delivery.customer,
        subscription_id: delivery.subscription,
        reason: letter.reason.as_str().to_owned(),
        attempts: delivery.attempts,
        last_status: delivery.last.status,
        last_error: delivery.last.error.clone(),
        event_count: delivery.event_count(),
        event_ids: ids.take(ids_max).collect(),
    };
    let body = serde_json::to_string(&described).expect("it has string keys only");
    Outgoing { body, delay_s: 0, group: delivery.subscription.to_string() }
}

/// Reads the body of a message.
pub(super) fn read(body: &str) -> Result<MessageBody, MessageBodyError> {
    let wrong = |error: &dyn std::fmt::Display| MessageBodyError(error.to_string());
    match body.strip_prefix(PREFIX).or_else(|| body.strip_prefix(PREFIX_SHAPED)) {
        Some(encoded) => {
            let bytes = BASE64.decode(encoded).map_err(|error| wrong(&error))?;
            match postcard::take_from_bytes(&bytes).map_err(|error| wrong(&error))? {
                (delivery, []) => Ok(MessageBody::Delivery(delivery)),
                // Putting it again would lose what this build does not know.
                _ => Err(wrong(&"a delivery with more than this build knows")),
            }
        }
        None => serde_json::from_str(body).map(MessageBody::DeadLetter).map_err(|error| wrong(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::subscription::ShapeId;
    use sluice_model::{DeadLetterReason, EventRef, EventSet, Lane};
    use sluice_ports::sample::{self, Batches};

    #[test]
    fn messages_come_back_and_the_largest_fits() {
        let mut batches = Batches::new(Lane::new(1).unwrap());
        let mut delivery = sample::delivery(&batches.next(2, 1), SubscriptionId::from_u128(7), 2, 5);
        delivery.events = (0..10_000)
            .map(|_| EventRef { batch: batches.next(1, 1).id, events: EventSet::range(0, 1) })
            .collect();
        let message = outgoing(&delivery, 0, 900);
        assert!(message.body.len() < 512 << 10, "{}", message.body.len());
        assert!(matches!(read(&message.body), Ok(MessageBody::Delivery(read)) if read == delivery));

        let letter = DeadLetter { id: DeadLetterId::new(9), reason: DeadLetterReason::Refused, delivery };
        let message = dead_letter(&letter, IDS_MAX);
        assert!(message.body.len() < 64 << 10, "{}", message.body.len());
        let Ok(MessageBody::DeadLetter(read_back)) = read(&message.body) else { panic!("a dead letter") };
        assert_eq!(
            (read_back.id, read_back.event_count, read_back.event_ids.len()),
            (letter.id, 10_000, IDS_MAX)
        );
        let longer = [postcard::to_stdvec(&letter.delivery).unwrap(), vec![0]].concat();
        let longer = format!("{PREFIX}{}", BASE64.encode(longer));
        for bad in ["", "{}", "sluice1:!", "sluice1:AAAA", "sluice2:AAAA", "sluice3:AAAA", &*longer] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delivery_with_a_shape_is_none_that_processes_of_before_shapes_would_misread() {
        let batch = Batches::new(Lane::new(1).unwrap()).next(2, 1);
        let plain = sample::delivery(&batch, SubscriptionId::from_u128(7), 2, 5);
        assert!(outgoing(&plain, 0, 900).body.starts_with("sluice1:"));
        for shape in [DeliveryShape::Unpinned, DeliveryShape::Pinned(ShapeId::from_bytes([7; 16]))] {
            let shaped = Delivery { shape, ..plain.clone() };
            let body = outgoing(&shaped, 0, 900).body;
            assert!(body.starts_with("sluice2:"), "{body}");
            // As earlier builds wrote it.
            for body in [body.replace("sluice2:", "sluice1:"), body] {
                assert!(matches!(read(&body), Ok(MessageBody::Delivery(read)) if read == shaped));
            }
        }
    }

    #[test]
    fn a_wait_is_as_long_as_it_should_be_or_as_sqs_can() {
        let batch = Batches::new(Lane::new(1).unwrap()).next(2, 1);
        for (due_ms, now_ms, delay_s) in
            [(5, 5, 0), (5, 9, 0), (1005, 5, 1), (1006, 5, 2), (u64::MAX / 2, 5, 900)]
        {
            let delivery = sample::delivery(&batch, SubscriptionId::from_u128(7), 2, due_ms);
            assert_eq!(outgoing(&delivery, now_ms, 900).delay_s, delay_s);
        }
    }
}
