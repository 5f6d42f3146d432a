//! Which outlets to look at now, and when to look at the others.

use foldhash::HashMap;
use sluice_model::SubscriptionId;
use std::collections::BTreeSet;

/// The outlets to look at.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// When to look at an outlet again, by time.
    by_time: BTreeSet<(u64, SubscriptionId)>,
    /// The same times, by outlet.
    times: HashMap<SubscriptionId, u64>,
    /// Outlets to look at now; some may be there more than once.
    touched: Vec<SubscriptionId>,
}

impl Wakes {
    /// Looks at an outlet at the next [`Self::take_due`].
    pub(super) fn touch(&mut self, id: SubscriptionId) {
        self.touched.push(id);
    }

    /// Looks at an outlet at `at_ms` instead of its earlier time.
    pub(super) fn set(&mut self, id: SubscriptionId, at_ms: u64) {
        self.remove(id);
        self.times.insert(id, at_ms);
        self.by_time.insert((at_ms, id));
    }

    /// Forgets the time of an outlet.
    pub(super) fn remove(&mut self, id: SubscriptionId) {
        if let Some(at_ms) = self.times.remove(&id) {
            self.by_time.remove(&(at_ms, id));
        }
    }

    /// When to look at the first outlet that was not touched.
    pub(super) fn first_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes the outlets that were touched or are due, each once.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<SubscriptionId> {
        while let Some(&(at_ms, id)) = self.by_time.first()
            && at_ms <= now_ms
        {
            self.remove(id);
            self.touched.push(id);
        }
        let mut due = std::mem::take(&mut self.touched);
        due.sort_unstable();
        due.dedup();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SubscriptionId = SubscriptionId::from_u128(1);
    const TWO: SubscriptionId = SubscriptionId::from_u128(2);

    #[test]
    fn an_outlet_is_due_once_however_often_it_was_touched() {
        let mut wakes = Wakes::default();
        wakes.set(TWO, 50);
        wakes.set(ONE, 10);
        wakes.set(ONE, 20);
        wakes.touch(ONE);
        assert_eq!(wakes.first_ms(), Some(20));
        assert_eq!(wakes.take_due(20), [ONE]);
        assert_eq!((wakes.take_due(49), wakes.first_ms()), (vec![], Some(50)));
        wakes.remove(TWO);
        assert_eq!((wakes.take_due(50), wakes.first_ms()), (vec![], None));
    }
}
