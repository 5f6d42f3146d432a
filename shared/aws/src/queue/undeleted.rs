//! Messages that could not be deleted yet: pure.

use std::collections::VecDeque;

/// The most receipts that are kept; the oldest are forgotten first. The messages of
/// forgotten receipts come again and are recognised as stale, or delivered twice.
const RECEIPTS_MAX: usize = 100_000;

/// Receipts of messages that are still to be deleted.
#[derive(Debug, Default)]
pub(super) struct Undeleted {
    receipts: VecDeque<String>,
}

impl Undeleted {
    pub(super) fn add(&mut self, receipts: Vec<String>) {
        self.receipts.extend(receipts);
        let excess = self.receipts.len().saturating_sub(RECEIPTS_MAX);
        self.receipts.drain(..excess);
    }

    /// Takes all receipts, to try again.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.receipts).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_receipts_are_kept_and_the_newest_of_them() {
        let mut undeleted = Undeleted::default();
        undeleted.add((0..RECEIPTS_MAX + 2).map(|n| n.to_string()).collect());
        let kept = undeleted.take();
        assert_eq!((kept.len(), kept[0].as_str()), (RECEIPTS_MAX, "2"));
        assert!(undeleted.take().is_empty());
    }
}
