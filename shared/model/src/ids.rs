//! Ids: 128-bit newtypes, written as hyphenated lower-case UUIDs.
//!
//! An [`EventId`] is a valid `UUIDv7` (RFC 9562, 5.7) that says where the event lives:
//!
//! ```text
//! bits 127..80  48  milliseconds since the Unix epoch
//! bits  79..76   4  version, 7
//! bits  75..64  12  lane
//! bits  63..62   2  variant, 0b10
//! bits  61..16  46  counter: a random start each millisecond, then one up per batch
//! bits  15..0   16  index of the event in its batch
//! ```
//!
//! So the ids that one ingest process gives out in one lane ascend, and a
//! batch's id is the id of any of its events with the index set to 0.

use std::fmt;
use std::str::FromStr;

/// The most lanes that a deployment can have: an event id has 12 bits for them.
pub const LANES_MAX: u16 = 4096;

/// Bytes of an id in its text form, a hyphenated UUID (RFC 9562).
pub const ID_TEXT_LEN: usize = 36;

const COUNTER_BITS: u32 = 46;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;

/// The text is not a hyphenated UUID, or not a UUID of the kind wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected a hyphenated UUID of 36 characters")]
pub struct IdError;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes `value` as a hyphenated lower-case UUID.
pub fn write_uuid(value: u128, out: &mut [u8; ID_TEXT_LEN]) {
    let bytes = value.to_be_bytes();
    let mut at = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out[at] = b'-';
            at += 1;
        }
        out[at] = HEX[usize::from(byte >> 4)];
        out[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
}

fn parse_uuid(text: &[u8]) -> Result<u128, IdError> {
    if text.len() != ID_TEXT_LEN {
        return Err(IdError);
    }
    let mut value = 0u128;
    for (i, c) in text.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if *c != b'-' {
                return Err(IdError);
            }
            continue;
        }
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            b'A'..=b'F' => c - b'A' + 10,
            _ => return Err(IdError),
        };
        value = value << 4 | u128::from(digit);
    }
    Ok(value)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id of these bits.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }

            /// The bits of the id.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// Big-endian bytes: they sort as the ids do.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The id of these big-endian bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The text form, without an allocation.
            #[must_use]
            pub fn text(self) -> [u8; ID_TEXT_LEN] {
                let mut out = [0; ID_TEXT_LEN];
                write_uuid(self.0, &mut out);
                out
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&String::from_utf8_lossy(&self.text()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    u128::deserialize(d).map(Self)
                }
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        id!($(#[$doc])* $name);

        impl $name {
            /// A new id: a `UUIDv7` of `now_ms` and 74 random bits.
            #[must_use]
            pub fn new(now_ms: u64) -> Self {
                let random = random_u128();
                let bits = u128::from(now_ms) << 80
                    | 7 << 76
                    | (random >> 64 & 0xfff) << 64
                    | 0b10 << 62
                    | random & ((1 << 62) - 1);
                Self(bits)
            }

            /// When the id was made, in milliseconds since the Unix epoch.
            #[must_use]
            pub const fn ms(self) -> u64 {
                (self.0 >> 80) as u64
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_uuid(text.as_bytes()).map(Self)
            }
        }
    };
}

random_id!(
    /// A tenant.
    CustomerId
);
random_id!(
    /// An API key's public name (never its secret).
    ApiKeyId
);
random_id!(
    /// A subscription; `workflow_id` in the API.
    SubscriptionId
);
random_id!(
    /// One POST of events to one subscription, over all its attempts: `webhook-id`.
    DeliveryId
);
random_id!(
    /// A dead letter.
    DeadLetterId
);

id!(
    /// An event; see the module's head for what its bits say.
    EventId
);

/// Writes ids as text; the part that all ids of a batch share is written once.
#[derive(Debug, Clone, Default)]
pub struct IdText {
    spelled: Option<(BatchId, [u8; ID_TEXT_LEN])>,
}

impl IdText {
    /// The text of an id.
    pub fn of(&mut self, id: EventId) -> [u8; ID_TEXT_LEN] {
        let mut text = match &self.spelled {
            Some((batch, text)) if *batch == id.batch() => *text,
            _ => self.spelled.insert((id.batch(), id.text())).1,
        };
        let digits = [12, 8, 4, 0].map(|shift| HEX[usize::from(id.index() >> shift & 15)]);
        text[ID_TEXT_LEN - 4..].copy_from_slice(&digits);
        text
    }
}

/// 128 random bits from the operating system.
#[must_use]
pub fn random_u128() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    u128::from_be_bytes(bytes)
}

/// A point of the hash ring: the unit of order, partitioning and storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Lane(u16);

impl Lane {
    /// Lane `number`; `None` if it is not below [`LANES_MAX`].
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < LANES_MAX { Some(Self(number)) } else { None }
    }

    /// The lane's number, below [`LANES_MAX`].
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

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

    /// The next id, above all before it.
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
        // Half the space is left to count in: 2^45 batches a millisecond.
        self.counter = random_u128() as u64 & (COUNTER_MASK >> 1);
    }
}

#[cfg(test)]
mod tests {
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
