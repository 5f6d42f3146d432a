//! Messages between cells, which can be late, lost, or stopped by a partition.

use super::copy::CopyAnswer;
use super::region::Region;
use std::collections::BTreeMap;

/// One message in this many is late, by up to `LATE_MS`.
const LATE_ONE_IN: u64 = 16;
const LATE_MS: u64 = 3_000;

/// A message about the copy of a catalogue.
#[derive(Debug)]
pub(super) enum LinkMessage {
    /// Asks for changes of the catalogue since a revision.
    Ask { since: u64 },
    /// Answers such a question.
    Answer(CopyAnswer),
}

/// A message in flight.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: Region,
    pub(super) to: Region,
    /// When the question was asked to which this message belongs.
    pub(super) asked_ms: u64,
    pub(super) message: LinkMessage,
}

/// The network between two cells.
#[derive(Debug, Default)]
pub(super) struct Link {
    cut_until_ms: u64,
    letters: BTreeMap<(u64, u64), Letter>,
    sent: u64,
}

impl Link {
    /// Stops all messages until a time.
    pub(super) fn cut(&mut self, until_ms: u64) {
        self.cut_until_ms = self.cut_until_ms.max(until_ms);
    }

    pub(super) const fn is_cut(&self, now_ms: u64) -> bool {
        now_ms < self.cut_until_ms
    }

    /// Sends a letter, which takes up to `latency_ms` and sometimes much longer.
    pub(super) fn send(&mut self, letter: Letter, now_ms: u64, latency_ms: u64, roll: u64) {
        let late = if roll.is_multiple_of(LATE_ONE_IN) { roll / LATE_ONE_IN % LATE_MS } else { 0 };
        self.sent += 1;
        let at_ms = now_ms + 1 + (roll >> 20) % latency_ms + late;
        self.letters.insert((at_ms, self.sent), letter);
    }

    /// The next letter that has arrived by now; a partition stops those that arrive during it.
    pub(super) fn arrived(&mut self, now_ms: u64) -> Option<Letter> {
        loop {
            let first = self.letters.first_entry()?;
            if first.key().0 > now_ms {
                return None;
            }
            let ((at_ms, _), letter) = first.remove_entry();
            if !self.is_cut(at_ms) {
                return Some(letter);
            }
        }
    }
}
