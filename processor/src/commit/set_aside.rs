//! Items that a store will never take as they are, kept in rows with their bytes
//! and the reason:
//!
//! ```text
//! partition            key                                       value
//! set-aside/<kind>     digest of the item 16, piece u16 (BE)     version 1, postcard of [`ItemPart`]
//! ```

use crate::metrics;
use serde::Serialize;
use sluice_ports::rows::{NewRow, RowChange};
use sluice_ports::{FailureClass, PortError, Rows};

const VERSION: u8 = 1;
/// Bytes of one piece: small enough for any store.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// The most characters of a store's reason.
const REASON_CHARS_MAX: usize = 1000;
/// How long an item that was set aside is kept.
const KEEP_MS: u64 = 90 * 86_400_000;

/// A kind of item that can be set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAsideKind {
    /// A batch that a consumer matched.
    Batch,
    /// A row.
    Row,
    /// A delivery that should wait.
    Delivery,
    /// A dead letter.
    DeadLetter,
    /// A fact.
    Fact,
}

impl SetAsideKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Batch, Self::Row, Self::Delivery, Self::DeadLetter, Self::Fact];

    /// Its name in metrics and partitions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Row => "row",
            Self::Delivery => "delivery",
            Self::DeadLetter => "dead_letter",
            Self::Fact => "fact",
        }
    }
}

/// A part of an item that was set aside.
#[derive(Debug, Serialize)]
struct ItemPart<'a> {
    /// The item's id or key.
    item: &'a str,
    /// The store's reason.
    reason: &'a str,
    /// The number of pieces of the item.
    pieces: u16,
    bytes: &'a [u8],
}

/// An item that a store refused.
pub struct SetAside<'a> {
    /// Its kind.
    pub kind: SetAsideKind,
    /// Its id or key, for people.
    pub item: String,
    /// The store's reason.
    pub reason: &'a str,
    /// The item itself.
    pub bytes: Vec<u8>,
}

impl SetAside<'_> {
    /// Keeps the item with its bytes and the reason, and counts it. Repeating it for the same item
    /// changes nothing.
    ///
    /// # Errors
    /// If the rows are away, or refuse even this: then the store is wrong, not the item.
    pub async fn keep(&self, stores: &dyn Rows, now_ms: u64) -> Result<(), PortError> {
        let written = stores.write_in_any_order(self.rows(now_ms)).await;
        written.map_err(|error| match error.class() {
            FailureClass::Refused => {
                let attempted = format!("set aside {} {}", self.kind.as_str(), self.item);
                PortError::failed(FailureClass::Denied, attempted, error)
            }
            _ => error,
        })?;
        metrics::count_set_aside(self.kind);
        let (kind, item, reason) = (self.kind.as_str(), &self.item, self.reason);
        tracing::error!(kind, item, reason, "a store will never take an item; it is set aside");
        Ok(())
    }

    fn rows(&self, now_ms: u64) -> Vec<RowChange> {
        let reason: String = self.reason.chars().take(REASON_CHARS_MAX).collect();
        let chunks: Vec<&[u8]> = match self.bytes.is_empty() {
            true => vec![&[]],
            false => self.bytes.chunks(PIECE_BYTES_MAX).collect(),
        };
        let pieces = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
        let digest = digest(self.item.as_bytes(), &self.bytes);
        let row = |(number, bytes): (usize, &[u8])| {
            let piece = ItemPart { item: &self.item, reason: &reason, pieces, bytes };
            RowChange::Put(NewRow {
                partition: format!("set-aside/{}", self.kind.as_str()),
                key: [&digest[..], &(number as u16).to_be_bytes()].concat(),
                value: postcard::to_extend(&piece, vec![VERSION]).expect("rows are plain data"),
                expires_at_ms: Some(now_ms + KEEP_MS),
                needs_from_ms: None,
            })
        };
        chunks.into_iter().take(usize::from(u16::MAX)).enumerate().map(row).collect()
    }
}

/// The first half of the SHA-256 of an item, by which it is found among the items set aside.
fn digest(item: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(item);
    hash.update(&[0]);
    hash.update(bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finish().as_ref()[..16]);
    half
}
