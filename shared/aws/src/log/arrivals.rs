//! The times of a shard's positions: pure.
//!
//! A checkpoint is a position, and a stream forgets records by their time. So the
//! reader keeps (position, time) pairs: every record that arrived by the time is at
//! the position or before it.

use sluice_ports::log::Position;
use std::collections::VecDeque;

/// The most pairs that are kept.
const PAIRS_MAX: usize = 4096;
/// The least time between two pairs, in milliseconds. Readers of the inbox wait that much longer.
const STEP_MS: u64 = 250;

/// The times of a shard's positions.
#[derive(Debug, Default)]
pub(super) struct ShardArrivals {
    pairs: VecDeque<(Position, u64)>,
}

impl ShardArrivals {
    /// Notes that every record that arrived by `ms` is at `position` or before it.
    pub(super) fn note(&mut self, position: Position, ms: u64) {
        match self.pairs.back_mut() {
            // The earlier pairs stay, for checkpoints before this position.
            Some(last) if last.0 == position => last.1 = last.1.max(ms),
            Some(last) if ms < last.1 + STEP_MS || position < last.0 => {}
            _ => self.pairs.push_back((position, ms)),
        }
        if self.pairs.len() > PAIRS_MAX {
            self.pairs.pop_front();
        }
    }

    /// The latest noted time.
    pub(super) fn latest_ms(&self) -> u64 {
        self.pairs.back().map_or(0, |(_, ms)| *ms)
    }

    /// The latest time such that every record that arrived by then is at `position` or before it.
    pub(super) fn until_ms(&self, position: Position) -> Option<u64> {
        self.pairs.iter().rev().find(|(place, _)| *place <= position).map(|(_, ms)| *ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_as_old_as_the_last_time_that_is_known_to_be_before_it() {
        let (mut arrivals, at) = (ShardArrivals::default(), Position::from_lsn);
        assert_eq!(arrivals.until_ms(at(5)), None);
        arrivals.note(at(10), 1_000);
        arrivals.note(at(11), 1_200);
        arrivals.note(at(20), 2_500);
        assert_eq!(arrivals.until_ms(at(9)), None);
        assert_eq!(arrivals.until_ms(at(19)), Some(1_000));
        assert_eq!(arrivals.until_ms(at(20)), Some(2_500));
        // At the end of a quiet shard the time advances without records.
        arrivals.note(at(20), 90_000);
        assert_eq!(arrivals.until_ms(at(20)), Some(90_000));
        assert_eq!(arrivals.until_ms(at(19)), Some(1_000));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut arrivals = ShardArrivals::default();
        for n in 0..10_000 {
            arrivals.note(Position::from_lsn(n), n * STEP_MS);
        }
        assert_eq!(arrivals.pairs.len(), PAIRS_MAX);
    }
}
