//! A reader of a customer's inbox in two cells: it asks one of them, which asks the other, and
//! acknowledges events at the cell that it asks.

use super::Cells;
use super::inbox::{CellPage, RegionalCursor, merge};
use super::plan::REGIONS;
use super::region::Region;
use crate::planted::Planted;
use crate::world::World;
use sluice_model::{CustomerId, EventId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How soon after its id was made an accepted event is in its stream: the ingest process's deadline of an
/// append, its linger, and the difference of clocks.
const APPENDED_WITHIN_MS: u64 = 6_900;
/// A cell whose horizon is older than this is late.
const LATE_MS: u64 = APPENDED_WITHIN_MS + 4_000;
/// The most events of a page.
const LIMIT: usize = 40;
/// The time between two pages.
pub(super) const POLL_MS: u64 = 300;

pub(super) struct InboxReader {
    customer: CustomerId,
    asked: Region,
    cursor: RegionalCursor,
    seen: BTreeSet<EventId>,
    /// The last event of the last page, as long as no page was incomplete.
    in_order: Option<EventId>,
    was_incomplete: bool,
    /// Events that were read and not acknowledged, by the ids with their region.
    unacknowledged: BTreeSet<EventId>,
}

/// A cell's part of a page: the events that can be read there now, below the horizon.
fn page(world: &World, customer: CustomerId, after: Option<EventId>) -> CellPage {
    let (shards, table, stored) = (world.shards.lock(), world.table.lock(), world.stored.lock());
    let unread = shards.all.iter().flat_map(|shard| {
        let settled = shards.settled(&table, &shard.info.id);
        let behind = shard.records.iter().rev().take_while(move |kept| kept.record.position > settled);
        behind.flat_map(|kept| &kept.batches).filter(|batch| !stored.batches.contains_key(&batch.id))
    });
    let unread_ms = unread.map(|batch| batch.id.ms()).min().unwrap_or(u64::MAX);
    let horizon_ms = match world.planted {
        Some(Planted::NoHorizon) => u64::MAX,
        _ => world.now_ms().saturating_sub(APPENDED_WITHIN_MS).min(unread_ms),
    };
    let batches = stored.batches.values().filter(|batch| batch.customer == customer);
    let events = batches.flat_map(|batch| (0..batch.len()).map(|index| batch.event_id(index)));
    let wanted = events.filter(|id| id.ms() < horizon_ms && after.is_none_or(|after| *id > after));
    let mut events: Vec<EventId> = wanted.collect();
    events.sort_unstable();
    let has_more = events.len() > LIMIT;
    events.truncate(LIMIT);
    CellPage { events, horizon_ms, has_more }
}

impl InboxReader {
    pub(super) fn new(customer: CustomerId, asked: Region) -> Self {
        Self {
            customer,
            asked,
            cursor: RegionalCursor::default(),
            seen: BTreeSet::new(),
            in_order: None,
            was_incomplete: false,
            unacknowledged: BTreeSet::new(),
        }
    }

    /// Acknowledges the events that were read before, and reads a page. `regions` are those of the
    /// deployment, except those that an operator declared lost.
    pub(super) fn poll(&mut self, cells: &Cells, worlds: &[Arc<World>; 2], regions: &[Region]) {
        if cells.roll().is_multiple_of(8) || !cells.is_up(self.asked) {
            self.asked = REGIONS[1 - self.asked.place()];
        }
        if !cells.is_up(self.asked) {
            return;
        }
        self.acknowledge(cells, worlds);
        let answers = regions.iter().map(|region| {
            let answers = *region == self.asked || (cells.reaches(self.asked, *region) && !cells.loses());
            let after = self.cursor.position(*region);
            (*region, answers.then(|| page(&worlds[region.place()], self.customer, after)))
        });
        let answers: BTreeMap<Region, Option<CellPage>> = answers.collect();
        let late_ms = Cells::now_ms().saturating_sub(LATE_MS);
        let merged = merge(&mut self.cursor, &answers, late_ms, LIMIT);
        if !merged.incomplete.is_empty() {
            cells.judge().count("inbox pages that name a missing cell");
            self.was_incomplete = true;
            if let (Some(Planted::ForgottenPosition), Some((_, last))) = (cells.planted, merged.events.last())
            {
                merged.incomplete.iter().for_each(|region| self.cursor.advance(*region, *last));
            }
        }
        for (region, id) in merged.events {
            let told = region.told(id);
            if !self.seen.insert(told) {
                cells.broken("an inbox shows an event once", &format!("{region:?} {id}"));
            }
            if !self.was_incomplete && self.in_order.is_some_and(|last| id < last) {
                cells.broken("a complete inbox is in the order of time", &format!("{region:?} {id}"));
            }
            self.in_order = Some(id);
            self.unacknowledged.insert(told);
            cells.judge().count("events read in an inbox");
        }
    }

    /// Sends each acknowledgement to the cell that the id names; those for a cell that is away wait.
    fn acknowledge(&mut self, cells: &Cells, worlds: &[Arc<World>; 2]) {
        let sent: Vec<EventId> = self.unacknowledged.iter().take(LIMIT).copied().collect();
        for told in sent {
            let (region, id) = Region::of(told);
            if !cells.reaches(self.asked, region) {
                cells.judge().count("acknowledgements refused while a cell is away");
                continue;
            }
            self.unacknowledged.remove(&told);
            let stored = worlds[region.place()].stored.lock();
            let known = stored.batches.get(&id.batch()).is_some_and(|batch| batch.customer == self.customer);
            drop(stored);
            if !known {
                cells.broken("any cell finds an event by its id", &told.to_string());
            }
        }
    }

    /// Forgets the acknowledgements for a lost cell.
    pub(super) fn forget(&mut self, lost: Region) {
        self.unacknowledged.retain(|told| Region::of(*told).0 != lost);
    }

    /// The events of a cell that are not read, or not acknowledged.
    pub(super) fn left(&self, world: &World, region: Region) -> Vec<String> {
        let ledger = world.ledger.lock();
        let own = ledger.accepted_events().filter(|(_, customer)| *customer == self.customer);
        let unread = own.map(|(id, _)| region.told(id)).filter(|told| !self.seen.contains(told));
        let unread = unread.map(|told| format!("{told} is not in the inbox"));
        let unsent = self.unacknowledged.iter().filter(|told| Region::of(**told).0 == region);
        unread.chain(unsent.map(|told| format!("{told} is not acknowledged"))).collect()
    }
}
