//! The event store on one machine. Batches are read from the log's segments
//! through its index. Facts, acknowledgements and dead letters are in the
//! state store.

mod expiry;
mod reader;

pub(crate) use expiry::Horizon;

use super::checkpoints::EmbeddedCheckpoints;
use super::clock::EngineClock;
use super::disk_reads::DiskReads;
use super::keys;
use super::kv::{Kv, StagedChanges};
use super::log::EmbeddedLog;
use async_trait::async_trait;
use reader::{EventReader, decode_acks};
use sluice_model::{Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, EventId, Fact};
use sluice_ports::PortError;
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, EventStore, LanePage, LaneScan, NewFact, StoredBatch,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The embedded event store.
#[derive(Clone)]
pub struct EmbeddedEvents {
    kv: Arc<Kv>,
    reader: Arc<EventReader>,
    reads: DiskReads,
    dead_letters: Arc<AtomicU64>,
}

impl EmbeddedEvents {
    /// Counts the dead letters. Events older than `keep`
    /// can no longer be read, even while their segment exists. Blocks.
    pub(crate) fn open(
        log: Arc<EmbeddedLog>,
        kv: Arc<Kv>,
        checkpoints: Arc<EmbeddedCheckpoints>,
        clock: EngineClock,
        keep: Duration,
    ) -> Result<Self, PortError> {
        let mut count = 0;
        kv.view().scan(&[keys::DEAD_LETTER], &[], |_, _| {
            count += 1;
            Ok(true)
        })?;
        let dead_letters = Arc::new(AtomicU64::new(count));
        let (view, keep_ms) = (kv.view().clone(), keep.as_millis() as u64);
        let reader = Arc::new(EventReader { log, view, checkpoints, clock, keep_ms });
        Ok(Self { kv, reader, reads: DiskReads::new(), dead_letters })
    }

    /// When the oldest dead letter of any customer was made, in milliseconds
    /// since the Unix epoch, if there is any.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn oldest_dead_letter_ms(&self) -> Result<Option<u64>, PortError> {
        self.read(|reader| {
            let mut oldest_ms: Option<u64> = None;
            let mut from = Vec::new();
            // A customer's ids ascend with time, so its first dead letter is its oldest.
            loop {
                let mut first = None;
                reader.view.scan(&[keys::DEAD_LETTER], &from, |_, value| {
                    let letter: DeadLetter = keys::decode("read a dead letter", value)?;
                    first = Some(letter);
                    Ok(false)
                })?;
                let Some(letter) = first else { return Ok(oldest_ms) };
                let made_ms = letter.id.ms();
                oldest_ms = Some(oldest_ms.map_or(made_ms, |known| known.min(made_ms)));
                let last = DeadLetterId::from_u128(u128::MAX);
                from = keys::dead_letter(letter.delivery.customer, last);
            }
        })
        .await
    }

    async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&EventReader) -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        let reader = self.reader.clone();
        self.reads.run("read the event store", move || read(&reader)).await
    }

    /// Deletes facts, acknowledgements and dead letters of events that the log no longer
    /// holds. Returns how many dead letters were deleted. A dead letter is deleted with the
    /// first of its events.
    pub(crate) async fn expire(&self, horizon: &Horizon) -> Result<u64, PortError> {
        let (mut letters, mut from) = (0, Some(Vec::new()));
        while let Some(key) = from {
            let horizon = horizon.clone();
            let find = move |reader: &EventReader| expiry::expired(&reader.view, &horizon, key);
            let (expired, next) = self.read(find).await?;
            letters += self.remove(expired).await?;
            from = next;
        }
        Ok(letters)
    }

    /// Removes values. Returns how many of them were dead letters.
    async fn remove(&self, keys: Vec<Vec<u8>>) -> Result<u64, PortError> {
        let count = self.dead_letters.clone();
        let stage = move |staged: &mut StagedChanges<'_>| {
            let mut letters = 0;
            for key in keys {
                if staged.get(&key)?.is_some() {
                    letters += u64::from(key.first() == Some(&keys::DEAD_LETTER));
                    staged.remove(key);
                }
            }
            Ok(letters)
        };
        let removed = move |letters: &u64| {
            count.fetch_sub(*letters, Ordering::Relaxed);
        };
        self.kv.update_then(stage, removed).await
    }
}

#[async_trait]
impl EventStore for EmbeddedEvents {
    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError> {
        let stage = move |staged: &mut StagedChanges<'_>| {
            for new in facts {
                let key = keys::fact(new.customer, new.batch, new.subscription);
                let known = staged.get(&key)?;
                // A fact that cannot be read is replaced, or it would block its key for ever.
                let known = known.and_then(|value| match keys::decode::<Fact>("read a fact", &value) {
                    Ok(known) => Some(known),
                    Err(error) => {
                        let (batch, subscription) = (new.batch.first(), new.subscription);
                        tracing::error!(%batch, %subscription, %error, "replacing a fact that cannot be read");
                        None
                    }
                });
                let fact = known.map_or_else(|| new.fact.clone(), |known| known.join(&new.fact));
                staged.put(key, keys::encode(&fact));
            }
            Ok(())
        };
        self.kv.update(stage).await
    }

    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError> {
        self.read(move |reader| {
            let kept = reader.is_kept(batch);
            let located = if kept { reader.find(customer, batch)? } else { None };
            located.map(|located| reader.with_facts(located)).transpose()
        })
        .await
    }

    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        self.read(move |reader| Ok(reader.find(customer, batch)?.map(|located| Arc::new(located.batch))))
            .await
    }

    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.read(move |reader| reader.scan(&scan)).await
    }

    async fn acknowledge(
        &self,
        customer: CustomerId,
        events: Vec<EventId>,
        now_ms: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        let batches: BTreeSet<BatchId> = events.iter().map(|event| event.batch()).collect();
        let lengths = self.read(move |reader| reader.lengths(customer, &batches)).await?;
        let stage = move |staged: &mut StagedChanges<'_>| {
            let mut outcomes = Vec::with_capacity(events.len());
            for event in events {
                let batch = event.batch();
                if lengths.get(&batch).is_none_or(|len| event.index() >= *len) {
                    outcomes.push(AckOutcome::Unknown);
                    continue;
                }
                let key = keys::ack(customer, batch);
                let mut acks = decode_acks(staged.get(&key)?)?;
                match acks.binary_search_by_key(&event.index(), |(index, _)| *index) {
                    Ok(place) => outcomes.push(AckOutcome::Already(acks[place].1)),
                    Err(place) => {
                        acks.insert(place, (event.index(), now_ms));
                        staged.put(key, keys::encode(&acks));
                        outcomes.push(AckOutcome::Acknowledged);
                    }
                }
            }
            Ok(outcomes)
        };
        self.kv.update(stage).await
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        let count = self.dead_letters.clone();
        let stage = move |staged: &mut StagedChanges<'_>| {
            let mut new = 0;
            for letter in &letters {
                let key = keys::dead_letter(letter.delivery.customer, letter.id);
                new += u64::from(staged.get(&key)?.is_none());
                staged.put(key, keys::encode(letter));
            }
            Ok(new)
        };
        let put = move |new: &u64| {
            count.fetch_add(*new, Ordering::Relaxed);
        };
        self.kv.update_then(stage, put).await.map(|_new| ())
    }

    async fn dead_letters(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError> {
        self.read(move |reader| {
            let prefix = keys::of_customer(keys::DEAD_LETTER, customer);
            let from = query.after.map(|after| keys::dead_letter(customer, after)).unwrap_or_default();
            let mut letters = Vec::new();
            reader.view.scan(&prefix, &from, |_, value| {
                let letter: DeadLetter = keys::decode("read a dead letter", value)?;
                let (id, at_ms) = (letter.id, letter.id.ms());
                let wanted = query.after.is_none_or(|after| id > after)
                    && at_ms >= query.since_ms
                    && query.until_ms.is_none_or(|until| at_ms < until)
                    && query.subscription.is_none_or(|wanted| letter.delivery.subscription == wanted);
                if wanted && letters.len() < query.limit {
                    letters.push(letter);
                }
                Ok(letters.len() < query.limit)
            })?;
            Ok(letters)
        })
        .await
    }

    async fn delete_dead_letters(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError> {
        let keys = ids.into_iter().map(|id| keys::dead_letter(customer, id)).collect();
        self.remove(keys).await.map(|deleted| deleted as usize)
    }

    fn dead_letter_count(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }
}
