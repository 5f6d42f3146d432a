//! One look at a shard: its records decoded, and what cannot be read named.

use super::stream::{ShardPage, StoredRecord};
use sluice_ports::log::{LogItem, LogRecord, Position};

/// A record's items, its size, and when it arrived.
pub(super) struct Arrived {
    pub(super) items: Vec<LogItem>,
    pub(super) position: Position,
    pub(super) bytes: usize,
    pub(super) at_ms: u64,
    /// Of a record that cannot be read, or not all of it.
    pub(super) damage: Option<RecordDamage>,
    /// Of a record that a newer version of Sluice wrote: why it is not passed.
    pub(super) newer: Option<String>,
}

/// A record as it came, and what is wrong with it.
pub(super) struct RecordDamage {
    pub(super) record: StoredRecord,
    pub(super) detail: String,
}

/// One look at a shard.
pub(super) struct Look {
    pub(super) records: Vec<Arrived>,
    /// How far its end is behind the end of the shard, in milliseconds.
    pub(super) behind_ms: u64,
    /// Whether the shard is closed and this is the last of it.
    pub(super) closed: bool,
    /// Whether it gave as many records as were asked for: there may be more.
    is_full: bool,
    /// The iterator of the next look, where that is known.
    pub(super) next: Option<String>,
    /// When it was asked for, in milliseconds since the Unix epoch: what arrived
    /// later need not be in it, however long the answer took.
    pub(super) asked_ms: u64,
}

impl Look {
    /// A page of at most `limit` records, for which somebody asked at `asked_ms`.
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

/// A stored record's items; what is damaged of it is named.
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
