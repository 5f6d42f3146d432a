//! A map in many stripes: readers take no lock, and a change copies one stripe only.

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// With 100,000 entries a stripe has 400: a change copies a few kilobytes.
const STRIPES: usize = 256;

type Stripe<V> = HashMap<u128, V, RandomState>;

/// Values by a key whose low bits are random.
pub(super) struct StripedMap<V> {
    stripes: Box<[ArcSwap<Stripe<V>>]>,
}

impl<V: Clone> StripedMap<V> {
    pub(super) fn new() -> Self {
        Self { stripes: (0..STRIPES).map(|_| ArcSwap::from_pointee(Stripe::default())).collect() }
    }

    pub(super) fn get(&self, key: u128) -> Option<V> {
        self.stripes[place(key)].load().get(&key).cloned()
    }

    pub(super) fn values(&self) -> Vec<V> {
        self.stripes.iter().flat_map(|stripe| stripe.load().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Adds entries; each stripe that gets any is copied once. Callers must take turns: one of
    /// two concurrent calls could lose its entries.
    pub(super) fn insert_all(&self, mut entries: Vec<(u128, V)>) {
        entries.sort_unstable_by_key(|(key, _)| place(*key));
        for group in entries.chunk_by(|(a, _), (b, _)| place(*a) == place(*b)) {
            let Some((first, _)) = group.first() else { continue };
            let slot = &self.stripes[place(*first)];
            let mut stripe = Stripe::clone(&slot.load());
            stripe.extend(group.iter().cloned());
            slot.store(Arc::new(stripe));
        }
    }
}

const fn place(key: u128) -> usize {
    key as usize % STRIPES
}
