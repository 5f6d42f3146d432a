//! The event store, the queue, the catalogue, rows and idempotency keys, each as one process sees
//! it: calls fail, are throttled, or lose their answers.

use crate::cells::CellView;
use crate::plan::{Plan, START_MS, Service, SubscriptionPlan};
use crate::planted::Planted;
use crate::world::{Caller, NoAnswer, World, sleep_ms, unavailable};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_aws::leases::LaneHorizons;
use sluice_model::subscription::{BatchPolicy, RetryPolicy, SigningSecret};
use sluice_model::wire::record::{BlockCodec, RecordEncoder};
use sluice_model::{
    ApiKey, ApiKeyId, AuditEntry, AuditId, Batch, BatchId, Customer, CustomerId, CustomerStatus, DeadLetter,
    DeadLetterId, Delivery, DeliveryId, EventId, Fact, Scopes, Subscription, SubscriptionId,
    SubscriptionStatus,
};
use sluice_ports::catalogue::{
    AuditNote, AuditQuery, AuditRetention, CatalogueChange, CatalogueError, ChangeContext, Changes, Revision,
};
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, Horizons, LanePage, LaneScan, NewBatch, NewFact, StoredBatch,
};
use sluice_ports::idempotency::{ClaimOutcome, KeyHash, Placed};
use sluice_ports::log::RecordDraft;
use sluice_ports::rows::{NewRow, Row, RowChange};
use sluice_ports::work_queue::{Backlog, TakeRequest};
use sluice_ports::{Catalogue, EventStore, Idempotency, PortError, Rows, WorkQueue};
use sluice_processor::parking::{self, rows::ParkedEntry};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A taken delivery is given out again after this long, if its taker stands still or never learnt
/// that it took the delivery.
const VISIBILITY_MS: u64 = 4_000;
/// How long it takes to find the queue empty.
const LOOK_MS: u64 = 100;

/// A delivery in the queue.
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    taken: Option<TakenDelivery>,
}

/// The process that took a delivery, when it did, and whether it got the answer and so keeps the
/// delivery.
struct TakenDelivery {
    by: Caller,
    at_ms: u64,
    kept: bool,
}

/// The content of all stores.
pub(crate) struct Stored {
    pub(crate) batches: HashMap<BatchId, Arc<Batch>>,
    /// The place at which readers of the inbox find each batch.
    places: BTreeMap<(CustomerId, BatchId), BatchId>,
    pub(crate) facts: HashMap<(BatchId, SubscriptionId), Fact>,
    pub(crate) letters: BTreeMap<DeadLetterId, DeadLetter>,
    pub(crate) queue: BTreeMap<DeliveryId, Message>,
    pub(crate) customers: Vec<Customer>,
    /// The subscriptions, each with the revision of its last change.
    pub(crate) subscriptions: Vec<(u64, Subscription)>,
    revision: u64,
    rows: BTreeMap<(String, Vec<u8>), Vec<u8>>,
}

impl Stored {
    pub(crate) fn new(plan: &Plan) -> Self {
        let customer = |(n, fan_out): (usize, &u16)| customer_row(n, *fan_out);
        let subscription = |(n, plan)| (1, subscription_row(n, plan, START_MS - 1_000));
        Self {
            batches: HashMap::new(),
            places: BTreeMap::new(),
            facts: HashMap::new(),
            letters: BTreeMap::new(),
            queue: BTreeMap::new(),
            customers: plan.customers.iter().enumerate().map(customer).collect(),
            subscriptions: plan.subscriptions.iter().enumerate().map(subscription).collect(),
            revision: 1,
            rows: BTreeMap::new(),
        }
    }

    /// Whether a subscription took an event, gave it up, or has it in the queue.
    pub(crate) fn accounts_for(&self, event: EventId, subscription: SubscriptionId) -> bool {
        let (batch, index) = (event.batch(), event.index());
        let fact = self.facts.get(&(batch, subscription));
        let holds = |delivery: &Delivery| {
            delivery.subscription == subscription
                && delivery.events.iter().any(|refs| refs.batch == batch && refs.events.contains(index))
        };
        fact.is_some_and(|fact| fact.took.contains(index))
            || self.queue.values().any(|message| holds(&message.delivery))
            || self.letters.values().any(|letter| holds(&letter.delivery))
            || self.is_parked(event, subscription)
    }

    /// Whether a row of the parked lists holds an event for a subscription.
    fn is_parked(&self, event: EventId, subscription: SubscriptionId) -> bool {
        let (batch, index) = (event.batch(), event.index());
        let partition = parking::rows::partition(event.lane());
        let rows = self.rows.range((partition.clone(), Vec::new())..);
        let rows = rows.take_while(|((name, _), _)| *name == partition);
        rows.map(|((_, key), value)| Row { key: key.clone(), value: value.clone() }).any(|row| {
            let Ok((owner, entry)) = parking::rows::read(&row) else { return false };
            owner.subscription == subscription
                && match entry {
                    ParkedEntry::Failed(failed) => {
                        let mut events = failed.delivery.events.iter();
                        events.any(|refs| refs.batch == batch && refs.events.contains(index))
                    }
                    ParkedEntry::Chunk(_, items) => {
                        items.iter().any(|item| item.batch == batch && item.events.contains(index))
                    }
                }
        })
    }
}

/// A customer's row.
pub(crate) fn customer_row(n: usize, fan_out: u16) -> Customer {
    Customer {
        id: customer_id(n),
        name: format!("customer {n}"),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: 1_000_000,
        fan_out,
        fan_out_ever: fan_out,
        created_at_ms: START_MS - 1_000,
        updated_at_ms: START_MS - 1_000,
    }
}

/// The row of a customer's nth key.
pub(crate) fn key_row(customer: usize, n: u64) -> ApiKey {
    let number = (customer as u128) << 32 | u128::from(n);
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(&number.to_le_bytes());
    ApiKey {
        id: ApiKeyId::from_u128(0x018b_0000_0000_7000_8000_0000_0000_0000 + number),
        customer: customer_id(customer),
        hash,
        hint: format!("key {n}"),
        created_at_ms: START_MS - 1_000,
        expires_at_ms: None,
        revoked_at_ms: None,
        scopes: Scopes::ALL,
    }
}

/// A subscription's row.
pub(crate) fn subscription_row(n: usize, plan: &SubscriptionPlan, effective_at_ms: u64) -> Subscription {
    let value = plan.kind.map_or("*".to_owned(), |kind| format!("kind.k{kind}"));
    Subscription {
        id: subscription_id(n),
        customer: customer_id(plan.customer),
        version: 1,
        selector: format!(r#"{{"type":"event_type","value":"{value}"}}"#),
        webhook_url: format!("https://endpoint{n}.example/hook"),
        batch: BatchPolicy { max_events: plan.max_events, max_bytes: 262_144, max_wait_ms: plan.max_wait_ms },
        retry: RetryPolicy { max_retries: 3, max_delay_s: 2, ..RetryPolicy::default() },
        ordered: plan.ordered,
        description: None,
        status: SubscriptionStatus::Active,
        secrets: vec![SigningSecret {
            text: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            expires_at_ms: None,
        }],
        headers: Vec::new(),
        rate_limit_per_second: None,
        shape: Default::default(),
        effective_at_ms,
        created_at_ms: START_MS - 1_000,
        updated_at_ms: START_MS - 1_000,
    }
}

pub(crate) fn customer_id(n: usize) -> CustomerId {
    CustomerId::from_u128(0x018c_0000_0000_7000_8000_0000_0000_0000 + n as u128 * 0x1_0001)
}

pub(crate) fn subscription_id(n: usize) -> SubscriptionId {
    SubscriptionId::from_u128(0x018d_0000_0000_7000_8000_0000_0000_0000 + n as u128)
}

impl World {
    /// Counts the items of new batches: each compressed by itself, with 160 bytes of keys, names and
    /// numbers, in units of 1 KB.
    fn tally_batches(&self, batches: &[NewBatch]) {
        let Some(mut encoder) = self.plan.load.and_then(|_| RecordEncoder::new(BlockCodec::Zstd(1)).ok())
        else {
            return;
        };
        for new in batches {
            let (lane, batches) = (Some(new.batch.lane()), vec![Arc::clone(&new.batch)]);
            let mut bytes = Vec::new();
            encoder.encode(
                &RecordDraft { lane, producer: 0, sequence: 0, batches, parts: Vec::new() },
                &mut bytes,
            );
            self.tally("batch items", 1);
            self.tally("raw bytes", new.batch.body.len());
            self.tally("item bytes", bytes.len());
            self.tally("write units, batches", (bytes.len() + 160).div_ceil(1024));
        }
    }
}

/// The calling process, and its world.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) world: Arc<World>,
    pub(crate) who: Caller,
}

impl Seat {
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        service: Service,
        attempted: &str,
        effect: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        self.world.ask(self.who, service, attempted, effect).await
    }

    /// [`Self::ask`] for a write that must be durable before anything is settled. With the planted
    /// fault it is acknowledged at once and made later.
    async fn write(
        &self,
        service: Service,
        attempted: &str,
        effect: impl FnOnce(&World) + Send + 'static,
    ) -> Result<(), PortError> {
        if self.world.planted != Some(Planted::EarlyCheckpoint) {
            return self.ask(service, attempted, effect).await;
        }
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            sleep_ms(500).await;
            effect(&world);
        });
        Ok(())
    }
}

/// The event store, and the horizons of the inbox if it serves the inbox.
pub(crate) struct SimEvents(pub(crate) Seat, pub(crate) Option<LaneHorizons>);

#[async_trait]
impl EventStore for SimEvents {
    fn takes_batches(&self) -> bool {
        true
    }

    async fn put_batches(&self, batches: Vec<NewBatch>) -> Result<(), PortError> {
        let effect = move |world: &World| {
            world.tally_batches(&batches);
            let (mut stored, mut ledger) = (world.stored.lock(), world.ledger.lock());
            for NewBatch { batch, matched: _, place } in batches {
                // The planted fault: a late batch has its id's place.
                let place = place.filter(|_| world.planted != Some(Planted::LateInPlace));
                let (customer, id, place) = (batch.customer, batch.id, place.unwrap_or(batch.id));
                if place != id {
                    stored.places.remove(&(customer, id));
                }
                // A later owner of the shard may store a late batch once more, at its id's
                // place. The place that it had before stays, so no reader misses it.
                let has_another = place == id && stored.places.values().any(|placed| *placed == id);
                if stored.places.insert((customer, place), id).is_none() && !has_another {
                    ledger.appears(world, &batch, place);
                }
                stored.batches.insert(id, batch);
            }
        };
        self.0.ask(Service::Events, "put batches", effect).await
    }

    async fn add_facts(&self, facts: Vec<NewFact>) -> Result<(), PortError> {
        if self.0.world.planted == Some(Planted::RefusedForEver)
            && facts.iter().any(|new| new.batch.first().as_u128() % 16 == 0)
        {
            return Err(unavailable("add facts", NoAnswer::Refused));
        }
        let effect = move |world: &World| {
            let items: HashSet<BatchId> = facts.iter().map(|new| new.batch).collect();
            world.tally("write units, facts", items.len());
            let mut stored = world.stored.lock();
            for new in facts {
                let known = stored.facts.entry((new.batch, new.subscription)).or_default();
                *known = known.join(&new.fact);
            }
        };
        self.0.write(Service::Events, "add facts", effect).await
    }

    async fn get(&self, _: CustomerId, _: BatchId) -> Result<Option<StoredBatch>, PortError> {
        Ok(None)
    }

    async fn batch(&self, customer: CustomerId, id: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        let effect = move |world: &World| {
            world.stored.lock().batches.get(&id).filter(|batch| batch.customer == customer).cloned()
        };
        self.0.ask(Service::Events, "read a batch", effect).await
    }

    async fn scan(&self, _: LaneScan) -> Result<LanePage, PortError> {
        Ok(LanePage { batches: Vec::new(), exhausted: true })
    }

    /// For readers that go forward: no others read here.
    async fn scan_inbox(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        let effect = move |world: &World| {
            let stored = world.stored.lock();
            let low = scan.after.map_or(BatchId::from_bytes([0; 16]), EventId::batch);
            let from = stored.places.range((scan.customer, low)..);
            let of_customer = from.take_while(|((customer, _), _)| *customer == scan.customer);
            let in_time = |place: &BatchId| (scan.from_ms..scan.until_ms).contains(&place.ms());
            let wanted = of_customer.filter(|((_, place), _)| place.lane() == scan.lane && in_time(place));
            let read = wanted.filter_map(|((_, place), id)| {
                let batch = stored.batches.get(id)?;
                let last = place.event(batch.len() - 1);
                scan.after.is_none_or(|after| last > after).then(|| StoredBatch {
                    batch: Arc::clone(batch),
                    place: *place,
                    facts: Vec::new(),
                    acknowledged: Vec::new(),
                    passed: true,
                })
            });
            let mut batches: Vec<_> = read.take(scan.max_batches + 1).collect();
            let exhausted = batches.len() <= scan.max_batches;
            batches.truncate(scan.max_batches);
            LanePage { batches, exhausted }
        };
        self.0.ask(Service::Events, "read the inbox", effect).await
    }

    async fn horizons(&self) -> Result<Horizons, PortError> {
        match &self.1 {
            // The planted fault: the horizons are ignored.
            Some(_) if self.0.world.planted == Some(Planted::EndlessInbox) => Ok(Horizons::default()),
            Some(horizons) => horizons.get().await,
            None => Err(unavailable("read the inbox", NoAnswer::Refused)),
        }
    }

    async fn acknowledge(
        &self,
        _: CustomerId,
        events: Vec<EventId>,
        _: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        Ok(vec![AckOutcome::Unknown; events.len()])
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        let effect = move |world: &World| {
            let mut stored = world.stored.lock();
            letters.into_iter().for_each(|letter| drop(stored.letters.insert(letter.id, letter)));
        };
        self.0.write(Service::Events, "put dead letters", effect).await
    }

    async fn dead_letters(&self, _: CustomerId, _: DeadLetterQuery) -> Result<Vec<DeadLetter>, PortError> {
        Ok(Vec::new())
    }

    async fn delete_dead_letters(&self, _: CustomerId, _: Vec<DeadLetterId>) -> Result<usize, PortError> {
        Ok(0)
    }

    fn dead_letter_count(&self) -> u64 {
        self.0.world.stored.lock().letters.len() as u64
    }
}

pub(crate) struct SimQueue(pub(crate) Seat);

#[async_trait]
impl WorkQueue for SimQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        if self.0.world.planted == Some(Planted::TooLargeForQueue)
            && deliveries.iter().any(|delivery| delivery.event_count() > 6)
        {
            return Err(unavailable("put deliveries", NoAnswer::Refused));
        }
        let effect = move |world: &World| {
            let mut stored = world.stored.lock();
            for delivery in deliveries {
                stored.queue.insert(delivery.id, Message { delivery, taken: None });
            }
        };
        self.0.write(Service::Queue, "put deliveries", effect).await
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        let (who, max, blocked) = (self.0.who, request.max, request.blocked.clone());
        let effect = move |world: &World| {
            let now_ms = world.now_ms();
            let mut stored = world.stored.lock();
            let due = stored.queue.values_mut().filter(|message| {
                let free = message.taken.as_ref().is_none_or(|taken| {
                    let forgotten = !taken.kept && taken.at_ms + VISIBILITY_MS <= now_ms;
                    forgotten || !world.lives(taken.by, VISIBILITY_MS)
                });
                free && message.delivery.due_ms <= now_ms && !blocked.contains(&message.delivery.subscription)
            });
            due.take(max)
                .map(|message| {
                    message.taken = Some(TakenDelivery { by: who, at_ms: now_ms, kept: false });
                    message.delivery.clone()
                })
                .collect::<Vec<_>>()
        };
        let taken = self.0.ask(Service::Queue, "take deliveries", effect).await?;
        // The planted fault: taken deliveries are forgotten when a side call fails.
        let strands = self.0.world.planted == Some(Planted::StrandedDeliveries)
            && self.0.world.roll("side call", 0).is_multiple_of(8);
        if taken.is_empty() {
            sleep_ms(LOOK_MS).await;
        }
        let mut stored = self.0.world.stored.lock();
        for delivery in &taken {
            let message = stored.queue.get_mut(&delivery.id).and_then(|message| message.taken.as_mut());
            if let Some(taken) = message.filter(|taken| taken.by == who) {
                taken.kept = true;
            }
        }
        drop(stored);
        if strands {
            return Err(unavailable("make deliveries visible later", NoAnswer::Unclear));
        }
        Ok(taken)
    }

    fn next_due_ms(&self, _: &HashSet<SubscriptionId>) -> Option<u64> {
        Some(0)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let effect = move |world: &World| {
            let mut stored = world.stored.lock();
            ids.iter().for_each(|(_, id)| drop(stored.queue.remove(id)));
        };
        self.0.ask(Service::Queue, "deliveries are done", effect).await
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        let stored = self.0.world.stored.lock();
        let waiting = stored.queue.values().filter(|message| message.delivery.subscription == subscription);
        waiting.fold(Backlog::default(), |sum, message| Backlog {
            deliveries: sum.deliveries + 1,
            events: sum.events + message.delivery.event_count() as u64,
        })
    }

    fn total(&self) -> Backlog {
        Backlog::default()
    }
}

pub(crate) struct SimCatalogue {
    seat: Seat,
    /// The process' view of the cell's catalogue, if its world is a cell.
    pub(crate) view: Option<Arc<CellView>>,
}

impl SimCatalogue {
    pub(crate) fn new(seat: Seat) -> Self {
        let view = seat.world.cell.clone().map(|cell| Arc::new(CellView::new(cell)));
        Self { seat, view }
    }
}

#[async_trait]
impl Catalogue for SimCatalogue {
    fn propagation(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn changes(&self, since: Revision) -> Result<Changes, PortError> {
        let view = self.view.clone();
        let effect = move |world: &World| {
            if let Some(view) = view {
                return view.changes(since);
            }
            let stored = world.stored.lock();
            let changed = stored.subscriptions.iter().filter(|(revision, _)| *revision > since.0);
            Changes {
                revision: Revision(stored.revision),
                customers: if since.0 == 0 { stored.customers.clone() } else { Vec::new() },
                subscriptions: changed.map(|(_, subscription)| subscription.clone()).collect(),
                ..Changes::default()
            }
        };
        self.seat.ask(Service::Catalogue, "read changes", effect).await
    }

    async fn change(&self, change: CatalogueChange, _: ChangeContext) -> Result<(), CatalogueError> {
        let CatalogueChange::PutSubscription(new) = change else { return Err(CatalogueError::NotFound) };
        if let Some(cell) = &self.seat.world.cell {
            return cell.put_subscription(&self.seat, new).await;
        }
        let effect = move |world: &World| {
            let mut stored = world.stored.lock();
            let revision = stored.revision + 1;
            let known = stored.subscriptions.iter_mut().find(|(_, known)| known.id == new.id);
            let Some(known) = known.filter(|(_, known)| known.version + 1 == new.version) else {
                return false;
            };
            world.tell(|| format!("subscription {} is {:?}", new.id, new.status));
            *known = (revision, new);
            stored.revision = revision;
            true
        };
        let made = self.seat.ask(Service::Catalogue, "put a subscription", effect).await?;
        if made { Ok(()) } else { Err(CatalogueError::Conflict("another version".into())) }
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

pub(crate) struct SimRows(pub(crate) Seat);

#[async_trait]
impl Rows for SimRows {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        let effect = move |world: &World| {
            let units = changes.iter().map(|change| match change {
                RowChange::Put(row) => (row.partition.len() + row.key.len() + row.value.len()).div_ceil(1024),
                RowChange::Remove { .. } => 1,
            });
            world.tally("write units, history of attempts", units.sum());
            let rows = &mut world.stored.lock().rows;
            for change in changes {
                match change {
                    RowChange::Put(row) => drop(rows.insert((row.partition, row.key), row.value)),
                    RowChange::Remove { partition, key } => drop(rows.remove(&(partition, key))),
                }
            }
        };
        self.0.ask(Service::Rows, "write rows", effect).await
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        let effect = move |world: &World| {
            let rows = &mut world.stored.lock().rows;
            let key = (row.partition, row.key);
            let holds = rows.get(&key) == expected.as_ref();
            if holds {
                rows.insert(key, row.value);
            }
            holds
        };
        self.0.ask(Service::Rows, "put a row", effect).await
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let key = (partition.to_owned(), key.to_owned());
        self.0
            .ask(Service::Rows, "read a row", move |world| world.stored.lock().rows.get(&key).cloned())
            .await
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        let (partition, after) = (partition.to_owned(), after.map(<[u8]>::to_vec));
        let effect = move |world: &World| {
            let stored = world.stored.lock();
            let rows = stored.rows.range((partition.clone(), Vec::new())..);
            let rows = rows.take_while(|((name, _), _)| *name == partition);
            let rows = rows.filter(|((_, key), _)| after.as_ref().is_none_or(|after| key > after));
            rows.take(limit).map(|((_, key), value)| Row { key: key.clone(), value: value.clone() }).collect()
        };
        self.0.ask(Service::Rows, "list rows", effect).await
    }
}

/// The idempotency keys of one process: only producers of cells send them.
#[derive(Default)]
pub(crate) struct SimKeys(Mutex<HashMap<(CustomerId, KeyHash), (KeyHash, Option<Placed>)>>);

#[async_trait]
impl Idempotency for SimKeys {
    async fn claim(
        &self,
        customer: CustomerId,
        key: KeyHash,
        body: KeyHash,
        _: u64,
    ) -> Result<ClaimOutcome, PortError> {
        let mut keys = self.0.lock();
        Ok(match keys.get(&(customer, key)) {
            Some((known, _)) if *known != body => ClaimOutcome::Mismatch,
            Some((_, Some(placed))) => ClaimOutcome::Completed(placed.clone()),
            Some((_, None)) => ClaimOutcome::InFlight,
            None => {
                keys.insert((customer, key), (body, None));
                ClaimOutcome::Claimed
            }
        })
    }

    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError> {
        if let Some(known) = self.0.lock().get_mut(&(customer, key)) {
            known.1 = Some(placed);
        }
        Ok(())
    }

    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError> {
        self.0.lock().remove(&(customer, key));
        Ok(())
    }

    /// The key stays claimed.
    async fn undecided(&self, _: CustomerId, _: KeyHash) -> Result<(), PortError> {
        Ok(())
    }
}
