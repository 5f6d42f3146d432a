//! Reading a customer's events over all its lanes, in the order of their ids.
//!
//! Each lane has a position of its own, and a page takes the next event of
//! all lanes again and again. An event that comes while somebody reads is
//! behind its lane's position for nobody: it is met later, by this page or a
//! later one, and no event is met twice.

mod filter;
mod lane_reader;

pub(crate) use filter::Filter;

use crate::item;
use crate::status::Standing;
use futures_util::future::try_join_all;
use lane_reader::LaneReader;
use sluice_model::{CustomerId, EventId, Lane};
use sluice_ports::event_store::Direction;
use sluice_ports::{EventStore, PortError};

/// How much one request may read and answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Events in the page.
    pub limit: usize,
    /// Events looked at.
    pub events: usize,
    /// Batches read, in all lanes.
    pub batches: usize,
    /// Bytes of the page; the event that passes it is the last.
    pub bytes: usize,
}

impl Budget {
    pub(crate) const fn of_page(limit: usize) -> Self {
        Self { limit, events: 50_000, batches: 2048, bytes: 8 << 20 }
    }
}

/// A question.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub customer: CustomerId,
    pub lanes: Vec<Lane>,
    /// The last event seen in each lane, where there was one.
    pub positions: Vec<EventId>,
    /// The earliest id time that is looked at, whatever the filter says.
    pub not_before_ms: u64,
    pub direction: Direction,
    pub filter: &'a Filter,
    pub budget: Budget,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// The items, as they were written.
    pub items: Vec<u8>,
    /// How many.
    pub count: usize,
    /// The last event seen in each lane, where there was one.
    pub positions: Vec<EventId>,
    /// Whether there may be more.
    pub has_more: bool,
}

/// An event that was asked for, as it is met.
pub(crate) struct Found<'a> {
    pub envelope: &'a [u8],
    pub standing: Standing,
    /// How many were found before it.
    pub before: usize,
    readers: &'a [LaneReader],
}

impl Found<'_> {
    /// The last event seen in each lane, this one included.
    pub(crate) fn positions(&self) -> impl Iterator<Item = EventId> {
        self.readers.iter().filter_map(LaneReader::position)
    }
}

/// Reads a page of items joined by commas.
pub(crate) async fn read(store: &dyn EventStore, question: Question<'_>) -> Result<Page, PortError> {
    let write = |found: &Found<'_>, items: &mut Vec<u8>| {
        if found.before > 0 {
            items.push(b',');
        }
        item::write(found.envelope, &found.standing, items);
    };
    read_as(store, question, write).await
}

/// Reads a page of items that are written so.
pub(crate) async fn read_as(
    store: &dyn EventStore,
    question: Question<'_>,
    mut write: impl FnMut(&Found<'_>, &mut Vec<u8>) + Send,
) -> Result<Page, PortError> {
    let Question { customer, lanes, positions, not_before_ms, direction, filter, budget } = question;
    let (from_ms, until_ms) = filter.id_times();
    let from_ms = from_ms.max(not_before_ms);
    let mut readers: Vec<LaneReader> = lanes
        .into_iter()
        .map(|lane| {
            let position = positions.iter().find(|id| id.lane() == lane).copied();
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
        let mut admitted = None;
        readers[at].take(|stored, index| {
            let standing = filter.admits(stored, index);
            admitted = standing.map(|standing| (stored.batch.envelope(index), standing));
        });
        if let Some((envelope, standing)) = admitted {
            write(&Found { envelope: &envelope, standing, before: count, readers: &readers }, &mut items);
            count += 1;
        }
    };
    let positions = readers.iter().filter_map(LaneReader::position).collect();
    Ok(Page { items, count, positions, has_more })
}

#[cfg(test)]
mod tests;
