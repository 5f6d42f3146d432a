//! The batches that wait for one append unit of the log.

use super::batch_builder::{BatchBuilder, EventChunk};
use super::placement::{PlacedRun, Placement};
use foldhash::HashMap;
use sluice_model::{CustomerId, Lane};
use std::collections::VecDeque;

/// A customer's batches, the oldest first. The last of each lane still takes events.
#[derive(Default)]
struct WaitingBatches {
    batches: VecDeque<BatchBuilder>,
    bytes: usize,
}

/// The batches that wait for one append unit.
#[derive(Default)]
pub(super) struct UnitBuffer {
    customers: HashMap<CustomerId, WaitingBatches>,
    /// Customers with waiting batches; the first is served next.
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
        chunk: EventChunk<'_>,
        placed: &mut Vec<PlacedRun>,
    ) {
        let waiting = self.customers.entry(customer).or_default();
        if waiting.batches.is_empty() {
            self.turns.push_back(customer);
        }
        waiting.bytes += chunk.bytes();
        for piece in chunk.into_pieces() {
            let count = piece.len();
            let last = waiting.batches.iter_mut().rfind(|batch| batch.lane == lane);
            let batch = match last.filter(|batch| batch.has_room_for(&piece)) {
                Some(open) => open,
                None => {
                    waiting.batches.push_back(BatchBuilder::new(customer, lane));
                    waiting.batches.back_mut().expect("a batch was pushed")
                }
            };
            batch.take(piece);
            placed.push(batch.placed(count));
        }
    }

    /// The batches as the requests that wait for them see them.
    pub(super) fn placements(&self) -> impl Iterator<Item = &Placement> {
        self.customers.values().flat_map(|waiting| &waiting.batches).map(|batch| &*batch.placement)
    }

    /// Takes batches for a record of about `bytes_max`, one of each customer in turn.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<BatchBuilder> {
        let (mut taken, mut taken_bytes) = (Vec::new(), 0);
        while taken_bytes < bytes_max {
            let Some(customer) = self.turns.pop_front() else { break };
            let waiting = self.customers.get_mut(&customer).expect("a customer with a turn has batches");
            let builder = waiting.batches.pop_front().expect("a customer with a turn has batches");
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
