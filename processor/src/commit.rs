//! Changes that must be durable before anything is settled, gathered and written together.
//!
//! The stores are written in an order in which a crash between two writes loses nothing: first
//! the places where events wait or end (parked lists, the queue, dead letters), then the facts
//! about them, and last the removal of rows that are no longer needed. A crash in between
//! repeats deliveries, which is legal.

mod apart;
mod set_aside;
mod writer;

pub use set_aside::{SetAside, SetAsideKind};

use crate::notices::{HighBacklog, NoticeDesk};
use crate::parking::ParkedChanges;
use crate::parking::rows::{self, RowDraft};
use crate::shaping::KeptShape;
use crate::slice::{Settles, Ticket};
use crate::store_wait::store_wait;
use foldhash::{HashMap, HashSet};
use sluice_history::usage::{EndedEvents, SessionUsage, UsageTally};
use sluice_model::{
    BatchId, DeadLetter, Delivery, DeliveryId, DisabledReason, Lane, Subscription, SubscriptionId,
};
use sluice_ports::event_store::{NewBatch, NewFact};
use sluice_ports::rows::{NewRow, RowChange};
use sluice_ports::{Catalogue, Checkpoints, EventStore, PortError, Rows, WorkQueue};
use std::collections::BTreeMap;
use std::sync::Arc;
use writer::CommitWriter;

/// The stores that a commit writes to.
#[derive(Clone)]
pub struct CommitStores {
    /// For batches, facts and dead letters.
    pub events: Arc<dyn EventStore>,
    /// For deliveries that wait.
    pub queue: Arc<dyn WorkQueue>,
    /// For subscriptions to disable.
    pub catalogue: Arc<dyn Catalogue>,
    /// For parked lists.
    pub rows: Arc<dyn Rows>,
    /// For the positions up to which shards are settled.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Tells customers about their subscriptions.
    pub notices: NoticeDesk,
}

/// A row's partition and key.
type RowId = (String, Vec<u8>);

/// Changes that are not durable yet.
#[derive(Debug, Default)]
pub struct Commit {
    batches: Vec<NewBatch>,
    puts: HashMap<DeliveryId, Delivery>,
    /// The events of `puts`, by subscription.
    put_events: HashMap<SubscriptionId, usize>,
    /// Rows of parked lists that grew. They are written in the order of their keys: the failed
    /// deliveries of a list come before the events that wait behind them, so a crash cannot
    /// reorder the events of a key.
    grown: BTreeMap<RowId, RowChange>,
    /// Rows of parked lists that shrank or were removed: written after everything else.
    shrunk: HashMap<RowId, RowChange>,
    /// The number of this commit, if its owner counts them.
    pub generation: u64,
    dead_letters: Vec<DeadLetter>,
    facts: HashMap<(BatchId, SubscriptionId), NewFact>,
    done: HashSet<(SubscriptionId, DeliveryId)>,
    /// Shapes that deliveries of this commit are pinned to, with the rows that keep them.
    shapes: HashMap<RowId, (Arc<KeptShape>, NewRow)>,
    disable: HashMap<SubscriptionId, (Arc<Subscription>, DisabledReason)>,
    high: HashMap<SubscriptionId, (Arc<Subscription>, HighBacklog)>,
    settled: Vec<(Ticket, usize)>,
    /// Ends of deliveries, to count for log entries before these are settled.
    ended_in_log: Vec<(Ticket, EndedEvents)>,
    /// Ends of deliveries, to count beside the log.
    ended: UsageTally,
    /// The rows that store `ended`, when the commit is about to be written.
    usage: Vec<RowChange>,
}

impl Commit {
    /// An empty commit with this number.
    #[must_use]
    pub fn numbered(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Whether there is nothing to write or settle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
            && self.puts.is_empty()
            && self.grown.is_empty()
            && self.shrunk.is_empty()
            && self.dead_letters.is_empty()
            && self.facts.is_empty()
            && self.done.is_empty()
            && self.shapes.is_empty()
            && self.disable.is_empty()
            && self.high.is_empty()
            && self.settled.is_empty()
            && self.ended.is_empty()
    }

    /// The number of things to write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.len()
            + self.puts.len()
            + self.grown.len()
            + self.shrunk.len()
            + self.dead_letters.len()
            + self.facts.len()
            + self.done.len()
    }

    /// Makes a matched batch readable, if the event store takes batches.
    pub fn batch(&mut self, new: NewBatch) {
        self.batches.push(new);
    }

    /// Whether the commit has batches to make readable.
    #[must_use]
    pub fn has_batches(&self) -> bool {
        !self.batches.is_empty()
    }

    /// Puts a delivery into the queue; the last state of an id counts.
    pub fn put(&mut self, delivery: Delivery) {
        self.forget_put(delivery.id);
        *self.put_events.entry(delivery.subscription).or_default() += delivery.event_count();
        self.puts.insert(delivery.id, delivery);
    }

    /// Changes the parked list of a lane; the last state of a row counts.
    pub fn park(&mut self, lane: Lane, changes: ParkedChanges) {
        let partition = rows::partition(lane);
        let id = |key: &[u8]| (partition.clone(), key.to_vec());
        let put = |RowDraft { key, value, needs_from_ms }| {
            let (partition, needs_from_ms) = (partition.clone(), Some(needs_from_ms));
            RowChange::Put(NewRow { partition, key, value, expires_at_ms: None, needs_from_ms })
        };
        for row in changes.grown {
            let id = id(&row.key);
            // An earlier change in this commit may have shrunk the row; this state is newer.
            self.shrunk.remove(&id);
            self.grown.insert(id, put(row));
        }
        for row in changes.shrunk {
            self.shrunk.insert(id(&row.key), put(row));
        }
        for key in changes.gone {
            let partition = partition.clone();
            self.shrunk.insert(id(&key), RowChange::Remove { partition, key });
        }
    }

    /// Keeps the shape of a delivery that this commit puts or parks, durable before the delivery
    /// is. Writes nothing if the shape is already kept.
    pub fn keep_shape(&mut self, shape: Option<&Arc<KeptShape>>, now_ms: u64) {
        if let Some(shape) = shape
            && let Some(row) = shape.row(now_ms)
        {
            self.shapes.insert((row.partition.clone(), row.key.clone()), (Arc::clone(shape), row));
        }
    }

    /// Puts a row that must be durable before anything of this commit is settled.
    pub fn put_row(&mut self, row: NewRow) {
        self.grown.insert((row.partition.clone(), row.key.clone()), RowChange::Put(row));
    }

    /// Removes a row, once everything else is durable.
    pub fn remove_row(&mut self, partition: String, key: Vec<u8>) {
        let id = (partition.clone(), key.clone());
        self.shrunk.insert(id, RowChange::Remove { partition, key });
    }

    /// Adds the dead letter of a given-up delivery.
    pub fn dead_letter(&mut self, letter: DeadLetter) {
        self.dead_letters.push(letter);
    }

    /// Adds a fact; facts about the same events join.
    pub fn fact(&mut self, new: NewFact) {
        let key = (new.batch, new.subscription);
        match self.facts.get_mut(&key) {
            Some(known) => known.fact = known.fact.join(&new.fact),
            None => drop(self.facts.insert(key, new)),
        }
    }

    /// Removes a delivery from the queue. A put of it in this commit is dropped.
    pub fn done(&mut self, subscription: SubscriptionId, id: DeliveryId) {
        self.forget_put(id);
        self.done.insert((subscription, id));
    }

    /// Disables a subscription, if it still has this version.
    pub fn disable(&mut self, subscription: &Arc<Subscription>, reason: DisabledReason) {
        self.disable.insert(subscription.id, (Arc::clone(subscription), reason));
    }

    /// Tells the customer that a subscription's backlog is high.
    pub fn backlog_is_high(&mut self, subscription: &Arc<Subscription>, high: HighBacklog) {
        self.high.insert(subscription.id, (Arc::clone(subscription), high));
    }

    /// Settles events of a log entry, once the whole commit is durable.
    pub fn settle(&mut self, ticket: Ticket, events: usize) {
        self.settled.push((ticket, events));
    }

    /// Counts the end of deliveries that settle events of this ticket.
    pub fn count(&mut self, ticket: Ticket, ended: EndedEvents) {
        match ticket.settles() {
            Settles::LogEntry(ticket) => self.ended_in_log.push((ticket, ended)),
            // The event left the log before.
            Settles::WaitingBatch(_) => self.ended.ended(&ended),
        }
    }

    /// Counts the end of a delivery that is not in the log.
    pub fn count_beside_log(&mut self, ended: &EndedEvents) {
        self.ended.ended(ended);
    }

    /// The counts of deliveries beside the log.
    pub const fn beside_log(&mut self) -> &mut UsageTally {
        &mut self.ended
    }

    /// Makes the rows of the session that count the deliveries that ended beside the log.
    pub fn count_in(&mut self, session: &mut SessionUsage) {
        self.usage = session.add(&self.ended);
    }

    /// The ends of deliveries to count for log entries, once the commit is durable.
    #[must_use]
    pub fn ended_in_log(&self) -> &[(Ticket, EndedEvents)] {
        &self.ended_in_log
    }

    /// The events that are settled once [`Self::write_until_durable`] has succeeded.
    #[must_use]
    pub fn settled(&self) -> &[(Ticket, usize)] {
        &self.settled
    }

    /// The events that this commit puts into the queue for one subscription, which the queue does
    /// not count yet.
    #[must_use]
    pub fn waiting_events(&self, subscription: SubscriptionId) -> usize {
        self.put_events.get(&subscription).copied().unwrap_or(0)
    }

    /// Writes everything, again and again while the stores are not available. An item that a store
    /// will never take is set aside. Waiting loses nothing: events are settled only when they are
    /// durable.
    ///
    /// Dropping the future loses nothing either: unsettled events are read again from the log, or
    /// taken again from the queue.
    ///
    /// # Errors
    /// If the stores are closed.
    pub async fn write_until_durable(
        &self,
        stores: &CommitStores,
        now_ms: impl Fn() -> u64,
        on_failure: impl Fn(&PortError),
    ) -> Result<(), PortError> {
        // While one store is away, the others are not written again at each attempt.
        let (mut made, mut tries) = (0, 0u32);
        loop {
            let writer = CommitWriter { commit: self, stores, now_ms: now_ms() };
            let error = match writer.write_on(&mut made).await {
                Ok(()) => return Ok(()),
                Err(error @ PortError::Closed { .. }) => return Err(error),
                Err(error) => error,
            };
            on_failure(&error);
            tokio::time::sleep(store_wait(&error, tries)).await;
            tries = tries.saturating_add(1);
        }
    }

    fn forget_put(&mut self, id: DeliveryId) {
        let Some(before) = self.puts.remove(&id) else { return };
        if let Some(events) = self.put_events.get_mut(&before.subscription) {
            *events -= before.event_count();
        }
    }

    /// Whether the commit puts deliveries into the queue.
    #[must_use]
    pub fn has_puts(&self) -> bool {
        !self.puts.is_empty()
    }
}

#[cfg(test)]
mod tests;
