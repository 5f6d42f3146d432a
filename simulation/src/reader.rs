//! Readers of the inbox: each customer has one, which continues from its cursor at one ingest process after
//! another, and must miss nothing.

use crate::stores::{Seat, SimEvents, customer_id};
use crate::table::SimTable;
use crate::world::{Caller, World, sleep_ms};
use sluice_aws::AwsConfig;
use sluice_aws::leases::LaneHorizons;
use sluice_catalogue::directory::Directory;
use sluice_ingest::simulation::{SimulatedInbox, SimulatedPage};
use sluice_model::{BatchId, CustomerId, EventId};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The longest pause between two pages of a reader at one ingest process.
const PAUSE_MS: u64 = 150;
/// The most events of a page.
const PAGE_EVENTS: u64 = 20;

/// A reader's position, and the events that it has read.
#[derive(Default)]
struct InboxReader {
    cursor: Vec<EventId>,
    seen: HashSet<EventId>,
}

/// All readers, by customer.
#[derive(Default)]
pub(crate) struct InboxReaders(BTreeMap<CustomerId, InboxReader>);

impl InboxReaders {
    fn cursor(&mut self, customer: CustomerId) -> Vec<EventId> {
        self.0.entry(customer).or_default().cursor.clone()
    }

    /// Notes that a reader got the page behind a cursor, unless it has continued elsewhere in the
    /// meantime. Returns how many of the events it had read before.
    fn read(&mut self, customer: CustomerId, behind: &[EventId], page: SimulatedPage) -> Option<usize> {
        let reader = self.0.get_mut(&customer).filter(|reader| reader.cursor == behind)?;
        reader.cursor = page.cursor;
        Some(page.events.into_iter().filter(|id| !reader.seen.insert(*id)).count())
    }

    /// Whether the reader has passed a batch that becomes readable now.
    pub(crate) fn is_behind(&self, customer: CustomerId, batch: BatchId, place: BatchId) -> bool {
        let Some(reader) = self.0.get(&customer) else { return false };
        let passed = reader.cursor.iter().find(|position| position.lane() == place.lane());
        passed.is_some_and(|position| place.first() < *position) && !reader.seen.contains(&batch.first())
    }

    /// The events that their readers have not read.
    pub(crate) fn unread<'a>(
        &'a self,
        events: impl Iterator<Item = (EventId, CustomerId)> + 'a,
    ) -> impl Iterator<Item = EventId> + 'a {
        let is_read = |(id, customer): &(EventId, CustomerId)| {
            self.0.get(customer).is_some_and(|reader| reader.seen.contains(id))
        };
        events.filter(move |event| !is_read(event)).map(|(id, _)| id)
    }
}

/// Reads all inboxes at one ingest process.
pub(crate) fn start(world: &Arc<World>, who: Caller, directory: &Arc<Directory>, config: &AwsConfig) {
    let table = Arc::new(SimTable { world: Arc::clone(world), who });
    let horizons = LaneHorizons::new(table, config);
    let store = Arc::new(SimEvents(Seat { world: Arc::clone(world), who }, Some(horizons)));
    let inbox = Arc::new(SimulatedInbox::new(store, Arc::clone(directory), config.lanes));
    for customer in 0..world.plan.customers.len() {
        tokio::spawn(read(Arc::clone(world), who, customer, Arc::clone(&inbox)));
    }
}

async fn read(world: Arc<World>, who: Caller, customer: usize, inbox: Arc<SimulatedInbox>) {
    let die = u64::from(who) << 16 | customer as u64;
    let customer = customer_id(customer);
    loop {
        sleep_ms(1 + world.roll("reader's pause", die) % PAUSE_MS).await;
        let limit = 1 + world.roll("page's events", die) % PAGE_EVENTS;
        let cursor = world.readers.lock().cursor(customer);
        let Ok(page) = inbox.page(customer, cursor.clone(), limit as usize).await else { continue };
        let count = page.events.len();
        let Some(again) = world.readers.lock().read(customer, &cursor, page) else { continue };
        let mut ledger = world.ledger.lock();
        (0..count).for_each(|_| ledger.count("events read from the inbox"));
        (0..again).for_each(|_| ledger.count("events read from the inbox twice"));
    }
}
