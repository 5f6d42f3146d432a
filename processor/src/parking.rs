//! What waits of an ordered subscription in one lane: the parked list, without I/O.
//!
//! A failed event of an ordered subscription parks its ordering key: later
//! events of the key wait behind it, in the order of the log, while events of
//! other keys go on. The list holds two kinds of things, each a row (see [`rows`]):
//!
//! - **failed** deliveries, tried again as they are, when they are due. Their
//!   keys are held. Events without a key that shared a failed delivery go with it.
//! - **chunks** of events that wait behind a held key and were never tried, in
//!   the order of the log. What is free of them is cut into a webhook like any
//!   other: the first event of a key that nobody holds, and what follows it.
//!
//! One delivery is away at a time, and only what is durable goes: the number
//! of the commit that an event was parked in (its generation) says whether it is.

pub mod rows;

use foldhash::{HashMap, HashSet};
pub use rows::{DeliveryOwner, Entry};
use rows::{RowDraft, RowKey};
use serde::{Deserialize, Serialize};
use sluice_model::subscription::BatchPolicy;
use sluice_model::{BatchId, Delivery, DeliveryId, EventRef, EventSet};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Items of one chunk, so that its row stays small.
const ITEMS_MAX: usize = 256;

/// Runs of the events of one chunk, for the same reason.
const RUNS_MAX: usize = 4096;

/// Batches that one webhook of an ordered subscription takes events from: the
/// row of a delivery that failed must hold them.
pub const REFS_MAX: usize = 2048;

/// Events of one key and batch that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The ordering key.
    pub key: u64,
    /// The batch that holds the events.
    pub batch: BatchId,
    /// Which of its events.
    pub events: EventSet,
    /// What they weigh in a webhook's body.
    pub bytes: u32,
}

/// A delivery that failed, or may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What is to be delivered.
    pub delivery: Delivery,
    /// The ordering key of each of its events, in their order; 0 for none.
    pub keys: Vec<u64>,
}

/// Where an item is: its chunk, and its place there.
type Place = (u64, usize);

#[derive(Debug)]
struct Waiting {
    item: Item,
    generation: u64,
    gone: bool,
}

#[derive(Debug, Default)]
struct Chunk {
    items: Vec<Waiting>,
    runs: usize,
    left: usize,
    /// Something was taken: its row only shrinks from now on.
    closed: bool,
}

/// The delivery that is being attempted.
#[derive(Debug)]
struct Away {
    failed: Failed,
    /// It has a row of its own.
    has_row: bool,
    /// The chunks that its events' rows are.
    chunks: BTreeSet<u64>,
}

/// What goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A failed delivery is due.
    Retry(DeliveryId),
    /// Events can be cut into a webhook.
    Cut,
    /// Nothing before then.
    At(u64),
    /// Nothing, until something changes.
    Nothing,
}

/// Rows to be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New or grown: durable before what made them necessary is settled.
    pub grown: Vec<RowDraft>,
    /// Shrunk: after everything grown.
    pub shrunk: Vec<RowDraft>,
    /// Not needed any more: after everything grown.
    pub gone: Vec<RowKey>,
}

/// The parked list of one subscription and lane.
#[derive(Debug, Default)]
pub struct Parked {
    failed: HashMap<DeliveryId, (Failed, u64)>,
    due: BTreeSet<(u64, DeliveryId)>,
    /// In how many failed deliveries, the one away included, each key is.
    held: HashMap<u64, usize>,
    chunks: BTreeMap<u64, Chunk>,
    /// The places of each key's items, in order.
    queues: HashMap<u64, VecDeque<Place>>,
    /// The first place of each key that is not held.
    heads: BTreeSet<(Place, u64)>,
    away: Option<Away>,
    events: usize,
    next: u64,
    /// The last delivery was a retry: what was never tried has its turn.
    retried: bool,
}

impl Parked {
    /// Whether nothing is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.chunks.is_empty() && self.away.is_none()
    }

    /// How many events are parked.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// Whether events of the key wait, or one of them is being attempted.
    #[must_use]
    pub fn holds(&self, key: u64) -> bool {
        self.held.contains_key(&key) || self.queues.contains_key(&key)
    }

    /// Whether something is being attempted.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Takes over a failed delivery that a row says.
    pub fn load_failed(&mut self, failed: Failed) {
        self.insert_failed(failed, 0);
    }

    /// Takes over a chunk that a row says. Rows come in the order of their keys.
    pub fn load_chunk(&mut self, sequence: u64, items: Vec<Item>) {
        self.next = self.next.max(sequence + 1);
        self.chunks.insert(sequence, Chunk { closed: true, ..Chunk::default() });
        items.into_iter().for_each(|item| self.append(sequence, item, 0));
    }

    /// Parks a delivery that failed, or was not tried to its end.
    pub fn fail(&mut self, failed: Failed, generation: u64, changes: &mut Changes) {
        changes.grown.push(rows::failed(&failed));
        self.insert_failed(failed, generation);
    }

    /// Parks a delivery that is being attempted and goes on being so.
    pub fn fail_away(&mut self, failed: Failed, changes: &mut Changes) {
        changes.grown.push(rows::failed(&failed));
        self.events += failed.delivery.event_count();
        self.hold(&failed.keys);
        self.away = Some(Away { failed, has_row: true, chunks: BTreeSet::new() });
    }

    /// Lets events wait behind all others of their keys. `now_ms` numbers the
    /// chunks, so that no later owner of the lane gives a number again.
    pub fn wait(
        &mut self,
        items: Vec<Item>,
        of: &DeliveryOwner,
        generation: u64,
        now_ms: u64,
        changes: &mut Changes,
    ) {
        let mut grown = BTreeSet::new();
        for item in items {
            let runs = item.events.runs().len();
            let last = self.chunks.last_key_value().filter(|(_, last)| {
                !last.closed && last.items.len() < ITEMS_MAX && last.runs + runs <= RUNS_MAX
            });
            let sequence = match last {
                Some((sequence, _)) => *sequence,
                None => {
                    let sequence = self.next.max(now_ms << 20);
                    self.next = sequence + 1;
                    self.chunks.insert(sequence, Chunk::default());
                    sequence
                }
            };
            self.append(sequence, item, generation);
            grown.insert(sequence);
        }
        changes.grown.extend(grown.into_iter().map(|sequence| self.row_of(sequence, of)));
    }

    /// What goes next, of what was parked in commits up to `durable`.
    #[must_use]
    pub fn next(&self, now_ms: u64, durable: u64) -> Next {
        if self.away.is_some() {
            return Next::Nothing;
        }
        let is_durable = |(_, id): &&(u64, DeliveryId)| self.failed.get(id).is_some_and(|of| of.1 <= durable);
        let due = self.due.iter().find(is_durable).copied();
        let retry = due.filter(|(due_ms, _)| *due_ms <= now_ms).map(|(_, id)| id);
        let may_cut = self.heads.first().is_some_and(|(place, _)| self.at(*place).generation <= durable);
        match (retry, may_cut) {
            (Some(_), true) if self.retried => Next::Cut,
            (Some(id), _) => Next::Retry(id),
            (None, true) => Next::Cut,
            (None, false) => due.map_or(Next::Nothing, |(due_ms, _)| Next::At(due_ms)),
        }
    }

    /// Takes a failed delivery out to attempt it. Its row stays until its end.
    pub fn retry(&mut self, id: DeliveryId) -> Option<Delivery> {
        let (failed, _) = self.failed.remove(&id)?;
        self.due.remove(&(failed.delivery.due_ms, id));
        self.retried = true;
        let delivery = failed.delivery.clone();
        self.away = Some(Away { failed, has_row: true, chunks: BTreeSet::new() });
        Some(delivery)
    }

    /// Cuts a webhook of what is free and durable. The rows of its events stay until its end.
    pub fn cut(
        &mut self,
        of: &DeliveryOwner,
        policy: &BatchPolicy,
        now_ms: u64,
        durable: u64,
    ) -> Option<Delivery> {
        let mut room = (policy.max_events.max(1) as usize, (policy.max_bytes as usize).saturating_sub(1));
        let (mut events, mut keys, mut chunks) = (Vec::<EventRef>::new(), Vec::new(), BTreeSet::new());
        while let Some(&(place, key)) = self.heads.first() {
            let waiting = self.at(place);
            let (count, bytes) = (waiting.item.events.len(), waiting.item.bytes as usize);
            let fits = count <= room.0 && bytes <= room.1 && events.len() < REFS_MAX;
            // One that is too large for the policy of today goes alone.
            if waiting.generation > durable || !(fits || events.is_empty()) {
                break;
            }
            room = (room.0.saturating_sub(count), room.1.saturating_sub(bytes));
            keys.extend(std::iter::repeat_n(key, count));
            events.push(EventRef { batch: waiting.item.batch, events: waiting.item.events.clone() });
            chunks.insert(place.0);
            self.take_head(place, key);
        }
        if events.is_empty() {
            return None;
        }
        self.hold(&keys);
        self.retried = false;
        let delivery = of.delivery(events, now_ms);
        let failed = Failed { delivery: delivery.clone(), keys };
        self.away = Some(Away { failed, has_row: false, chunks });
        Some(delivery)
    }

    /// The end of what was away: `rest` is what has to be tried again.
    pub fn ended(
        &mut self,
        rest: Option<Delivery>,
        of: &DeliveryOwner,
        generation: u64,
        changes: &mut Changes,
    ) {
        let Some(away) = self.away.take() else { return };
        let before = &away.failed;
        self.events -= before.delivery.event_count();
        self.release(&before.keys);
        let id = before.delivery.id;
        if let Some(rest) = rest {
            let keys = keys_of(&rest.events, &before.delivery.events, &before.keys);
            let keeps_id = rest.id == id;
            self.fail(Failed { delivery: rest, keys }, generation, changes);
            if away.has_row && !keeps_id {
                changes.gone.push(rows::failed_key(&before.delivery));
            }
        } else if away.has_row {
            changes.gone.push(rows::failed_key(&before.delivery));
        }
        for sequence in away.chunks {
            self.shrink(sequence, of, changes);
        }
    }

    /// Takes everything out that is not being attempted, to be given up.
    pub fn drain(&mut self, of: &DeliveryOwner, now_ms: u64, changes: &mut Changes) -> Vec<Delivery> {
        // What is away loses the rows of its chunks: it gets one of its own.
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
        for (sequence, chunk) in std::mem::take(&mut self.chunks) {
            changes.gone.push(of.chunk_key(sequence));
            let left = chunk.items.into_iter().filter(|of| !of.gone).map(|of| of.item);
            let events: Vec<_> = left.map(|of| EventRef { batch: of.batch, events: of.events }).collect();
            if !events.is_empty() {
                all.push(of.delivery(events, now_ms));
            }
        }
        self.due.clear();
        self.queues.clear();
        self.heads.clear();
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

    fn append(&mut self, sequence: u64, item: Item, generation: u64) {
        let Some(chunk) = self.chunks.get_mut(&sequence) else { return };
        let (key, place) = (item.key, (sequence, chunk.items.len()));
        self.events += item.events.len();
        chunk.runs += item.events.runs().len();
        chunk.left += 1;
        chunk.items.push(Waiting { item, generation, gone: false });
        let queue = self.queues.entry(key).or_default();
        queue.push_back(place);
        if queue.len() == 1 && !self.held.contains_key(&key) {
            self.heads.insert((place, key));
        }
    }

    fn at(&self, (sequence, index): Place) -> &Waiting {
        &self.chunks[&sequence].items[index]
    }

    /// Takes the first item of a key that is not held; the next one is the key's head.
    fn take_head(&mut self, place: Place, key: u64) {
        self.heads.remove(&(place, key));
        if let Some(chunk) = self.chunks.get_mut(&place.0) {
            chunk.items[place.1].gone = true;
            chunk.left -= 1;
            chunk.closed = true;
        }
        let Some(queue) = self.queues.get_mut(&key) else { return };
        queue.pop_front();
        match queue.front() {
            Some(next) => drop(self.heads.insert((*next, key))),
            None => drop(self.queues.remove(&key)),
        }
    }

    fn hold(&mut self, keys: &[u64]) {
        for key in distinct(keys) {
            *self.held.entry(key).or_default() += 1;
            if let Some(first) = self.queues.get(&key).and_then(VecDeque::front) {
                self.heads.remove(&(*first, key));
            }
        }
    }

    fn release(&mut self, keys: &[u64]) {
        for key in distinct(keys) {
            let Some(count) = self.held.get_mut(&key) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.held.remove(&key);
            if let Some(first) = self.queues.get(&key).and_then(VecDeque::front) {
                self.heads.insert((*first, key));
            }
        }
    }

    /// A chunk of which something ended: its row says what is left.
    fn shrink(&mut self, sequence: u64, of: &DeliveryOwner, changes: &mut Changes) {
        let Some(chunk) = self.chunks.get(&sequence) else { return };
        if chunk.left == 0 {
            self.chunks.remove(&sequence);
            changes.gone.push(of.chunk_key(sequence));
        } else {
            changes.shrunk.push(self.row_of(sequence, of));
        }
    }

    fn row_of(&self, sequence: u64, of: &DeliveryOwner) -> RowDraft {
        let items = self.chunks.get(&sequence).map(|chunk| &chunk.items[..]).unwrap_or_default();
        rows::chunk(of, sequence, items.iter().filter(|of| !of.gone).map(|of| &of.item))
    }
}

/// Distinct keys; no event waits for one without a key.
fn distinct(keys: &[u64]) -> HashSet<u64> {
    keys.iter().copied().filter(|key| *key != 0).collect()
}

/// The keys of some events, given those of all.
fn keys_of(some: &[EventRef], all: &[EventRef], keys: &[u64]) -> Vec<u64> {
    let indexes = all.iter().flat_map(|of| of.events.iter().map(|index| (of.batch, index)));
    let known: HashMap<_, _> = indexes.zip(keys.iter().copied()).collect();
    let of_some = some.iter().flat_map(|of| of.events.iter().map(|index| (of.batch, index)));
    of_some.map(|event| known.get(&event).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests;
