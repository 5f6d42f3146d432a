//! The parked lists at work: what an ordered subscription's failures do to the
//! events behind them, and the attempts of what is parked.

use super::outlets::{InFlight, Outlet, Outlets};
use super::reason_of;
use crate::attempt::{Attempted, Job, Start};
use crate::client::Reply;
use crate::commit::{Commit, store_wait};
use crate::context::Context;
use crate::endpoint::Denied;
use crate::matcher::Listener;
use crate::metrics::Metrics;
use crate::outcome::Fault;
use crate::outlet::BUSY_WAIT_MS;
use crate::parking::{Changes, DeliveryOwner, Entry, Failed, Item, Next, Parked, rows};
use crate::settlement::{self, Ending, Held};
use crate::slice::{Slice, run_weight};
use crate::worker::load::{LoadError, load};
use bytes::Bytes;
use foldhash::HashMap;
use sluice_model::subscription::BatchPolicy;
use sluice_model::{
    BatchId, DeadLetterReason, Delivery, EventRef, EventSet, Fact, Lane, Run, SubscriptionId,
    SubscriptionStatus,
};
use sluice_ports::PortError;
use sluice_ports::event_store::NewFact;
use sluice_ports::log::ShardId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Rows read at a time.
const PAGE: usize = 1000;

/// The parked lists of one subscription, one a lane.
#[derive(Debug, Default)]
pub(super) struct ParkedLanes {
    lanes: BTreeMap<Lane, Parked>,
    /// The lane that was served last.
    served: Option<Lane>,
}

impl ParkedLanes {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many events are parked.
    pub(super) fn events(&self) -> usize {
        self.lanes.values().map(Parked::events).sum()
    }

    fn holds(&self, lane: Lane, key: u64) -> bool {
        key != 0 && self.lanes.get(&lane).is_some_and(|of| of.holds(key))
    }

    fn of(&mut self, lane: Lane) -> &mut Parked {
        self.lanes.entry(lane).or_default()
    }

    fn forget_empty(&mut self) {
        self.lanes.retain(|_, of| !of.is_empty());
    }

    /// What goes next, over the lanes in turn.
    fn next(&self, now_ms: u64, durable: u64) -> Result<(Lane, Next), Option<u64>> {
        let after = self.served.map_or(0, |lane| self.lanes.range(..=lane).count());
        let turn = self.lanes.iter().skip(after).chain(self.lanes.iter().take(after));
        let mut wake = None;
        for (lane, parked) in turn {
            match parked.next(now_ms, durable) {
                Next::At(at) => wake = Some(wake.map_or(at, |wake: u64| wake.min(at))),
                Next::Nothing => {}
                next => return Ok((*lane, next)),
            }
        }
        Err(wake)
    }
}

/// A row of a lane, read back.
pub(super) struct Loaded {
    pub(super) lane: Lane,
    pub(super) owner: DeliveryOwner,
    pub(super) entry: Entry,
}

/// What is parked in the lanes of a shard, in the order of each list.
pub(super) async fn load_all(context: &Context, shard: &ShardId) -> Result<Vec<Loaded>, PortError> {
    let mut all = Vec::new();
    let lanes = context.log.lanes(shard).await?;
    for lane in lanes.into_iter().filter(|lane| lane.number() < context.lanes) {
        let partition = rows::partition(lane);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = context.stores.rows.list(&partition, after.as_deref(), PAGE).await?;
            for row in &page {
                let (owner, entry) = rows::read(row)?;
                all.push(Loaded { lane, owner, entry });
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.clone()),
                _ => break,
            }
        }
    }
    Ok(all)
}

/// Gives up what is parked for a subscription that nobody has any more.
pub(super) fn give_up_loaded(loaded: Loaded, commit: &mut Commit, reason: DeadLetterReason, now_ms: u64) {
    let Loaded { lane, owner, entry } = loaded;
    let mut parked = Parked::default();
    load_into(&mut parked, entry);
    let mut changes = Changes::default();
    for delivery in parked.drain(&owner, now_ms, &mut changes) {
        settlement::give_up(commit, delivery, reason, Held::ByLog, now_ms);
    }
    commit.park(lane, changes);
}

fn load_into(parked: &mut Parked, entry: Entry) {
    match entry {
        Entry::Failed(failed) => parked.load_failed(failed),
        Entry::Chunk(sequence, items) => parked.load_chunk(sequence, items),
    }
}

impl Outlet {
    fn owner(&self) -> DeliveryOwner {
        let subscription = self.listener.target.subscription();
        DeliveryOwner { customer: subscription.customer, subscription: subscription.id }
    }

    /// Parks what `own` would give to the queue; what has no key at all stays there.
    fn park_failed(&mut self, own: &mut Commit, slices: &[Slice], generation: u64) {
        for delivery in own.take_puts() {
            let keys = keys_of(&delivery, slices);
            let lane = delivery.events.first().map(|of| of.batch.lane());
            match lane.filter(|_| keys.iter().any(|key| *key != 0)) {
                None => own.put(delivery),
                Some(lane) => {
                    let mut changes = Changes::default();
                    self.parked.of(lane).fail(Failed { delivery, keys }, generation, &mut changes);
                    own.park(lane, changes);
                }
            }
        }
    }

    /// Parks a webhook that is on its way and goes on being so; says in which
    /// lane, or nothing where none of its events has a key.
    pub(super) fn park_away(
        &mut self,
        commit: &mut Commit,
        delivery: &Delivery,
        slices: &[Slice],
        due_ms: u64,
    ) -> Option<Lane> {
        let keys = keys_of(delivery, slices);
        let lane = slices.first().map(|of| of.batch.lane()).filter(|_| keys.iter().any(|key| *key != 0))?;
        let mut own = Commit::default();
        settlement::wait(&mut own, delivery.clone(), due_ms);
        for delivery in own.take_puts() {
            let mut changes = Changes::default();
            self.parked.of(lane).fail_away(Failed { delivery, keys: keys.clone() }, &mut changes);
            commit.park(lane, changes);
        }
        commit.absorb(own);
        Some(lane)
    }

    /// Lets events wait behind those of their keys that are parked; those
    /// without a key are a delivery of the queue.
    pub(super) fn park_behind(&mut self, commit: &mut Commit, slices: &[Slice], due_ms: u64, now_ms: u64) {
        let (owner, generation) = (self.owner(), commit.generation);
        let policy = self.listener.target.subscription().batch;
        let mut keyless = Vec::new();
        for slice in slices {
            let (items, rest) = items_of(slice, &policy);
            let (batch, lane) = (slice.batch.id, slice.batch.lane());
            if !rest.is_empty() {
                keyless.push(EventRef { batch, events: rest });
            }
            if items.is_empty() {
                continue;
            }
            for item in &items {
                let fact = Fact { matched: item.events.clone(), ..Fact::default() };
                let DeliveryOwner { customer, subscription } = owner;
                commit.fact(NewFact { customer, batch, subscription, fact });
            }
            let mut changes = Changes::default();
            self.parked.of(lane).wait(items, &owner, generation, now_ms, &mut changes);
            commit.park(lane, changes);
        }
        if !keyless.is_empty() {
            settlement::wait(commit, owner.delivery(keyless, now_ms), due_ms);
        }
    }

    /// Parks what waits in the outbox behind a key that is held from now on.
    pub(super) fn park_held(&mut self, commit: &mut Commit, now_ms: u64) {
        if self.parked.is_empty() || !self.listener.target.subscription().ordered {
            return;
        }
        let parked = &self.parked;
        let diverted = self.outbox.divert(|lane, key| parked.holds(lane, key));
        self.park_diverted(&diverted, commit, now_ms);
    }

    /// Parks what of a slice is behind a parked key; gives the rest.
    pub(super) fn park_held_of(&mut self, slice: Slice, commit: &mut Commit, now_ms: u64) -> Slice {
        if !self.listener.target.subscription().ordered {
            return slice;
        }
        let (held, rest) = slice.split(|lane, key| self.parked.holds(lane, key));
        if !held.events.is_empty() {
            self.park_diverted(&[held], commit, now_ms);
        }
        rest
    }

    fn park_diverted(&mut self, diverted: &[Slice], commit: &mut Commit, now_ms: u64) {
        self.park_behind(commit, diverted, now_ms, now_ms);
        for slice in diverted {
            commit.settle(slice.ticket, slice.events.len());
        }
    }

    /// Makes dead letters of all that is parked and not on its way.
    pub(super) fn give_up_parked(
        &mut self,
        commit: &mut Commit,
        metrics: &Metrics,
        reason: DeadLetterReason,
        now_ms: u64,
    ) {
        let owner = self.owner();
        for (lane, parked) in &mut self.parked.lanes {
            let mut changes = Changes::default();
            for delivery in parked.drain(&owner, now_ms, &mut changes) {
                metrics.ending(Ending::GaveUp(reason), delivery.event_count());
                settlement::give_up(commit, delivery, reason, Held::ByLog, now_ms);
            }
            commit.park(*lane, changes);
        }
        self.parked.forget_empty();
    }

    /// What the end of an attempt means for what is parked. `own` is what the
    /// attempt came to; `lane` is where it is parked, if it is. Says whether
    /// keys are held that were not.
    pub(super) fn settle_parked(
        &mut self,
        own: &mut Commit,
        slices: &[Slice],
        lane: Option<Lane>,
        generation: u64,
    ) -> bool {
        let Some(lane) = lane else {
            self.park_failed(own, slices, generation);
            return !self.parked.is_empty();
        };
        let owner = self.owner();
        let mut changes = Changes::default();
        let rest = own.take_puts().pop();
        self.parked.of(lane).ended(rest, &owner, generation, &mut changes);
        own.park(lane, changes);
        self.parked.forget_empty();
        false
    }
}

/// The ordering key of each event of a delivery, in their order.
fn keys_of(delivery: &Delivery, slices: &[Slice]) -> Vec<u64> {
    let batches: HashMap<BatchId, &Slice> = slices.iter().map(|slice| (slice.batch.id, slice)).collect();
    let keys = delivery.events.iter().flat_map(|of| {
        let batch = batches.get(&of.batch).map(|slice| &slice.batch);
        of.events.iter().map(move |index| batch.map_or(0, |batch| batch.events[usize::from(index)].ordering))
    });
    keys.collect()
}

/// The events of a slice by key, none more than a webhook takes; and those without a key.
fn items_of(slice: &Slice, policy: &BatchPolicy) -> (Vec<Item>, EventSet) {
    let (mut items, mut keyless) = (Vec::<Item>::new(), EventSet::new());
    let mut last: HashMap<u64, usize> = HashMap::default();
    for index in slice.events.iter() {
        let key = slice.batch.events[usize::from(index)].ordering;
        if key == 0 {
            keyless.push(index);
            continue;
        }
        let bytes = run_weight(&slice.batch, Run { start: index, end: index + 1 }) as u32;
        let known = last.get(&key).copied().filter(|at| {
            let of: &Item = &items[*at];
            of.events.len() < policy.max_events as usize && of.bytes + bytes < policy.max_bytes
        });
        let at = known.unwrap_or_else(|| {
            items.push(Item { key, batch: slice.batch.id, events: EventSet::new(), bytes: 0 });
            last.insert(key, items.len() - 1);
            items.len() - 1
        });
        items[at].events.push(index);
        items[at].bytes += bytes;
    }
    (items, keyless)
}

impl Outlets {
    /// Takes over what is parked at the start of the shard.
    pub(super) fn load(&mut self, listener: &Arc<Listener>, loaded: Loaded, now_ms: u64) {
        let id = listener.target.id();
        let outlet = self.all.entry(id).or_insert_with(|| Outlet::new(Arc::clone(listener)));
        outlet.used_ms = now_ms;
        load_into(outlet.parked.of(loaded.lane), loaded.entry);
        self.touch(id);
    }

    /// What was parked up to this commit is durable, and may go.
    pub(super) fn made_durable(&mut self, generation: u64) {
        self.durable = generation;
        let parked: Vec<_> =
            self.all.iter().filter(|(_, outlet)| !outlet.parked.is_empty()).map(|(id, _)| *id).collect();
        parked.into_iter().for_each(|id| self.touch(id));
    }

    /// Parks the webhook of an ordered subscription that is on its way: what
    /// comes behind it is about to be parked, and must not be there alone
    /// after a crash.
    pub(super) fn park_flying(&mut self, id: SubscriptionId, commit: &mut Commit, now_ms: u64) {
        let Some(outlet) = self.all.get_mut(&id) else { return };
        let due_ms = now_ms + self.context.config.webhook.timeout_ms + 1000;
        for flying in self.in_flight.values_mut().filter(|of| of.listener.target.id() == id) {
            if flying.parked.is_some() || flying.slices.is_empty() || flying.detached.is_some() {
                continue;
            }
            flying.parked = outlet.park_away(commit, &flying.delivery, &flying.slices, due_ms);
            if flying.parked.is_some() {
                for (ticket, events) in flying.tickets.drain(..) {
                    commit.settle(ticket, events);
                }
            }
        }
    }

    /// More waits for an ordered subscription than may: it is disabled.
    pub(super) fn cap_parked(&mut self, id: SubscriptionId, commit: &mut Commit, now_ms: u64) {
        let Some(outlet) = self.all.get_mut(&id).filter(|of| of.gone.is_none()) else { return };
        let waiting = self.context.stores.queue.backlog(id).events + outlet.parked.events() as u64;
        if waiting > self.context.config.queue.backlog_events_max {
            commit.disable(outlet.listener.target.subscription(), "backlog_full");
            outlet.gone = Some((DeadLetterReason::BacklogFull, now_ms));
            self.touch(id);
        }
    }

    /// Sends what is parked and due, if nothing of the subscription is on its
    /// way; says when to look again: now, where that may change something.
    pub(super) fn step_parked(
        &mut self,
        id: SubscriptionId,
        commit: &mut Commit,
        now_ms: u64,
    ) -> Option<u64> {
        let durable = self.durable;
        let outlet = self.all.get_mut(&id).filter(|of| !of.parked.is_empty() && of.in_flight == 0)?;
        if outlet.staged.is_some() {
            return None;
        }
        // Neighbours go on: after a parked webhook the outbox has its turn.
        if std::mem::take(&mut outlet.sent_parked) && !outlet.outbox.is_empty() {
            return Some(now_ms + 1);
        }
        if outlet.listener.held {
            return Some(now_ms + self.context.config.queue.suspended_wait_ms);
        }
        let (lane, next) = match outlet.parked.next(now_ms, durable) {
            Ok(next) => next,
            Err(wake) => return wake.map(|at| at.max(now_ms + 1)),
        };
        let permit = match self.permit(id, now_ms) {
            Ok(permit) => permit,
            Err(Denied::Busy) => return Some(now_ms + BUSY_WAIT_MS),
            Err(Denied::Open { until_ms }) => {
                return Some(until_ms.unwrap_or(0).max(now_ms + BUSY_WAIT_MS));
            }
        };
        let outlet = self.all.get_mut(&id)?;
        let listener = Arc::clone(&outlet.listener);
        let subscription = listener.target.subscription();
        let known = self.context.subscription(subscription.customer, id);
        if known.as_ref().is_none_or(|of| of.status != SubscriptionStatus::Active) {
            outlet.gone = Some((reason_of(known.as_ref().map(|of| &of.status)), now_ms));
            return Some(now_ms);
        }
        let owner = outlet.owner();
        outlet.parked.served = Some(lane);
        let parked = outlet.parked.of(lane);
        let delivery = match next {
            Next::Retry(id) => parked.retry(id),
            _ => parked.cut(&owner, &subscription.batch, now_ms, durable),
        }?;
        let age_max_ms = self.context.config.queue.delivery_age_max_ms;
        if now_ms.saturating_sub(delivery.id.ms()) > age_max_ms {
            let (reason, mut own) = (DeadLetterReason::Exhausted, Commit::default());
            self.context.metrics().ending(Ending::GaveUp(reason), delivery.event_count());
            settlement::give_up(&mut own, delivery, reason, Held::ByLog, now_ms);
            outlet.settle_parked(&mut own, &[], Some(lane), commit.generation);
            commit.absorb(own);
            return Some(now_ms);
        }
        outlet.in_flight += 1;
        outlet.sent_parked = true;
        let (stop, stopped) = oneshot::channel();
        let (context, target, sent) =
            (Arc::clone(&self.context), Arc::clone(&listener.target), delivery.clone());
        let task = self.jobs.spawn(async move {
            let chunks = match body_of(&context, &sent).await {
                Ok(chunks) => chunks,
                Err(why) => {
                    let (reply, at) = (Reply::fault(Fault::Unsendable, why), context.clock().now_ms());
                    return Some(Attempted { reply, began_ms: at, ended_ms: at });
                }
            };
            let (number, events) = (sent.attempts + 1, sent.event_count());
            let job = Job { delivery: sent.id, number, target, events, chunks };
            context.courier.attempt(job, Start::Now(permit), stopped).await
        });
        let in_flight = InFlight {
            listener,
            delivery,
            tickets: Vec::new(),
            since_ms: now_ms,
            body_bytes: 0,
            staged: false,
            stop: Some(stop),
            detached: None,
            slices: Vec::new(),
            parked: Some(lane),
        };
        self.in_flight.insert(task.id(), in_flight);
        None
    }
}

/// The body of what is parked: asked for until the store gives it, or says why it is lost.
async fn body_of(context: &Context, delivery: &Delivery) -> Result<Arc<[Bytes]>, String> {
    let mut tries = 0;
    loop {
        match load(context, delivery).await {
            Ok(chunks) => return Ok(chunks),
            Err(LoadError::Lost { why, .. }) => return Err(why),
            Err(LoadError::NotNow(error)) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
        }
    }
}
