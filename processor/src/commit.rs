//! What must be durable before anything is settled, gathered and written together.
//!
//! The order of the writes is the order in which a crash between them loses
//! nothing: first where events wait or end (queue, dead letters), then what is
//! known of them, last what may be forgotten. A crash in the middle repeats
//! deliveries, which is legal.

use crate::parking::Changes;
use crate::parking::rows::{self, RowDraft};
use crate::slice::Ticket;
use foldhash::{HashMap, HashSet};
use sluice_model::{
    BatchId, DeadLetter, Delivery, DeliveryId, Lane, Subscription, SubscriptionId, SubscriptionStatus,
};
use sluice_ports::catalogue::CatalogueError;
use sluice_ports::event_store::{NewBatch, NewFact};
use sluice_ports::rows::{NewRow, RowChange};
use sluice_ports::{Catalogue, Checkpoints, EventStore, PortError, Rows, WorkQueue};
use std::sync::Arc;
use std::time::Duration;

/// The longest that disabling a subscription holds up a commit.
const DISABLE_WITHIN: Duration = Duration::from_secs(2);

/// The stores that a commit writes to.
#[derive(Clone)]
pub struct Stores {
    /// Facts and dead letters.
    pub events: Arc<dyn EventStore>,
    /// Deliveries that wait.
    pub queue: Arc<dyn WorkQueue>,
    /// Subscriptions to disable.
    pub catalogue: Arc<dyn Catalogue>,
    /// Parked deliveries.
    pub rows: Arc<dyn Rows>,
    /// How far each shard is settled.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// A row's partition and key.
type RowId = (String, Vec<u8>);

/// One store's part of a commit.
#[derive(Debug, Clone, Copy)]
enum Step {
    Batches,
    Grown,
    Puts,
    DeadLetters,
    Facts,
    Done,
    Shrunk,
    Disable,
}

/// In this order: what waits in the queue is read from the batches.
const STEPS: [Step; 8] = [
    Step::Batches,
    Step::Grown,
    Step::Puts,
    Step::DeadLetters,
    Step::Facts,
    Step::Done,
    Step::Shrunk,
    Step::Disable,
];

/// Changes that are not durable yet.
#[derive(Debug, Default)]
pub struct Commit {
    batches: Vec<NewBatch>,
    puts: HashMap<DeliveryId, Delivery>,
    /// Rows that grew: before everything else that refers to their events ends.
    grown: HashMap<RowId, RowChange>,
    /// Rows that shrank or went: after everything else.
    shrunk: HashMap<RowId, RowChange>,
    /// The number of this commit, where its owner counts them.
    pub generation: u64,
    dead_letters: Vec<DeadLetter>,
    facts: HashMap<(BatchId, SubscriptionId), NewFact>,
    done: HashSet<(SubscriptionId, DeliveryId)>,
    disable: HashMap<SubscriptionId, (Arc<Subscription>, &'static str)>,
    settled: Vec<(Ticket, usize)>,
}

impl Commit {
    /// An empty one with this number.
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
            && self.disable.is_empty()
            && self.settled.is_empty()
    }

    /// How many things there are to write.
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

    /// Makes a matched batch readable, where the event store wants that.
    pub fn batch(&mut self, new: NewBatch) {
        self.batches.push(new);
    }

    /// Puts a delivery into the queue; the last word on an id counts.
    pub fn put(&mut self, delivery: Delivery) {
        self.puts.insert(delivery.id, delivery);
    }

    /// Takes the puts back: they go elsewhere.
    pub fn take_puts(&mut self) -> Vec<Delivery> {
        self.puts.drain().map(|(_, of)| of).collect()
    }

    /// Takes over all that another gathered.
    pub fn absorb(&mut self, other: Self) {
        let Self { batches, puts, grown, shrunk, dead_letters, facts, done, disable, settled, generation: _ } =
            other;
        self.batches.extend(batches);
        puts.into_values().for_each(|of| self.put(of));
        self.grown.extend(grown);
        self.shrunk.extend(shrunk);
        self.dead_letters.extend(dead_letters);
        facts.into_values().for_each(|of| self.fact(of));
        done.into_iter().for_each(|(subscription, id)| self.done(subscription, id));
        self.disable.extend(disable);
        self.settled.extend(settled);
    }

    /// Changes the parked list of a lane; the last word on a row counts.
    pub fn park(&mut self, lane: Lane, changes: Changes) {
        let partition = rows::partition(lane);
        let id = |key: &[u8]| (partition.clone(), key.to_vec());
        let put = |RowDraft { key, value, needs_from_ms }| {
            let (partition, needs_from_ms) = (partition.clone(), Some(needs_from_ms));
            RowChange::Put(NewRow { partition, key, value, expires_at_ms: None, needs_from_ms })
        };
        for row in changes.grown {
            let id = id(&row.key);
            // It may have shrunk before, as what it was then.
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

    /// Gives a delivery up.
    pub fn dead_letter(&mut self, letter: DeadLetter) {
        self.dead_letters.push(letter);
    }

    /// Adds what became known; facts about the same events join.
    pub fn fact(&mut self, new: NewFact) {
        let key = (new.batch, new.subscription);
        match self.facts.get_mut(&key) {
            Some(known) => known.fact = known.fact.join(&new.fact),
            None => drop(self.facts.insert(key, new)),
        }
    }

    /// Forgets a delivery of the queue. A put of it that waits here is not made.
    pub fn done(&mut self, subscription: SubscriptionId, id: DeliveryId) {
        self.puts.remove(&id);
        self.done.insert((subscription, id));
    }

    /// Disables a subscription, if it still has this version.
    pub fn disable(&mut self, subscription: &Arc<Subscription>, reason: &'static str) {
        self.disable.insert(subscription.id, (Arc::clone(subscription), reason));
    }

    /// Settles events of a log entry once all of this is durable.
    pub fn settle(&mut self, ticket: Ticket, events: usize) {
        self.settled.push((ticket, events));
    }

    /// What is settled, once [`Self::write_until_durable`] has succeeded.
    #[must_use]
    pub fn settled(&self) -> &[(Ticket, usize)] {
        &self.settled
    }

    /// Events of puts of one subscription that the queue does not count yet.
    #[must_use]
    pub fn waiting_events(&self, subscription: SubscriptionId) -> usize {
        let of_it = self.puts.values().filter(|delivery| delivery.subscription == subscription);
        of_it.map(Delivery::event_count).sum()
    }

    /// Whether the queue changes.
    #[must_use]
    pub fn has_puts(&self) -> bool {
        !self.puts.is_empty()
    }

    /// Writes on behind the steps that were `made`; those that succeed join
    /// them. Repeating a step changes nothing: some of it may have been made.
    async fn write_on(&self, stores: &Stores, now_ms: u64, made: &mut usize) -> Result<(), PortError> {
        for step in STEPS.iter().skip(*made) {
            self.make(*step, stores, now_ms).await?;
            *made += 1;
        }
        Ok(())
    }

    async fn make(&self, step: Step, stores: &Stores, now_ms: u64) -> Result<(), PortError> {
        match step {
            Step::Batches if !self.batches.is_empty() => {
                stores.events.put_batches(self.batches.clone()).await
            }
            Step::Grown if !self.grown.is_empty() => {
                stores.rows.write(self.grown.values().cloned().collect()).await
            }
            Step::Puts if !self.puts.is_empty() => {
                stores.queue.put(self.puts.values().cloned().collect()).await
            }
            Step::DeadLetters if !self.dead_letters.is_empty() => {
                stores.events.put_dead_letters(self.dead_letters.clone()).await
            }
            Step::Facts if !self.facts.is_empty() => {
                stores.events.add_facts(self.facts.values().cloned().collect()).await
            }
            Step::Done if !self.done.is_empty() => {
                stores.queue.done(self.done.iter().copied().collect()).await
            }
            Step::Shrunk if !self.shrunk.is_empty() => {
                stores.rows.write(self.shrunk.values().cloned().collect()).await
            }
            Step::Disable => {
                for (subscription, reason) in self.disable.values() {
                    disable(stores, subscription, reason, now_ms).await;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes everything, again and again while the stores are not available:
    /// what is not durable is not settled, so waiting loses nothing.
    ///
    /// Dropping the future between tries loses nothing either: what was not
    /// settled is read again from the log or taken again from the queue.
    ///
    /// # Errors
    /// If the stores are closed.
    pub async fn write_until_durable(
        &self,
        stores: &Stores,
        now_ms: impl Fn() -> u64,
        on_failure: impl Fn(&PortError),
    ) -> Result<(), PortError> {
        // A store that is away must not have the others written again each time.
        let (mut made, mut tries) = (0, 0u32);
        loop {
            let error = match self.write_on(stores, now_ms(), &mut made).await {
                Ok(()) => return Ok(()),
                Err(error @ PortError::Closed { .. }) => return Err(error),
                Err(error) => error,
            };
            on_failure(&error);
            tokio::time::sleep(store_wait(&error, tries)).await;
            tries = tries.saturating_add(1);
        }
    }
}

/// How long to wait after the `tries`th failure of a store in a row.
#[must_use]
pub fn store_wait(error: &PortError, tries: u32) -> Duration {
    const MAX: Duration = Duration::from_secs(5);
    let wait = crate::backoff::exponential(Duration::from_millis(50), tries, MAX, crate::clock::random());
    match error {
        PortError::Unavailable { retry_after, .. } => wait.max((*retry_after).min(MAX)),
        PortError::Refused { .. } | PortError::Damaged { .. } | PortError::Closed { .. } => wait,
    }
}

/// Disables a subscription as well as it can be done now: a catalogue that is
/// away must not stop deliveries, and the next 410 or full backlog asks again.
async fn disable(stores: &Stores, subscription: &Arc<Subscription>, reason: &str, now_ms: u64) {
    let mut disabled = Subscription::clone(subscription);
    disabled.version += 1;
    disabled.updated_at_ms = now_ms;
    disabled.status = SubscriptionStatus::Disabled { reason: reason.into() };
    match tokio::time::timeout(DISABLE_WITHIN, stores.catalogue.put_subscription(&disabled)).await {
        Ok(Ok(())) => tracing::warn!(subscription = %subscription.id, reason, "disabled the subscription"),
        // Changed or deleted since: its owner's word counts, not ours.
        Ok(Err(CatalogueError::Conflict(_) | CatalogueError::NotFound)) => {}
        Ok(Err(CatalogueError::Port(error))) => {
            tracing::warn!(subscription = %subscription.id, reason, %error, "could not disable the subscription");
        }
        Err(_elapsed) => {
            tracing::warn!(subscription = %subscription.id, reason, "the catalogue did not answer in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RecordingStores, batch_id, batch_of_sizes, delivery};
    use sluice_model::{CustomerId, EventSet, Fact};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn facts_about_the_same_events_join() {
        let mut commit = Commit::default();
        for (start, attempts) in [(0, 1), (5, 2)] {
            let took = EventSet::range(start, start + 5);
            commit.fact(NewFact {
                customer: CustomerId::from_u128(1),
                batch: batch_id(1, 1),
                subscription: SubscriptionId::from_u128(1),
                fact: Fact { matched: took.clone(), took, attempts, ..Fact::default() },
            });
        }
        assert_eq!(commit.len(), 1);
        let fact = &commit.facts.values().next().unwrap().fact;
        assert_eq!((fact.took.clone(), fact.attempts), (EventSet::range(0, 10), 2));
    }

    #[test]
    fn a_delivery_that_is_done_is_not_put() {
        let mut commit = Commit::default();
        let delivery = delivery(1, 3);
        let (subscription, id) = (delivery.subscription, delivery.id);
        commit.put(delivery);
        assert_eq!(commit.waiting_events(subscription), 3);
        commit.done(subscription, id);
        assert!(!commit.has_puts());
        assert_eq!(commit.waiting_events(subscription), 0);
    }
    #[tokio::test]
    async fn what_is_durable_is_not_written_again_while_another_store_is_away() {
        let (events, queue) = (RecordingStores::default(), RecordingStores::default());
        let stores = Stores { queue: queue.stores().queue, ..events.stores() };
        let mut commit = Commit::default();
        commit.batch(NewBatch { batch: Arc::new(batch_of_sizes(&[9])), matched: true });
        commit.put(delivery(1, 1));
        queue.failing.store(true, Ordering::SeqCst);
        let failures = AtomicU32::new(0);
        let written = commit.write_until_durable(
            &stores,
            || 7,
            |error| {
                assert_eq!(failures.fetch_add(1, Ordering::SeqCst), 0, "written again: {error}");
                // From now on the batches could not be written.
                events.failing.store(true, Ordering::SeqCst);
                queue.failing.store(false, Ordering::SeqCst);
            },
        );
        written.await.unwrap();
        assert_eq!(failures.into_inner(), 1);
    }
}
