//! One read of a shard, with its records decoded and their damage described.

use super::stream::{ShardPage, StoredRecord};
use sluice_ports::log::{LogItem, LogRecord, Position};

/// The decoded items of a record, its size, and its time of arrival.
pub(super) struct Arrived {
    pub(super) items: Vec<LogItem>,
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) at_ms: u64,
    /// The damage of a record that cannot be read in whole or in part.
    pub(super) damage: Option<RecordDamage>,
    /// For a record that a newer version of Sluice wrote: why it must not be passed.
    pub(super) newer: Option<String>,
}

/// A stored record and a description of its damage.
pub(super) struct RecordDamage {
    pub(super) record: StoredRecord,
    pub(super) detail: String,
}

/// One read of a shard.
pub(super) struct Look {
    pub(super) records: Vec<Arrived>,
    /// How far the end of the page is behind the end of the shard, in milliseconds.
    pub(super) behind_ms: u64,
    /// Whether the shard is closed and this is its last page.
    pub(super) closed: bool,
    /// Whether it has as many records as were asked for: there may be more.
    is_full: bool,
    /// The iterator of the next look, if it is known.
    pub(super) next: Option<String>,
    /// When the request was sent, in milliseconds since the Unix epoch. Records that
    /// arrived later may be missing, however long the answer took.
    pub(super) asked_ms: u64,
}

impl Look {
    /// A page of at most `limit` records, requested at `asked_ms`.
    pub(super) fn new(page: ShardPage, limit: usize, asked_ms: u64) -> Self {
        let ShardPage { records, behind_ms, closed, next } = page;
        let is_full = records.len() >= limit;
        Self {
            records: records.into_iter().map(decode).collect(),
            behind_ms,
            closed,
            is_full,
            next,
            asked_ms,
        }
    }

    /// Whether it reached the end of the shard, for now.
    pub(super) const fn is_at_end(&self) -> bool {
        self.closed || (self.behind_ms == 0 && !self.is_full)
    }

    pub(super) fn bytes(&self) -> usize {
        self.records.iter().map(|arrived| arrived.bytes).sum()
    }
}

/// Decodes a stored record and describes its damage.
fn decode(record: StoredRecord) -> Arrived {
    let (position, at_ms, bytes) = (record.position, record.at_ms, record.bytes.len());
    let (whole, damage) = match LogRecord::read(&record.bytes, position) {
        Ok(read) => read,
        Err(newer) => {
            let newer = Some(format!("record {}: {newer}", position.to_decimal()));
            return Arrived { items: Vec::new(), position, bytes, at_ms, damage: None, newer };
        }
    };
    let mut items: Vec<LogItem> = whole.map(LogItem::Record).into_iter().collect();
    let damage = (!damage.is_empty()).then(|| {
        let detail = format!("record {} of {bytes} bytes: {}", position.to_decimal(), damage.join("; "));
        items.push(LogItem::Damaged { position, detail: detail.clone() });
        RecordDamage { record, detail }
    });
    Arrived { items, position, bytes, at_ms, damage, newer: None }
}
