//! Reading a customer's events over all its lanes, in the order of their ids.
//!
//! A reader has a position in each lane, and a page repeatedly takes the next
//! event of all lanes. A page stops at each lane's horizon: every event that the store
//! gets later has a place beyond it. So an event that arrives while a reader reads lies
//! beyond the reader's position in its lane: this page or a later one returns it, and no
//! event is returned twice. An event's place is its id, except for the few that arrived
//! late (`sluice_ports::EventStore::scan_inbox`).

mod filter;
mod lane_reader;

pub(crate) use filter::{EventFilter, StatusFilter};

use crate::item;
use crate::status::Standing;
use futures_util::future::try_join_all;
use lane_reader::LaneReader;
use sluice_model::{CustomerId, EventId, Lane};
use sluice_ports::event_store::{Direction, Horizons};
use sluice_ports::{EventStore, PortError};

/// Events that a page looks at before other tasks have their turn.
const EVENTS_A_TURN: usize = 64;

/// How much one page may read and hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageBudget {
    /// Events in the page.
    pub limit: usize,
    /// Events looked at.
    pub events: usize,
    /// Batches read, in all lanes.
    pub batches: usize,
    /// Bytes of the page; the event that exceeds them is its last.
    pub bytes: usize,
}

impl PageBudget {
    pub(crate) const fn for_page(limit: usize) -> Self {
        Self { limit, events: 50_000, batches: 2048, bytes: 8 << 20 }
    }
}

/// The page that a request asks for.
#[derive(Debug)]
pub(crate) struct PageQuery<'a> {
    pub customer: CustomerId,
    pub lanes: Vec<Lane>,
    /// The place of the last event seen in each lane that has one.
    pub positions: Vec<EventId>,
    /// How far each lane may be read.
    pub horizons: Horizons,
    /// Events at earlier places are skipped, whatever the filter says.
    pub not_before_ms: u64,
    pub direction: Direction,
    pub filter: &'a EventFilter,
    pub budget: PageBudget,
}

/// One page.
#[derive(Debug)]
pub(crate) struct EventPage {
    /// The events, as `write` wrote them.
    pub items: Vec<u8>,
    /// How many events.
    pub count: usize,
    /// The place of the last event seen in each lane that has one.
    pub positions: Vec<EventId>,
    /// Whether more events may follow.
    pub has_more: bool,
}

/// A wanted event, when a page meets it.
pub(crate) struct FoundEvent<'a> {
    pub envelope: &'a [u8],
    pub standing: Standing,
    /// How many wanted events the page has before it.
    pub before: usize,
    readers: &'a [LaneReader],
}

impl FoundEvent<'_> {
    /// The place of the last event seen in each lane, this event included.
    pub(crate) fn positions(&self) -> impl Iterator<Item = EventId> {
        self.readers.iter().filter_map(LaneReader::position)
    }
}

/// Reads a page of events as JSON, joined by commas.
pub(crate) async fn read(store: &dyn EventStore, query: PageQuery<'_>) -> Result<EventPage, PortError> {
    let write = |found: &FoundEvent<'_>, items: &mut Vec<u8>| {
        if found.before > 0 {
            items.push(b',');
        }
        item::write(found.envelope, &found.standing, items);
    };
    read_as(store, query, write).await
}

/// Reads a page of events, each written by `write`.
pub(crate) async fn read_as(
    store: &dyn EventStore,
    query: PageQuery<'_>,
    mut write: impl FnMut(&FoundEvent<'_>, &mut Vec<u8>) + Send,
) -> Result<EventPage, PortError> {
    let PageQuery { customer, lanes, positions, horizons, not_before_ms, direction, filter, budget } = query;
    let (from_ms, until_ms) = filter.id_times();
    let from_ms = from_ms.max(not_before_ms);
    let mut readers: Vec<LaneReader> = lanes
        .into_iter()
        .map(|lane| {
            let position = positions.iter().find(|id| id.lane() == lane).copied();
            let until_ms = until_ms.min(horizons.of(lane));
            LaneReader::new(customer, lane, position, direction, from_ms, until_ms)
        })
        .collect();
    let (mut items, mut count, mut seen) = (Vec::new(), 0, 0);
    let has_more = loop {
        let batches: usize = readers.iter().map(LaneReader::batches_read).sum();
        let full = count >= budget.limit || items.len() >= budget.bytes;
        if full || seen >= budget.events || batches >= budget.batches {
            break readers.iter().any(LaneReader::may_have_more);
        }
        try_join_all(readers.iter_mut().map(|reader| reader.fill(store))).await?;
        let heads = readers.iter().enumerate().filter_map(|(at, reader)| Some((reader.head()?, at)));
        let next = match direction {
            Direction::Ascending => heads.min(),
            Direction::Descending => heads.max(),
        };
        let Some((_, at)) = next else { break false };
        seen += 1;
        if seen % EVENTS_A_TURN == 0 {
            // Other requests have their turn: a filter that matches nothing looks at many events.
            tokio::task::yield_now().await;
        }
        let mut admitted = None;
        readers[at].take(|stored, index| {
            let standing = filter.admits(stored, index);
            admitted = standing.map(|standing| (stored.batch.envelope(index), standing));
        });
        if let Some((envelope, standing)) = admitted {
            write(
                &FoundEvent { envelope: &envelope, standing, before: count, readers: &readers },
                &mut items,
            );
            count += 1;
        }
    };
    let positions = readers.iter().filter_map(LaneReader::position).collect();
    Ok(EventPage { items, count, positions, has_more })
}

#[cfg(test)]
mod tests;
