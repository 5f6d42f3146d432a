//! All ports in memory, simple and strict, with a switch that makes them fail.

use crate::commit::CommitStores;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::{
    AuditEntry, AuditId, Batch, BatchId, Customer, CustomerId, DeadLetter, DeadLetterId, Delivery,
    DeliveryId, EventId, Fact, Lane, Subscription, SubscriptionId,
};
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, Catalogue, CatalogueChange, CatalogueError, ChangeContext,
    Changes, Revision,
};
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, EventStore, LanePage, LaneScan, NewBatch, NewFact, StoredBatch,
};
use sluice_ports::log::{
    AppendError, IdTimes, Log, LogItem, LogPage, LogRecord, Position, RecordDraft, ShardId,
};
use sluice_ports::rows::{NewRow, Row, RowChange, Rows};
use sluice_ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use sluice_ports::{Checkpoints, FailureClass, PortError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// All ports of a processor in memory.
#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<MemoryState>,
    /// Whether every call fails.
    pub(crate) failing: AtomicBool,
    /// Whether reading the catalogue fails.
    pub(crate) catalogue_failing: AtomicBool,
    /// Whether the next read of the log panics.
    pub(crate) panic_once: AtomicBool,
    /// Whether nothing will ever follow the end of the log.
    pub(crate) closed: AtomicBool,
    /// How long each row that is written in order takes, in milliseconds.
    pub(crate) row_ms: AtomicU64,
    /// Whether batches come to the event store by being put.
    pub(crate) takes_batches: AtomicBool,
    /// Whether batches cannot be read now.
    pub(crate) batches_away: AtomicBool,
    /// Whether rows cannot be listed now.
    pub(crate) rows_away: AtomicBool,
    /// The items that are refused for good.
    pub(crate) never_takes: Mutex<NeverTakes>,
    changed: Notify,
}

/// The items that the stores will never take.
#[derive(Default)]
pub(crate) struct NeverTakes {
    pub(crate) batch: Option<BatchId>,
    pub(crate) delivery: Option<DeliveryId>,
    /// The dead letters and facts of this subscription.
    pub(crate) end_of: Option<SubscriptionId>,
    /// Rows with longer values.
    pub(crate) value_bytes_max: Option<usize>,
    /// Rows with values of this length.
    pub(crate) value_bytes: Option<usize>,
}

#[derive(Default)]
struct MemoryState {
    facts: HashMap<(BatchId, SubscriptionId), NewFact>,
    dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    queue: BTreeMap<DeliveryId, Delivery>,
    taken: HashSet<DeliveryId>,
    /// The deliveries of which the queue makes dead letters.
    given_up: HashSet<DeliveryId>,
    done: Vec<DeliveryId>,
    log: Vec<LogItem>,
    batches: HashMap<BatchId, bool>,
    checkpoint: Option<Position>,
    readable: Option<Position>,
    places: HashMap<BatchId, BatchId>,
    customers: HashMap<CustomerId, Customer>,
    subscriptions: HashMap<SubscriptionId, Subscription>,
    deleted: Vec<(CustomerId, SubscriptionId)>,
    revision: u64,
    rows: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    /// The keys of the rows that were put, in the order of the writes.
    put_rows: Vec<Vec<u8>>,
}

impl MemoryState {
    /// Asserts that all batches up to a position are stored.
    fn check_stored(&self, position: Position, fault: &str) {
        let passed = self.log.iter().filter_map(|item| match item {
            LogItem::Record(record) if record.position <= position => Some(&record.batches),
            _ => None,
        });
        assert!(passed.flatten().all(|batch| self.batches.contains_key(&batch.id)), "{fault}");
    }
}

impl Memory {
    fn guard(&self, attempted: &str) -> Result<(), PortError> {
        if !self.failing.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(PortError::Unavailable {
            attempted: attempted.into(),
            class: FailureClass::Away,
            retry_after: Duration::from_millis(1),
            source: "the test says so".into(),
        })
    }

    /// Refuses a call for good if it has an item that the stores never take.
    fn refuse(&self, attempted: &str, has_one: impl FnOnce(&NeverTakes) -> bool) -> Result<(), PortError> {
        match has_one(&self.never_takes.lock()) {
            true => Err(PortError::failed(FailureClass::Refused, attempted, "the test says so")),
            false => Ok(()),
        }
    }

    /// Puts a row with a value that the processor did not write.
    pub(crate) fn put_garbage(&self, partition: &str, key: &[u8]) {
        let id = (partition.to_owned(), key.to_vec());
        self.change(|state| state.rows.insert(id, b"garbage".to_vec()));
    }

    /// Waits until `holds`, looking again at every change.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if holds(self) {
                    return;
                }
                // Some of the state that is looked at changes elsewhere.
                drop(tokio::time::timeout(Duration::from_millis(5), changed).await);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it came true in time");
    }

    fn change<R>(&self, change: impl FnOnce(&mut MemoryState) -> R) -> R {
        let changed = change(&mut self.state.lock());
        self.changed.notify_waiters();
        changed
    }

    /// Appends a record with these batches to the only shard.
    pub(crate) fn append(&self, batches: Vec<Arc<Batch>>) -> Position {
        self.append_in_time(batches, IdTimes::ALL)
    }

    /// The same, with the id times at which readers may find the batches at their ids' places.
    pub(crate) fn append_in_time(&self, batches: Vec<Arc<Batch>>, id_times: IdTimes) -> Position {
        self.change(|state| {
            let position = Position::from_lsn(state.log.len() as u64 + 1);
            state.log.push(LogItem::Record(LogRecord {
                position,
                producer: 1,
                sequence: 1,
                batches,
                id_times,
            }));
            position
        })
    }

    /// Appends a damaged place.
    pub(crate) fn append_damage(&self) -> Position {
        self.change(|state| {
            let position = Position::from_lsn(state.log.len() as u64 + 1);
            state.log.push(LogItem::Damaged { position, detail: "flipped by a test".into() });
            position
        })
    }

    /// Forgets a batch, as if its segment were damaged or deleted.
    pub(crate) fn lose(&self, id: BatchId) {
        self.change(|state| {
            for item in &mut state.log {
                if let LogItem::Record(record) = item {
                    record.batches.retain(|batch| batch.id != id);
                }
            }
        });
    }

    /// Makes the queue give a delivery up.
    pub(crate) fn give_up(&self, id: DeliveryId) {
        self.change(|state| {
            state.given_up.insert(id);
        });
    }

    /// Makes taken deliveries takeable again, as after a restart.
    pub(crate) fn forget_taken(&self) {
        self.change(|state| state.taken.clear());
    }

    /// The end of the log.
    pub(crate) fn end(&self) -> Position {
        Position::from_lsn(self.state.lock().log.len() as u64)
    }

    pub(crate) fn facts(&self) -> Vec<NewFact> {
        self.state.lock().facts.values().cloned().collect()
    }

    pub(crate) fn fact(&self, batch: BatchId, subscription: SubscriptionId) -> Fact {
        self.state.lock().facts.get(&(batch, subscription)).map(|new| new.fact.clone()).unwrap_or_default()
    }

    /// The batches that were put, and whether each matched.
    pub(crate) fn batches(&self) -> HashMap<BatchId, bool> {
        self.state.lock().batches.clone()
    }

    /// The number of rows in the partitions whose names begin with `prefix`.
    pub(crate) fn rows_in(&self, prefix: &str) -> usize {
        self.state.lock().rows.keys().filter(|(partition, _)| partition.starts_with(prefix)).count()
    }

    /// The keys of the rows that were put, in the order of the writes.
    pub(crate) fn put_rows(&self) -> Vec<Vec<u8>> {
        self.state.lock().put_rows.clone()
    }

    pub(crate) fn queued(&self) -> Vec<Delivery> {
        self.state.lock().queue.values().cloned().collect()
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state.lock().dead_letters.values().cloned().collect()
    }

    pub(crate) fn done(&self) -> Vec<DeliveryId> {
        self.state.lock().done.clone()
    }

    pub(crate) fn checkpointed(&self) -> Position {
        self.state.lock().checkpoint.unwrap_or(Position::START)
    }

    /// How far readers were told that they may read.
    pub(crate) fn readable(&self) -> Option<Position> {
        self.state.lock().readable
    }

    /// The places of batches that are not at their ids' places.
    pub(crate) fn places(&self) -> HashMap<BatchId, BatchId> {
        self.state.lock().places.clone()
    }

    pub(crate) fn subscription(&self, id: SubscriptionId) -> Option<Subscription> {
        self.state.lock().subscriptions.get(&id).cloned()
    }

    /// Stores a subscription, whatever its version.
    pub(crate) fn set_subscription(&self, subscription: Subscription) {
        self.change(|state| {
            state.revision += 1;
            state.subscriptions.insert(subscription.id, subscription);
        });
    }

    pub(crate) fn set_customer(&self, customer: Customer) {
        self.change(|state| {
            state.revision += 1;
            state.customers.insert(customer.id, customer);
        });
    }

    /// Takes the time of this many requests for rows.
    async fn pass_time(&self, requests: usize) {
        let row_ms = self.row_ms.load(Ordering::SeqCst);
        if row_ms > 0 {
            tokio::time::sleep(Duration::from_millis(row_ms * requests as u64)).await;
        }
    }

    fn change_rows(&self, changes: Vec<RowChange>) {
        self.change(|state| {
            for change in changes {
                match change {
                    RowChange::Put(row) => {
                        state.put_rows.push(row.key.clone());
                        state.rows.insert((row.partition, row.key), row.value);
                    }
                    RowChange::Remove { partition, key } => drop(state.rows.remove(&(partition, key))),
                }
            }
        });
    }

    fn find(&self, id: BatchId) -> Option<Arc<Batch>> {
        let state = self.state.lock();
        let records = state.log.iter().filter_map(|item| match item {
            LogItem::Record(record) => Some(&record.batches),
            LogItem::Damaged { .. } => None,
        });
        records.flatten().find(|batch| batch.id == id).cloned()
    }
}

/// Shares a [`Memory`].
#[derive(Clone, Default)]
pub(crate) struct RecordingStores(pub(crate) Arc<Memory>);

impl RecordingStores {
    pub(crate) fn stores(&self) -> CommitStores {
        CommitStores {
            events: Arc::clone(&self.0) as _,
            queue: Arc::clone(&self.0) as _,
            catalogue: Arc::clone(&self.0) as _,
            rows: Arc::clone(&self.0) as _,
            checkpoints: Arc::clone(&self.0) as _,
            notices: Default::default(),
        }
    }
}

impl std::ops::Deref for RecordingStores {
    type Target = Memory;
    fn deref(&self) -> &Memory {
        &self.0
    }
}

#[async_trait]
impl EventStore for Memory {
    fn takes_batches(&self) -> bool {
        self.takes_batches.load(Ordering::SeqCst)
    }

    async fn put_batches(&self, batches: Vec<NewBatch>) -> Result<(), PortError> {
        self.guard("put batches")?;
        self.refuse("put batches", |never| batches.iter().any(|new| Some(new.batch.id) == never.batch))?;
        self.change(|state| {
            state.batches.extend(batches.iter().map(|new| (new.batch.id, new.matched)));
            state.places.extend(batches.iter().filter_map(|new| Some((new.batch.id, new.place?))));
        });
        Ok(())
    }

    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError> {
        self.guard("add facts")?;
        self.refuse("add facts", |never| facts.iter().any(|new| Some(new.subscription) == never.end_of))?;
        self.change(|state| {
            for new in facts {
                let known = state
                    .facts
                    .entry((new.batch, new.subscription))
                    .or_insert_with(|| NewFact { fact: Fact::default(), ..new.clone() });
                known.fact = known.fact.join(&new.fact);
            }
        });
        Ok(())
    }

    async fn get(&self, _: CustomerId, _: BatchId) -> Result<Option<StoredBatch>, PortError> {
        unreachable!("the processor does not read facts")
    }

    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        self.guard("load a batch")?;
        if self.batches_away.load(Ordering::SeqCst) {
            return Err(PortError::unavailable("load a batch", "as told"));
        }
        let takes = self.takes_batches.load(Ordering::SeqCst);
        let is_there = !takes || self.state.lock().batches.contains_key(&batch);
        Ok(self.find(batch).filter(|batch| is_there && batch.customer == customer))
    }

    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.guard("scan a lane")?;
        let state = self.state.lock();
        let records = state.log.iter().filter_map(|item| match item {
            LogItem::Record(record) => Some(&record.batches),
            LogItem::Damaged { .. } => None,
        });
        let after = |batch: &Batch| scan.after.is_none_or(|after| batch.event_id(batch.len() - 1) > after);
        let wanted = records.flatten().filter(|batch| {
            let in_time = (scan.from_ms..scan.until_ms).contains(&batch.id.ms());
            batch.customer == scan.customer && batch.id.lane() == scan.lane && in_time && after(batch)
        });
        let stored = |batch: &Arc<Batch>| StoredBatch {
            batch: Arc::clone(batch),
            place: batch.id,
            facts: Vec::new(),
            acknowledged: Vec::new(),
            passed: true,
        };
        let mut batches: Vec<_> = wanted.map(stored).collect();
        let exhausted = batches.len() <= scan.max_batches;
        batches.truncate(scan.max_batches);
        Ok(LanePage { batches, exhausted })
    }

    async fn acknowledge(
        &self,
        _: CustomerId,
        _: Vec<EventId>,
        _: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        unreachable!("the processor does not acknowledge")
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        self.guard("put dead letters")?;
        self.refuse("put dead letters", |never| {
            letters.iter().any(|letter| Some(letter.delivery.subscription) == never.end_of)
        })?;
        self.change(|state| state.dead_letters.extend(letters.into_iter().map(|letter| (letter.id, letter))));
        Ok(())
    }

    async fn dead_letters(&self, _: CustomerId, _: DeadLetterQuery) -> Result<Vec<DeadLetter>, PortError> {
        unreachable!("the processor does not list dead letters")
    }

    async fn delete_dead_letters(&self, _: CustomerId, _: Vec<DeadLetterId>) -> Result<usize, PortError> {
        unreachable!("the processor does not delete dead letters")
    }

    fn dead_letter_count(&self) -> u64 {
        self.state.lock().dead_letters.len() as u64
    }
}

#[async_trait]
impl Checkpoints for Memory {
    async fn store(&self, _: &ShardId, position: Position) -> Result<(), PortError> {
        self.guard("checkpoint")?;
        self.change(|state| {
            assert!(state.checkpoint.is_none_or(|before| before <= position), "a checkpoint goes back");
            if self.takes_batches() {
                state.check_stored(position, "a checkpoint passes a batch that is not stored");
            }
            state.checkpoint = Some(position);
        });
        Ok(())
    }

    fn readable(&self, _: &ShardId, position: Position) {
        self.change(|state| {
            if self.takes_batches() {
                state.check_stored(position, "readers are told of a batch that is not stored");
            }
            state.readable = Some(position);
        });
    }

    async fn load(&self, _: &ShardId) -> Result<Position, PortError> {
        self.guard("load a checkpoint")?;
        Ok(self.checkpointed())
    }
}

#[async_trait]
impl WorkQueue for Memory {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        self.guard("put deliveries")?;
        self.refuse("put deliveries", |never| {
            deliveries.iter().any(|delivery| Some(delivery.id) == never.delivery)
        })?;
        self.change(|state| {
            for delivery in deliveries {
                state.taken.remove(&delivery.id);
                state.queue.insert(delivery.id, delivery);
            }
        });
        Ok(())
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        self.guard("take deliveries")?;
        let state = &mut *self.state.lock();
        let mut counts = HashMap::<SubscriptionId, usize>::new();
        let mut due: Vec<_> =
            state.queue.values().filter(|delivery| delivery.due_ms <= request.now_ms).cloned().collect();
        due.sort_by_key(|delivery| delivery.due_ms);
        due.retain(|delivery| {
            let count = counts.entry(delivery.subscription).or_default();
            let take = !state.taken.contains(&delivery.id)
                && !state.given_up.contains(&delivery.id)
                && !request.blocked.contains(&delivery.subscription)
                && *count < request.max_per_subscription;
            *count += usize::from(take);
            take
        });
        due.truncate(request.max);
        state.taken.extend(due.iter().map(|delivery| delivery.id));
        Ok(due)
    }

    fn take_given_up(&self) -> Vec<Delivery> {
        let state = &mut *self.state.lock();
        let (taken, all) = (&mut state.taken, &state.given_up);
        state.queue.values().filter(|one| all.contains(&one.id) && taken.insert(one.id)).cloned().collect()
    }

    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        let state = self.state.lock();
        let open = state.queue.values().filter(|delivery| !blocked.contains(&delivery.subscription));
        open.filter(|delivery| !state.taken.contains(&delivery.id)).map(|delivery| delivery.due_ms).min()
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        self.guard("end deliveries")?;
        self.change(|state| {
            for (_, id) in ids {
                state.queue.remove(&id);
                state.taken.remove(&id);
                state.done.push(id);
            }
        });
        Ok(())
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        let state = self.state.lock();
        let queued = state.queue.values().filter(|delivery| delivery.subscription == subscription);
        queued.fold(Backlog::default(), |sum, delivery| Backlog {
            deliveries: sum.deliveries + 1,
            events: sum.events + delivery.event_count() as u64,
        })
    }

    fn total(&self) -> Backlog {
        let state = self.state.lock();
        state.queue.values().fold(Backlog::default(), |sum, delivery| Backlog {
            deliveries: sum.deliveries + 1,
            events: sum.events + delivery.event_count() as u64,
        })
    }
}

#[async_trait]
impl Catalogue for Memory {
    fn propagation(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        self.guard("poll the catalogue")?;
        if self.catalogue_failing.load(Ordering::SeqCst) {
            return Err(PortError::unavailable("poll the catalogue", "the test says so"));
        }
        let state = self.state.lock();
        let revision = Revision(state.revision);
        if since == revision {
            return Ok(Changes { revision, ..Changes::default() });
        }
        Ok(Changes {
            revision,
            customers: state.customers.values().cloned().collect(),
            subscriptions: state.subscriptions.values().cloned().collect(),
            deleted_subscriptions: state.deleted.clone(),
            ..Changes::default()
        })
    }

    async fn change(&self, change: CatalogueChange, _: ChangeContext) -> Result<(), CatalogueError> {
        match change {
            CatalogueChange::PutCustomer(customer) => self.set_customer(customer),
            CatalogueChange::PutKey(_)
            | CatalogueChange::RevokeKey { .. }
            | CatalogueChange::PutEventType(_)
            | CatalogueChange::DeleteEventType { .. } => {}
            CatalogueChange::PutSubscription(subscription) => {
                self.guard("put a subscription")?;
                let before = self.subscription(subscription.id).map_or(0, |known| known.version);
                if before + 1 != subscription.version {
                    return Err(CatalogueError::Conflict(format!("version {before} is stored")));
                }
                self.set_subscription(subscription);
            }
            CatalogueChange::DeleteSubscription { customer, id } => self.change(|state| {
                state.revision += 1;
                state.subscriptions.remove(&id);
                state.deleted.push((customer, id));
            }),
        }
        Ok(())
    }

    async fn note(&self, _: AuditNote) -> Result<AuditId, CatalogueError> {
        Err(CatalogueError::NotFound)
    }

    async fn audit(&self, _: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        Ok(Vec::new())
    }

    async fn trim_audit(&self, _: AuditRetention) -> Result<u64, PortError> {
        Ok(0)
    }
}

#[async_trait]
impl Log for Memory {
    fn append_units(&self) -> usize {
        1
    }

    fn append_unit(&self, _: Lane) -> usize {
        0
    }

    async fn append(&self, _: usize, _: RecordDraft) -> Result<(), AppendError> {
        unreachable!("the processor does not append")
    }

    fn accepting(&self) -> Result<(), AppendError> {
        Ok(())
    }

    fn recovered_ms(&self) -> u64 {
        0
    }

    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.guard("list shards")?;
        Ok(vec![ShardId("0".into())])
    }

    async fn lanes(&self, _: &ShardId) -> Result<Vec<Lane>, PortError> {
        Ok((0..16).filter_map(Lane::new).collect())
    }

    async fn read(
        &self,
        _: &ShardId,
        after: Position,
        _: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        self.guard("read the log")?;
        assert!(!self.panic_once.swap(false, Ordering::SeqCst), "the test says so");
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            let from = after.lsn() as usize;
            let items: Vec<_> = self.state.lock().log.iter().skip(from).take(8).cloned().collect();
            if !items.is_empty() {
                let at_end = from + items.len() == self.state.lock().log.len();
                return Ok(LogPage {
                    items,
                    at_end,
                    behind_ms: None,
                    closed: at_end && self.closed.load(Ordering::SeqCst),
                });
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Ok(LogPage {
                    items,
                    at_end: true,
                    behind_ms: None,
                    closed: self.closed.load(Ordering::SeqCst),
                });
            }
        }
    }
}

#[async_trait]
impl Rows for Memory {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        self.guard("write rows")?;
        self.pass_time(changes.len()).await;
        self.change_rows(changes);
        Ok(())
    }

    async fn write_in_any_order(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        self.guard("write rows")?;
        let lengths = || {
            changes.iter().filter_map(|change| match change {
                RowChange::Put(row) => Some(row.value.len()),
                RowChange::Remove { .. } => None,
            })
        };
        self.refuse("write rows", |never| {
            never.value_bytes_max.is_some_and(|max| lengths().any(|bytes| bytes > max))
                || never.value_bytes.is_some_and(|never| lengths().any(|bytes| bytes == never))
        })?;
        self.pass_time(changes.len().div_ceil(25)).await;
        self.change_rows(changes);
        Ok(())
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        self.guard("put a row")?;
        Ok(self.change(|state| {
            let key = (row.partition, row.key);
            let same = state.rows.get(&key) == expected.as_ref();
            if same {
                state.rows.insert(key, row.value);
            }
            same
        }))
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        self.guard("get a row")?;
        Ok(self.state.lock().rows.get(&(partition.to_owned(), key.to_vec())).cloned())
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        self.guard("list rows")?;
        if self.rows_away.load(Ordering::SeqCst) {
            return Err(PortError::unavailable("list rows", "the test says so"));
        }
        let state = self.state.lock();
        let rows = state
            .rows
            .iter()
            .filter(|((name, key), _)| name == partition && after.is_none_or(|after| &key[..] > after));
        Ok(rows.take(limit).map(|((_, key), value)| Row { key: key.clone(), value: value.clone() }).collect())
    }
}
