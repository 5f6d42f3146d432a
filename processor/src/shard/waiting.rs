//! Batches that wait to be matched, because their customer has used up its share of the shard's
//! matching (see [`crate::matcher::MatchingShares`]).
//!
//! Each batch is a row, so the checkpoint can pass it. The batches of one customer and lane are
//! matched in their order, on threads of their own; the shard's task gives the matches to the
//! outlets. The row is removed when all its events are settled: a crash before that repeats
//! deliveries, which is legal.

mod work;

use super::parked_rows;
use crate::commit::Commit;
use crate::config::MatchingConfig;
use crate::context::Context;
use crate::matcher::{WaitingBatch, waiting_partition};
use crate::slice::Ticket;
use foldhash::HashMap;
use sluice_model::{Batch, CustomerId, Lane};
use sluice_ports::PortError;
use sluice_ports::rows::Row;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};
use work::match_batch;
pub(super) use work::{LateMatching, MatchedLate};

/// Unsettled matches of waiting batches may take this share (one in so many) of the shard's caps.
const UNSETTLED_SHARE: usize = 4;

/// The batches of a shard that wait to be matched.
pub(super) struct UnmatchedBatches {
    context: Arc<Context>,
    customers: HashMap<CustomerId, WaitingCustomer>,
    tasks: JoinSet<LateMatching>,
    /// The batch that each task matches.
    worked: HashMap<Id, WaitingBatch>,
    /// Matched batches whose matches are not all settled, by the number of their ticket.
    unsettled: HashMap<u64, Unsettled>,
    next_ticket: u64,
    unsettled_events: usize,
    unsettled_bytes: usize,
    /// The newest durable commit.
    durable: u64,
    /// Whether something changed since tasks were last started.
    changed: bool,
}

/// A batch in its queue, and the commit that makes its row durable.
#[derive(Debug, Clone, Copy)]
struct Queued {
    waiting: WaitingBatch,
    generation: u64,
}

#[derive(Debug, Default)]
struct WaitingCustomer {
    lanes: BTreeMap<Lane, VecDeque<Queued>>,
    batches: usize,
    bytes: u64,
    /// Whether one of its batches is being matched.
    is_worked: bool,
    /// The lane of the last matched batch, after which the next lane has its turn.
    served: Option<Lane>,
    next_sequence: u64,
}

#[derive(Debug)]
struct Unsettled {
    waiting: WaitingBatch,
    events: usize,
}

/// The limits of what may wait of a customer are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaitingFull;

impl UnmatchedBatches {
    /// Loads the batches that waited when the shard was last owned.
    pub(super) async fn load(context: Arc<Context>, lanes: &[Lane]) -> Result<Self, PortError> {
        let mut all = Self {
            context: Arc::clone(&context),
            customers: HashMap::default(),
            tasks: JoinSet::new(),
            worked: HashMap::default(),
            unsettled: HashMap::default(),
            next_ticket: 0,
            unsettled_events: 0,
            unsettled_bytes: 0,
            durable: 0,
            changed: true,
        };
        let read = |_, row: &Row| WaitingBatch::read(row);
        let waiting = parked_rows::load_lanes(&context, lanes, waiting_partition, read).await?;
        waiting.into_iter().for_each(|waiting| all.queue(waiting, 0));
        Ok(all)
    }

    fn queue(&mut self, waiting: WaitingBatch, generation: u64) {
        let customer = self.customers.entry(waiting.customer).or_default();
        customer.batches += 1;
        customer.bytes += u64::from(waiting.bytes);
        customer.next_sequence = customer.next_sequence.max(waiting.sequence + 1);
        let lane = customer.lanes.entry(waiting.batch.lane()).or_default();
        lane.push_back(Queued { waiting, generation });
        self.changed = true;
    }

    /// Whether batches of the customer wait in the lane.
    pub(super) fn holds(&self, customer: CustomerId, lane: Lane) -> bool {
        let known = (!self.customers.is_empty()).then(|| self.customers.get(&customer));
        known.flatten().is_some_and(|customer| customer.lanes.contains_key(&lane))
    }

    /// The number of waiting batches.
    pub(super) fn len(&self) -> usize {
        self.customers.values().map(|customer| customer.batches).sum()
    }

    /// Adds a batch behind the others of its customer and lane. `now_ms` numbers it, so that no
    /// later owner of the lane gives a number again.
    pub(super) fn add(&mut self, batch: &Batch, commit: &mut Commit, now_ms: u64) -> Result<(), WaitingFull> {
        let config = &self.context.config.matching;
        let known = self.customers.get(&batch.customer);
        if known.is_some_and(|customer| customer.is_full(config)) {
            return Err(WaitingFull);
        }
        let sequence = known.map_or(0, |customer| customer.next_sequence).max(now_ms << 20);
        let (customer, bytes) = (batch.customer, batch.body.len() as u32);
        let waiting = WaitingBatch { customer, sequence, batch: batch.id, bytes };
        commit.put_row(waiting.row());
        self.queue(waiting, commit.generation);
        Ok(())
    }

    /// Starts matching durable batches, one batch of each customer at a time.
    pub(super) fn start(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let shard = &self.context.config.shard;
        let has_room = self.unsettled_events < shard.unsettled_events_max / UNSETTLED_SHARE
            && self.unsettled_bytes < shard.unsettled_bytes_max / UNSETTLED_SHARE;
        for customer in self.customers.values_mut().filter(|customer| has_room && !customer.is_worked) {
            let Some(waiting) = customer.next(self.durable) else { continue };
            let task = self.tasks.spawn(match_batch(Arc::clone(&self.context), waiting)).id();
            self.worked.insert(task, waiting);
            customer.is_worked = true;
            customer.served = Some(waiting.batch.lane());
        }
    }

    /// Waits until a batch is matched; `None` if none is being matched. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Result<(Id, LateMatching), JoinError>> {
        self.tasks.join_next_with_id().await
    }

    /// Handles the end of a task. A matched batch leaves its queue: the caller gives the matches to
    /// the outlets, and tells their number by [`Self::hand_out`].
    pub(super) fn ended(
        &mut self,
        ended: Result<(Id, LateMatching), JoinError>,
        commit: &mut Commit,
    ) -> Option<MatchedLate> {
        let (task, result) = match ended {
            Ok((task, result)) => {
                self.changed = true;
                (task, Some(result))
            }
            // It is tried again after the next tick.
            Err(error) => {
                tracing::error!(%error, "the matching of a batch that waited broke off");
                (error.id(), None)
            }
        };
        let waiting = self.worked.remove(&task)?;
        if let Some(customer) = self.customers.get_mut(&waiting.customer) {
            customer.is_worked = false;
        }
        match result? {
            LateMatching::Matched(matched) => {
                self.leave(&waiting);
                Some(*matched)
            }
            LateMatching::Lost(why) => {
                tracing::error!(batch = %waiting.batch.first(), why, "a batch that waits to be matched is lost");
                self.context.metrics().damaged.increment(1);
                self.leave(&waiting);
                commit.remove_row(waiting_partition(waiting.batch.lane()), waiting.key());
                None
            }
        }
    }

    fn leave(&mut self, waiting: &WaitingBatch) {
        let Some(customer) = self.customers.get_mut(&waiting.customer) else { return };
        customer.batches -= 1;
        customer.bytes -= u64::from(waiting.bytes);
        let Some(queue) = customer.lanes.get_mut(&waiting.batch.lane()) else { return };
        queue.pop_front();
        if queue.is_empty() {
            customer.lanes.remove(&waiting.batch.lane());
        }
    }

    /// The ticket of the matched batch that is handed out next.
    pub(super) const fn next_ticket(&self) -> Ticket {
        Ticket::waiting(self.next_ticket)
    }

    /// Notes that a matched batch is at its outlets, with this many (event × subscription) that
    /// will settle its ticket.
    pub(super) fn hand_out(&mut self, waiting: WaitingBatch, events: usize, commit: &mut Commit) {
        let number = self.next_ticket;
        self.next_ticket += 1;
        if events == 0 {
            commit.remove_row(waiting_partition(waiting.batch.lane()), waiting.key());
            return;
        }
        self.unsettled_events += events;
        self.unsettled_bytes += waiting.bytes as usize;
        self.unsettled.insert(number, Unsettled { waiting, events });
    }

    /// Settles events of a matched batch. Its row is removed with the last of them.
    pub(super) fn settle(&mut self, number: u64, events: usize, commit: &mut Commit) {
        let Some(unsettled) = self.unsettled.get_mut(&number) else { return };
        unsettled.events = unsettled.events.checked_sub(events).expect("events are settled once");
        self.unsettled_events -= events;
        if unsettled.events == 0 {
            let waiting = unsettled.waiting;
            self.unsettled.remove(&number);
            self.unsettled_bytes -= waiting.bytes as usize;
            commit.remove_row(waiting_partition(waiting.batch.lane()), waiting.key());
        }
        self.changed = true;
    }

    /// Notes that the commits up to this one are durable: batches with rows in them may be matched.
    pub(super) fn made_durable(&mut self, generation: u64) {
        self.durable = generation;
        self.changed |= !self.customers.is_empty();
    }

    /// Does the housekeeping: forgets customers without waiting batches.
    pub(super) fn tick(&mut self) {
        self.customers.retain(|_, customer| customer.batches > 0 || customer.is_worked);
        self.changed |= !self.customers.is_empty();
    }
}

impl WaitingCustomer {
    /// The first batch of the next lane, if its row is in a commit up to `durable`.
    fn next(&self, durable: u64) -> Option<WaitingBatch> {
        let heads = || {
            let heads = self.lanes.iter().filter_map(|(lane, queue)| Some((*lane, *queue.front()?)));
            heads.filter(|(_, head)| head.generation <= durable)
        };
        let later = heads().find(|(lane, _)| self.served.is_none_or(|served| *lane > served));
        later.or_else(|| heads().next()).map(|(_, head)| head.waiting)
    }

    const fn is_full(&self, config: &MatchingConfig) -> bool {
        self.batches >= config.waiting_batches_max || self.bytes >= config.waiting_bytes_max
    }
}
