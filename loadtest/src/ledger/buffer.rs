//! Gathers ledger entries in runs before they are written.

use super::{Entry, FRAME_ENTRIES_MAX};

/// Entries not yet in the file. Those that continue one another within a slot
/// (a connection, a stream) become one.
#[derive(Debug, Default)]
pub(crate) struct LedgerBuffer {
    growing: Vec<Option<Entry>>,
    finished: Vec<Entry>,
}

impl LedgerBuffer {
    /// Notes `entry`; whether the buffer should be [taken](Self::take) now.
    pub(crate) fn note(&mut self, slot: usize, entry: Entry) -> bool {
        if self.growing.len() <= slot {
            self.growing.resize(slot + 1, None);
        }
        let growing = &mut self.growing[slot];
        if !growing.as_mut().is_some_and(|growing| growing.extend(&entry)) {
            self.finished.extend(growing.replace(entry));
        }
        self.finished.len() >= FRAME_ENTRIES_MAX
    }

    /// Everything noted since the last time, in order within each slot.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.finished);
        entries.extend(self.growing.iter_mut().filter_map(Option::take));
        entries
    }
}
