//! The newest records of a shard, in memory.

use sluice_ports::log::{LogItem, LogPage, LogRecord};
use std::collections::VecDeque;

struct TailRecord {
    /// The position before the record; a reader that stands there reads it next.
    after: u64,
    bytes: usize,
    record: LogRecord,
}

/// The newest records, bounded by their bytes. Records that the reader has passed
/// are dropped.
pub(super) struct Tail {
    kept: VecDeque<TailRecord>,
    bytes: usize,
    bytes_max: usize,
    /// The position of the newest record.
    end: u64,
}

impl Tail {
    pub(super) fn new(bytes_max: usize, end: u64) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, bytes_max, end }
    }

    pub(super) fn push(&mut self, next: u64, record: LogRecord) {
        let bytes = record.held_bytes();
        self.bytes += bytes;
        self.kept.push_back(TailRecord { after: self.end, bytes, record });
        self.end = next;
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }

    /// The records that follow `after`; `None` if the next one is not in memory.
    pub(super) fn read(&mut self, after: u64, max_bytes: usize) -> Option<LogPage> {
        if after >= self.end {
            self.kept.clear();
            self.bytes = 0;
            return Some(LogPage { at_end: true, ..LogPage::default() });
        }
        while self.kept.front().is_some_and(|kept| kept.after < after) {
            self.drop_oldest();
        }
        if self.kept.front()?.after != after {
            return None;
        }
        let mut page = LogPage::default();
        let mut read = 0;
        for kept in &self.kept {
            if read >= max_bytes && !page.items.is_empty() {
                return Some(page);
            }
            read += kept.bytes;
            page.items.push(LogItem::Record(kept.record.clone()));
        }
        page.at_end = true;
        Some(page)
    }
}
