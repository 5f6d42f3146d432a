//! Results for the current event, so that a part that several selectors of an index share is
//! evaluated once for each event.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Verdict;

/// The slot in which the result of a part is remembered. A selector by itself has none; an
/// index gives the same slot to all equal parts of its selectors.
///
/// A slot is no part of a selector's meaning: all slots are equal, and a clone has none.
#[derive(Debug)]
pub(super) struct Slot(AtomicU32);

impl Slot {
    const NONE: u32 = u32::MAX;

    pub(super) fn set(&self, number: u32) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(super) fn number(&self) -> Option<u32> {
        match self.0.load(Ordering::Relaxed) {
            Self::NONE => None,
            number => Some(number),
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self(AtomicU32::new(Self::NONE))
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Slot {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Slot {}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// The nodes that a path selects in the current event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KnownNodes {
    /// A range of [`Memo::node`].
    Selected(Range<u32>),
    /// Listing all nodes would cost more than it can save.
    TooMany,
}

/// The results of shared parts for one event; its buffers are reused.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Entries of another round belong to another event.
    round: u32,
    entries: Vec<MemoEntry>,
    /// Positions on the event's tape.
    nodes: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
struct MemoEntry {
    round: u32,
    result: KnownResult,
}

#[derive(Debug, Clone, Default)]
enum KnownResult {
    #[default]
    TooMany,
    Verdict(Verdict),
    Nodes(u32, u32),
}

impl Memo {
    /// Forgets all results and makes room for `slots` results.
    pub(super) fn begin(&mut self, slots: usize) {
        self.nodes.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.entries.clear();
            self.round = 1;
        }
        if self.entries.len() < slots {
            self.entries.resize(slots, MemoEntry::default());
        }
    }

    pub(super) fn verdict(&self, slot: &Slot) -> Option<Verdict> {
        match self.known(slot)? {
            KnownResult::Verdict(verdict) => Some(*verdict),
            _ => None,
        }
    }

    pub(super) fn keep_verdict(&mut self, slot: &Slot, verdict: Verdict) {
        self.keep(slot, KnownResult::Verdict(verdict));
    }

    pub(super) fn nodes(&self, slot: &Slot) -> Option<KnownNodes> {
        match self.known(slot)? {
            KnownResult::Nodes(from, to) => Some(KnownNodes::Selected(*from..*to)),
            KnownResult::TooMany => Some(KnownNodes::TooMany),
            KnownResult::Verdict(_) => None,
        }
    }

    pub(super) fn keep_nodes(&mut self, slot: &Slot, positions: &[u32]) -> Range<u32> {
        let from = self.nodes.len() as u32;
        self.nodes.extend_from_slice(positions);
        let to = self.nodes.len() as u32;
        self.keep(slot, KnownResult::Nodes(from, to));
        from..to
    }

    pub(super) fn keep_too_many(&mut self, slot: &Slot) {
        self.keep(slot, KnownResult::TooMany);
    }

    /// The position of one of the remembered nodes.
    pub(super) fn node(&self, index: u32) -> Option<u32> {
        self.nodes.get(index as usize).copied()
    }

    fn known(&self, slot: &Slot) -> Option<&KnownResult> {
        let entry = self.entries.get(slot.number()? as usize)?;
        (entry.round == self.round).then_some(&entry.result)
    }

    fn keep(&mut self, slot: &Slot, result: KnownResult) {
        let round = self.round;
        let entry = slot.number().and_then(|number| self.entries.get_mut(number as usize));
        if let Some(entry) = entry {
            *entry = MemoEntry { round, result };
        }
    }
}
