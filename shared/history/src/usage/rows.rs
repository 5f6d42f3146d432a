//! The rows of usage, byte by byte.
//!
//! ```text
//! usage/<customer>     granularity u8 (0 minute, 1 hour, 2 day), start in minutes since
//!                      the Unix epoch u32, big-endian, then who counts: 'k' and the
//!                      shard's name, or 's' and a session's number u64, big-endian
//!                      → format u8 = 1, postcard of `PeriodRow`
//! usage-shard/<shard>  'h'   → format u8 = 1, postcard of `ShardRow`
//!                      'p', writing u64, number u16, big-endian → a part of the counts, where
//!                      they do not fit the row: format u8 = 1, postcard of `Vec<TallyEntry>`
//! ```
//!
//! So a customer's periods of one granularity are a range of keys.

use super::tally::CustomerCounts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::rows::NewRow;

/// The name under which types beyond the limit are counted together.
pub const OTHER_TYPES: &str = "other";

/// Stands for subscriptions beyond the limit, counted together.
pub const OTHER_SUBSCRIPTIONS: SubscriptionId = SubscriptionId::from_u128(0);

const FORMAT: u8 = 1;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Granularity {
    /// Sixty seconds.
    Minute,
    /// Sixty minutes.
    Hour,
    /// Twenty-four hours, in UTC.
    Day,
}

impl Granularity {
    pub(super) const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The length in minutes.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }

    /// The length in milliseconds.
    #[must_use]
    pub fn ms(self) -> u64 {
        u64::from(self.minutes()) * MINUTE_MS
    }

    /// The start of the period that holds a minute.
    pub(super) const fn start(self, minute: u32) -> u32 {
        minute - minute % self.minutes()
    }
}

/// How long periods of each length are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRetention {
    /// Minutes.
    pub minute_days: u32,
    /// Hours.
    pub hour_days: u32,
    /// Days.
    pub day_days: u32,
}

impl UsageRetention {
    pub(super) fn expires_at_ms(self, granularity: Granularity, start: u32) -> u64 {
        let days = match granularity {
            Granularity::Minute => self.minute_days,
            Granularity::Hour => self.hour_days,
            Granularity::Day => self.day_days,
        };
        u64::from(start) * MINUTE_MS + granularity.ms() + u64::from(days) * DAY_MS
    }
}

/// A customer's counts of a period, as one counter knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PeriodRow {
    /// The number of the shard's newest addition that is in them; 0 for a session.
    pub addition: u64,
    pub counts: CustomerCounts,
}

/// Who counts: a period has a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counter {
    Shard(Box<str>),
    Session(u64),
}

impl Counter {
    fn key(&self) -> Vec<u8> {
        match self {
            Self::Shard(name) => [b"k", name.as_bytes()].concat(),
            Self::Session(number) => [&b"s"[..], &number.to_be_bytes()].concat(),
        }
    }
}

pub(super) fn partition(customer: CustomerId) -> String {
    format!("usage/{customer}")
}

/// The first bytes of the keys of a period.
pub(super) fn period_prefix(granularity: Granularity, start: u32) -> Vec<u8> {
    [&[granularity as u8][..], &start.to_be_bytes()].concat()
}

pub(super) fn period_key(granularity: Granularity, start: u32, counter: &Counter) -> Vec<u8> {
    [period_prefix(granularity, start), counter.key()].concat()
}

/// The start of the period of a key, if it has this granularity.
pub(super) fn period_start(granularity: Granularity, key: &[u8]) -> Option<u32> {
    let rest = key.strip_prefix(&[granularity as u8])?;
    Some(u32::from_be_bytes(*rest.first_chunk::<4>()?))
}

pub(super) fn period_row(
    customer: CustomerId,
    granularity: Granularity,
    start: u32,
    counter: &Counter,
    row: &PeriodRow,
    retention: UsageRetention,
) -> NewRow {
    NewRow {
        partition: partition(customer),
        key: period_key(granularity, start, counter),
        value: encode(row),
        expires_at_ms: Some(retention.expires_at_ms(granularity, start)),
        needs_from_ms: None,
    }
}

pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("counts are plain data")
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, PortError> {
    let damaged = |detail: String| PortError::Damaged { what: what.to_owned(), detail };
    match bytes.split_first() {
        Some((&FORMAT, value)) => postcard::from_bytes(value).map_err(|error| damaged(error.to_string())),
        Some((format, _)) => Err(damaged(format!("format {format} is newer than this program"))),
        None => Err(damaged("the row is empty".into())),
    }
}
