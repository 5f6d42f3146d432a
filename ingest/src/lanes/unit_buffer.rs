//! What waits for one append unit of the log.

use super::batch_builder::{BatchBuilder, Chunk};
use super::placement::{Placed, Placement};
use foldhash::HashMap;
use sluice_shared::model::ids::BatchIds;
use sluice_shared::model::{Batch, CustomerId, Lane};
use std::collections::VecDeque;
use std::sync::Arc;

/// A customer's batches, oldest first; the last of a lane is open.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<BatchBuilder>,
    bytes: usize,
}

/// A record's worth of batches.
pub(super) struct Cut {
    /// The lane of all batches, if they have one in common.
    pub lane: Option<Lane>,
    pub batches: Vec<Arc<Batch>>,
    pub placements: Vec<Arc<Placement>>,
    /// The bytes that the requests put in.
    pub bytes: usize,
}

/// The batches that wait for one append unit.
pub(super) struct UnitBuffer {
    customers: HashMap<CustomerId, Waiting>,
    /// Customers with something waiting: the next to be served first.
    turns: VecDeque<CustomerId>,
    ids: HashMap<Lane, BatchIds>,
    recovered_ms: u64,
}

impl UnitBuffer {
    pub(super) fn new(recovered_ms: u64) -> Self {
        Self { customers: HashMap::default(), turns: VecDeque::new(), ids: HashMap::default(), recovered_ms }
    }

    pub(super) fn customer_bytes(&self, customer: CustomerId) -> usize {
        self.customers.get(&customer).map_or(0, |waiting| waiting.bytes)
    }

    /// Puts a chunk's events into batches of their lane.
    pub(super) fn push(
        &mut self,
        customer: CustomerId,
        lane: Lane,
        mut chunk: Chunk<'_>,
        placed: &mut Vec<Placed>,
    ) {
        let waiting = self.customers.entry(customer).or_default();
        if waiting.batches.is_empty() {
            self.turns.push_back(customer);
        }
        let (events, bytes) = (chunk.len(), chunk.bytes());
        waiting.bytes += bytes;
        let mut open = waiting.batches.iter().rposition(|batch| batch.lane == lane);
        let mut from = 0;
        while from < events {
            let at = open.unwrap_or_else(|| {
                waiting.batches.push_back(BatchBuilder::new(customer, lane));
                waiting.batches.len() - 1
            });
            let batch = &mut waiting.batches[at];
            let taken = batch.take(&mut chunk, from);
            if taken > 0 {
                placed.push(batch.placed(taken));
            }
            from += taken;
            // What is left begins a new batch.
            open = None;
        }
    }

    /// Cuts a record of about `bytes_max`, one batch of each customer in turn.
    pub(super) fn cut(&mut self, now_ms: u64, bytes_max: usize) -> Option<Cut> {
        let mut cut = Cut { lane: None, batches: Vec::new(), placements: Vec::new(), bytes: 0 };
        while cut.bytes < bytes_max {
            let Some(customer) = self.turns.pop_front() else { break };
            let waiting = self.customers.get_mut(&customer).expect("who has a turn has batches");
            let builder = waiting.batches.pop_front().expect("who has a turn has batches");
            let bytes = builder.charged;
            waiting.bytes = waiting.bytes.saturating_sub(bytes);
            if waiting.batches.is_empty() {
                self.customers.remove(&customer);
            } else {
                self.turns.push_back(customer);
            }
            let lane = builder.lane;
            cut.lane = (cut.batches.is_empty() || cut.lane == Some(lane)).then_some(lane);
            let ids = self.ids.entry(lane).or_insert_with(|| BatchIds::new(lane, self.recovered_ms));
            let (batch, placement) = builder.finish(ids.next(now_ms));
            cut.bytes += bytes;
            cut.batches.push(Arc::new(batch));
            cut.placements.push(placement);
        }
        (!cut.batches.is_empty()).then_some(cut)
    }
}
