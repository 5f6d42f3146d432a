//! How far a shard is settled.
//!
//! An entry is a log record. It is settled when each of its (event × subscription) is. The
//! checkpoint is the last position before the lowest unsettled entry. The amount of unsettled work
//! is capped: at the cap, reading pauses. The usage of an entry counts when the entry is settled.

use crate::slice::Ticket;
use sluice_history::usage::{EndedEvents, UsageLine, UsageTally};
use sluice_ports::log::Position;
use std::collections::VecDeque;

/// The most that may be unsettled before reading pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Events for subscriptions: one event that three subscriptions matched counts three.
    pub events: usize,
    /// Bytes of batches that are held in memory for them.
    pub bytes: usize,
}

/// Entries in log order, each with its outstanding work.
#[derive(Debug)]
pub struct Watermark {
    entries: VecDeque<UnsettledRecord>,
    /// The ticket of the first of `entries`.
    first: u64,
    settled: Position,
    events: usize,
    bytes: usize,
    /// The entries up to here were counted by an earlier owner.
    counted_through: Position,
    /// The usage of the entries that were settled since it was last taken.
    usage: UsageTally,
}

#[derive(Debug)]
struct UnsettledRecord {
    position: Position,
    events: usize,
    bytes: usize,
    usage: Vec<UsageLine>,
}

impl Watermark {
    /// Without unsettled entries, with all up to `settled` settled.
    #[must_use]
    pub fn new(settled: Position) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            settled,
            events: 0,
            bytes: 0,
            counted_through: Position::START,
            usage: UsageTally::default(),
        }
    }

    /// The same, after an earlier owner counted the usage of all entries up to `through`.
    #[must_use]
    pub fn counted_through(self, through: Position) -> Self {
        Self { counted_through: through, ..self }
    }

    /// Whether the usage of an entry at this position must be counted.
    #[must_use]
    pub fn counts(&self, position: Position) -> bool {
        position > self.counted_through
    }

    /// The ticket of the next entry.
    #[must_use]
    pub fn next_ticket(&self) -> Ticket {
        Ticket(self.first + self.entries.len() as u64)
    }

    /// Adds the record at `position` with `events` (event × subscription) outstanding and `bytes`
    /// of batches held for them. Its ticket is the one that [`Self::next_ticket`] returned before.
    pub fn push(&mut self, position: Position, events: usize, bytes: usize) {
        self.push_counted(position, events, bytes, Vec::new());
    }

    /// The same for a record with this usage.
    pub fn push_counted(&mut self, position: Position, events: usize, bytes: usize, usage: Vec<UsageLine>) {
        let bytes = if events == 0 { 0 } else { bytes };
        self.events += events;
        self.bytes += bytes;
        self.entries.push_back(UnsettledRecord { position, events, bytes, usage });
        self.advance();
    }

    /// Adds the end of deliveries to the usage of an entry that they do not settle yet.
    ///
    /// # Panics
    /// As [`Self::settle`].
    pub fn count(&mut self, ticket: Ticket, ended: EndedEvents) {
        let entry = &mut self.entries[index(ticket, self.first)];
        if entry.position > self.counted_through {
            entry.usage.push(UsageLine::Ended(ended));
        }
    }

    /// The usage of all entries that were settled since the last call.
    pub fn take_usage(&mut self) -> Option<UsageTally> {
        (!self.usage.is_empty()).then(|| std::mem::take(&mut self.usage))
    }

    /// Settles `events` (event × subscription) of an entry.
    ///
    /// # Panics
    /// If more is settled than was outstanding, which would let a checkpoint pass unsettled
    /// work.
    pub fn settle(&mut self, ticket: Ticket, events: usize) {
        let entry = self
            .entries
            .get_mut(index(ticket, self.first))
            .expect("a ticket was pushed before it is settled");
        entry.events = entry.events.checked_sub(events).expect("events are settled once");
        self.events -= events;
        if entry.events == 0 {
            self.bytes -= std::mem::take(&mut entry.bytes);
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.events == 0) {
            self.settled = entry.position;
            entry.usage.iter().for_each(|line| self.usage.count(line));
            self.first += 1;
            self.entries.pop_front();
        }
    }

    /// Everything up to here is settled.
    #[must_use]
    pub const fn settled(&self) -> Position {
        self.settled
    }

    /// The unsettled (event × subscription).
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The bytes of batches that are held for them.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether at least half of a cap is used.
    #[must_use]
    pub const fn is_filling(&self, caps: &Caps) -> bool {
        self.events >= caps.events / 2 || self.bytes >= caps.bytes / 2
    }

    /// Whether reading should pause.
    #[must_use]
    pub const fn is_full(&self, caps: &Caps) -> bool {
        self.events >= caps.events || self.bytes >= caps.bytes
    }
}

fn index(ticket: Ticket, first: u64) -> usize {
    ticket.0.checked_sub(first).expect("an entry with outstanding events is kept") as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_checkpoint_never_passes_anything_unsettled(
            records in prop::collection::vec(0usize..4, 1..60), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..200)
        ) {
            let mut mark = Watermark::new(Position::START);
            let mut outstanding = Vec::new();
            for (i, events) in records.iter().enumerate() {
                let ticket = mark.next_ticket();
                prop_assert_eq!(ticket, Ticket(i as u64));
                mark.push(Position::from_lsn(i as u64 + 1), *events, 100);
                outstanding.extend(std::iter::repeat_n(ticket, *events));
            }
            let check = |mark: &Watermark, outstanding: &[Ticket]| {
                let lowest = outstanding.iter().min().map_or(records.len() as u64, |ticket| ticket.0);
                let held = outstanding.iter().collect::<std::collections::BTreeSet<_>>().len();
                assert_eq!(mark.settled(), Position::from_lsn(lowest));
                assert_eq!((mark.events(), mark.bytes()), (outstanding.len(), held * 100));
            };
            check(&mark, &outstanding);
            for pick in picks {
                if outstanding.is_empty() { break; }
                mark.settle(outstanding.swap_remove(pick.index(outstanding.len())), 1);
                check(&mark, &outstanding);
            }
        }
    }

    #[test]
    fn either_cap_pauses_reading() {
        let caps = Caps { events: 10, bytes: 1000 };
        let mut mark = Watermark::new(Position::START);
        mark.push(Position::from_lsn(1), 10, 10);
        assert!(mark.is_full(&caps));
        mark.settle(Ticket(0), 1);
        assert!(!mark.is_full(&caps));
        mark.push(Position::from_lsn(2), 0, 5000);
        assert!(!mark.is_full(&caps), "what nobody matched holds no memory");
        mark.push(Position::from_lsn(3), 1, 990);
        assert!(mark.is_full(&caps));
    }
}
