//! What waits for one append unit of the log.

use super::batch_builder::{BatchBuilder, Chunk};
use super::placement::Placed;
use foldhash::HashMap;
use sluice_shared::model::{CustomerId, Lane};
use std::collections::VecDeque;

/// A customer's batches, oldest first; the last of a lane is open.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<BatchBuilder>,
    bytes: usize,
}

/// The batches that wait for one append unit.
#[derive(Default)]
pub(super) struct UnitBuffer {
    customers: HashMap<CustomerId, Waiting>,
    /// Customers with something waiting: the next to be served first.
    turns: VecDeque<CustomerId>,
}

impl UnitBuffer {
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

    /// Takes what makes a record of about `bytes_max`, one batch of each customer in turn.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<BatchBuilder> {
        let (mut taken, mut taken_bytes) = (Vec::new(), 0);
        while taken_bytes < bytes_max {
            let Some(customer) = self.turns.pop_front() else { break };
            let waiting = self.customers.get_mut(&customer).expect("who has a turn has batches");
            let builder = waiting.batches.pop_front().expect("who has a turn has batches");
            waiting.bytes = waiting.bytes.saturating_sub(builder.charged);
            if waiting.batches.is_empty() {
                self.customers.remove(&customer);
            } else {
                self.turns.push_back(customer);
            }
            taken_bytes += builder.charged;
            taken.push(builder);
        }
        taken
    }
}
