//! How far a shard is settled.
//!
//! An entry is a log record; it is settled when every (event × subscription)
//! of it is. The checkpoint is the last position before the lowest entry that
//! is not. What is unsettled is capped: at the cap, reading pauses.

use crate::slice::Ticket;
use sluice_ports::log::Position;
use std::collections::VecDeque;

/// The most that may be unsettled before reading pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Deliveries of events: one event matched by three subscriptions counts three.
    pub events: usize,
    /// Bytes of batches that are held in memory for them.
    pub bytes: usize,
}

/// Entries in log order, each with what is outstanding of it.
#[derive(Debug)]
pub struct Watermark {
    entries: VecDeque<UnsettledRecord>,
    /// The ticket of the first of `entries`.
    first: u64,
    settled: Position,
    events: usize,
    bytes: usize,
}

#[derive(Debug)]
struct UnsettledRecord {
    position: Position,
    events: usize,
    bytes: usize,
}

impl Watermark {
    /// Nothing is unsettled, and all up to `settled` is settled.
    #[must_use]
    pub const fn new(settled: Position) -> Self {
        Self { entries: VecDeque::new(), first: 0, settled, events: 0, bytes: 0 }
    }

    /// The ticket that the next entry will have.
    #[must_use]
    pub fn next_ticket(&self) -> Ticket {
        Ticket(self.first + self.entries.len() as u64)
    }

    /// Adds the record at `position` with `events` deliveries outstanding and
    /// `bytes` of batches held for them; its ticket is what
    /// [`Self::next_ticket`] said before.
    pub fn push(&mut self, position: Position, events: usize, bytes: usize) {
        let bytes = if events == 0 { 0 } else { bytes };
        self.events += events;
        self.bytes += bytes;
        self.entries.push_back(UnsettledRecord { position, events, bytes });
        self.advance();
    }

    /// Settles `events` deliveries of an entry.
    ///
    /// # Panics
    /// If more is settled than was outstanding: that would let a checkpoint
    /// pass something that is not settled.
    pub fn settle(&mut self, ticket: Ticket, events: usize) {
        let index =
            ticket.0.checked_sub(self.first).expect("an entry with outstanding events is kept") as usize;
        let entry = self.entries.get_mut(index).expect("a ticket was pushed before it is settled");
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
            self.first += 1;
            self.entries.pop_front();
        }
    }

    /// Everything up to here is settled.
    #[must_use]
    pub const fn settled(&self) -> Position {
        self.settled
    }

    /// Deliveries of events that are unsettled.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Bytes of batches held for what is unsettled.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether at least half of what may be unsettled is.
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
