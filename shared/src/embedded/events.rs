//! The event store on one machine: batches come from the log's segments through
//! its index; facts, acknowledgements, dead letters and checkpoints from the
//! state store.

use super::keys;
use super::kv::{Kv, KvView};
use super::log::EmbeddedLog;
use crate::model::{Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, EventId, Fact, SubscriptionId};
use crate::ports::PortError;
use crate::ports::event_store::{
    AckOutcome, DeadLetterQuery, Direction, EventStore, LanePage, LaneScan, NewFact, StoredBatch,
};
use crate::ports::log::{Position, ShardId};
use async_trait::async_trait;
use foldhash::HashMap;
use parking_lot::Mutex;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The embedded event store.
#[derive(Clone)]
pub struct EmbeddedEvents {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<EmbeddedLog>,
    kv: Arc<Kv>,
    checkpoints: Mutex<HashMap<ShardId, Position>>,
    dead_letters: Arc<AtomicU64>,
}

/// A batch and where its record is.
struct Located {
    batch: Batch,
    lsn: u64,
}

impl EmbeddedEvents {
    /// Loads checkpoints and counts dead letters. Blocks.
    pub(crate) fn open(log: Arc<EmbeddedLog>, kv: Arc<Kv>) -> Result<Self, PortError> {
        let mut count = 0;
        kv.view().scan(&[keys::DEAD_LETTER], &[], |_, _| {
            count += 1;
            Ok(true)
        })?;
        let mut checkpoints = HashMap::default();
        for shard in log.all_shards() {
            checkpoints.insert(shard.id.clone(), read_checkpoint(kv.view(), &shard.id)?);
        }
        let (checkpoints, dead_letters) = (Mutex::new(checkpoints), Arc::new(AtomicU64::new(count)));
        Ok(Self { inner: Arc::new(Inner { log, kv, checkpoints, dead_letters }) })
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(PortError::unavailable("read the event store", error)))
    }

    /// Deletes facts, acknowledgements and dead letters of events whose id time
    /// is below `horizon_ms`, some at a time; says whether there may be more.
    pub(crate) async fn expire(&self, horizon_ms: u64) -> Result<bool, PortError> {
        const CHANGES_MAX: usize = 10_000;
        let expired = self.blocking(move |inner| inner.expired(horizon_ms, CHANGES_MAX)).await?;
        let more = expired.len() >= CHANGES_MAX;
        let letters = expired.iter().filter(|key| key[0] == keys::DEAD_LETTER).count() as u64;
        self.inner.kv.commit(expired.into_iter().map(|key| (key, None)).collect()).await?;
        self.inner.dead_letters.fetch_sub(letters, Ordering::Relaxed);
        Ok(more)
    }
}

pub(super) fn read_checkpoint(view: &KvView, shard: &ShardId) -> Result<Position, PortError> {
    match view.get(&keys::checkpoint(shard))? {
        Some(value) => keys::decode("read a checkpoint", &value),
        None => Ok(Position::START),
    }
}

fn disk_error(error: io::Error) -> PortError {
    if error.kind() == io::ErrorKind::InvalidData {
        return PortError::Damaged { what: "read events".into(), detail: error.to_string() };
    }
    PortError::unavailable("read events", error)
}

impl Inner {
    /// Gives `each` a customer's wanted batches of these id times in log order (or the reverse).
    fn walk(
        &self,
        scan: &LaneScan,
        wanted: impl Fn(BatchId) -> bool,
        mut each: impl FnMut(Located) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let shard = self.log.shard_of(scan.lane);
        let descending = scan.direction == Direction::Descending;
        shard.index.frames(scan.customer, scan.from_ms, scan.until_ms, descending, |rows| {
            for row in rows {
                let mut found = Vec::new();
                shard.frame_batches(row.lsn, scan.customer, &wanted, |batch| found.push(batch))?;
                if descending {
                    found.reverse();
                }
                for batch in found {
                    if each(Located { batch, lsn: row.lsn }).is_break() {
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
        let mut located = None;
        self.walk(
            &scan,
            |batch| batch == id,
            |found| {
                located = Some(found);
                ControlFlow::Break(())
            },
        )
        .map_err(disk_error)?;
        Ok(located)
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
        let acknowledged = read_acks(view, batch.customer, batch.id)?;
        let shard = self.log.shard_of(batch.lane());
        let settled = self.checkpoints.lock().get(&shard.id).copied().unwrap_or(Position::START);
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
        self.walk(&bounded, wanted, |located| {
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
        })
        .map_err(disk_error)?;
        failed.map_or(Ok(page), Err)
    }

    fn has_event(&self, customer: CustomerId, event: EventId) -> Result<bool, PortError> {
        let found = self.find(customer, event.batch())?;
        Ok(found.is_some_and(|located| event.index() < located.batch.len()))
    }

    fn expired(&self, horizon_ms: u64, max: usize) -> Result<Vec<Vec<u8>>, PortError> {
        let view = self.kv.view();
        let mut expired = Vec::new();
        for kind in [keys::FACT, keys::ACK, keys::DEAD_LETTER] {
            // Keys sort by customer, then time: see each customer's oldest, then skip to the next customer.
            let mut from = vec![kind];
            loop {
                let mut next_customer = None;
                view.scan(&[kind], &from, |key, value| {
                    let (Some(customer), Some(id)) = (keys::id_at(key, 1), keys::id_at(key, 17)) else {
                        return Ok(true);
                    };
                    let ms = if kind == keys::DEAD_LETTER {
                        keys::decode::<DeadLetter>("read a dead letter", value)?.delivery.oldest_ms()
                    } else {
                        BatchId::from_bytes(id).ms()
                    };
                    if ms >= horizon_ms {
                        next_customer = u128::from_be_bytes(customer).checked_add(1);
                        return Ok(false);
                    }
                    expired.push(key.to_vec());
                    Ok(expired.len() < max)
                })?;
                match next_customer {
                    Some(customer) if expired.len() < max => {
                        from = keys::of_customer(kind, CustomerId::from_u128(customer));
                    }
                    _ => break,
                }
            }
        }
        Ok(expired)
    }
}

fn read_acks(view: &KvView, customer: CustomerId, batch: BatchId) -> Result<Vec<(u16, u64)>, PortError> {
    match view.get(&keys::ack(customer, batch))? {
        Some(value) => keys::decode("read acknowledgements", &value),
        None => Ok(Vec::new()),
    }
}

#[async_trait]
impl EventStore for EmbeddedEvents {
    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError> {
        let compute = move |view: &KvView| {
            // Several facts of one call may be about one pair: later ones join earlier ones.
            let mut joined: HashMap<Vec<u8>, Fact> = HashMap::default();
            for new in facts {
                let key = keys::fact(new.customer, new.batch, new.subscription);
                let known = match joined.get(&key) {
                    Some(known) => Some(known.clone()),
                    None => view.get(&key)?.map(|value| keys::decode("read a fact", &value)).transpose()?,
                };
                let fact = known.map_or_else(|| new.fact.clone(), |known: Fact| known.join(&new.fact));
                joined.insert(key, fact);
            }
            Ok(joined.into_iter().map(|(key, fact)| (key, Some(keys::encode(&fact)))).collect())
        };
        self.inner.kv.update(compute).await
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
        let known = self
            .blocking({
                let events = events.clone();
                move |inner| events.iter().map(|event| inner.has_event(customer, *event)).collect()
            })
            .await?;
        let known: Vec<bool> = known;
        let (send, outcome) = tokio::sync::oneshot::channel();
        let compute = move |view: &KvView| {
            let (mut changed, mut outcomes) = (HashMap::default(), Vec::with_capacity(events.len()));
            for (event, known) in events.iter().zip(known) {
                if !known {
                    outcomes.push(AckOutcome::Unknown);
                    continue;
                }
                let acks = match changed.entry(event.batch()) {
                    std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        entry.insert(read_acks(view, customer, event.batch())?)
                    }
                };
                match acks.binary_search_by_key(&event.index(), |(index, _)| *index) {
                    Ok(at) => outcomes.push(AckOutcome::Already(acks[at].1)),
                    Err(at) => {
                        acks.insert(at, (event.index(), now_ms));
                        outcomes.push(AckOutcome::Acknowledged);
                    }
                }
            }
            // Whoever asked may be gone.
            let _gone = send.send(outcomes);
            let value = |acks: Vec<(u16, u64)>| Some(keys::encode(&acks));
            Ok(changed.into_iter().map(|(batch, acks)| (keys::ack(customer, batch), value(acks))).collect())
        };
        self.inner.kv.update(compute).await?;
        outcome.await.map_err(|_gone| PortError::Closed { what: "acknowledge events".into() })
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        let count = self.inner.dead_letters.clone();
        let compute = move |view: &KvView| {
            let mut changes = Vec::with_capacity(letters.len());
            for letter in &letters {
                let key = keys::dead_letter(letter.delivery.customer, letter.id);
                if view.get(&key)?.is_none() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                changes.push((key, Some(keys::encode(letter))));
            }
            Ok(changes)
        };
        self.inner.kv.update(compute).await
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
        let (send, deleted) = tokio::sync::oneshot::channel();
        let count = self.inner.dead_letters.clone();
        let compute = move |view: &KvView| {
            let mut changes = Vec::new();
            for id in ids {
                let key = keys::dead_letter(customer, id);
                if view.get(&key)?.is_some() {
                    changes.push((key, None));
                }
            }
            count.fetch_sub(changes.len() as u64, Ordering::Relaxed);
            // Whoever asked may be gone.
            let _gone = send.send(changes.len());
            Ok(changes)
        };
        self.inner.kv.update(compute).await?;
        deleted.await.map_err(|_gone| PortError::Closed { what: "delete dead letters".into() })
    }

    fn dead_letter_count(&self) -> u64 {
        self.inner.dead_letters.load(Ordering::Relaxed)
    }

    async fn checkpoint(&self, shard: &ShardId, position: Position) -> Result<(), PortError> {
        self.inner.kv.commit(vec![(keys::checkpoint(shard), Some(keys::encode(&position)))]).await?;
        self.inner.checkpoints.lock().insert(shard.clone(), position);
        Ok(())
    }

    async fn load_checkpoint(&self, shard: &ShardId) -> Result<Position, PortError> {
        Ok(self.inner.checkpoints.lock().get(shard).copied().unwrap_or(Position::START))
    }
}
