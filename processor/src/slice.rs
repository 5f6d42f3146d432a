//! A slice: events of one batch for one subscription.

use sluice_model::{Batch, BatchId, EventRef, EventSet, Lane, Run};
use std::sync::Arc;

/// Some events of one batch.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The batch, shared by all who deliver from it.
    pub batch: Arc<Batch>,
    /// The events of that batch.
    pub events: EventSet,
    /// The log entry of which they settle a part.
    pub ticket: Ticket,
}

impl Slice {
    /// The events whose ordering key `is_held` in its lane, and the others.
    #[must_use]
    pub fn split(self, is_held: impl Fn(Lane, u64) -> bool) -> (Self, Self) {
        let (mut held, mut rest) = (EventSet::new(), EventSet::new());
        let lane = self.batch.lane();
        for index in self.events.iter() {
            let is_held = is_held(lane, self.batch.events[usize::from(index)].ordering);
            if is_held { held.push(index) } else { rest.push(index) }
        }
        (Self { events: held, ..self.clone() }, Self { events: rest, ..self })
    }
}

/// The log entry that waits for a slice to be settled (see [`crate::watermark`]). If its highest bit is
/// set, it is instead a batch that waited to be matched and left the log before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Events of one batch that settle a part of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketShare {
    /// The log entry.
    pub ticket: Ticket,
    /// The batch.
    pub batch: BatchId,
    /// The number of events.
    pub events: usize,
}

const WAITING: u64 = 1 << 63;

/// The thing that a ticket settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settles {
    /// A log entry.
    LogEntry(Ticket),
    /// A batch that waited to be matched, by its number.
    WaitingBatch(u64),
}

impl Ticket {
    /// The ticket of a batch that waited to be matched.
    #[must_use]
    pub const fn waiting(number: u64) -> Self {
        Self(number | WAITING)
    }

    /// The thing that the ticket settles.
    #[must_use]
    pub const fn settles(self) -> Settles {
        match self.0 & WAITING {
            0 => Settles::LogEntry(self),
            _ => Settles::WaitingBatch(self.0 & !WAITING),
        }
    }
}

/// The same events, each in a list of its own.
#[must_use]
pub fn one_by_one(events: Vec<EventRef>) -> Vec<Vec<EventRef>> {
    let each = events.into_iter().flat_map(|EventRef { batch, events }| {
        let indexes: Vec<u16> = events.iter().collect();
        indexes
            .into_iter()
            .map(move |index| vec![EventRef { batch, events: EventSet::range(index, index + 1) }])
    });
    each.collect()
}

/// The place in the batch's body at which the envelope of event `index` begins.
#[must_use]
pub fn start_of(batch: &Batch, index: u16) -> usize {
    match usize::from(index).checked_sub(1) {
        None => 0,
        Some(before) => batch.events[before].end as usize + 1,
    }
}

/// The bytes that a run of events takes in a webhook's body, with its comma.
#[must_use]
pub fn run_weight(batch: &Batch, run: Run) -> usize {
    batch.events[usize::from(run.end) - 1].end as usize - start_of(batch, run.start) + 1
}

/// The bytes that a set of events takes in a webhook's body, commas included.
#[must_use]
pub fn weight(batch: &Batch, events: &EventSet) -> usize {
    events.runs().iter().map(|run| run_weight(batch, *run)).sum()
}
