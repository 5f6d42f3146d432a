//! Replays: past events that are delivered again to one subscription.
//!
//! A replay is a row with the wanted range of time and the progress so far. A
//! processor claims the row for a moment, reads a page of history, puts the
//! matching events into the work queue and then stores the new progress: a crash
//! between the two delivers that page twice, and never loses it. Rows are JSON.

mod pace;
mod store;
#[cfg(test)]
mod tests;

pub use store::ReplayStore;

use pace::{Pace, PageTurn};

use serde::{Deserialize, Serialize};
use sluice_model::ids::IdError;
use sluice_model::{BatchId, CustomerId, EventId, EventRef, EventSet, Lane, SubscriptionId};
use sluice_ports::event_store::{Direction, LaneScan};
use sluice_ports::{EventStore, PortError};
use sluice_selector::{MatchScratch, Selector, Verdict};

/// The rate in events a second, unless the request names another.
pub const RATE_DEFAULT: u32 = 1000;

/// The most batches of one page.
pub const PAGE_BATCHES: usize = 32;

/// The state of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Its history is still being read.
    Running,
    /// All of its history has been put into the queue.
    Done,
    /// Its owner ended it.
    Cancelled,
    /// Its subscription is gone or disabled.
    Stopped,
}

/// A replay and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The replay's id.
    pub id: ReplayId,
    /// The customer whose events are delivered again.
    pub customer: CustomerId,
    /// The subscription that receives them.
    pub subscription: SubscriptionId,
    /// The start of the range: events accepted at this time or later, in
    /// milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The end of the range: events accepted before this time, in milliseconds
    /// since the Unix epoch.
    pub end_ms: u64,
    /// At most this many events a second.
    pub rate_per_second: u32,
    /// The state.
    pub status: ReplayStatus,
    /// The index of the customer's lane that is being read, from 0.
    pub lane: u16,
    /// The last event read in that lane.
    pub after: Option<EventId>,
    /// The number of events read.
    pub scanned: u64,
    /// The number of events that matched; they are in the work queue or delivered.
    pub queued: u64,
    /// The time from which the next page may be read, in milliseconds since the Unix epoch.
    pub next_ms: u64,
    /// The number of the process that reads its history.
    pub owner: u64,
    /// Until when no other process may read it, in milliseconds since the Unix epoch.
    pub owned_until_ms: u64,
    /// When the replay was requested, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When the progress was last stored, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

/// A replay's id: a UUIDv7, random and ascending in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplayId(SubscriptionId);

impl ReplayId {
    /// A new id.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self(SubscriptionId::new(now_ms))
    }

    /// Big-endian bytes: they sort as the ids do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The id of these big-endian bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(SubscriptionId::from_bytes(bytes))
    }
}

impl std::fmt::Display for ReplayId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ReplayId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

/// The result of reading a page of history.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// The events that match, in the order of the lane.
    pub matched: Vec<EventRef>,
    /// The number of events that could not be judged within the budget; they count as matching.
    pub undecided: u64,
    /// The number of events read.
    pub scanned: u64,
    /// The last event read.
    pub after: Option<EventId>,
    /// True if the lane has no more events of the window.
    pub exhausted: bool,
}

/// A range of one lane of a customer's history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryWindow {
    /// The customer.
    pub customer: CustomerId,
    /// The lane.
    pub lane: Lane,
    /// Only events after this one.
    pub after: Option<EventId>,
    /// The earliest time of an event's id, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The exclusive end of the range, as a time of an event's id, in milliseconds since the Unix
    /// epoch.
    pub end_ms: u64,
}

/// Reads a page and finds the events that match. Matching lets other tasks run every few
/// milliseconds. If it takes long the page ends early, and the next page begins after its
/// last event.
///
/// # Errors
/// If the store cannot be read.
pub async fn read_page(
    events: &dyn EventStore,
    window: HistoryWindow,
    selector: &Selector,
    scratch: &mut MatchScratch,
) -> Result<HistoryPage, PortError> {
    let scan = LaneScan {
        customer: window.customer,
        lane: window.lane,
        after: window.after,
        from_ms: window.start_ms,
        until_ms: window.end_ms,
        direction: Direction::Ascending,
        max_batches: PAGE_BATCHES,
    };
    let read = events.scan(scan).await?;
    let mut page = HistoryPage {
        after: window.after,
        exhausted: read.exhausted || read.batches.is_empty(),
        ..HistoryPage::default()
    };
    let mut pace = Pace::new();
    for stored in &read.batches {
        let batch = &stored.batch;
        let first =
            window.after.filter(|after| after.batch() == batch.id).map_or(0, |after| after.index() + 1);
        let (mut wanted, mut turn) = (EventSet::new(), PageTurn::GoesOn);
        for index in first..batch.len() {
            let kind = batch.event_type(index);
            let verdict = match selector.compiled().decided_by_type(kind) {
                Some(decided) => Verdict::from(decided),
                None => selector.compiled().evaluate(&mut scratch.view(kind, &batch.envelope(index))),
            };
            page.scanned += 1;
            page.undecided += u64::from(verdict == Verdict::Undecided);
            if verdict != Verdict::NoMatch {
                wanted.push(index);
            }
            page.after = Some(batch.event_id(index));
            turn = pace.pass().await;
            if turn == PageTurn::Ends {
                break;
            }
        }
        if !wanted.is_empty() {
            page.matched.push(EventRef { batch: batch.id, events: wanted });
        }
        if turn == PageTurn::Ends {
            page.exhausted = false;
            break;
        }
    }
    Ok(page)
}

/// Cuts references into webhooks of at most `events_max` events.
#[must_use]
pub fn cut(refs: Vec<EventRef>, events_max: usize) -> Vec<Vec<EventRef>> {
    let events_max = events_max.max(1);
    let (mut all, mut open, mut room) = (Vec::new(), Vec::new(), events_max);
    for EventRef { batch, mut events } in refs {
        while !events.is_empty() {
            let (fits, rest) = events.split_at(room);
            room -= fits.len();
            push(&mut open, batch, fits);
            events = rest;
            if room == 0 {
                all.push(std::mem::take(&mut open));
                room = events_max;
            }
        }
    }
    if !open.is_empty() {
        all.push(open);
    }
    all
}

fn push(open: &mut Vec<EventRef>, batch: BatchId, events: EventSet) {
    if !events.is_empty() {
        open.push(EventRef { batch, events });
    }
}
