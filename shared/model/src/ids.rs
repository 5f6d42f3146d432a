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
//! bits  15..12   4  zero: kept for the number of a region (docs/multi-region.md)
//! bits  11..0   12  index of the event in its batch
//! ```
//!
//! So the ids that one ingest process gives out in one lane ascend, and a
//! batch's id is the id of any of its events with the index set to 0.

mod event;
mod text;

pub use event::{BatchId, BatchIds};
pub use text::{ID_TEXT_LEN, IdError, IdText, write_uuid};

use std::fmt;
use std::str::FromStr;
use text::parse_uuid;

/// The most lanes that a deployment can have: an event id has 12 bits for them.
pub const LANES_MAX: u16 = 4096;

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
random_id!(
    /// An entry of the audit log.
    AuditId
);

id!(
    /// An event; see the module's head for what its bits say.
    EventId
);

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
