//! The event store on DynamoDB. The keys of its items: `layout`.
//!
//! The consumer of a shard writes each of its batches once. Later facts about a
//! batch go into small items beside it, each put once: see `facts`. So no write
//! reads, and none rewrites stored data.

mod acks;
mod batch_items;
mod dead_letters;
mod facts;
mod layout;
mod writer;

use super::attribute::Item;
use super::clients::Clients;
use super::config::AwsConfig;
use super::leases::LaneHorizons;
use super::queue::DeadLetterCarrier;
use super::table::{ItemTable, KeyRange, lives};
use async_trait::async_trait;
use batch_items::BatchItems;
use dead_letters::DeadLetterItems;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use layout::ItemKind;
use sluice_model::clock;
use sluice_model::{Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, EventId};
use sluice_ports::PortError;
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, Direction, EventStore, Horizons, LanePage, LaneScan, NewBatch, NewFact,
    StoredBatch,
};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use writer::ItemWriter;

/// The event store on DynamoDB.
pub struct DynamoEvents {
    table: Arc<ItemTable>,
    writer: Arc<ItemWriter>,
    dead_letters: DeadLetterItems,
    /// How far the inbox can be read; `None` in a process that does not serve the inbox.
    horizons: Option<LaneHorizons>,
    requests_max: usize,
    keep_s: u64,
}

impl DynamoEvents {
    /// A store over the configured table. With a `carrier`, dead letters are also
    /// copied to the dead-letter queue.
    #[must_use]
    pub fn new(clients: &Clients, config: &AwsConfig, carrier: Option<DeadLetterCarrier>) -> Self {
        let table = Arc::new(ItemTable::new(clients.dynamodb.clone(), config.events_table.clone()));
        let requests_max = config.store_requests_max;
        let keep_s = u64::from(config.retention_days) * 86_400;
        let writer = Arc::new(ItemWriter::new(Arc::clone(&table), requests_max, keep_s));
        let (table_of_letters, writer_of_letters) = (Arc::clone(&table), Arc::clone(&writer));
        let dead_letters = DeadLetterItems {
            table: table_of_letters,
            writer: writer_of_letters,
            carrier,
            requests_max,
            count: AtomicI64::new(0),
        };
        Self { table, writer, dead_letters, horizons: None, requests_max, keep_s }
    }

    /// The same store with an inbox, readable up to `horizons`.
    #[must_use]
    pub fn with_horizons(self, horizons: LaneHorizons) -> Self {
        Self { horizons: Some(horizons), ..self }
    }

    /// The expiry of an item that is written now, in seconds since the Unix epoch.
    fn ttl(&self) -> u64 {
        now_s() + self.keep_s
    }

    /// The head item of a batch, unless it is missing or expired.
    async fn head(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Item>, PortError> {
        let head = self.table.get(layout::key(ItemKind::Batch, customer, batch)).await?;
        Ok(head.filter(|head| lives(head, now_s()) && batch_items::placed(head).is_none()))
    }

    /// The batch of a head item, put together from its parts if it has parts.
    async fn read_batch(&self, customer: CustomerId, head: &Item) -> Result<Option<Batch>, PortError> {
        let Some(count) = batch_items::part_count(head) else { return batch_items::batch(head).map(Some) };
        let id = layout::batch_id(head)?;
        let parts: Vec<Option<Item>> =
            stream::iter((0..count).map(|part| layout::part_key(customer, id, part)))
                .map(|key| self.table.get(key))
                .buffered(self.requests_max)
                .try_collect()
                .await?;
        // A missing part has expired, and the other parts are about to.
        let Some(parts) = parts.into_iter().collect::<Option<Vec<Item>>>() else { return Ok(None) };
        batch_items::batch_from_parts(head, &parts).map(Some)
    }

    /// A batch with all its facts and acknowledgements; `None` if one of its items is missing.
    async fn stored(
        &self,
        customer: CustomerId,
        head: &Item,
        facts: &[Item],
        acks: Option<&Item>,
    ) -> Result<Option<StoredBatch>, PortError> {
        let Some(batch) = self.read_batch(customer, head).await? else { return Ok(None) };
        let facts = facts::read(facts)?;
        let acknowledged = acks.map(acks::read).transpose()?.unwrap_or_default();
        let passed = !batch_items::matched(head) || !facts.is_empty();
        Ok(Some(StoredBatch { place: batch.id, batch: Arc::new(batch), facts, acknowledged, passed }))
    }

    /// The number of events of a customer's batch; 0 if there is no such batch.
    async fn event_count(&self, customer: CustomerId, batch: BatchId) -> Result<u16, PortError> {
        let key = layout::key(ItemKind::Batch, customer, batch);
        let head = self.table.get_attributes(key, Some("n, place_of, #ttl")).await?;
        let head = head.filter(|head| lives(head, now_s()) && batch_items::placed(head).is_none());
        Ok(head.map_or(0, |head| batch_items::event_count(&head)))
    }

    /// The items of a scan that `wants` accepts, and whether the scan is exhausted.
    async fn scan_heads(
        &self,
        scan: &LaneScan,
        range: &KeyRange,
        wants: impl Fn(&Item) -> bool,
    ) -> Result<(Vec<Item>, bool), PortError> {
        let ascending = scan.direction == Direction::Ascending;
        let (mut heads, mut from, now_s) = (Vec::new(), None, now_s());
        loop {
            // One extra item tells whether there are more; another extra one may lie behind `after`.
            let limit = Some(scan.max_batches + 2);
            let page = self.table.query(range, ascending, limit, from).await?;
            let wanted =
                |head: &Item| !batch_items::is_behind(scan, head) && lives(head, now_s) && wants(head);
            heads.extend(page.items.into_iter().filter(wanted));
            from = page.next;
            if from.is_none() || !heads.is_empty() {
                let exhausted = from.is_none() && heads.len() <= scan.max_batches;
                heads.truncate(scan.max_batches);
                return Ok((heads, exhausted));
            }
        }
    }

    /// Reads the batches of the scanned items that `wants` accepts.
    async fn scan_items(
        &self,
        scan: LaneScan,
        wants: impl Fn(&Item) -> bool + Send,
    ) -> Result<LanePage, PortError> {
        let Some((low, high)) = layout::id_range(&scan) else {
            return Ok(LanePage { batches: Vec::new(), exhausted: true });
        };
        let range =
            |kind, low, high| layout::range(kind, layout::partition(scan.customer, scan.lane), low, high);
        let (heads, exhausted) = self.scan_heads(&scan, &range(ItemKind::Batch, low, high), wants).await?;
        let (Some(first), Some(last)) = (heads.first(), heads.last()) else {
            return Ok(LanePage { batches: Vec::new(), exhausted });
        };
        let (first, last) = (layout::batch_id(first)?, layout::batch_id(last)?);
        let (low, high) = (first.min(last), first.max(last));
        let (facts_range, acks_range) = (range(ItemKind::Facts, low, high), range(ItemKind::Acks, low, high));
        let beside = futures_util::future::try_join(
            self.table.query_all(&facts_range),
            self.table.query_all(&acks_range),
        );
        let (facts, acks) = beside.await?;
        let (facts, acks) = (layout::by_batch(facts)?, layout::by_batch(acks)?);
        let mut batches = Vec::with_capacity(heads.len());
        for head in &heads {
            let id = layout::batch_id(head)?;
            if let Some(placed) = batch_items::placed(head) {
                let stored = self.get(scan.customer, placed?).await?;
                batches.extend(stored.map(|stored| StoredBatch { place: id, ..stored }));
                continue;
            }
            let facts = facts.get(&id).map_or(&[][..], Vec::as_slice);
            let acks = acks.get(&id).and_then(|items| items.first());
            batches.extend(self.stored(scan.customer, head, facts, acks).await?);
        }
        Ok(LanePage { batches, exhausted })
    }

    /// Acknowledges events of one batch. Returns the events that the batch has, and
    /// those of them that were acknowledged before.
    async fn acknowledge_batch(
        &self,
        customer: CustomerId,
        batch: BatchId,
        mut indexes: Vec<u16>,
        now_ms: u64,
    ) -> Result<BatchAcks, PortError> {
        let count = self.event_count(customer, batch).await?;
        indexes.retain(|index| *index < count);
        indexes.sort_unstable();
        indexes.dedup();
        let (key, ttl) = (layout::key(ItemKind::Acks, customer, batch), self.ttl());
        let mut before = BTreeMap::new();
        for chunk in indexes.chunks(acks::EVENTS_A_REQUEST) {
            let old = self.table.update(key.clone(), acks::update(chunk, now_ms, ttl)).await?;
            before.extend(acks::read(&old)?.into_iter().filter(|(index, _)| chunk.contains(index)));
        }
        Ok(BatchAcks { known: indexes, before })
    }
}

fn now_s() -> u64 {
    clock::now_ms() / 1000
}

/// The outcome of acknowledging events of one batch.
struct BatchAcks {
    /// Events that the batch has.
    known: Vec<u16>,
    /// The events that were acknowledged before, each with its time.
    before: BTreeMap<u16, u64>,
}

#[async_trait]
impl EventStore for DynamoEvents {
    fn takes_batches(&self) -> bool {
        true
    }

    async fn put_batches(&self, batches: Vec<NewBatch>) -> Result<(), PortError> {
        let ttl = self.ttl();
        let (mut all_parts, mut heads, mut places) = (Vec::new(), BTreeMap::new(), Vec::new());
        for new in batches {
            let BatchItems { parts, head, place } = batch_items::items(&new, ttl)?;
            if heads.insert((new.batch.customer, new.batch.id), head).is_none() {
                all_parts.extend(parts);
                places.extend(place);
            }
        }
        self.writer.store(all_parts).await?;
        self.writer.store(heads.into_values().collect()).await?;
        // The places come last: readers skip a place whose batch is missing.
        self.writer.store(places).await
    }

    async fn add_facts(&self, new: Vec<NewFact>) -> Result<(), PortError> {
        self.writer.store(facts::items(new, self.ttl())).await
    }

    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError> {
        let facts = layout::range(ItemKind::Facts, layout::partition(customer, batch.lane()), batch, batch);
        let items = futures_util::future::try_join3(
            self.head(customer, batch),
            self.table.query_all(&facts),
            self.table.get(layout::key(ItemKind::Acks, customer, batch)),
        );
        let (Some(head), facts, acks) = items.await? else { return Ok(None) };
        self.stored(customer, &head, &facts, acks.as_ref()).await
    }

    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        match self.head(customer, batch).await? {
            Some(head) => Ok(self.read_batch(customer, &head).await?.map(Arc::new)),
            None => Ok(None),
        }
    }

    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.scan_items(scan, |item| batch_items::placed(item).is_none()).await
    }

    async fn scan_inbox(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        self.scan_items(scan, |item| !batch_items::is_moved(item)).await
    }

    async fn horizons(&self) -> Result<Horizons, PortError> {
        match &self.horizons {
            Some(horizons) => horizons.get().await,
            None => Err(PortError::unavailable("read the inbox", "this process reads no leases")),
        }
    }

    async fn acknowledge(
        &self,
        customer: CustomerId,
        events: Vec<EventId>,
        now_ms: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        let mut by_batch: BTreeMap<BatchId, Vec<u16>> = BTreeMap::new();
        for event in &events {
            by_batch.entry(event.batch()).or_default().push(event.index());
        }
        let acknowledged = stream::iter(by_batch).map(|(batch, indexes)| async move {
            let acks = self.acknowledge_batch(customer, batch, indexes, now_ms).await?;
            Ok::<_, PortError>((batch, acks))
        });
        let acks: BTreeMap<_, _> = acknowledged.buffer_unordered(self.requests_max).try_collect().await?;
        let mut seen = HashSet::new();
        let outcome = |event: EventId| match acks.get(&event.batch()) {
            Some(batch) if batch.known.contains(&event.index()) => match batch.before.get(&event.index()) {
                Some(at_ms) => AckOutcome::Already(*at_ms),
                None if seen.insert(event) => AckOutcome::Acknowledged,
                None => AckOutcome::Already(now_ms),
            },
            _ => AckOutcome::Unknown,
        };
        Ok(events.into_iter().map(outcome).collect())
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        self.dead_letters.put(letters, self.ttl()).await
    }

    async fn dead_letters(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError> {
        self.dead_letters.list(customer, query).await
    }

    async fn delete_dead_letters(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError> {
        self.dead_letters.delete(customer, ids).await
    }

    fn dead_letter_count(&self) -> u64 {
        self.dead_letters.count.load(Ordering::Relaxed).max(0) as u64
    }
}
