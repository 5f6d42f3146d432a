//! The record of one stream as one subscription received it.

use crate::seq_set::{SequenceSet, TooFarAhead};

/// The events of a stream that came.
#[derive(Clone, Debug, Default)]
pub struct StreamAccount {
    seen: SequenceSet,
    /// One above the highest sequence number seen.
    end: u64,
}

/// How many events of a stretch were new, repeated or late.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TakenCounts {
    /// Received for the first time.
    pub new: u64,
    /// Received before.
    pub duplicates: u64,
    /// New events that came after a later event of their stream.
    pub out_of_order: u64,
}

impl TakenCounts {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        self.new += other.new;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
    }
}

impl StreamAccount {
    /// Takes `first..first + count`, received in this order.
    pub fn take(&mut self, first: u64, count: u64) -> Result<TakenCounts, TooFarAhead> {
        // Events below the end so far are late if they are new; the rest is in order.
        let late = self.end.saturating_sub(first).min(count);
        let out_of_order = if late > 0 { self.seen.insert_range(first, late)? } else { 0 };
        let in_order = self.seen.insert_range(first + late, count - late)?;
        self.end = self.end.max(first + count);
        let new = out_of_order + in_order;
        Ok(TakenCounts { new, duplicates: count - new, out_of_order })
    }

    /// The events that came.
    pub fn seen(&self) -> &SequenceSet {
        &self.seen
    }

    /// One above the highest sequence number seen.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many are missing below the highest seen: lost, or not here yet.
    pub fn missing(&self) -> u64 {
        self.end - self.seen.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_hole_filled_late_is_out_of_order() {
        let mut account = StreamAccount::default();
        let taken = |new, duplicates, out_of_order| Ok(TakenCounts { new, duplicates, out_of_order });
        assert_eq!(account.take(0, 10), taken(10, 0, 0));
        assert_eq!(account.take(15, 5), taken(5, 0, 0));
        assert_eq!(account.missing(), 5);
        assert_eq!(account.take(8, 14), taken(7, 7, 5));
        assert_eq!(account.missing(), 0);
    }

    proptest! {
        #[test]
        fn stretches_count_as_their_events_would(
            stretches in prop::collection::vec((0_u64..300, 1_u64..200), 0..12),
        ) {
            let mut account = StreamAccount::default();
            let (mut seen, mut highest) = (BTreeSet::new(), None);
            for (first, count) in stretches {
                let mut expected = TakenCounts::default();
                for sequence in first..first + count {
                    if !seen.insert(sequence) {
                        expected.duplicates += 1;
                        continue;
                    }
                    expected.new += 1;
                    expected.out_of_order += u64::from(highest.is_some_and(|highest| sequence < highest));
                    highest = highest.max(Some(sequence));
                }
                prop_assert_eq!(account.take(first, count), Ok(expected));
            }
            prop_assert_eq!(account.seen().count(), seen.len() as u64);
        }
    }
}
