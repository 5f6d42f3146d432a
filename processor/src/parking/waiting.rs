//! The events of a parked list that were never tried, in the order of the log.
//!
//! Items lie in chunks, and each chunk is a row of the store. Each key has a queue of its items; the
//! first item of a key that is not held is free.

use super::rows::{self, DeliveryOwner, RowDraft};
use super::{ITEMS_MAX, ParkedChanges, ParkedItem, RUNS_MAX};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The place of an item: the number of its chunk, and its index there.
pub(super) type ItemPlace = (u64, usize);

/// An item in its chunk.
#[derive(Debug)]
pub(super) struct WaitingItem {
    pub(super) item: ParkedItem,
    /// The commit in which it becomes durable.
    pub(super) generation: u64,
    taken: bool,
}

#[derive(Debug, Default)]
struct ParkedChunk {
    items: Vec<WaitingItem>,
    runs: usize,
    /// The number of items that were not taken.
    left: usize,
    /// Whether an item was taken or the chunk was loaded: then its row only shrinks.
    closed: bool,
}

/// The chunks of one list, and the order of each key's items.
#[derive(Debug, Default)]
pub(super) struct WaitingItems {
    chunks: BTreeMap<u64, ParkedChunk>,
    /// The places of each key's items, in order.
    pub(super) queues: HashMap<u64, VecDeque<ItemPlace>>,
    /// The first place of each key that is not held.
    pub(super) heads: BTreeSet<(ItemPlace, u64)>,
    /// The smallest number that the next chunk may have.
    next_sequence: u64,
}

impl WaitingItems {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.queues.contains_key(&key)
    }

    /// Adds a chunk that was read from a row.
    pub(super) fn load(&mut self, sequence: u64, items: Vec<ParkedItem>, is_held: impl Fn(u64) -> bool) {
        self.next_sequence = self.next_sequence.max(sequence + 1);
        self.chunks.insert(sequence, ParkedChunk { closed: true, ..ParkedChunk::default() });
        for item in items {
            let held = is_held(item.key);
            self.append(sequence, item, 0, held);
        }
    }

    /// Adds an item behind all others. Returns the number of its chunk; a new chunk's number is at
    /// least `sequence_min`.
    pub(super) fn push(&mut self, item: ParkedItem, generation: u64, sequence_min: u64, held: bool) -> u64 {
        let runs = item.events.runs().len();
        let open = self
            .chunks
            .last_key_value()
            .filter(|(_, last)| !last.closed && last.items.len() < ITEMS_MAX && last.runs + runs <= RUNS_MAX);
        let sequence = match open {
            Some((sequence, _)) => *sequence,
            None => {
                let sequence = self.next_sequence.max(sequence_min);
                self.next_sequence = sequence + 1;
                self.chunks.insert(sequence, ParkedChunk::default());
                sequence
            }
        };
        self.append(sequence, item, generation, held);
        sequence
    }

    /// The first free item.
    pub(super) fn first_free(&self) -> Option<(ItemPlace, &WaitingItem)> {
        let ((sequence, index), _) = *self.heads.first()?;
        Some(((sequence, index), &self.chunks[&sequence].items[index]))
    }

    /// Takes the item that [`Self::first_free`] names; then the next item of its key is free.
    pub(super) fn take_first_free(&mut self) {
        let Some((place, key)) = self.heads.pop_first() else { return };
        if let Some(chunk) = self.chunks.get_mut(&place.0) {
            chunk.items[place.1].taken = true;
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

    /// Holds a key: none of its items is free until [`Self::release`].
    pub(super) fn hold(&mut self, key: u64) {
        if let Some(first) = self.queues.get(&key).and_then(VecDeque::front) {
            self.heads.remove(&(*first, key));
        }
    }

    /// Releases a key that nothing holds any more: its first item is free.
    pub(super) fn release(&mut self, key: u64) {
        if let Some(first) = self.queues.get(&key).and_then(VecDeque::front) {
            self.heads.insert((*first, key));
        }
    }

    /// Updates the row of a chunk after some of its items ended, or removes it after all did.
    pub(super) fn shrink(&mut self, sequence: u64, owner: &DeliveryOwner, changes: &mut ParkedChanges) {
        let Some(chunk) = self.chunks.get(&sequence) else { return };
        if chunk.left > 0 {
            changes.shrunk.push(self.row(sequence, owner));
        } else {
            self.chunks.remove(&sequence);
            changes.gone.push(owner.chunk_key(sequence));
        }
    }

    /// The row of a chunk as it is now.
    pub(super) fn row(&self, sequence: u64, owner: &DeliveryOwner) -> RowDraft {
        let items = self.chunks.get(&sequence).map(|chunk| &chunk.items[..]).unwrap_or_default();
        rows::chunk(
            owner,
            sequence,
            items.iter().filter(|waiting| !waiting.taken).map(|waiting| &waiting.item),
        )
    }

    /// Takes out everything: the number of each chunk, and its items that were not taken.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u64, Vec<ParkedItem>)> + use<> {
        self.queues.clear();
        self.heads.clear();
        std::mem::take(&mut self.chunks).into_iter().map(|(sequence, chunk)| {
            let left = chunk.items.into_iter().filter(|waiting| !waiting.taken);
            (sequence, left.map(|waiting| waiting.item).collect())
        })
    }

    fn append(&mut self, sequence: u64, item: ParkedItem, generation: u64, held: bool) {
        let Some(chunk) = self.chunks.get_mut(&sequence) else { return };
        let (key, place) = (item.key, (sequence, chunk.items.len()));
        chunk.runs += item.events.runs().len();
        chunk.left += 1;
        chunk.items.push(WaitingItem { item, generation, taken: false });
        let queue = self.queues.entry(key).or_default();
        queue.push_back(place);
        if queue.len() == 1 && !held {
            self.heads.insert((place, key));
        }
    }
}
