//! The event store on DynamoDB. The items and their keys: `layout`.
//!
//! A batch is written once, by its shard's consumer, and never again. What
//! becomes known later goes to a small item beside it by `ADD` to number sets:
//! a union, whatever comes first and however often it is repeated. So no write
//! reads, and none rewrites a payload.

mod facts;
mod layout;
mod requests;

use super::clients::Clients;
use super::config::AwsConfig;
use super::queue::DeadLetterCarrier;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use layout::{Item, Kind};
use requests::Table;
use sluice_model::clock;
use sluice_model::{Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, EventId};
use sluice_ports::PortError;
use sluice_ports::event_store::{
    AckOutcome, DeadLetterQuery, Direction, EventStore, LanePage, LaneScan, NewBatch, NewFact, StoredBatch,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Facts of one update: its expression may have 4 KB.
const FACTS_A_REQUEST: usize = 64;

/// The event store on DynamoDB.
pub struct DynamoEvents {
    table: Table,
    carrier: Option<DeadLetterCarrier>,
    requests_max: usize,
    keep_s: u64,
    /// Dead letters that this process put, less those that it deleted.
    dead_letters: AtomicI64,
}

impl DynamoEvents {
    /// A store over the configured table. Dead letters are carried to the
    /// queue of dead letters where there is a carrier.
    #[must_use]
    pub fn new(clients: &Clients, config: &AwsConfig, carrier: Option<DeadLetterCarrier>) -> Self {
        Self {
            table: Table::new(clients.dynamodb.clone(), config.events_table.clone()),
            carrier,
            requests_max: config.store_requests_max,
            keep_s: u64::from(config.retention_days) * 86_400,
            dead_letters: AtomicI64::new(0),
        }
    }

    /// When what is written now may be deleted, in seconds since the Unix epoch.
    fn ttl(&self) -> u64 {
        clock::now_ms() / 1000 + self.keep_s
    }

    /// The batch of a stored item, from its parts where it has some.
    async fn batch_of(&self, customer: CustomerId, item: &Item) -> Result<Option<Batch>, PortError> {
        let Some(parts) = layout::parts(item) else { return layout::batch(item).map(Some) };
        let id = layout::batch_id(item)?;
        let keys =
            (0..parts).map(|part| (layout::partition(customer, id.lane()), layout::part_key(id, part)));
        let parts: Vec<Option<Item>> = stream::iter(keys)
            .map(|key| self.table.get(key))
            .buffered(self.requests_max)
            .try_collect()
            .await?;
        // A part that is gone has expired; the rest follows.
        let Some(parts) = parts.into_iter().collect::<Option<Vec<Item>>>() else { return Ok(None) };
        layout::batch_of_parts(item, &parts).map(Some)
    }

    async fn stored(
        &self,
        customer: CustomerId,
        item: &Item,
        facts: Option<&Item>,
        acks: Option<&Item>,
    ) -> Result<Option<StoredBatch>, PortError> {
        let Some(batch) = self.batch_of(customer, item).await? else { return Ok(None) };
        let facts = facts.map(facts::read).transpose()?.unwrap_or_default();
        let acknowledged = acks.map(layout::acks).transpose()?.unwrap_or_default();
        let passed = !layout::matched(item) || !facts.is_empty();
        Ok(Some(StoredBatch { batch: Arc::new(batch), facts, acknowledged, passed }))
    }

    /// How many events a customer's batch has.
    async fn event_count(&self, customer: CustomerId, batch: BatchId) -> Result<Option<u16>, PortError> {
        let key = (layout::partition(customer, batch.lane()), layout::key(Kind::Batch, batch));
        self.table.get_count(key).await
    }
}

#[async_trait]
impl EventStore for DynamoEvents {
    fn takes_batches(&self) -> bool {
        true
    }

    async fn put_batches(&self, batches: Vec<NewBatch>) -> Result<(), PortError> {
        let ttl = self.ttl();
        let (mut small, mut large) = (BTreeMap::new(), Vec::new());
        for new in batches {
            let mut items = layout::items(&new, ttl)?;
            let head = items.pop().expect("the last item is the batch's own");
            if items.is_empty() {
                small.insert((new.batch.customer, new.batch.id), head);
            } else {
                large.push((items, head));
            }
        }
        // The parts first: an item whose parts are not there would be half a batch.
        let parts = large.iter().flat_map(|(parts, _)| parts.iter().cloned()).collect();
        self.table.put_all(parts, self.requests_max).await?;
        let heads = large.into_iter().map(|(_, head)| head).chain(small.into_values()).collect();
        self.table.put_all(heads, self.requests_max).await
    }

    async fn add_facts(&self, new: Vec<NewFact>) -> Result<(), PortError> {
        let mut by_batch: BTreeMap<(CustomerId, BatchId), Vec<NewFact>> = BTreeMap::new();
        for fact in new {
            by_batch.entry((fact.customer, fact.batch)).or_default().push(fact);
        }
        let ttl = self.ttl();
        let updates = by_batch.into_iter().flat_map(|((customer, batch), facts)| {
            let key = (layout::partition(customer, batch.lane()), layout::key(Kind::Facts, batch));
            let facts = facts::join(facts);
            let chunks: Vec<_> = facts.chunks(FACTS_A_REQUEST).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(move |chunk| (key.clone(), chunk))
        });
        let updates: Vec<_> = updates.collect();
        stream::iter(updates)
            .map(|(key, facts)| self.table.add(key, facts::update(&facts, ttl)))
            .buffer_unordered(self.requests_max)
            .try_collect()
            .await
    }

    async fn get(&self, customer: CustomerId, batch: BatchId) -> Result<Option<StoredBatch>, PortError> {
        let partition = layout::partition(customer, batch.lane());
        let item = |kind| self.table.get((partition.clone(), layout::key(kind, batch)));
        let items = futures_util::future::try_join3(item(Kind::Batch), item(Kind::Facts), item(Kind::Acks));
        let (Some(found), facts, acks) = items.await? else { return Ok(None) };
        self.stored(customer, &found, facts.as_ref(), acks.as_ref()).await
    }

    async fn batch(&self, customer: CustomerId, batch: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        let key = (layout::partition(customer, batch.lane()), layout::key(Kind::Batch, batch));
        match self.table.get(key).await? {
            Some(item) => Ok(self.batch_of(customer, &item).await?.map(Arc::new)),
            None => Ok(None),
        }
    }

    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        let Some((low, high)) = layout::id_range(&scan) else {
            return Ok(LanePage { batches: Vec::new(), exhausted: true });
        };
        let partition = layout::partition(scan.customer, scan.lane);
        let range = |kind: Kind| (layout::key(kind, low), layout::key(kind, high));
        let ascending = scan.direction == Direction::Ascending;
        let (mut found, mut from) = (Vec::new(), None);
        let exhausted = loop {
            // One more tells whether there is more, and one may lie behind `after`.
            let limit = scan.max_batches + 2 - found.len();
            let page = self.table.query(&partition, range(Kind::Batch), ascending, Some(limit), from).await?;
            found.extend(page.items.into_iter().filter(|item| !layout::is_behind(&scan, item)));
            from = page.next;
            if from.is_none() || found.len() > scan.max_batches || !found.is_empty() {
                break from.is_none() && found.len() <= scan.max_batches;
            }
        };
        found.truncate(scan.max_batches);
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Ok(LanePage { batches: Vec::new(), exhausted });
        };
        let (first, last) = (layout::batch_id(first)?, layout::batch_id(last)?);
        let (low, high) = (first.min(last), first.max(last));
        let beside =
            |kind| self.table.query_all(&partition, (layout::key(kind, low), layout::key(kind, high)));
        let (facts, acks) = futures_util::future::try_join(beside(Kind::Facts), beside(Kind::Acks)).await?;
        let (facts, acks) = (layout::by_batch(facts)?, layout::by_batch(acks)?);
        let mut batches = Vec::with_capacity(found.len());
        for item in &found {
            let id = layout::batch_id(item)?;
            batches.extend(self.stored(scan.customer, item, facts.get(&id), acks.get(&id)).await?);
        }
        Ok(LanePage { batches, exhausted })
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
        let ttl = self.ttl();
        let marked = stream::iter(by_batch).map(|(batch, mut indexes)| async move {
            let count = self.event_count(customer, batch).await?.unwrap_or(0);
            indexes.retain(|index| *index < count);
            indexes.sort_unstable();
            indexes.dedup();
            let key = (layout::partition(customer, batch.lane()), layout::key(Kind::Acks, batch));
            let mut before = BTreeMap::new();
            for chunk in indexes.chunks(FACTS_A_REQUEST) {
                before.extend(self.table.acknowledge(key.clone(), chunk, now_ms, ttl).await?);
            }
            Ok::<_, PortError>((batch, (indexes, before)))
        });
        let marked: BTreeMap<_, _> = marked.buffer_unordered(self.requests_max).try_collect().await?;
        let mut here = std::collections::HashSet::new();
        Ok(events
            .into_iter()
            .map(|event| match marked.get(&event.batch()) {
                Some((known, before)) if known.contains(&event.index()) => match before.get(&event.index()) {
                    Some(at_ms) => AckOutcome::Already(*at_ms),
                    None if here.insert(event) => AckOutcome::Acknowledged,
                    None => AckOutcome::Already(now_ms),
                },
                _ => AckOutcome::Unknown,
            })
            .collect())
    }

    async fn put_dead_letters(&self, letters: Vec<DeadLetter>) -> Result<(), PortError> {
        let ttl = self.ttl();
        let put = letters.iter().map(|letter| self.table.put_new(layout::dead_letter_item(letter, ttl)));
        let put: Vec<_> = put.collect();
        let put: Vec<bool> = stream::iter(put).buffer_unordered(self.requests_max).try_collect().await?;
        let new = put.into_iter().filter(|new| *new).count();
        self.dead_letters.fetch_add(new as i64, Ordering::Relaxed);
        match &self.carrier {
            Some(carrier) => carrier.carry(&letters).await,
            None => Ok(()),
        }
    }

    async fn dead_letters(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError> {
        let partition = layout::dead_letters_of(customer);
        let (mut letters, mut from) = (Vec::new(), None);
        let Some(range) = layout::letter_range(&query) else { return Ok(letters) };
        while letters.len() < query.limit {
            let page =
                self.table.query(&partition, range.clone(), true, Some(query.limit.min(500)), from).await?;
            for item in &page.items {
                let letter = layout::dead_letter(item)?;
                let wanted = query.subscription.is_none_or(|of| letter.delivery.subscription == of)
                    && query.after.is_none_or(|after| letter.id > after);
                if wanted && letters.len() < query.limit {
                    letters.push(letter);
                }
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(letters)
    }

    async fn delete_dead_letters(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError> {
        let partition = layout::dead_letters_of(customer);
        let deleted = stream::iter(ids).map(|id| self.table.delete((partition.clone(), id.to_string())));
        let deleted: Vec<bool> = deleted.buffer_unordered(self.requests_max).try_collect().await?;
        let deleted = deleted.into_iter().filter(|was_there| *was_there).count();
        self.dead_letters.fetch_sub(deleted as i64, Ordering::Relaxed);
        Ok(deleted)
    }

    fn dead_letter_count(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed).max(0) as u64
    }
}
