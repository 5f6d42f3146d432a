//! Rows: small durable values in named partitions, such as parked deliveries,
//! the history of attempts, and replays.

use super::PortError;
use async_trait::async_trait;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// The most bytes of a partition's name or a row's key.
pub const NAME_BYTES_MAX: usize = 128;

/// The most bytes of a value: with partition and key it fits one `DynamoDB` item (at most 400 KB).
pub const VALUE_BYTES_MAX: usize = 350_000;

/// A row of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row's key; rows of a partition are in the order of their keys, byte by byte.
    pub key: Vec<u8>,
    /// The row's value, at most [`VALUE_BYTES_MAX`] bytes.
    pub value: Vec<u8>,
}

/// A row to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    /// The partition's name.
    pub partition: String,
    /// The row's key in it.
    pub key: Vec<u8>,
    /// The row's value, at most [`VALUE_BYTES_MAX`] bytes.
    pub value: Vec<u8>,
    /// The time from which the row is no longer read and may be deleted, in milliseconds since
    /// the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// The id time of the oldest event that the row needs: that event and all later ones are
    /// kept as long as the row.
    pub needs_from_ms: Option<u64>,
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// Stores the row, replacing a row with the same key.
    Put(NewRow),
    /// Removes the row, if there is one.
    Remove {
        /// The partition's name.
        partition: String,
        /// The row's key in it.
        key: Vec<u8>,
    },
}

/// Durable rows in named partitions.
///
/// - **Durability**: a change is durable when it answers.
/// - **Order**: no change of a `write` becomes durable without all those before it.
/// - **Idempotency**: repeating a `write` changes nothing.
/// - **Refusals**: an item that the store will never take does not stop others. Either the
///   adapter splits it or sets it aside with its bytes, and the call succeeds, or the call
///   is [`PortError::Refused`]. Then the caller repeats it in smaller pieces and sets aside
///   those that are refused alone; it never repeats the call unchanged.
/// - **Exclusive**: of several concurrent `put_if` with the same `expected`, one is made.
/// - **Cancel safety**: a dropped change may or may not take effect.
#[async_trait]
pub trait Rows: Send + Sync + 'static {
    /// Makes changes, in their order.
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError>;

    /// Makes changes that do not depend on each other, in any order and many at a time. If two
    /// change the same row, the last counts. After an error some changes may have been made;
    /// repeating the call is safe.
    async fn write_in_any_order(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        self.write(changes).await
    }

    /// Stores a row if the stored value is `expected` (`None`: if there is no such row). Returns
    /// whether it did.
    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError>;

    /// A row's value.
    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError>;

    /// A partition's rows with keys above `after`, ascending, at most `limit`.
    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError>;
}
