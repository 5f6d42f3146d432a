//! The parked events of one ordered subscription: its lists, and the commits that make them durable.

use crate::commit::Commit;
use crate::metrics::Metrics;
use crate::parking::lanes::ParkedLanes;
use crate::parking::{DeliveryOwner, Failed, ParkedChanges, ParkedEntry, ParkedItem};
use crate::settlement::{self, DeliveryEnding, HeldBy};
use crate::slice::{Slice, run_weight};
use foldhash::HashMap;
use sluice_model::subscription::BatchPolicy;
use sluice_model::{BatchId, DeadLetterReason, Delivery, DeliveryId, EventRef, EventSet, Fact, Lane, Run};
use sluice_ports::event_store::NewFact;

/// The parked events of one subscription.
#[derive(Debug)]
pub(super) struct ParkedEvents {
    owner: DeliveryOwner,
    lanes: ParkedLanes,
    /// The newest commit in which events were parked.
    generation: u64,
}

impl ParkedEvents {
    /// Without parked events yet.
    pub(super) fn new(owner: DeliveryOwner) -> Self {
        Self { owner, lanes: ParkedLanes::default(), generation: 0 }
    }

    /// The lists, for deciding the next step.
    pub(super) const fn lanes(&self) -> &ParkedLanes {
        &self.lanes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The newest commit in which events were parked: once it is durable, they may go.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of parked events.
    pub(super) fn events(&self) -> usize {
        self.lanes.events()
    }

    /// Whether events of this key are parked in the lane.
    pub(super) fn holds(&self, lane: Lane, key: u64) -> bool {
        self.lanes.holds(lane, key)
    }

    /// Adds an entry that is durable.
    pub(super) fn load(&mut self, lane: Lane, entry: ParkedEntry) {
        match entry {
            ParkedEntry::Failed(failed) => self.lanes.list(lane).load_failed(failed),
            ParkedEntry::Chunk(sequence, items) => self.lanes.list(lane).load_chunk(sequence, items),
        }
    }

    /// Takes out a failed delivery to attempt it.
    pub(super) fn retry(&mut self, lane: Lane, id: DeliveryId) -> Option<Delivery> {
        self.lanes.serve(lane).retry(id)
    }

    /// Cuts a webhook of durable events that wait in a lane.
    pub(super) fn cut(
        &mut self,
        lane: Lane,
        policy: &BatchPolicy,
        now_ms: u64,
        durable: u64,
    ) -> Option<Delivery> {
        self.lanes.serve(lane).cut(&self.owner, policy, now_ms, durable)
    }

    /// Parks a failed delivery; returns it if none of its events has a key. `slices` hold its
    /// events.
    pub(super) fn fail(
        &mut self,
        commit: &mut Commit,
        delivery: Delivery,
        slices: &[Slice],
    ) -> Result<(), Delivery> {
        let Some((lane, keys)) = keys_of(&delivery, slices) else { return Err(delivery) };
        self.generation = commit.generation;
        let mut changes = ParkedChanges::default();
        self.lanes.list(lane).fail(Failed { delivery, keys }, commit.generation, &mut changes);
        commit.park(lane, changes);
        Ok(())
    }

    /// Parks a delivery whose attempt continues, due at `due_ms`. Returns its lane, or `None` if
    /// none of its events has a key.
    pub(super) fn fail_away(
        &mut self,
        commit: &mut Commit,
        delivery: &Delivery,
        slices: &[Slice],
        due_ms: u64,
    ) -> Option<Lane> {
        let (lane, keys) = keys_of(delivery, slices)?;
        let delivery = settlement::mark_waiting(commit, delivery.clone(), due_ms);
        let mut changes = ParkedChanges::default();
        self.lanes.list(lane).fail_away(Failed { delivery, keys }, &mut changes);
        commit.park(lane, changes);
        Some(lane)
    }

    /// Parks events behind those of their keys. Returns the events without a key, which need not
    /// wait.
    pub(super) fn hold_back(
        &mut self,
        commit: &mut Commit,
        slices: &[Slice],
        policy: &BatchPolicy,
        now_ms: u64,
    ) -> Vec<EventRef> {
        let DeliveryOwner { customer, subscription } = self.owner;
        let mut keyless = Vec::new();
        for slice in slices {
            let (items, rest) = items_of(slice, policy);
            let (batch, lane) = (slice.batch.id, slice.batch.lane());
            if !rest.is_empty() {
                keyless.push(EventRef { batch, events: rest });
            }
            if items.is_empty() {
                continue;
            }
            for item in &items {
                let fact = Fact { matched: item.events.clone(), ..Fact::default() };
                commit.fact(NewFact { customer, batch, subscription, fact });
            }
            self.generation = commit.generation;
            let mut changes = ParkedChanges::default();
            self.lanes.list(lane).wait(items, &self.owner, commit.generation, now_ms, &mut changes);
            commit.park(lane, changes);
        }
        keyless
    }

    /// Ends the attempt of a parked delivery; `rest` is the part to try again.
    pub(super) fn ended(&mut self, commit: &mut Commit, lane: Lane, rest: Option<Delivery>) {
        self.generation = commit.generation;
        let mut changes = ParkedChanges::default();
        self.lanes.list(lane).ended(rest, &self.owner, commit.generation, &mut changes);
        commit.park(lane, changes);
        self.lanes.forget_empty();
    }

    /// Makes dead letters of all parked events that are not being attempted.
    pub(super) fn give_up(
        &mut self,
        commit: &mut Commit,
        metrics: &Metrics,
        reason: DeadLetterReason,
        now_ms: u64,
    ) {
        for (lane, parked) in self.lanes.iter_mut() {
            let mut changes = ParkedChanges::default();
            for delivery in parked.drain(&self.owner, now_ms, &mut changes) {
                metrics.ending(DeliveryEnding::GaveUp(reason), delivery.event_count());
                settlement::give_up(commit, delivery, reason, HeldBy::ParkedList, now_ms);
            }
            commit.park(lane, changes);
        }
        self.lanes.forget_empty();
    }
}

/// The lane of a delivery and the ordering key of each of its events, in their order; `None` if no
/// event has a key.
fn keys_of(delivery: &Delivery, slices: &[Slice]) -> Option<(Lane, Vec<u64>)> {
    let batches: HashMap<BatchId, &Slice> = slices.iter().map(|slice| (slice.batch.id, slice)).collect();
    let keys = delivery.events.iter().flat_map(|part| {
        let batch = batches.get(&part.batch).map(|slice| &slice.batch);
        let key = move |index: u16| batch.map_or(0, |batch| batch.events[usize::from(index)].ordering);
        part.events.iter().map(key)
    });
    let keys: Vec<_> = keys.collect();
    let lane = delivery.events.first()?.batch.lane();
    keys.iter().any(|key| *key != 0).then_some((lane, keys))
}

/// The events of a slice by key, in items no larger than a webhook; and the events without a key.
fn items_of(slice: &Slice, policy: &BatchPolicy) -> (Vec<ParkedItem>, EventSet) {
    let (mut items, mut keyless) = (Vec::<ParkedItem>::new(), EventSet::new());
    let mut last: HashMap<u64, usize> = HashMap::default();
    for index in slice.events.iter() {
        let key = slice.batch.events[usize::from(index)].ordering;
        if key == 0 {
            keyless.push(index);
            continue;
        }
        let bytes = run_weight(&slice.batch, Run { start: index, end: index + 1 }) as u32;
        let has_room = |item: &ParkedItem| {
            item.events.len() < policy.max_events as usize && item.bytes + bytes < policy.max_bytes
        };
        let open = last.get(&key).copied().filter(|index| has_room(&items[*index]));
        let open = open.unwrap_or_else(|| {
            items.push(ParkedItem { key, batch: slice.batch.id, events: EventSet::new(), bytes: 0 });
            last.insert(key, items.len() - 1);
            items.len() - 1
        });
        items[open].events.push(index);
        items[open].bytes += bytes;
    }
    (items, keyless)
}
