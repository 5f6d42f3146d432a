//! A map in many parts, so that a change copies one part and readers take no lock.

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// With 100,000 entries a part has 400: a change copies a few kilobytes.
const PARTS: usize = 256;

type Part<V> = HashMap<u128, V, RandomState>;

/// Values by a key whose low bits are random.
pub(super) struct Shards<V> {
    parts: Box<[ArcSwap<Part<V>>]>,
}

impl<V: Clone> Shards<V> {
    pub(super) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| ArcSwap::from_pointee(Part::default())).collect() }
    }

    pub(super) fn get(&self, key: u128) -> Option<V> {
        self.parts[place(key)].load().get(&key).cloned()
    }

    pub(super) fn values(&self) -> Vec<V> {
        self.parts.iter().flat_map(|part| part.load().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Adds entries; each part that gets any is copied once. One caller at a time.
    pub(super) fn insert_all(&self, mut entries: Vec<(u128, V)>) {
        entries.sort_unstable_by_key(|(key, _)| place(*key));
        for group in entries.chunk_by(|(a, _), (b, _)| place(*a) == place(*b)) {
            let Some((first, _)) = group.first() else { continue };
            let slot = &self.parts[place(*first)];
            let mut part = Part::clone(&slot.load());
            part.extend(group.iter().cloned());
            slot.store(Arc::new(part));
        }
    }
}

const fn place(key: u128) -> usize {
    key as usize % PARTS
}
