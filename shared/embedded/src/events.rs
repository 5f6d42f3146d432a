//! The event store on one machine: batches come from the log's segments through
//! its index; facts, acknowledgements and dead letters from the
//! state store.

use super::checkpoints::EmbeddedCheckpoints;
use super::keys;
use super::kv::{Kv, KvView, Staged};
use super::log::EmbeddedLog;
use async_trait::async_trait;
use foldhash::HashMap;
use sluice_model::{Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, EventId, Fact, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, Direction, EventStore, LanePage, LaneScan, NewFact, StoredBatch,
};
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// How many reads are at the disk at a time.
const READERS_MAX: usize = 64;

/// The embedded event store.
#[derive(Clone)]
pub struct EmbeddedEvents {
    inner: Arc<Inner>,
    /// How many may read the disk at a time.
    readers: Arc<Semaphore>,
}

struct Inner {
    log: Arc<EmbeddedLog>,
    kv: Arc<Kv>,
    checkpoints: Arc<EmbeddedCheckpoints>,
    dead_letters: Arc<AtomicU64>,
}

/// A batch and where its record is.
struct Located {
    batch: Batch,
    lsn: u64,
}

impl EmbeddedEvents {
    /// Counts dead letters. Blocks.
    pub(crate) fn open(
        log: Arc<EmbeddedLog>,
        kv: Arc<Kv>,
        checkpoints: Arc<EmbeddedCheckpoints>,
    ) -> Result<Self, PortError> {
        let mut count = 0;
        kv.view().scan(&[keys::DEAD_LETTER], &[], |_, _| {
            count += 1;
            Ok(true)
        })?;
        let dead_letters = Arc::new(AtomicU64::new(count));
        let inner = Arc::new(Inner { log, kv, checkpoints, dead_letters });
        Ok(Self { inner, readers: Arc::new(Semaphore::new(READERS_MAX)) })
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        let inner = self.inner.clone();
        let _permit = self.readers.acquire().await.expect("nobody closes it");
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(PortError::unavailable("read the event store", error)))
    }

    /// Deletes facts, acknowledgements and dead letters of events that the log
    /// no longer holds; says how many dead letters these were. A dead letter
    /// goes with the first of its events.
    pub(crate) async fn expire(&self, horizon: &Horizon) -> Result<u64, PortError> {
        let (mut letters, mut from) = (0, Some(Vec::new()));
        while let Some(key) = from {
            let horizon = horizon.clone();
            let (expired, next) = self.blocking(move |inner| expired(inner.kv.view(), &horizon, key)).await?;
            letters += self.remove(expired).await?;
            from = next;
        }
        Ok(letters)
    }

    /// Removes values; says how many of them were dead letters.
    async fn remove(&self, keys: Vec<Vec<u8>>) -> Result<u64, PortError> {
        let count = self.inner.dead_letters.clone();
        let stage = move |staged: &mut Staged<'_>| {
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
        self.inner.kv.update_then(stage, removed).await
    }
}

/// The smallest id time that each shard of the log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Horizon(pub Vec<u64>);

impl Horizon {
    fn is_gone(&self, batch: BatchId) -> bool {
        batch.ms() < self.0[usize::from(batch.lane().number()) % self.0.len()]
    }
}

fn disk_error(error: io::Error) -> PortError {
    PortError::unavailable("read events", error)
}

impl Inner {
    /// Gives `each` a customer's wanted batches of these id times in log order
    /// (or the reverse), and what is damaged of them.
    fn walk(
        &self,
        scan: &LaneScan,
        wanted: impl Fn(BatchId) -> bool,
        mut each: impl FnMut(Result<Located, String>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let shard = self.log.shard_of(scan.lane);
        let descending = scan.direction == Direction::Descending;
        shard.index.frames(scan.customer, scan.from_ms, scan.until_ms, descending, |rows| {
            for row in rows {
                let mut found = shard.frame_batches(row.lsn, scan.customer, &wanted)?;
                if descending {
                    found.reverse();
                }
                for batch in found {
                    if each(batch.map(|batch| Located { batch, lsn: row.lsn })).is_break() {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        })
    }

    fn find(&self, customer: CustomerId, id: BatchId) -> Result<Option<Located>, PortError> {
        let scan = LaneScan {
            customer,
            lane: id.lane(),
            after: None,
            from_ms: id.ms(),
            until_ms: id.ms() + 1,
            direction: Direction::Ascending,
            max_batches: 1,
        };
        let (mut found, mut damage) = (None, None);
        let each = |batch: Result<Located, String>| match batch {
            Ok(located) => {
                found = Some(located);
                ControlFlow::Break(())
            }
            // It may be of another batch of that millisecond.
            Err(detail) => {
                damage.get_or_insert(detail);
                ControlFlow::Continue(())
            }
        };
        self.walk(&scan, |batch| batch == id, each).map_err(disk_error)?;
        match (found, damage) {
            (None, Some(detail)) => {
                Err(PortError::Damaged { what: format!("read batch {}", id.first()), detail })
            }
            (found, _) => Ok(found),
        }
    }

    fn with_facts(&self, located: Located) -> Result<StoredBatch, PortError> {
        let Located { batch, lsn } = located;
        let view = self.kv.view();
        let prefix = keys::facts(batch.customer, batch.id);
        let mut facts = Vec::new();
        view.scan(&prefix, &[], |key, value| {
            if let Some(subscription) = keys::id_at(key, prefix.len()) {
                let fact: Fact = keys::decode("read a fact", value)?;
                facts.push((SubscriptionId::from_bytes(subscription), fact));
            }
            Ok(true)
        })?;
        let acknowledged = decode_acks(view.get(&keys::ack(batch.customer, batch.id))?)?;
        let shard = self.log.shard_of(batch.lane());
        let settled = self.checkpoints.of_shard(&shard.id);
        let passed = lsn < settled.lsn();
        Ok(StoredBatch { batch: Arc::new(batch), facts, acknowledged, passed })
    }

    fn scan(&self, scan: &LaneScan) -> Result<LanePage, PortError> {
        let mut bounded = *scan;
        if let Some(after) = scan.after {
            match scan.direction {
                Direction::Ascending => bounded.from_ms = scan.from_ms.max(after.ms()),
                Direction::Descending => bounded.until_ms = scan.until_ms.min(after.ms() + 1),
            }
        }
        let wanted = |batch: BatchId| {
            let beyond = match (scan.after, scan.direction) {
                (None, _) => true,
                (Some(after), Direction::Ascending) => batch >= after.batch(),
                (Some(after), Direction::Descending) => batch <= after.batch(),
            };
            beyond && batch.lane() == scan.lane && (bounded.from_ms..bounded.until_ms).contains(&batch.ms())
        };
        let mut page = LanePage { batches: Vec::new(), exhausted: true };
        let mut failed = None;
        let each = |located: Result<Located, String>| {
            let located = match located {
                Ok(located) => located,
                // One damaged batch must not hide those behind it.
                Err(detail) => {
                    tracing::error!(customer = %scan.customer, detail, "a batch cannot be read");
                    return ControlFlow::Continue(());
                }
            };
            if is_passed(scan, &located.batch) {
                return ControlFlow::Continue(());
            }
            if page.batches.len() >= scan.max_batches {
                page.exhausted = false;
                return ControlFlow::Break(());
            }
            match self.with_facts(located) {
                Ok(stored) => {
                    page.batches.push(stored);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        self.walk(&bounded, wanted, each).map_err(disk_error)?;
        failed.map_or(Ok(page), Err)
    }

    /// How many events the batches have that the customer has.
    fn lengths(
        &self,
        customer: CustomerId,
        batches: &BTreeSet<BatchId>,
    ) -> Result<HashMap<BatchId, u16>, PortError> {
        let mut lengths = HashMap::default();
        for id in batches {
            lengths.extend(self.find(customer, *id)?.map(|located| (*id, located.batch.len())));
        }
        Ok(lengths)
    }
}

/// Whether the place where a scan begins lies behind all of the batch's events.
fn is_passed(scan: &LaneScan, batch: &Batch) -> bool {
    scan.after.filter(|after| after.batch() == batch.id).is_some_and(|after| match scan.direction {
        Direction::Ascending => after.index() + 1 >= batch.len(),
        Direction::Descending => after.index() == 0,
    })
}

/// Some keys of what is gone, from a key on, and where to go on if there is more.
fn expired(
    view: &KvView,
    horizon: &Horizon,
    mut from: Vec<u8>,
) -> Result<(Vec<Vec<u8>>, Option<Vec<u8>>), PortError> {
    const ROWS_MAX: usize = 10_000;
    let (mut expired, mut rows) = (Vec::new(), 0);
    let above_all = horizon.0.iter().max().copied().unwrap_or(0);
    for kind in [keys::ACK, keys::DEAD_LETTER, keys::FACT] {
        while from.first().is_none_or(|first| *first <= kind) {
            let mut go_on = None;
            view.scan(&[kind], &from, |key, value| {
                rows += 1;
                if rows > ROWS_MAX {
                    go_on = Some(key.to_vec());
                    return Ok(false);
                }
                let (Some(customer), Some(id)) = (keys::id_at(key, 1), keys::id_at(key, 17)) else {
                    return Ok(true);
                };
                let batch = BatchId::from_bytes(id);
                let gone = if kind == keys::DEAD_LETTER {
                    // Its key has the time of the verdict, which says little of its events'.
                    let letter: DeadLetter = keys::decode("read a dead letter", value)?;
                    letter.delivery.events.iter().any(|of| horizon.is_gone(of.batch))
                } else if batch.ms() < above_all {
                    horizon.is_gone(batch)
                } else {
                    // Keys sort by time: the customer's others are younger.
                    let next = u128::from_be_bytes(customer).checked_add(1).map(CustomerId::from_u128);
                    go_on = next.map(|next| keys::of_customer(kind, next));
                    return Ok(false);
                };
                if gone {
                    expired.push(key.to_vec());
                }
                Ok(true)
            })?;
            match go_on {
                Some(next) if rows > ROWS_MAX => return Ok((expired, Some(next))),
                Some(next) => from = next,
                None => break,
            }
        }
    }
    Ok((expired, None))
}

fn decode_acks(value: Option<impl AsRef<[u8]>>) -> Result<Vec<(u16, u64)>, PortError> {
    value.map_or_else(|| Ok(Vec::new()), |value| keys::decode("read acknowledgements", value.as_ref()))
}

#[async_trait]
impl EventStore for EmbeddedEvents {
    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError> {
        let stage = move |staged: &mut Staged<'_>| {
            for new in facts {
                let key = keys::fact(new.customer, new.batch, new.subscription);
                let known = staged.get(&key)?;
                let known = known.map(|value| keys::decode::<Fact>("read a fact", &value)).transpose()?;
                let fact = known.map_or_else(|| new.fact.clone(), |known| known.join(&new.fact));
                staged.put(key, keys::encode(&fact));
            }
            Ok(())
        };
        self.inner.kv.update(stage).await
    }

    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError> {
        self.blocking(move |inner| {
            inner.find(customer, batch)?.map(|located| inner.with_facts(located)).transpose()
        })
        .await
    }

    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        self.blocking(move |inner| Ok(inner.find(customer, batch)?.map(|located| Arc::new(located.batch))))
            .await
    }

    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.blocking(move |inner| inner.scan(&scan)).await
    }

    async fn acknowledge(
        &self,
        customer: CustomerId,
        events: Vec<EventId>,
        now_ms: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        let batches: BTreeSet<BatchId> = events.iter().map(|event| event.batch()).collect();
        let lengths = self.blocking(move |inner| inner.lengths(customer, &batches)).await?;
        let stage = move |staged: &mut Staged<'_>| {
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
                    Ok(at) => outcomes.push(AckOutcome::Already(acks[at].1)),
                    Err(at) => {
                        acks.insert(at, (event.index(), now_ms));
                        staged.put(key, keys::encode(&acks));
                        outcomes.push(AckOutcome::Acknowledged);
                    }
                }
            }
            Ok(outcomes)
        };
        self.inner.kv.update(stage).await
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        let count = self.inner.dead_letters.clone();
        let stage = move |staged: &mut Staged<'_>| {
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
        self.inner.kv.update_then(stage, put).await.map(|_new| ())
    }

    async fn dead_letters(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError> {
        self.blocking(move |inner| {
            let prefix = keys::of_customer(keys::DEAD_LETTER, customer);
            let from = query.after.map(|after| keys::dead_letter(customer, after)).unwrap_or_default();
            let mut letters = Vec::new();
            inner.kv.view().scan(&prefix, &from, |_, value| {
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
        self.inner.dead_letters.load(Ordering::Relaxed)
    }
}
