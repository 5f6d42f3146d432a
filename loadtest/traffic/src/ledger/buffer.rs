//! Gathers ledger entries in runs before they are written.

use super::{FRAME_ENTRIES_MAX, LedgerEntry};

/// Entries that are not in the file yet. Entries of one slot (a connection, a stream)
/// that continue one another are merged.
#[derive(Debug, Default)]
pub struct LedgerBuffer {
    growing: Vec<Option<LedgerEntry>>,
    finished: Vec<LedgerEntry>,
}

impl LedgerBuffer {
    /// Notes an entry; returns true if the buffer should be [taken](Self::take) now.
    pub fn note(&mut self, slot: usize, entry: LedgerEntry) -> bool {
        if self.growing.len() <= slot {
            self.growing.resize(slot + 1, None);
        }
        let growing = &mut self.growing[slot];
        if !growing.as_mut().is_some_and(|growing| growing.extend(&entry)) {
            self.finished.extend(growing.replace(entry));
        }
        self.finished.len() >= FRAME_ENTRIES_MAX
    }

    /// The entries since the last time, in order within each slot.
    pub fn take(&mut self) -> Vec<LedgerEntry> {
        let mut entries = std::mem::take(&mut self.finished);
        entries.extend(self.growing.iter_mut().filter_map(Option::take));
        entries
    }
}
