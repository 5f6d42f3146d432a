//! The usage of a shard's records, counted once for each batch and event type.

use foldhash::HashSet;
use sluice_history::usage::{AcceptedEvents, UsageLine, UsageTally};
use sluice_model::{Batch, EventSet};
use std::sync::Arc;

/// The prefix of the types of product events.
const PRODUCT_PREFIX: &str = "sluice.";

/// The most names of event types that are remembered, so that a batch allocates none.
const KINDS_MAX: usize = 10_000;

/// Makes the lines of usage of batches.
#[derive(Debug, Default)]
pub(super) struct UsageCounter {
    kinds: HashSet<Arc<str>>,
}

impl UsageCounter {
    /// Adds the lines of a batch; `unmatched` are its events that no subscription wants.
    pub(super) fn accepted(&mut self, batch: &Batch, unmatched: &EventSet, lines: &mut Vec<UsageLine>) {
        let counts =
            if let [_] = batch.types[..] { one_kind(batch, unmatched) } else { kinds(batch, unmatched) };
        for (kind, counts) in batch.types.iter().zip(counts) {
            let KindCounts { events, bytes, unmatched } = counts;
            // Product events are not the customer's.
            if events > 0 && !kind.starts_with(PRODUCT_PREFIX) {
                lines.push(UsageLine::Accepted(AcceptedEvents {
                    customer: batch.customer,
                    at_ms: batch.id.ms(),
                    kind: self.kind(kind),
                    events,
                    bytes,
                    unmatched,
                }));
            }
        }
    }

    /// Counts the events of a batch that no subscription wants, after the batch itself was counted.
    pub(super) fn unmatched_late(
        &mut self,
        batch: &Batch,
        unmatched: &EventSet,
        now_ms: u64,
        tally: &mut UsageTally,
    ) {
        let mut lines = Vec::new();
        if !unmatched.is_empty() {
            self.accepted(batch, unmatched, &mut lines);
        }
        for line in lines {
            if let UsageLine::Accepted(line) = line {
                tally.accepted(&AcceptedEvents { at_ms: now_ms, events: 0, bytes: 0, ..line });
            }
        }
    }

    fn kind(&mut self, kind: &str) -> Arc<str> {
        if let Some(known) = self.kinds.get(kind) {
            return Arc::clone(known);
        }
        if self.kinds.len() >= KINDS_MAX {
            self.kinds.clear();
        }
        let new: Arc<str> = kind.into();
        self.kinds.insert(Arc::clone(&new));
        new
    }
}

/// The counts of one type in a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct KindCounts {
    events: u32,
    bytes: u64,
    unmatched: u32,
}

fn one_kind(batch: &Batch, unmatched: &EventSet) -> Vec<KindCounts> {
    let events = u32::from(batch.len());
    // The envelopes are separated by commas.
    let bytes = (batch.body.len() as u64 + 1).saturating_sub(events.into());
    vec![KindCounts { events, bytes, unmatched: unmatched.len() as u32 }]
}

fn kinds(batch: &Batch, unmatched: &EventSet) -> Vec<KindCounts> {
    let mut counts = vec![KindCounts::default(); batch.types.len()];
    let mut start = 0;
    for event in &batch.events {
        let kind = &mut counts[usize::from(event.kind)];
        kind.events += 1;
        kind.bytes += u64::from(event.end - start);
        start = event.end + 1;
    }
    for index in unmatched.iter() {
        counts[usize::from(batch.events[usize::from(index)].kind)].unmatched += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch_of_sizes;

    #[test]
    fn the_kinds_of_a_batch_add_up_to_all_of_it() {
        let mut batch = batch_of_sizes(&[10, 20, 30, 40]);
        let all = one_kind(&batch, &EventSet::range(1, 3))[0];
        batch.types = vec!["a".into(), "b".into()];
        batch.events[2].kind = 1;
        let [a, b] = kinds(&batch, &EventSet::range(1, 3))[..] else { panic!("two kinds") };
        assert_eq!((a.events, b.events, a.unmatched, b.unmatched), (3, 1, 1, 1));
        assert_eq!((a.events + b.events, a.bytes + b.bytes, 2), (all.events, all.bytes, all.unmatched));
        let envelopes: usize = (0..4).map(|index| batch.envelope(index).len()).sum();
        assert_eq!(all.bytes, envelopes as u64);
    }
}
