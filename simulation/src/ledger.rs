//! The judge of a run: from the accepted events, the log and the requests that endpoints got, it
//! tells whether the promises of the design hold.

use crate::cells::CellSeat;
use crate::plan::{Conduct, Plan, STEP_MS, SubscriptionPlan};
use crate::planted::Planted;
use crate::stores::{Stored, customer_id, subscription_id};
use crate::world::{Caller, World};
use sluice_aws::leases::{LeaseRestart, LeaseRow};
use sluice_model::{Batch, BatchId, CustomerId, EventId, Lane, SubscriptionId};
use sluice_ports::log::{Position, ShardId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An event in the log.
#[derive(Debug, Clone)]
struct Logged {
    /// Its place in the order in which the stream stored events.
    place: u64,
    customer: CustomerId,
    kind: String,
    /// The hash of its ordering key.
    key: u64,
    at_ms: u64,
}

/// The owner of a shard.
struct Worked {
    who: Caller,
    lost: CancellationToken,
    ended: CancellationToken,
}

pub(crate) struct Ledger {
    subscriptions: Vec<SubscriptionPlan>,
    /// Events that were answered 202.
    accepted: BTreeSet<EventId>,
    /// Accepted events of each ordering key, in the order of their requests.
    chains: BTreeMap<String, Vec<EventId>>,
    logged: HashMap<EventId, Logged>,
    places: u64,
    /// Each (subscription, event) that was ever POSTed.
    posted: HashSet<(SubscriptionId, EventId)>,
    /// The last first attempt of each subscription and lane.
    last_first: HashMap<(SubscriptionId, Lane), u64>,
    /// The last first attempt of each ordered subscription, customer and ordering key.
    last_of_key: HashMap<(SubscriptionId, CustomerId, u64), u64>,
    /// Events that were lost when their stream was deleted.
    lost: HashSet<EventId>,
    /// When a subscription first answered 410.
    gone_ms: HashMap<usize, u64>,
    /// Each (subscription, event) that an endpoint answered 2xx.
    took: HashSet<(SubscriptionId, EventId)>,
    worked: BTreeMap<ShardId, Vec<Worked>>,
    /// Each (subscription, event) that an operator wants delivered again.
    again: HashSet<(SubscriptionId, EventId)>,
    /// Shards that fell behind while they were paused.
    behind: BTreeSet<ShardId>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            subscriptions: plan.subscriptions.clone(),
            accepted: BTreeSet::new(),
            chains: BTreeMap::new(),
            logged: HashMap::new(),
            places: 0,
            posted: HashSet::new(),
            last_first: HashMap::new(),
            last_of_key: HashMap::new(),
            lost: HashSet::new(),
            gone_ms: HashMap::new(),
            took: HashSet::new(),
            worked: BTreeMap::new(),
            again: HashSet::new(),
            behind: BTreeSet::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// Notes batches that the stream stored.
    pub(crate) fn stored(&mut self, world: &World, batches: &[Arc<Batch>], stale: bool) {
        self.count(if stale { "stale records" } else { "records" });
        for batch in batches {
            for index in 0..batch.len() {
                let (customer, kind) = (batch.customer, batch.event_type(index).to_owned());
                let id = batch.event_id(index);
                if let Some(known) = self.logged.get(&id) {
                    if known.customer != customer || known.kind != kind {
                        world.broken("an id stands for one event", &id.to_string());
                    }
                    self.count("events stored twice");
                    continue;
                }
                self.places += 1;
                let (at_ms, key) = (world.now_ms(), batch.events[usize::from(index)].ordering);
                self.logged.insert(id, Logged { place: self.places, customer, kind, key, at_ms });
            }
        }
    }

    /// Notes batches that were lost with a deleted stream before they were settled.
    pub(crate) fn lost<'a>(&mut self, batches: impl Iterator<Item = &'a Arc<Batch>>) {
        for batch in batches {
            self.lost.extend((0..batch.len()).map(|index| batch.event_id(index)));
        }
    }

    /// Notes that a batch can be read at a place of the inbox from now on.
    pub(crate) fn appears(&mut self, world: &World, batch: &Batch, place: BatchId) {
        self.count("batches in the inbox");
        if place != batch.id {
            self.count("batches at places of their own");
        }
        // Batches that an operator skipped, and has worked later, get the place that they would
        // have had.
        let is_skipped = self.lost.contains(&batch.id.first());
        if !is_skipped && world.readers.lock().is_behind(batch.customer, batch.id, place) {
            let how = format!("{} of {} at {}", batch.id.first(), batch.customer, place.first());
            world.broken("nothing appears behind a reader of the inbox", &how);
        }
    }

    /// Notes that a producer was answered 202 for these events, in this order.
    pub(crate) fn accepted(&mut self, world: &World, chain: &str, ids: Vec<EventId>) {
        for id in &ids {
            self.count("events accepted");
            if !self.accepted.insert(*id) {
                world.broken("an event has an id of its own", &id.to_string());
            }
        }
        self.chains.entry(chain.to_owned()).or_default().extend(ids);
    }

    fn wants(&self, n: usize, logged: &Logged) -> bool {
        let plan = &self.subscriptions[n];
        customer_id(plan.customer) == logged.customer
            && plan.kind.is_none_or(|kind| logged.kind == format!("kind.k{kind}"))
    }

    /// Judges the events of a webhook that begins.
    pub(crate) fn posted(&mut self, world: &World, n: usize, attempt: u32, ids: &[(EventId, CustomerId)]) {
        let subscription = subscription_id(n);
        self.count("webhooks");
        for (id, customer) in ids {
            let Some(logged) = self.logged.get(id).cloned() else {
                world.broken("what is delivered is in the log", &id.to_string());
                continue;
            };
            if logged.customer != *customer || !self.wants(n, &logged) {
                world.broken("a subscription gets its own events", &format!("{n} got {id} of {customer}"));
            }
            self.again.remove(&(subscription, *id));
            if !self.posted.insert((subscription, *id)) {
                self.count(if attempt == 1 { "events sent twice" } else { "events sent again" });
                continue;
            }
            // A process that stood still may have read the event from a deleted stream.
            if self.lost.contains(id) {
                continue;
            }
            if self.subscriptions[n].ordered {
                self.check_key_order(world, n, *id, &logged);
            }
            // A shard at its cap hands events that waited a quarter of a second over to the queue,
            // which ends their order. A process that stood still may be the reason. The same holds
            // for events that were held because a copy of the catalogue is too old.
            let holds = world.cell.as_ref().is_some_and(CellSeat::had_an_old_copy);
            if self.subscriptions[n].conduct != Conduct::Good || world.plan.unsettled_max < 1000 || holds {
                continue;
            }
            let last = self.last_first.entry((subscription, id.lane())).or_default();
            if logged.place < *last {
                let how = format!("subscription {n} first sees place {} after {last}: {id}", logged.place);
                world.broken("first attempts follow the log while the endpoint keeps up", &how);
            }
            *last = logged.place.max(*last);
        }
    }

    /// Judges that an ordered subscription first receives the events of a key in the order of the log.
    fn check_key_order(&mut self, world: &World, n: usize, id: EventId, logged: &Logged) {
        let key = (subscription_id(n), logged.customer, logged.key);
        let last = self.last_of_key.entry(key).or_default();
        if logged.place < *last {
            let how = format!("subscription {n} first sees place {} after {last}: {id}", logged.place);
            world.broken("an ordered subscription first receives a key's events in order", &how);
        }
        *last = logged.place.max(*last);
        self.count("first attempts in order of their key");
    }

    /// Notes events that an endpoint answered 2xx.
    pub(crate) fn took(&mut self, n: usize, ids: impl Iterator<Item = EventId>) {
        self.took.extend(ids.map(|id| (subscription_id(n), id)));
    }

    /// Notes that an endpoint answered 410.
    pub(crate) fn gone(&mut self, world: &World, n: usize) {
        self.gone_ms.entry(n).or_insert(world.now_ms());
        if let Some(cell) = &world.cell {
            cell.gone(n, world.now_ms());
        }
    }

    pub(crate) fn works(
        &mut self,
        shard: ShardId,
        who: Caller,
        lost: CancellationToken,
        ended: CancellationToken,
    ) {
        self.worked.entry(shard).or_default().push(Worked { who, lost, ended });
    }

    /// Judges that at most one running process works a shard.
    pub(crate) fn check_exclusive(&mut self, world: &World) {
        for (shard, worked) in &mut self.worked {
            worked.retain(|work| !work.ended.is_cancelled() && !work.lost.is_cancelled());
            let running: Vec<Caller> =
                worked.iter().filter(|work| world.lives(work.who, STEP_MS)).map(|work| work.who).collect();
            if running.len() > 1 {
                world
                    .broken("a shard is worked by one process at a time", &format!("{shard} by {running:?}"));
            }
        }
    }

    /// The running process that works a shard.
    pub(crate) fn worker_of(&self, world: &World, shard: &ShardId) -> Option<Caller> {
        let works = |work: &&Worked| {
            !work.ended.is_cancelled() && !work.lost.is_cancelled() && world.lives(work.who, STEP_MS)
        };
        self.worked.get(shard)?.iter().find(works).map(|work| work.who)
    }

    /// Notes that a paused shard keeps events waiting.
    pub(crate) fn fell_behind(&mut self, shard: &ShardId) {
        if self.behind.insert(shard.clone()) {
            self.count("paused shards that fell behind");
        }
    }

    /// Notes batches that an operator wants delivered again.
    fn wanted_again<'a>(&mut self, batches: impl Iterator<Item = &'a Arc<Batch>>) {
        for id in batches.flat_map(|batch| (0..batch.len()).map(|index| batch.event_id(index))) {
            let Some(logged) = self.logged.get(&id).filter(|_| !self.lost.contains(&id)) else { continue };
            let wanting = (0..self.subscriptions.len()).filter(|n| {
                let lasts = !matches!(self.subscriptions[*n].conduct, Conduct::Gone { .. });
                lasts && self.wants(*n, logged)
            });
            let wanting: Vec<_> = wanting.map(|n| (subscription_id(n), id)).collect();
            self.again.extend(wanting);
        }
    }

    pub(crate) fn forget(&mut self, who: Caller) {
        self.worked.values_mut().for_each(|worked| worked.retain(|work| work.who != who));
    }

    /// Whether a subscription is owed an event: it wants the event and, in a cell, was there
    /// before it.
    fn owes(&self, world: &World, n: usize, id: EventId, logged: &Logged) -> bool {
        let counts = world.cell.as_ref().is_none_or(|cell| cell.owes(n, logged.at_ms, id));
        self.wants(n, logged) && counts
    }

    /// When a subscription first answered 410, to this world or to another cell.
    fn gone_ms(&self, world: &World, n: usize) -> Option<u64> {
        let elsewhere = world.cell.as_ref().and_then(|cell| cell.gone_ms(n));
        [self.gone_ms.get(&n).copied(), elsewhere].into_iter().flatten().min()
    }

    /// Events that were answered 202, each with its customer.
    pub(crate) fn accepted_events(&self) -> impl Iterator<Item = (EventId, CustomerId)> {
        self.accepted.iter().filter_map(|id| Some((*id, self.logged.get(id)?.customer)))
    }

    /// Promised events that neither an endpoint took nor a dead letter holds, each with its
    /// subscription and the time since which it was promised.
    pub(crate) fn undelivered(&self, world: &World) -> Vec<(EventId, usize, u64)> {
        let (mut missing, stored) = (Vec::new(), world.stored.lock());
        let letters = letters(&stored);
        for id in self.accepted.iter().filter(|id| !self.lost.contains(id)) {
            let Some(logged) = self.logged.get(id) else { continue };
            for n in 0..self.subscriptions.len() {
                if self.is_missing(world, n, *id, logged, &letters) {
                    missing.push((*id, n, logged.at_ms));
                }
            }
        }
        missing
    }

    fn is_missing(
        &self,
        world: &World,
        n: usize,
        id: EventId,
        logged: &Logged,
        letters: &HashSet<(SubscriptionId, EventId)>,
    ) -> bool {
        let key = (subscription_id(n), id);
        // After a 410 the subscription gets no new events.
        let gone = self.gone_ms(world, n).is_some_and(|gone_ms| logged.at_ms >= gone_ms);
        let promised = self.owes(world, n, id, logged) && (!gone || self.posted.contains(&key));
        promised && !self.took.contains(&key) && !letters.contains(&key)
    }

    /// Promised events that neither an endpoint took nor a dead letter holds.
    fn missing(&self, world: &World) -> Vec<String> {
        let unlogged = self.accepted.iter().filter(|id| !self.logged.contains_key(id));
        let mut missing: Vec<String> = unlogged.map(|id| format!("{id} is not in the log")).collect();
        let undelivered = self.undelivered(world).into_iter();
        missing.extend(undelivered.map(|(id, n, _)| format!("{id} for subscription {n}")));
        missing
    }

    /// What the run still waits for.
    pub(crate) fn outstanding(&self, world: &World) -> Vec<String> {
        let mut left = self.missing(world);
        left.extend(
            world.stored.lock().queue.values().map(|message| format!("queued: {:?}", message.delivery)),
        );
        let (shards, table) = (world.shards.lock(), world.table.lock());
        if world.planted != Some(Planted::OldCheckpoints)
            && table.stream.as_ref().is_some_and(|stream| !stream.is_same(&shards.identity()))
        {
            left.push("the leases are kept for another stream".into());
        }
        for shard in &shards.all {
            let last = shard.records.last().map_or(Position::START, |kept| kept.record.position);
            let settled = shards.settled(&table, &shard.info.id);
            if settled < last {
                left.push(format!("{} is settled to {settled:?} of {last:?}", shard.info.id));
            }
        }
        if world.cell.is_none() {
            let readable = self.accepted_events().filter(|(id, _)| !self.lost.contains(id));
            let readers = world.readers.lock();
            left.extend(readers.unread(readable).map(|id| format!("{id} is not read from the inbox")));
        }
        left
    }

    /// Judges at the end of the run.
    pub(crate) fn check_end(&mut self, world: &World) {
        for (chain, ids) in &self.chains {
            let places: Vec<u64> =
                ids.iter().filter_map(|id| self.logged.get(id)).map(|logged| logged.place).collect();
            if !places.is_sorted() {
                world.broken(
                    "what is sent after a 202 follows it in the log",
                    &format!("{chain}: {places:?}"),
                );
            }
        }
        if let Some((subscription, id)) = self.again.iter().find(|(_, id)| !self.lost.contains(id)) {
            let how = format!("{id} for {subscription}");
            world.broken("what is worked again is delivered again", &how);
        }
        let stored = world.stored.lock();
        for ((batch, subscription), fact) in &stored.facts {
            for index in fact.took.iter() {
                if !self.took.contains(&(*subscription, batch.event(index))) {
                    world.broken("what counts as delivered was taken", &batch.event(index).to_string());
                }
            }
        }
        let letters = stored.letters.len() as u64;
        self.counts.insert("dead letters", letters);
    }
}

/// Each (subscription, event) of all dead letters.
fn letters(stored: &Stored) -> HashSet<(SubscriptionId, EventId)> {
    let letters = stored.letters.values().flat_map(|letter| {
        let subscription = letter.delivery.subscription;
        let refs = letter.delivery.events.iter();
        refs.flat_map(move |refs| {
            refs.events.iter().map(move |index| (subscription, refs.batch.event(index)))
        })
    });
    letters.collect()
}

impl World {
    /// Notes that a shard restarts elsewhere than at its row's checkpoint, as an operator ordered.
    pub(crate) fn restarts(&self, row: &LeaseRow, restart: LeaseRestart) {
        let (shards, mut ledger) = (self.shards.lock(), self.ledger.lock());
        let Some(shard) = shards.shard_of(row) else { return };
        let between = |after: Position, until: Position| {
            let records = shard.records.iter().filter(move |kept| {
                !kept.stale && kept.record.position > after && kept.record.position <= until
            });
            records.flat_map(|kept| &kept.batches)
        };
        ledger.lost(between(row.checkpoint, restart.position));
        let until = restart.again_until.map_or(row.checkpoint, |until| until.min(row.checkpoint));
        // The second copy of an earlier record is dropped, as it was the first time.
        let before: HashSet<BatchId> =
            between(Position::START, restart.position).map(|batch| batch.id).collect();
        let again = between(restart.position, until).filter(|batch| !before.contains(&batch.id));
        ledger.wanted_again(again);
    }

    /// Judges that everything before a stored checkpoint is settled.
    pub(crate) fn checkpointed(&self, lease: &LeaseRow, position: Position) {
        const PROMISE: &str = "the checkpoint never passes unsettled work";
        let (shard, before) = (&lease.shard, lease.checkpoint);
        if position < before {
            self.broken("a checkpoint never goes back", &format!("{shard}: {before:?} to {position:?}"));
        }
        let shards = self.shards.lock();
        let Some(known) = shards.shard_of(lease) else { return };
        if position == Position::END && !known.info.closed {
            self.broken("only a closed shard is settled for ever", &shard.to_string());
        }
        self.tell(|| format!("{shard} is settled to {position:?}"));
        let (stored, mut ledger) = (self.stored.lock(), self.ledger.lock());
        ledger.count("checkpoints");
        let passed = known
            .records
            .iter()
            .filter(|kept| !kept.stale && kept.record.position > before && kept.record.position <= position);
        for batch in passed.flat_map(|kept| &kept.batches) {
            for id in (0..batch.len()).map(|index| batch.event_id(index)) {
                // Events that an operator skipped need not be settled.
                let known = ledger.logged.get(&id).filter(|_| !ledger.lost.contains(&id));
                let Some(logged) = known else { continue };
                for n in 0..ledger.subscriptions.len() {
                    let gone = matches!(ledger.subscriptions[n].conduct, Conduct::Gone { .. });
                    if !gone
                        && ledger.owes(self, n, id, logged)
                        && !stored.accounts_for(id, subscription_id(n))
                    {
                        self.broken(PROMISE, &format!("{shard} to {position:?}: {id} for subscription {n}"));
                        return;
                    }
                }
            }
            let is_skipped = ledger.lost.contains(&batch.id.first());
            if !is_skipped && !stored.batches.contains_key(&batch.id) {
                self.broken(PROMISE, &format!("{shard}: batch {:?} is not stored", batch.id));
                return;
            }
        }
    }
}
