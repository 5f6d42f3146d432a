//! The parked list of an ordered subscription in one lane, without I/O.
//!
//! When an event of an ordered subscription fails, its ordering key is parked: later events of the key
//! wait behind it, in the order of the log, while events of other keys go on. The list has two kinds of
//! entries, each a row of the store (see [`rows`]):
//!
//! - **failed** deliveries, which are tried again unchanged when they are due. They hold their keys.
//!   Events without a key that shared a failed delivery stay with it.
//! - **chunks** of events that were never tried and wait behind a held key, in the order of the
//!   log. The first event of a key that is not held, and the events after it, are cut into a
//!   webhook like any others.
//!
//! One delivery is being attempted at a time ("away"), and only durable entries are attempted: each
//! entry remembers the number of the commit in which it was parked (its generation).

pub mod lanes;
pub mod rows;
mod waiting;

use foldhash::{HashMap, HashSet};
pub use rows::{DeliveryOwner, ParkedEntry};
use rows::{ParkedRowKey, RowDraft};
use serde::{Deserialize, Serialize};
use sluice_model::subscription::BatchPolicy;
use sluice_model::{BatchId, Delivery, DeliveryId, EventRef, EventSet};
use std::collections::BTreeSet;
use waiting::WaitingItems;

/// The most items of one chunk, so that its row stays small.
const ITEMS_MAX: usize = 256;

/// The most runs of the events of one chunk, for the same reason.
const RUNS_MAX: usize = 4096;

/// The most batches from which one webhook of an ordered subscription takes events: if it fails, the
/// row of the delivery must hold them.
pub const REFS_MAX: usize = 2048;

/// Waiting events of one key and batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedItem {
    /// The ordering key.
    pub key: u64,
    /// The batch that holds the events.
    pub batch: BatchId,
    /// The events of that batch.
    pub events: EventSet,
    /// The bytes that they take in a webhook's body.
    pub bytes: u32,
}

/// A delivery that failed, or whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The delivery, as it will be tried again.
    pub delivery: Delivery,
    /// The ordering key of each of its events, in their order; 0 for none.
    pub keys: Vec<u64>,
}

/// The delivery that is being attempted.
#[derive(Debug)]
struct Away {
    failed: Failed,
    /// Whether a row of its own holds it, in addition to the rows of its chunks.
    has_row: bool,
    /// The chunks that its events were cut from.
    chunks: BTreeSet<u64>,
}

/// Which webhook goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A failed delivery is due.
    Retry(DeliveryId),
    /// Events can be cut into a webhook.
    Cut,
    /// None before this time, in milliseconds since the Unix epoch.
    At(u64),
    /// None, until something changes.
    Nothing,
}

/// Rows to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ParkedChanges {
    /// New or grown rows: durable before the events that made them necessary are settled.
    pub grown: Vec<RowDraft>,
    /// Rows that shrank: written after all rows that grew.
    pub shrunk: Vec<RowDraft>,
    /// Rows that are no longer needed: removed after all rows that grew are written.
    pub gone: Vec<ParkedRowKey>,
}

/// The parked list of one subscription and lane.
#[derive(Debug, Default)]
pub struct Parked {
    /// Failed deliveries, each with its generation.
    failed: HashMap<DeliveryId, (Failed, u64)>,
    due: BTreeSet<(u64, DeliveryId)>,
    /// For each key, the number of failed deliveries with it, the one away included.
    held: HashMap<u64, usize>,
    waiting: WaitingItems,
    away: Option<Away>,
    events: usize,
    /// Whether the last delivery was a retry: then events that were never tried have the next turn.
    retried: bool,
}

impl Parked {
    /// Whether nothing is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.waiting.is_empty() && self.away.is_none()
    }

    /// The number of parked events.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Whether events of the key wait, or one of them is being attempted.
    #[must_use]
    pub fn holds(&self, key: u64) -> bool {
        self.held.contains_key(&key) || self.waiting.contains(key)
    }

    /// Adds a failed delivery that was read from a row.
    pub fn load_failed(&mut self, failed: Failed) {
        self.insert_failed(failed, 0);
    }

    /// Adds a chunk that was read from a row. Rows come in the order of their keys.
    pub fn load_chunk(&mut self, sequence: u64, items: Vec<ParkedItem>) {
        self.events += items.iter().map(|item| item.events.len()).sum::<usize>();
        let held = &self.held;
        self.waiting.load(sequence, items, |key| held.contains_key(&key));
    }

    /// Parks a delivery that failed, or whose attempt did not end.
    pub fn fail(&mut self, failed: Failed, generation: u64, changes: &mut ParkedChanges) {
        changes.grown.push(rows::failed(&failed));
        self.insert_failed(failed, generation);
    }

    /// Parks a delivery whose attempt continues.
    pub fn fail_away(&mut self, failed: Failed, changes: &mut ParkedChanges) {
        changes.grown.push(rows::failed(&failed));
        self.events += failed.delivery.event_count();
        self.hold(&failed.keys);
        self.away = Some(Away { failed, has_row: true, chunks: BTreeSet::new() });
    }

    /// Parks events behind all others of their keys. `now_ms` numbers the chunks, so that no later
    /// owner of the lane gives a number again.
    pub fn wait(
        &mut self,
        items: Vec<ParkedItem>,
        owner: &DeliveryOwner,
        generation: u64,
        now_ms: u64,
        changes: &mut ParkedChanges,
    ) {
        let mut grown = BTreeSet::new();
        for item in items {
            self.events += item.events.len();
            let held = self.held.contains_key(&item.key);
            grown.insert(self.waiting.push(item, generation, now_ms << 20, held));
        }
        changes.grown.extend(grown.into_iter().map(|sequence| self.waiting.row(sequence, owner)));
    }

    /// Which webhook goes next, from the entries parked in commits up to `durable`.
    #[must_use]
    pub fn next(&self, now_ms: u64, durable: u64) -> Next {
        if self.away.is_some() {
            return Next::Nothing;
        }
        let is_durable = |(_, id): &&(u64, DeliveryId)| {
            self.failed.get(id).is_some_and(|(_, parked_in)| *parked_in <= durable)
        };
        let due = self.due.iter().find(is_durable).copied();
        let retry = due.filter(|(due_ms, _)| *due_ms <= now_ms).map(|(_, id)| id);
        let may_cut = self.waiting.first_free().is_some_and(|(_, first)| first.generation <= durable);
        match (retry, may_cut) {
            (Some(_), true) if self.retried => Next::Cut,
            (Some(id), _) => Next::Retry(id),
            (None, true) => Next::Cut,
            (None, false) => due.map_or(Next::Nothing, |(due_ms, _)| Next::At(due_ms)),
        }
    }

    /// Takes out a failed delivery to attempt it. Its row stays until its end.
    pub fn retry(&mut self, id: DeliveryId) -> Option<Delivery> {
        let (failed, _) = self.failed.remove(&id)?;
        self.due.remove(&(failed.delivery.due_ms, id));
        self.retried = true;
        let delivery = failed.delivery.clone();
        self.away = Some(Away { failed, has_row: true, chunks: BTreeSet::new() });
        Some(delivery)
    }

    /// Cuts a webhook of free and durable events. Their rows stay until its end.
    pub fn cut(
        &mut self,
        owner: &DeliveryOwner,
        policy: &BatchPolicy,
        now_ms: u64,
        durable: u64,
    ) -> Option<Delivery> {
        let mut room = (policy.max_events.max(1) as usize, (policy.max_bytes as usize).saturating_sub(1));
        let (mut events, mut keys, mut chunks) = (Vec::<EventRef>::new(), Vec::new(), BTreeSet::new());
        while let Some(((sequence, _), first)) = self.waiting.first_free() {
            let (count, bytes) = (first.item.events.len(), first.item.bytes as usize);
            let fits = count <= room.0 && bytes <= room.1 && events.len() < REFS_MAX;
            // An item that is too large for the current policy goes alone.
            if first.generation > durable || !(fits || events.is_empty()) {
                break;
            }
            room = (room.0.saturating_sub(count), room.1.saturating_sub(bytes));
            keys.extend(std::iter::repeat_n(first.item.key, count));
            events.push(EventRef { batch: first.item.batch, events: first.item.events.clone() });
            chunks.insert(sequence);
            self.waiting.take_first_free();
        }
        if events.is_empty() {
            return None;
        }
        self.hold(&keys);
        self.retried = false;
        let delivery = owner.delivery(events, now_ms);
        let failed = Failed { delivery: delivery.clone(), keys };
        self.away = Some(Away { failed, has_row: false, chunks });
        Some(delivery)
    }

    /// Ends the attempt of the delivery that is away; `rest` is the part to try again.
    pub fn ended(
        &mut self,
        rest: Option<Delivery>,
        owner: &DeliveryOwner,
        generation: u64,
        changes: &mut ParkedChanges,
    ) {
        let Some(away) = self.away.take() else { return };
        let before = &away.failed;
        self.events -= before.delivery.event_count();
        self.release(&before.keys);
        let keeps_row = rest.as_ref().is_some_and(|rest| rest.id == before.delivery.id);
        if let Some(rest) = rest {
            let keys = keys_of(&rest.events, &before.delivery.events, &before.keys);
            self.fail(Failed { delivery: rest, keys }, generation, changes);
        }
        if away.has_row && !keeps_row {
            changes.gone.push(rows::failed_key(&before.delivery));
        }
        for sequence in away.chunks {
            self.waiting.shrink(sequence, owner, changes);
        }
    }

    /// Takes out everything that is not being attempted, to give it up.
    pub fn drain(
        &mut self,
        owner: &DeliveryOwner,
        now_ms: u64,
        changes: &mut ParkedChanges,
    ) -> Vec<Delivery> {
        // The delivery that is away loses the rows of its chunks, so it gets a row of its own.
        if let Some(away) = self.away.as_mut().filter(|away| !away.has_row) {
            changes.grown.push(rows::failed(&away.failed));
            away.has_row = true;
        }
        let mut all = Vec::new();
        for (_, (failed, _)) in self.failed.drain() {
            changes.gone.push(rows::failed_key(&failed.delivery));
            all.push(failed.delivery);
        }
        all.sort_by_key(|delivery| delivery.id);
        for (sequence, items) in self.waiting.drain() {
            changes.gone.push(owner.chunk_key(sequence));
            let events: Vec<_> =
                items.into_iter().map(|item| EventRef { batch: item.batch, events: item.events }).collect();
            if !events.is_empty() {
                all.push(owner.delivery(events, now_ms));
            }
        }
        self.due.clear();
        self.held.clear();
        self.events = 0;
        if let Some(away) = &mut self.away {
            away.chunks.clear();
            self.events = away.failed.delivery.event_count();
            let keys = away.failed.keys.clone();
            self.hold(&keys);
        }
        all
    }

    fn insert_failed(&mut self, failed: Failed, generation: u64) {
        self.events += failed.delivery.event_count();
        self.hold(&failed.keys);
        self.due.insert((failed.delivery.due_ms, failed.delivery.id));
        self.failed.insert(failed.delivery.id, (failed, generation));
    }

    fn hold(&mut self, keys: &[u64]) {
        for key in distinct(keys) {
            *self.held.entry(key).or_default() += 1;
            self.waiting.hold(key);
        }
    }

    fn release(&mut self, keys: &[u64]) {
        for key in distinct(keys) {
            let Some(count) = self.held.get_mut(&key) else { continue };
            *count -= 1;
            if *count == 0 {
                self.held.remove(&key);
                self.waiting.release(key);
            }
        }
    }
}

/// The distinct keys, without 0: an event without a key holds nothing.
fn distinct(keys: &[u64]) -> HashSet<u64> {
    keys.iter().copied().filter(|key| *key != 0).collect()
}

/// The keys of some events, given those of all.
fn keys_of(some: &[EventRef], all: &[EventRef], keys: &[u64]) -> Vec<u64> {
    let known: HashMap<_, _> = indexes(all).zip(keys.iter().copied()).collect();
    indexes(some).map(|event| known.get(&event).copied().unwrap_or(0)).collect()
}

/// Each event's batch and its index there.
fn indexes(events: &[EventRef]) -> impl Iterator<Item = (BatchId, u16)> {
    events.iter().flat_map(|part| part.events.iter().map(|index| (part.batch, index)))
}

#[cfg(test)]
mod tests;
