//! The rows of usage, byte by byte.
//!
//! ```text
//! usage/<customer>     granularity u8 (0 minute, 1 hour, 2 day), start in minutes since
//!                      the Unix epoch u32, big-endian, then the counter: 'k' and the
//!                      shard's name, or 's' and a session's number u64, big-endian
//!                      → format u8 = 1, postcard of `PeriodRow`, postcard of `CustomerReceipts`
//! usage-shard/<shard>  'h'   → format u8 = 1, postcard of `ShardRow`, postcard of a
//!                      `Vec<CustomerReceipts>`: the receipts of its entries, in their order
//!                      'p', writing u64, number u16, big-endian → a part of the counts, if
//!                      they do not fit the row: format u8 = 1, postcard of `Vec<TallyEntry>`,
//!                      postcard of a `Vec<CustomerReceipts>`, as above
//! ```
//!
//! So a customer's periods of one granularity are a range of keys.
//!
//! Rows from before there were receipts end before them, and are read as rows without
//! receipts. A program of that time reads a newer row up to the receipts.

use super::receipts::CustomerReceipts;
use super::tally::CustomerCounts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::rows::NewRow;

/// The name under which types beyond the limit are counted together.
pub const OTHER_TYPES: &str = "other";

/// The id under which subscriptions beyond the limit are counted together.
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

/// A customer's counts in a period, from one counter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PeriodRow {
    /// The number of the shard's newest addition in these counts; 0 for a session.
    pub addition: u64,
    pub counts: CustomerCounts,
}

/// A counter: each has its own row for a period.
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
        value: encode_period(row),
        expires_at_ms: Some(retention.expires_at_ms(granularity, start)),
        needs_from_ms: None,
    }
}

/// Encodes a row of a customer's period.
fn encode_period(row: &PeriodRow) -> Vec<u8> {
    encode(row, &row.counts.receipts)
}

/// Reads a row of a customer's period.
pub(super) fn decode_period(bytes: &[u8]) -> Result<PeriodRow, PortError> {
    let (mut row, receipts) = decode::<PeriodRow, CustomerReceipts>("read usage", bytes)?;
    row.counts.receipts = receipts;
    Ok(row)
}

/// Encodes a row of two values.
pub(super) fn encode(value: &impl Serialize, more: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(&(value, more), vec![FORMAT]).expect("counts are plain data")
}

/// Reads a row of two values; the second is missing in older rows.
pub(super) fn decode<T: DeserializeOwned, M: DeserializeOwned + Default>(
    attempted: &str,
    bytes: &[u8],
) -> Result<(T, M), PortError> {
    let damaged = |detail: String| PortError::Damaged { attempted: attempted.to_owned(), detail };
    let unreadable = |error: postcard::Error| damaged(error.to_string());
    match bytes.split_first() {
        Some((&FORMAT, value)) => {
            let (value, more) = postcard::take_from_bytes(value).map_err(unreadable)?;
            let more = if more.is_empty() { Ok(M::default()) } else { postcard::from_bytes(more) };
            Ok((value, more.map_err(unreadable)?))
        }
        Some((format, _)) => Err(damaged(format!("format {format} is newer than this program"))),
        None => Err(damaged("the row is empty".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{EndedEvents, RECEIPT_SUBSCRIPTIONS_MAX, USAGE_TYPES_MAX, UsageCounts};
    use sluice_ports::rows::VALUE_BYTES_MAX;

    /// A stored period from before there were receipts: an addition, the total, a type and a
    /// subscription.
    const OLD: [u8; 24] = [1, 3, 10, 0xe8, 7, 5, 2, 1, 1, 1, b'a', 10, 0xe8, 7, 5, 0, 0, 1, 7, 0, 0, 0, 2, 1];

    /// The receipts that follow in newer rows: two events that took from 6 to 8 ms, in total and
    /// at the subscription.
    const RECEIPTS: [u8; 8] = [1, 5, 2, 1, 7, 1, 5, 2];

    fn row() -> PeriodRow {
        let types =
            [("a".into(), UsageCounts { accepted: 10, bytes: 1000, unmatched: 5, delivered: 0, failed: 0 })];
        let subscription = SubscriptionId::from_u128(7);
        let ended = UsageCounts { delivered: 2, failed: 1, ..UsageCounts::default() };
        let counts = CustomerCounts {
            total: UsageCounts { accepted: 10, bytes: 1000, unmatched: 5, delivered: 2, failed: 1 },
            types: types.into(),
            subscriptions: [(subscription, ended)].into(),
            receipts: CustomerReceipts::default(),
        };
        PeriodRow { addition: 3, counts }
    }

    #[test]
    fn a_row_without_receipts_is_still_read() {
        assert_eq!(decode_period(&OLD).unwrap(), row());
    }

    #[test]
    fn a_row_has_its_receipts_behind_what_an_older_program_reads() {
        let mut row = row();
        row.counts.receipts.count(SubscriptionId::from_u128(7), 7, 2);
        let stored = encode_period(&row);
        assert_eq!(stored, [&OLD[..], &RECEIPTS].concat());
        assert_eq!(decode_period(&stored).unwrap(), row);
        // As a program from before receipts reads it.
        let old: PeriodRow = postcard::from_bytes(&stored[1..]).unwrap();
        assert_eq!((old.addition, old.counts.total), (3, row.counts.total));
    }

    #[test]
    fn the_largest_row_fits_a_store() {
        let mut tally = crate::usage::UsageTally::new(USAGE_TYPES_MAX);
        let customer = CustomerId::from_u128(u128::MAX);
        for number in 0..5000u128 {
            let subscription = SubscriptionId::from_u128(u128::MAX - number);
            let receipts = if number < 2 * RECEIPT_SUBSCRIPTIONS_MAX as u128 { 0..31 } else { 0..1 };
            for power in receipts {
                let (at_ms, accepted_ms) = (1 << 31, (1 << 31) - (1 << power));
                let line = EndedEvents {
                    customer,
                    subscription,
                    accepted_ms,
                    at_ms,
                    delivered: u32::MAX,
                    failed: 1,
                };
                tally.ended(&line);
                tally.ended(&EndedEvents { accepted_ms: accepted_ms - (1 << power) / 2, ..line });
            }
        }
        let (_, counts) = tally.minutes().first_key_value().unwrap();
        let mut counts = counts.clone();
        let most =
            UsageCounts { accepted: u64::MAX, bytes: u64::MAX, unmatched: u64::MAX, delivered: 0, failed: 0 };
        for kind in 0..=USAGE_TYPES_MAX {
            counts.types.insert(format!("{kind:0256}").into(), most);
        }
        assert_eq!(counts.receipts.subscriptions.len(), RECEIPT_SUBSCRIPTIONS_MAX + 1);
        let (bytes_max, stored) =
            (counts.bytes_max(), encode_period(&PeriodRow { addition: u64::MAX, counts }));
        assert!(stored.len() <= bytes_max, "{} bytes, not {bytes_max}", stored.len());
        assert!(bytes_max <= VALUE_BYTES_MAX, "{bytes_max} bytes");
    }
}
