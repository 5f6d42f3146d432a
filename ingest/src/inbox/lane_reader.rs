//! Reads one lane of a customer, event by event.

use sluice_model::{CustomerId, EventId, Lane};
use sluice_ports::event_store::{Direction, LaneScan, StoredBatch};
use sluice_ports::{EventStore, PortError};
use std::collections::VecDeque;

/// Batches of a lane's first read; each later read asks for twice as many.
const FIRST_BATCHES: usize = 4;
const BATCHES_MAX: usize = 64;

/// Reads a lane in one direction.
#[derive(Debug)]
pub(super) struct LaneReader {
    scan: LaneScan,
    /// The place of the last event that was taken.
    position: Option<EventId>,
    /// Batches that were read and whose events are not all taken.
    batches: VecDeque<StoredBatch>,
    exhausted: bool,
    batches_read: usize,
}

impl LaneReader {
    pub(super) const fn new(
        customer: CustomerId,
        lane: Lane,
        position: Option<EventId>,
        direction: Direction,
        from_ms: u64,
        until_ms: u64,
    ) -> Self {
        let max_batches = FIRST_BATCHES;
        let scan = LaneScan { customer, lane, after: position, from_ms, until_ms, direction, max_batches };
        Self { scan, position, batches: VecDeque::new(), exhausted: false, batches_read: 0 }
    }

    /// Reads more batches if no event is at hand and the lane may have more.
    pub(super) async fn fill(&mut self, store: &dyn EventStore) -> Result<(), PortError> {
        while self.head().is_none() && !self.exhausted {
            self.batches.clear();
            let page = store.scan_inbox(self.scan).await?;
            // An empty page that claims to have a successor would be asked for again for ever.
            self.exhausted = page.exhausted || page.batches.is_empty();
            self.batches_read += page.batches.len();
            if let Some(last) = page.batches.last() {
                let far_index = match self.scan.direction {
                    Direction::Ascending => last.batch.len().saturating_sub(1),
                    Direction::Descending => 0,
                };
                self.scan.after = Some(last.place_of(far_index));
            }
            self.scan.max_batches = (self.scan.max_batches * 2).min(BATCHES_MAX);
            self.batches = page.batches.into();
            self.drop_taken();
        }
        Ok(())
    }

    /// The place of the next event of the batches at hand.
    pub(super) fn head(&self) -> Option<EventId> {
        let stored = self.batches.front()?;
        Some(stored.place_of(self.next_index(stored.place.first(), stored.batch.len())?))
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, look: impl FnOnce(&StoredBatch, u16)) {
        let (Some(place), Some(stored)) = (self.head(), self.batches.front()) else { return };
        look(stored, place.index());
        self.position = Some(place);
        self.drop_taken();
    }

    fn drop_taken(&mut self) {
        while !self.batches.is_empty() && self.head().is_none() {
            self.batches.pop_front();
        }
    }

    /// The first index of a batch that lies beyond the position.
    fn next_index(&self, first: EventId, len: u16) -> Option<u16> {
        let last = len.checked_sub(1)?;
        let within = self.position.filter(|position| position.batch().first() == first);
        match (self.scan.direction, within, self.position) {
            (Direction::Ascending, Some(position), _) => {
                position.index().checked_add(1).filter(|index| *index <= last)
            }
            (Direction::Descending, Some(position), _) => {
                position.index().checked_sub(1).map(|index| index.min(last))
            }
            // The batch lies before the position, so it was taken earlier.
            (Direction::Ascending, None, Some(position)) if first < position => None,
            (Direction::Descending, None, Some(position)) if first > position => None,
            (Direction::Ascending, None, _) => Some(0),
            (Direction::Descending, None, _) => Some(last),
        }
    }

    pub(super) const fn position(&self) -> Option<EventId> {
        self.position
    }

    pub(super) fn may_have_more(&self) -> bool {
        self.head().is_some() || !self.exhausted
    }

    pub(super) const fn batches_read(&self) -> usize {
        self.batches_read
    }
}
