//! The event store: batches by id and by time, the facts about them, and dead letters.

use super::PortError;
use async_trait::async_trait;
use sluice_model::{
    Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, Delivery, EventId, EventRef, Fact, Lane,
    SubscriptionId,
};
use std::sync::Arc;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// A new fact about one (batch × subscription).
#[derive(Debug, Clone)]
pub struct NewFact {
    /// Whose batch it is.
    pub customer: CustomerId,
    /// The batch.
    pub batch: BatchId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// What became known.
    pub fact: Fact,
}

impl NewFact {
    /// That a delivery was given up: a fact of each of its batches.
    pub fn given_up(delivery: &Delivery) -> impl Iterator<Item = Self> {
        let (customer, subscription) = (delivery.customer, delivery.subscription);
        let (attempts, last_attempt_ms) = (delivery.attempts, delivery.last.at_ms);
        delivery.events.iter().map(move |of| {
            let (matched, gave_up) = (of.events.clone(), of.events.clone());
            let fact = Fact { matched, gave_up, attempts, last_attempt_ms, ..Fact::default() };
            Self { customer, batch: of.batch, subscription, fact }
        })
    }
}

/// A batch that a consumer has matched.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The batch.
    pub batch: Arc<Batch>,
    /// Whether any subscription matched any of it: until there are facts, its
    /// events are then pending, else unmatched.
    pub matched: bool,
}

/// A batch with all that is known of it.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// The batch.
    pub batch: Arc<Batch>,
    /// What is known, a row a subscription that matched.
    pub facts: Vec<(SubscriptionId, Fact)>,
    /// Acknowledged events and when, ascending by index.
    pub acknowledged: Vec<(u16, u64)>,
    /// Whether matching has passed the batch: without facts it is then unmatched.
    pub passed: bool,
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// A scan of one lane of a customer.
#[derive(Debug, Clone, Copy)]
pub struct LaneScan {
    /// Whose events.
    pub customer: CustomerId,
    /// In which lane.
    pub lane: Lane,
    /// From this id's place on, itself excluded; from the end of the direction where there is none.
    pub after: Option<EventId>,
    /// The earliest id time wanted, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// The id time at which the scan stops, excluded.
    pub until_ms: u64,
    /// Which way.
    pub direction: Direction,
    /// At most this many batches.
    pub max_batches: usize,
}

/// What a scan found.
#[derive(Debug, Clone, Default)]
pub struct LanePage {
    /// In the scan's direction. The batch of `after` comes first if it has events beyond it.
    pub batches: Vec<StoredBatch>,
    /// Whether there is nothing more in that direction, now.
    pub exhausted: bool,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOutcome {
    /// It is acknowledged now.
    Acknowledged,
    /// It was already, since then (milliseconds since the Unix epoch).
    Already(u64),
    /// The customer has no such event.
    Unknown,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Of this subscription only.
    pub subscription: Option<SubscriptionId>,
    /// Given up from then on, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Given up before then.
    pub until_ms: Option<u64>,
    /// After this one.
    pub after: Option<DeadLetterId>,
    /// At most this many.
    pub limit: usize,
}

/// Batches by id and time, the facts about them, and dead letters.
///
/// - **Durability**: every write is durable when it answers.
/// - **Facts only grow**: `add_facts` joins; repeating or reordering calls changes nothing.
/// - **Order**: a batch is readable here as soon as the log has acknowledged
///   it (embedded), or after a short delay (distributed).
/// - **Cancel safety**: a dropped write may or may not take effect.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Whether batches come to the store by [`put_batches`](Self::put_batches);
    /// else the log itself is where they are read.
    fn takes_batches(&self) -> bool {
        false
    }

    /// Makes matched batches readable. Repeating it changes nothing.
    async fn put_batches(&self, _batches: Vec<NewBatch>) -> Result<(), PortError> {
        Ok(())
    }

    /// Adds what became known.
    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError>;

    /// One batch of a customer with all that is known of it.
    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError>;

    /// The batch alone, to be delivered again.
    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError>;

    /// A customer's batches of one lane by time.
    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError>;

    /// Marks events as acknowledged by their reader.
    async fn acknowledge(
        &self,
        customer: CustomerId,
        events: Vec<EventId>,
        now_ms: u64,
    ) -> Result<Vec<AckOutcome>, PortError>;

    /// Stores dead letters.
    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError>;

    /// A customer's dead letters, the oldest first.
    async fn dead_letters(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError>;

    /// Deletes dead letters; says how many there were.
    async fn delete_dead_letters(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError>;

    /// How many dead letters all customers have, as far as this process knows:
    /// where several share a store, those that it put less those that it deleted.
    fn dead_letter_count(&self) -> u64;
}

/// The events of `refs`, counted.
#[must_use]
pub fn event_count(refs: &[EventRef]) -> usize {
    refs.iter().map(|of| of.events.len()).sum()
}
