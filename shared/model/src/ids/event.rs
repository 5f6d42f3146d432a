//! The ids of events and batches, and how batch ids are made.

use super::text::{IdError, parse_uuid};
use super::{EventId, Lane, random_u128};
use crate::batch::BATCH_EVENTS_MAX;
use std::str::FromStr;

/// The upper 4 of the 16 bits below the counter are zero, kept for a region's number.
const INDEX_BITS: u32 = 12;
const _: () = assert!(BATCH_EVENTS_MAX <= 1 << INDEX_BITS, "an index leaves the region's bits free");
const COUNTER_BITS: u32 = 46;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;

impl EventId {
    /// The id of event `index` in the batch made of these parts.
    #[must_use]
    pub const fn new(ms: u64, lane: Lane, counter: u64, index: u16) -> Self {
        Self(
            (ms as u128) << 80
                | 7 << 76
                | (lane.0 as u128) << 64
                | 0b10 << 62
                | ((counter & COUNTER_MASK) as u128) << 16
                | index as u128,
        )
    }

    /// When the event joined its batch, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn ms(self) -> u64 {
        (self.0 >> 80) as u64
    }

    /// The lane the event lives in.
    #[must_use]
    pub const fn lane(self) -> Lane {
        Lane((self.0 >> 64) as u16 & 0xfff)
    }

    /// The event's place in its batch.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0 as u16
    }

    /// The id of the batch that holds the event.
    #[must_use]
    pub const fn batch(self) -> BatchId {
        BatchId(Self(self.0 & !0xffff))
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bits = parse_uuid(text.as_bytes())?;
        if bits >> 76 & 15 != 7 || bits >> 62 & 3 != 0b10 {
            return Err(IdError);
        }
        Ok(Self(bits))
    }
}

/// A batch: the id of its first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct BatchId(EventId);

impl BatchId {
    /// The id of the batch's event at `index`.
    #[must_use]
    pub const fn event(self, index: u16) -> EventId {
        EventId(self.0.0 | index as u128)
    }

    /// The batch's first event.
    #[must_use]
    pub const fn first(self) -> EventId {
        self.0
    }

    /// When the batch was opened, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0.ms()
    }

    /// The lane of the batch.
    #[must_use]
    pub const fn lane(self) -> Lane {
        self.0.lane()
    }

    /// Big-endian bytes: they sort as the ids do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The batch of these big-endian bytes; the index bits are dropped.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        EventId::from_bytes(bytes).batch()
    }
}

/// Makes the ascending batch ids of one lane.
///
/// The time part never goes back, whatever the clock does; within one
/// millisecond the counter counts up from a random start.
#[derive(Debug, Clone, Copy)]
pub struct BatchIds {
    lane: Lane,
    last_ms: u64,
    counter: u64,
}

impl BatchIds {
    /// Ids for `lane`, all above those of millisecond `recovered_ms`.
    #[must_use]
    pub const fn new(lane: Lane, recovered_ms: u64) -> Self {
        // The counter is spent, so the first id takes a new millisecond.
        Self { lane, last_ms: recovered_ms, counter: COUNTER_MASK }
    }

    /// The next id, above all previous ones.
    pub fn next(&mut self, now_ms: u64) -> BatchId {
        if now_ms > self.last_ms {
            self.start(now_ms);
        } else if self.counter >= COUNTER_MASK {
            self.start(self.last_ms + 1);
        } else {
            self.counter += 1;
        }
        EventId::new(self.last_ms, self.lane, self.counter, 0).batch()
    }

    fn start(&mut self, ms: u64) {
        self.last_ms = ms;
        // The random start leaves half of the space to count in: 2^45 batches a millisecond.
        self.counter = random_u128() as u64 & (COUNTER_MASK >> 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IdText, LANES_MAX};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn event_id_keeps_its_parts(ms in 0u64..1 << 48, lane in 0u16..LANES_MAX, counter in 0u64..=COUNTER_MASK, index: u16) {
            let id = EventId::new(ms, Lane(lane), counter, index);
            prop_assert_eq!((id.ms(), id.lane(), id.index()), (ms, Lane(lane), index));
            prop_assert_eq!(id.batch().event(index), id);
            let text = id.to_string();
            prop_assert_eq!(text.as_bytes()[14], b'7');
            prop_assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
            prop_assert_eq!(text.parse::<EventId>().unwrap(), id);
            prop_assert_eq!(text.to_uppercase().parse::<EventId>().unwrap(), id);
            let mut spelled = IdText::default();
            spelled.of(id.batch().event(index ^ 0x5a5a));
            prop_assert_eq!(&spelled.of(id)[..], text.as_bytes());
        }

        #[test]
        fn batch_ids_ascend_whatever_the_clock_does(clock in prop::collection::vec(0u64..50, 1..200)) {
            let mut ids = BatchIds::new(Lane(7), 20);
            let mut last = EventId::new(20, Lane(7), COUNTER_MASK, u16::MAX).batch();
            for now in clock {
                let id = ids.next(now);
                prop_assert!(id > last);
                prop_assert_eq!(id.lane(), Lane(7));
                last = id;
            }
        }

        #[test]
        fn other_text_is_refused(text in "[0-9a-fA-F-]{30,40}") {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string(), text.to_lowercase());
            }
        }
    }

    #[test]
    fn bytes_sort_as_ids_do() {
        let a = EventId::new(1, Lane(3), 9, 1);
        let b = EventId::new(2, Lane(0), 0, 0);
        assert!(a < b && a.to_bytes() < b.to_bytes());
    }
}
