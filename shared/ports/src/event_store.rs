//! The event store: batches by id and by time, facts about them, and dead letters.

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
    /// The customer that owns the batch.
    pub customer: CustomerId,
    /// The batch.
    pub batch: BatchId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The new knowledge; it is joined to the stored fact.
    pub fact: Fact,
}

impl NewFact {
    /// The facts that a delivery's events were given up: one for each of its batches.
    pub fn given_up(delivery: &Delivery) -> impl Iterator<Item = Self> {
        let (customer, subscription) = (delivery.customer, delivery.subscription);
        let (attempts, last_attempt_ms) = (delivery.attempts, delivery.last.at_ms);
        delivery.events.iter().map(move |given_up| {
            let (matched, gave_up) = (given_up.events.clone(), given_up.events.clone());
            let fact = Fact { matched, gave_up, attempts, last_attempt_ms, ..Fact::default() };
            Self { customer, batch: given_up.batch, subscription, fact }
        })
    }
}

/// A batch that a consumer has matched.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The batch.
    pub batch: Arc<Batch>,
    /// Whether any subscription matched any of its events. As long as there are no facts, the
    /// events are pending if so, else unmatched.
    pub matched: bool,
    /// The place at which readers of the inbox find it among its lane's batches, if that is
    /// not its id's: the log got the batch too late, or its id's time is far ahead
    /// ([`IdTimes`](crate::log::IdTimes)).
    pub place: Option<BatchId>,
}

impl NewBatch {
    /// A batch at its id's place.
    #[must_use]
    pub const fn new(batch: Arc<Batch>, matched: bool) -> Self {
        Self { batch, matched, place: None }
    }
}

/// A batch with the facts about it.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// The batch.
    pub batch: Arc<Batch>,
    /// Its place among its lane's batches: its id, unless the batch has another place in
    /// [`EventStore::scan_inbox`].
    pub place: BatchId,
    /// One fact for each subscription that matched.
    pub facts: Vec<(SubscriptionId, Fact)>,
    /// Acknowledged events: index in the batch, and time in milliseconds since the
    /// Unix epoch; ascending by index.
    pub acknowledged: Vec<(u16, u64)>,
    /// Whether the batch was matched. If it was and there are no facts, its events are
    /// unmatched.
    pub passed: bool,
}

impl StoredBatch {
    /// The place at which readers of the inbox find an event of the batch.
    #[must_use]
    pub const fn place_of(&self, index: u16) -> EventId {
        self.place.event(index)
    }
}

/// The time up to which the inbox can be read in each lane: every batch that the lane will
/// ever have at an earlier place is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Horizons(Option<Arc<[u64]>>);

impl Horizons {
    /// The horizon of each lane, by its number, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn of_lanes(horizons_ms: Vec<u64>) -> Self {
        Self(Some(horizons_ms.into()))
    }

    /// The time (ms since the Unix epoch) of the first place of the lane that must not be read
    /// yet; the end of time if the store holds every accepted batch.
    #[must_use]
    pub fn of(&self, lane: Lane) -> u64 {
        match &self.0 {
            None => u64::MAX,
            Some(all) => all.get(usize::from(lane.number())).copied().unwrap_or(0),
        }
    }

    /// Whether the store holds every accepted batch.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.0.is_none()
    }
}

/// The direction of a scan.
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
    /// The customer whose events are wanted.
    pub customer: CustomerId,
    /// The lane to scan.
    pub lane: Lane,
    /// Start after this event; `None` starts at the first event of the direction.
    pub after: Option<EventId>,
    /// The earliest wanted time of an event's id, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// The time of an event's id before which the scan stops, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// The direction.
    pub direction: Direction,
    /// At most this many batches.
    pub max_batches: usize,
}

/// The batches that a scan found.
#[derive(Debug, Clone, Default)]
pub struct LanePage {
    /// The batches in the scan's direction. The batch of `after` comes first if it has events
    /// beyond `after`.
    pub batches: Vec<StoredBatch>,
    /// Whether there are no more batches in that direction now.
    pub exhausted: bool,
}

/// The outcome of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOutcome {
    /// The event is acknowledged now.
    Acknowledged,
    /// The event was acknowledged before, at this time (milliseconds since the Unix epoch).
    Already(u64),
    /// The customer has no such event.
    Unknown,
}

/// A selection of dead letters.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Only dead letters of this subscription.
    pub subscription: Option<SubscriptionId>,
    /// Only those given up at this time or later, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Only those given up before this time, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
    /// Only those after this one.
    pub after: Option<DeadLetterId>,
    /// At most this many.
    pub limit: usize,
}

/// Batches by id and time, facts about them, and dead letters.
///
/// - **Durability**: every write is durable when it answers.
/// - **Refusals**: an item that the store will never take does not stop others. Either the
///   adapter splits it or sets it aside with its bytes, and the call succeeds, or the call
///   is [`PortError::Refused`]. Then the caller repeats it in smaller pieces and sets aside
///   those that are refused alone; it never repeats the call unchanged.
/// - **Facts only grow**: `add_facts` joins; repeating or reordering calls changes nothing.
/// - **Order**: a batch is readable here as soon as the log has acknowledged it (embedded),
///   or after a short delay (distributed). A reader that continues behind the events it has
///   read stops at the [`horizons`](EventStore::horizons).
/// - **Cancel safety**: a dropped write may or may not take effect.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Whether batches come to the store by [`put_batches`](Self::put_batches); if not, they
    /// are read from the log itself.
    fn takes_batches(&self) -> bool {
        false
    }

    /// Makes matched batches readable. Idempotent.
    async fn put_batches(&self, _batches: Vec<NewBatch>) -> Result<(), PortError> {
        Ok(())
    }

    /// Joins new facts to the stored ones.
    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError>;

    /// A batch of a customer with the facts about it.
    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError>;

    /// The batch alone, to be delivered again.
    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError>;

    /// A customer's batches of one lane, by their ids.
    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError>;

    /// A customer's batches of one lane, by their places: `after` and the times of the scan are
    /// those of places. A batch without another place is at its id's.
    async fn scan_inbox(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.scan(scan).await
    }

    /// How far each lane can be read by [`scan_inbox`](Self::scan_inbox), so that nothing appears
    /// behind a reader: before its horizon a lane gets no further batches. A horizon never goes
    /// back.
    async fn horizons(&self) -> Result<Horizons, PortError> {
        Ok(Horizons::default())
    }

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

    /// Deletes dead letters. Returns how many of them existed.
    async fn delete_dead_letters(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError>;

    /// The number of dead letters of all customers, as far as this process knows: if several
    /// processes share a store, those that this one put less those that it deleted.
    fn dead_letter_count(&self) -> u64;
}

/// The number of events in `refs`.
#[must_use]
pub fn event_count(refs: &[EventRef]) -> usize {
    refs.iter().map(|reference| reference.events.len()).sum()
}
