//! Recognising records that were sent twice: pure.
//!
//! A producer counts its records of a lane and sends them one after the other. So a
//! record is new if its count is above the largest count seen of its producer and
//! lane. A mark is needed for as long as the producer may send a record again: one
//! resend window.

use sluice_ports::log::LogRecord;
use std::collections::HashMap;

/// A mark is forgotten when it is this many windows old.
const WINDOWS_KEPT: u64 = 2;

/// The largest count seen of each producer and lane.
#[derive(Debug, Default)]
pub(super) struct Marks {
    seen: HashMap<(u64, u16), (u64, u64)>,
    swept_ms: u64,
}

impl Marks {
    /// Returns true the first time a record is seen, and remembers it. `at_ms`
    /// is when it arrived, `window_ms` for how long a producer may send it again.
    pub(super) fn is_new(&mut self, record: &LogRecord, at_ms: u64, window_ms: u64) -> bool {
        let Some(batch) = record.batches.first() else { return true };
        let key = (record.producer, batch.lane().number());
        self.sweep(at_ms, window_ms);
        match self.seen.get_mut(&key) {
            Some((sequence, last_ms)) => {
                *last_ms = at_ms.max(*last_ms);
                let new = record.sequence > *sequence;
                *sequence = record.sequence.max(*sequence);
                new
            }
            None => {
                self.seen.insert(key, (record.sequence, at_ms));
                true
            }
        }
    }

    fn sweep(&mut self, now_ms: u64, window_ms: u64) {
        if now_ms > self.swept_ms + window_ms {
            self.swept_ms = now_ms;
            self.seen.retain(|_, (_, last_ms)| *last_ms + window_ms * WINDOWS_KEPT > now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_model::Lane;
    use sluice_ports::log::IdTimes;
    use sluice_ports::log::Position;
    use sluice_ports::sample::Batches;

    fn record(producer: u64, lane: u16, sequence: u64) -> LogRecord {
        let batches = vec![Batches::new(Lane::new(lane).unwrap()).next(1, 1)];
        LogRecord { position: Position::START, producer, sequence, batches, id_times: IdTimes::ALL }
    }

    proptest! {
        /// Records of three producers and lanes, each sent any number of times within the
        /// window: each is worked once.
        #[test]
        fn what_is_sent_again_within_the_window_is_worked_once(
            sends in prop::collection::vec((0u64..3, 0u16..3, any::<bool>()), 1..200)
        ) {
            let (mut marks, mut last) = (Marks::default(), HashMap::new());
            for (i, (producer, lane, again)) in sends.into_iter().enumerate() {
                let at_ms = 1000 + i as u64;
                let count = last.entry((producer, lane)).or_insert(0u64);
                let repeated = again && *count > 0;
                *count += u64::from(!repeated);
                let record = record(producer, lane, *count);
                prop_assert_eq!(marks.is_new(&record, at_ms, 500), !repeated);
            }
        }
    }

    #[test]
    fn marks_of_producers_that_are_gone_are_forgotten() {
        let mut marks = Marks::default();
        for producer in 0..1000 {
            assert!(marks.is_new(&record(producer, 1, 0), 1000 + producer * 10, 50));
        }
        assert!(marks.seen.len() < 30, "{}", marks.seen.len());
    }
}
