//! The log: a partitioned, durable, ordered record of batches.

use super::PortError;
use async_trait::async_trait;
use sluice_model::wire::bytes_reader::BytesReader;
pub use sluice_model::wire::record::{BlockCodec, RecordDraft};
use sluice_model::wire::record::{RecordDirectory, RecordError};
use sluice_model::{Batch, EventMeta, Lane};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// A log partition, owned by one processor at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ShardId(pub Box<str>);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a shard. Positions of one shard are ordered as the log is. Otherwise their
/// meaning is the adapter's (a log sequence number, or a Kinesis sequence number, which fits
/// 192 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Position([u8; 24]);

impl Position {
    /// Before the first record.
    pub const START: Self = Self([0; 24]);
    /// After the last record of a shard that is closed and wholly read.
    pub const END: Self = Self([0xff; 24]);

    /// The position of a decimal number; `None` if the text is not a number below 2^192.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let mut bytes = [0u8; 24];
        for digit in text.bytes() {
            let mut carry = u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
            for byte in bytes.iter_mut().rev() {
                let value = u32::from(*byte) * 10 + carry;
                *byte = value as u8;
                carry = value >> 8;
            }
            if carry > 0 {
                return None;
            }
        }
        Some(Self(bytes))
    }

    /// The position as a decimal number.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let (mut bytes, mut digits) = (self.0, Vec::new());
        while digits.is_empty() || bytes.iter().any(|byte| *byte != 0) {
            let mut rest = 0u32;
            for byte in &mut bytes {
                let value = rest << 8 | u32::from(*byte);
                *byte = (value / 10) as u8;
                rest = value % 10;
            }
            digits.push(char::from(b'0' + rest as u8));
        }
        digits.iter().rev().collect()
    }

    /// The position of a 64-bit log sequence number.
    #[must_use]
    pub fn from_lsn(lsn: u64) -> Self {
        let mut bytes = [0; 24];
        bytes[16..].copy_from_slice(&lsn.to_be_bytes());
        Self(bytes)
    }

    /// The 64-bit log sequence number.
    #[must_use]
    pub fn lsn(self) -> u64 {
        BytesReader::new(&self.0[16..]).u64_be().expect("a position has 24 bytes")
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.lsn())
    }
}

/// Why an append did not make a record durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// No part of the record is or will be in the log.
    #[error("the log takes nothing now: {detail}")]
    NotTaken {
        /// The log's reason.
        detail: Arc<str>,
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The record may or may not be in the log.
    #[error("the outcome of the append is unknown: {detail}")]
    Unknown {
        /// The log's reason.
        detail: Arc<str>,
    },
}

/// A record that was read.
#[derive(Debug, Clone)]
pub struct LogRecord {
    /// Its place; reading continues from here.
    pub position: Position,
    /// The ingest process that wrote it.
    pub producer: u64,
    /// The producer's count of it.
    pub sequence: u64,
    /// Its batches.
    pub batches: Vec<Arc<Batch>>,
    /// The times at which readers of the inbox may find the batches.
    pub id_times: IdTimes,
}

/// The times that batches' ids may have for readers of the inbox to find the batches at their
/// ids' places, in milliseconds since the Unix epoch. Readers may have passed earlier times,
/// and would have to wait long for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdTimes {
    /// The earliest time.
    pub from_ms: u64,
    /// The latest time.
    pub until_ms: u64,
}

impl IdTimes {
    /// Every time, for a log whose batches nobody reads before they are acknowledged.
    pub const ALL: Self = Self { from_ms: 0, until_ms: u64::MAX };

    /// The time of the place that a batch with an id of this time gets; `None` if its place is
    /// its id's.
    #[must_use]
    pub fn place_ms(&self, id_ms: u64) -> Option<u64> {
        let place_ms = id_ms.min(self.until_ms).max(self.from_ms);
        (place_ms != id_ms).then_some(place_ms)
    }
}

impl LogRecord {
    /// Reads the bytes of a record: its whole batches, and descriptions of the damage.
    ///
    /// # Errors
    /// If a newer version of Sluice wrote it. The record is whole then, and passing it would
    /// lose its events.
    pub fn read(bytes: &[u8], position: Position) -> Result<(Option<Self>, Vec<String>), RecordError> {
        let directory = match RecordDirectory::parse(bytes) {
            Ok(directory) => directory,
            Err(error) if error.is_newer() => return Err(error),
            Err(error) => return Ok((None, vec![error.to_string()])),
        };
        let (mut batches, mut damage) = (Vec::with_capacity(directory.batches.len()), Vec::new());
        for (row, batch) in directory.read_all(bytes) {
            match batch {
                Ok(batch) => batches.push(Arc::new(batch)),
                Err(error) => damage.push(format!(
                    "batch {:?} of customer {} with {} events: {error}",
                    row.id, row.customer, row.events
                )),
            }
        }
        let (producer, sequence) = (directory.producer, directory.sequence);
        Ok((Some(Self { position, producer, sequence, batches, id_times: IdTimes::ALL }), damage))
    }

    /// About how many bytes of memory its batches use.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let held = |batch: &Arc<Batch>| batch.body.len() + batch.events.len() * size_of::<EventMeta>();
        self.batches.iter().map(held).sum()
    }
}

/// An item of a page of the log.
#[derive(Debug, Clone)]
pub enum LogItem {
    /// A whole record.
    Record(LogRecord),
    /// Damaged bytes, or the damaged part of a record whose other batches come beside it.
    /// Always reported and counted, never skipped silently.
    Damaged {
        /// The place behind it, where reading continues.
        position: Position,
        /// The file, place and finding.
        detail: String,
    },
}

/// The outcome of a read.
#[derive(Debug, Clone, Default)]
pub struct LogPage {
    /// The items after the requested position, in log order.
    pub items: Vec<LogItem>,
    /// True if the page ends at the end of the log.
    pub at_end: bool,
    /// How far the page's end is behind the shard's end, in milliseconds, according to the log
    /// itself; it grows while the log tells nothing new. `None` if the log does not know.
    pub behind_ms: Option<u64>,
    /// Whether nothing will ever follow: the shard was split or merged, and later records are
    /// in its children.
    pub closed: bool,
}

/// A partitioned, durable, ordered log.
///
/// - **Durability**: `append` answers `Ok` only when the whole record is on disk, or
///   acknowledged by a service that promises the same.
/// - **Order**: records of one append unit are in the log in the order of their `append`
///   calls. The caller has one append of a unit in flight.
/// - **Async**: no call blocks the thread that polls it.
/// - **Newer records**: `read` ends before a record that a newer version of Sluice wrote, and
///   fails with [`PortError::newer`] if that record is the next.
/// - **Idempotency**: appending twice stores twice.
/// - **Cancel safety**: a dropped `append` may or may not take effect; a dropped `read` has
///   no effect.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The number of independent append units; fixed while the log is open.
    fn append_units(&self) -> usize;

    /// The unit to which a lane's batches are appended.
    fn append_unit(&self, lane: Lane) -> usize;

    /// The runtime on which a task that appends to the unit runs best, without a change of
    /// thread for each append. `None` if all are equal. Tasks on it must never block, and use no
    /// timers.
    fn append_runtime(&self, _unit: usize) -> Option<Handle> {
        None
    }

    /// How bodies may be compressed before they are appended; `None` if the log itself
    /// compresses whole records better.
    fn body_codec(&self) -> Option<BlockCodec> {
        None
    }

    /// Makes a record durable.
    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError>;

    /// Fails if the log would not take a record now. Called before a request is read.
    fn accepting(&self) -> Result<(), AppendError>;

    /// The largest id time in the log, above which new ids must be.
    fn recovered_ms(&self) -> u64;

    /// The shards that can be read.
    async fn shards(&self) -> Result<Vec<ShardId>, PortError>;

    /// The lanes whose records a shard holds now.
    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError>;

    /// Reads about `max_bytes` after `after`, and at least one item if there is any; waits for an
    /// item up to `wait`.
    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimal_positions_sort_as_numbers_and_come_back(a in any::<[u128; 2]>(), b in any::<u64>()) {
            for value in [a[0], a[1], u128::from(b)] {
                let position = Position::from_decimal(&value.to_string()).unwrap();
                prop_assert_eq!(position.to_decimal(), value.to_string());
            }
            let [one, two] = a.map(|value| Position::from_decimal(&value.to_string()).unwrap());
            prop_assert_eq!(one.cmp(&two), a[0].cmp(&a[1]));
            prop_assert_eq!(Position::from_decimal(&b.to_string()), Some(Position::from_lsn(b)));
        }
    }

    #[test]
    fn a_batch_that_is_out_of_time_gets_the_nearest_place_that_is_not() {
        let times = IdTimes { from_ms: 100, until_ms: 200 };
        let places = [99, 100, 150, 200, 201].map(|id_ms| times.place_ms(id_ms));
        assert_eq!(places, [Some(100), None, None, None, Some(200)]);
        assert_eq!((IdTimes::ALL.place_ms(0), IdTimes::ALL.place_ms(u64::MAX)), (None, None));
        // Not appearing behind readers is more important than how long they wait.
        let late = IdTimes { from_ms: 300, until_ms: 200 };
        assert_eq!([100, 250, 400].map(|id_ms| late.place_ms(id_ms)), [Some(300), Some(300), Some(300)]);
    }

    #[test]
    fn decimal_positions_have_192_bits() {
        let sequence = "49671062049432194286741870184863463461063562098274402306";
        assert_eq!(Position::from_decimal(sequence).unwrap().to_decimal(), sequence);
        assert_eq!(Position::START.to_decimal(), "0");
        let largest = Position::END.to_decimal();
        assert_eq!(Position::from_decimal(&largest), Some(Position::END));
        assert_eq!(Position::from_decimal(&format!("{largest}0")), None);
        for bad in ["", "-1", "1a", "TRIM_HORIZON"] {
            assert_eq!(Position::from_decimal(bad), None);
        }
    }
}
