//! The recent attempts of a subscription: a small ring in memory, and what of
//! it is not in the history yet.

pub use sluice_model::AttemptRecord;
use std::collections::VecDeque;
use std::sync::Arc;

/// Attempts of a subscription that wait to be written to the history. Of more
/// than that between two writes, those that were taken go first.
const UNSAVED_MAX: usize = 16;

/// The newest attempts, the oldest first.
#[derive(Debug, Default)]
pub struct RecentAttempts {
    newest: VecDeque<Arc<AttemptRecord>>,
    unsaved: VecDeque<Arc<AttemptRecord>>,
}

impl RecentAttempts {
    /// Adds one; beyond `max` the oldest goes. Says whether it is the first
    /// since the last [`Self::take_unsaved`].
    pub fn push(&mut self, record: AttemptRecord, max: usize) -> bool {
        let record = Arc::new(record);
        let first = self.unsaved.is_empty();
        if self.unsaved.len() >= UNSAVED_MAX {
            let taken = self.unsaved.iter().position(|of| of.is_taken());
            self.unsaved.remove(taken.unwrap_or(0));
        }
        self.unsaved.push_back(Arc::clone(&record));
        while !self.newest.is_empty() && self.newest.len() >= max {
            self.newest.pop_front();
        }
        if max > 0 {
            self.newest.push_back(record);
        }
        first
    }

    /// All of them, the newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<AttemptRecord> {
        self.newest.iter().rev().map(|of| AttemptRecord::clone(of)).collect()
    }

    /// What is to be written to the history, the oldest first.
    pub fn take_unsaved(&mut self) -> Vec<Arc<AttemptRecord>> {
        self.unsaved.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::attempt_record;

    #[test]
    fn failures_are_kept_for_the_history_where_not_all_fits() {
        let mut recent = RecentAttempts::default();
        for n in 0..100u32 {
            let status = Some(if n % 10 == 0 { 500 } else { 200 });
            let first = recent.push(AttemptRecord { attempt: n, status, ..attempt_record() }, 4);
            assert_eq!(first, n == 0);
        }
        let unsaved = recent.take_unsaved();
        assert_eq!(unsaved.len(), UNSAVED_MAX);
        assert_eq!(unsaved.iter().filter(|of| !of.is_taken()).count(), 10);
        assert!(unsaved.is_sorted_by_key(|of| of.attempt));
        assert!(recent.take_unsaved().is_empty());
        assert_eq!(recent.newest_first().iter().map(|of| of.attempt).collect::<Vec<_>>(), [99, 98, 97, 96]);
    }
}
