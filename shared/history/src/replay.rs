//! Replays: history delivered again to one subscription.
//!
//! A replay is a row that says what is wanted and how far it is. Whoever works
//! it claims it for a moment, reads a page of history, puts what matches into
//! the work queue and then moves the row on: a crash between the two delivers
//! that page twice, never not at all. Rows are JSON.

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

/// Events a second where nothing else is asked for.
pub const RATE_DEFAULT: u32 = 1000;

/// Batches of one page.
pub const PAGE_BATCHES: usize = 32;

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// It is being worked.
    Running,
    /// All of its history has been put into the queue.
    Done,
    /// Its owner ended it.
    Cancelled,
    /// Its subscription is gone or disabled.
    Stopped,
}

/// A replay and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// Whose events.
    pub customer: CustomerId,
    /// To which subscription.
    pub subscription: SubscriptionId,
    /// Events accepted from then on, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// Up to then, itself excluded.
    pub end_ms: u64,
    /// At most this many events a second.
    pub rate_per_second: u32,
    /// Where it stands.
    pub status: ReplayStatus,
    /// Which of the customer's lanes is being read, from 0.
    pub lane: u16,
    /// The last event seen in it.
    pub after: Option<EventId>,
    /// Events looked at.
    pub scanned: u64,
    /// Events that matched and are in the queue or beyond it.
    pub queued: u64,
    /// Not before then does it go on.
    pub next_ms: u64,
    /// Who works it.
    pub owner: u64,
    /// Until when nobody else does.
    pub owned_until_ms: u64,
    /// When it was asked for.
    pub created_at_ms: u64,
    /// When it last moved.
    pub updated_at_ms: u64,
}

/// A replay's id: made as a subscription's is, random and ascending in time.
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

/// A page of history, as a selector sees it.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// What matches: references in the order of the lane.
    pub matched: Vec<EventRef>,
    /// Events that could not be judged within the budget, counted as matching.
    pub undecided: u64,
    /// Events looked at.
    pub scanned: u64,
    /// The last event seen.
    pub after: Option<EventId>,
    /// Whether the lane has no more of the window.
    pub exhausted: bool,
}

/// Which part of history.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Whose.
    pub customer: CustomerId,
    /// In which lane.
    pub lane: Lane,
    /// After this event.
    pub after: Option<EventId>,
    /// From this id time on.
    pub start_ms: u64,
    /// Up to this one, excluded.
    pub end_ms: u64,
}

/// Reads a page and finds the events that match. Matching lets other tasks run
/// every few milliseconds; where it takes long, the page ends early, and the
/// next page goes on after its last event.
///
/// # Errors
/// If the store cannot be read.
pub async fn read_page(
    events: &dyn EventStore,
    window: Window,
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
