//! A set of events of one batch, kept as runs of indexes.
//!
//! Most sets are the whole batch or a few runs of it, so memory and time grow
//! with the number of runs, not with the number of events.

use serde::{Deserialize, Serialize};

/// A run of indexes: `start..end`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first index.
    pub start: u16,
    /// One past the last index.
    pub end: u16,
}

impl Run {
    /// The number of events in the run.
    #[must_use]
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Always false: a run is never empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end == self.start
    }
}

/// Indexes of events of one batch: ascending, disjoint, non-adjacent runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSet {
    runs: Vec<Run>,
}

impl EventSet {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// The events `start..end`.
    #[must_use]
    pub fn range(start: u16, end: u16) -> Self {
        let mut set = Self::new();
        set.push_run(start, end);
        set
    }

    /// Adds an index that is greater than all indexes in the set.
    ///
    /// # Panics
    /// If the set holds the index or a greater one: sets are built in order.
    pub fn push(&mut self, index: u16) {
        self.push_run(index, index + 1);
    }

    /// Adds `start..end`, all of which must be greater than the indexes in the
    /// set; nothing if `end` is not greater than `start`.
    ///
    /// # Panics
    /// If the set holds `start` or a greater index.
    pub fn push_run(&mut self, start: u16, end: u16) {
        if start >= end {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            last => {
                assert!(last.is_none_or(|last| last.end < start), "sets are built in order");
                self.runs.push(Run { start, end });
            }
        }
    }

    /// The runs, ascending.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len()).sum()
    }

    /// True if the set is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// True if the set holds the event at `index`.
    #[must_use]
    pub fn contains(&self, index: u16) -> bool {
        let after = self.runs.partition_point(|run| run.start <= index);
        after > 0 && index < self.runs[after - 1].end
    }

    /// The indexes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.runs.iter().flat_map(|run| run.start..run.end)
    }

    /// Two sets: the first `count` events, and the rest.
    #[must_use]
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let (mut first, mut rest, mut left) = (Self::new(), Self::new(), count);
        for run in &self.runs {
            let taken = run.len().min(left) as u16;
            first.push_run(run.start, run.start + taken);
            rest.push_run(run.start + taken, run.end);
            left -= usize::from(taken);
        }
        (first, rest)
    }

    /// The events of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<Run> = self.runs.iter().chain(&other.runs).copied().collect();
        all.sort_unstable_by_key(|run| run.start);
        let mut out = Self::new();
        for run in all {
            match out.runs.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => out.runs.push(run),
            }
        }
        out
    }

    /// The events of this set that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut out = Self::new();
        let mut holes = other.runs.iter().peekable();
        for run in &self.runs {
            let mut start = run.start;
            while start < run.end {
                while holes.peek().is_some_and(|hole| hole.end <= start) {
                    holes.next();
                }
                match holes.peek() {
                    Some(hole) if hole.start <= start => start = hole.end.min(run.end),
                    Some(hole) if hole.start < run.end => {
                        out.push_run(start, hole.start);
                        start = hole.start;
                    }
                    _ => {
                        out.push_run(start, run.end);
                        start = run.end;
                    }
                }
            }
        }
        out
    }
}

impl FromIterator<u16> for EventSet {
    /// Collects ascending indexes.
    fn from_iter<I: IntoIterator<Item = u16>>(indexes: I) -> Self {
        let mut set = Self::new();
        for index in indexes {
            set.push(index);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn indexes() -> impl Strategy<Value = BTreeSet<u16>> {
        prop::collection::btree_set(0u16..64, 0..40)
    }

    proptest! {
        #[test]
        fn sets_behave_as_sets(a in indexes(), b in indexes(), cut in 0usize..70) {
            let (x, y): (EventSet, EventSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(x.len(), a.len());
            prop_assert!(x.iter().eq(a.iter().copied()));
            for i in 0..64 {
                prop_assert_eq!(x.contains(i), a.contains(&i));
            }
            prop_assert_eq!(x.union(&y), a.union(&b).copied().collect::<EventSet>());
            prop_assert_eq!(x.minus(&y), a.difference(&b).copied().collect::<EventSet>());
            let (first, rest) = x.split_at(cut);
            prop_assert_eq!(first, a.iter().copied().take(cut).collect::<EventSet>());
            prop_assert_eq!(rest, a.iter().copied().skip(cut).collect::<EventSet>());
        }
    }
}
