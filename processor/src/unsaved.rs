//! The attempts of a subscription that are not in the history yet.

use sluice_model::AttemptRecord;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most attempts of a subscription that wait to be written to the history. If there are more
/// between two writes, successful ones are dropped first.
const UNSAVED_MAX: usize = 16;

/// Attempts that wait to be written to the history, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct UnsavedAttempts(VecDeque<Arc<AttemptRecord>>);

impl UnsavedAttempts {
    /// Adds an attempt. Returns whether it is the first since the last [`Self::take`].
    pub(crate) fn push(&mut self, record: AttemptRecord) -> bool {
        let first = self.0.is_empty();
        if self.0.len() >= UNSAVED_MAX {
            let taken = self.0.iter().position(|record| record.is_taken());
            self.0.remove(taken.unwrap_or(0));
        }
        self.0.push_back(Arc::new(record));
        first
    }

    /// Takes out all attempts, the oldest first.
    pub(crate) fn take(&mut self) -> Vec<Arc<AttemptRecord>> {
        self.0.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::attempt_record;

    #[test]
    fn failures_are_kept_for_the_history_where_not_all_fits() {
        let mut attempts = UnsavedAttempts::default();
        for n in 0..100u32 {
            let status = Some(if n % 10 == 0 { 500 } else { 200 });
            let first = attempts.push(AttemptRecord { attempt: n, status, ..attempt_record() });
            assert_eq!(first, n == 0);
        }
        let unsaved = attempts.take();
        assert_eq!(unsaved.len(), UNSAVED_MAX);
        assert_eq!(unsaved.iter().filter(|record| !record.is_taken()).count(), 10);
        assert!(unsaved.is_sorted_by_key(|record| record.attempt));
        assert!(attempts.take().is_empty());
    }
}
