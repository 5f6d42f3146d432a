//! The task that works the queue: retries, hand-overs, redrives, replays.
//!
//! A delivery stays in the queue until its end is durable, so deliveries that were under way when
//! the process died are taken again after a restart. Endpoints do not wait for each other: an
//! endpoint that is busy, or whose breaker is open, delays only its own deliveries. Nor do
//! customers: each has at most its share of the worker (see [`shares`]).

mod attempts;
mod shares;

use crate::conclude::conclude;
use crate::context::Context;
use crate::endpoint::{Asker, PermitDenied};
use crate::group_commit::{GroupCommit, GroupWrite};
use crate::health::WorkerHealth;
use crate::settlement::{self, DeliveryEnding, HeldBy};
use crate::slice::one_by_one;
use crate::stored_body::LoadError;
use crate::target::Target;
use attempts::{QueueAttempts, WorkResult};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use shares::{ShareLimits, Shares};
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    BatchId, CustomerStatus, DeadLetterReason, Delivery, DeliveryId, SubscriptionId, SubscriptionStatus,
};
use sluice_ports::PortError;
use sluice_ports::log::Position;
use sluice_ports::work_queue::TakeRequest;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a delivery waits if the store could not return its batches.
const LOAD_RETRY_MS: u64 = 1000;

/// The shortest time between two looks at the queue.
const TAKE_GAP_MS: u64 = 2;

/// How long until the next look, if the queue said that a delivery is due and gave none.
const TAKE_AGAIN_MS: u64 = 50;

/// How long a delivery waits whose subscription an old copy of the catalogue does not know.
const STALE_WAIT_MS: u64 = 1000;

/// How long a delivery waits while a probe of its endpoint is in flight.
const BLOCKED_BY_PROBE_MS: u64 = 500;

/// How often the housekeeping runs.
const TICK_MS: u64 = 1000;
/// The time over which the lateness of deliveries is measured, in milliseconds.
const LATE_WINDOW_MS: u64 = 60_000;

/// The worker of the queue.
pub(crate) struct Worker {
    context: Arc<Context>,
    health: Arc<WorkerHealth>,
    /// Deliveries that were taken and not started: their endpoint is busy, or their customer has
    /// used its share. In an order that is the same in each run.
    ready: BTreeMap<SubscriptionId, VecDeque<Delivery>>,
    /// The subscription whose delivery was started last: next time the others come first.
    served: Option<SubscriptionId>,
    shares: Shares,
    attempts: QueueAttempts,
    taking: Option<BoxFuture<'static, TakenFromQueue>>,
    /// When to look at the queue again.
    take_at_ms: u64,
    took_at_ms: u64,
    commits: GroupCommit,
    tick_ms: u64,
    /// The lateness of the latest delivery, and since when it counts.
    late_ms: u64,
    late_since_ms: u64,
}

/// The result of a take.
#[derive(Default)]
struct TakenFromQueue {
    deliveries: Vec<Delivery>,
    /// The deliveries of which the queue made dead letters.
    given_up: Vec<Delivery>,
}

/// The result of starting a delivery.
enum Dispatched {
    /// It was started, or ended without an attempt.
    Gone,
    /// It must wait its turn, like the later deliveries of its subscription.
    Waits(Delivery),
}

impl Worker {
    pub(crate) fn new(context: Arc<Context>, health: Arc<WorkerHealth>) -> Self {
        let queue = &context.config.queue;
        Self {
            shares: Shares::new(ShareLimits {
                taken_max: queue.taken_max,
                bytes_max: queue.in_flight_bytes_max,
                customer_percent: queue.customer_share_percent.into(),
            }),
            attempts: QueueAttempts::new(Arc::clone(&context)),
            commits: GroupCommit::new(Arc::clone(&context), None, Position::START),
            context,
            health,
            ready: BTreeMap::new(),
            served: None,
            taking: None,
            take_at_ms: 0,
            took_at_ms: 0,
            tick_ms: 0,
            late_ms: 0,
            late_since_ms: 0,
        }
    }

    /// Works the queue until told to stop, then ends gracefully.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), PortError> {
        self.health.started();
        let context = Arc::clone(&self.context);
        while !shutdown.is_cancelled() {
            self.turn();
            let sleep = self.sleep();
            // Cancel safe: writes, attempts and takes under way stay in `commits`, `attempts` and
            // `taking`; a
            // notification that is not consumed is kept.
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.attempts.next() => self.ended(ended),
                written = self.commits.next() => drop::<GroupWrite>(written?),
                taken = taken(&mut self.taking) => self.took(taken),
                () = context.queue_wake.notified() => self.take_at_ms = 0,
                () = context.endpoints.changed() => self.take_at_ms = 0,
                () = tokio::time::sleep(sleep) => {}
            }
            tokio::task::coop::consume_budget().await;
        }
        self.finish().await
    }

    fn now_ms(&self) -> u64 {
        self.context.clock().now_ms()
    }

    fn turn(&mut self) {
        while let Some(ended) = self.attempts.try_next() {
            self.ended(ended);
        }
        let now_ms = self.now_ms();
        self.dispatch(now_ms);
        self.take_if_due(now_ms);
        self.commits.start(now_ms, Position::START, None, false);
        if now_ms >= self.tick_ms {
            self.tick_ms = now_ms + TICK_MS;
            self.tick();
        }
    }

    fn sleep(&self) -> Duration {
        let take_at = (self.taking.is_none() && self.shares.room() > 0)
            .then_some(self.take_at_ms.max(self.took_at_ms + TAKE_GAP_MS));
        let wakes = [take_at, self.commits.wake_ms(Position::START), Some(self.tick_ms)];
        let first = wakes.into_iter().flatten().min().unwrap_or(0);
        Duration::from_millis(first.saturating_sub(self.now_ms()).max(1))
    }

    /// Starts a take, if deliveries may be due and there is room for them.
    fn take_if_due(&mut self, now_ms: u64) {
        let due = now_ms >= self.take_at_ms.max(self.took_at_ms + TAKE_GAP_MS);
        let room = self.shares.room();
        if !due || self.taking.is_some() || room == 0 {
            return;
        }
        self.took_at_ms = now_ms;
        let (open, first_open) = self.context.endpoints.blocked(now_ms);
        let mut blocked: HashSet<_> = open.into_iter().collect();
        blocked.extend(self.ready.keys().copied());
        for customer in self.shares.full() {
            let entry = self.context.matchers.directory().customer(customer);
            let state = entry.map(|entry| entry.state());
            blocked.extend(state.iter().flat_map(|state| state.subscriptions.iter().map(|one| one.id)));
        }
        let next = self.context.stores.queue.next_due_ms(&blocked);
        let poll_at = now_ms + self.context.config.queue.poll_ms;
        self.take_at_ms = next.into_iter().chain(first_open).fold(poll_at, u64::min);
        if next.is_some_and(|next| next <= now_ms) {
            self.taking = Some(take(Arc::clone(&self.context), now_ms, room, blocked).boxed());
        }
    }

    fn took(&mut self, taken: TakenFromQueue) {
        // After deliveries there may be more. A queue that said a delivery is due and gave none is
        // asked again a little later.
        let (now_ms, deliveries) = (self.now_ms(), taken.deliveries);
        for delivery in taken.given_up {
            let reason = DeadLetterReason::Poison;
            self.context.metrics().ending(DeliveryEnding::GaveUp(reason), delivery.event_count());
            settlement::count_given_up(&mut self.commits.pending, &delivery, reason, now_ms);
        }
        self.take_at_ms = if deliveries.is_empty() { now_ms + TAKE_AGAIN_MS } else { 0 };
        for delivery in deliveries {
            self.late_ms = self.late_ms.max(now_ms.saturating_sub(delivery.due_ms));
            self.shares.took(delivery.customer);
            self.ready.entry(delivery.subscription).or_default().push_back(delivery);
        }
    }

    /// Starts the deliveries that were taken, as far as their endpoints and their customers' shares
    /// allow: one of each subscription in turn.
    fn dispatch(&mut self, now_ms: u64) {
        let served = self.served.unwrap_or(SubscriptionId::from_u128(0));
        let after = self.ready.range((Bound::Excluded(served), Bound::Unbounded));
        let mut turn: Vec<_> = after.chain(self.ready.range(..=served)).map(|(id, _)| *id).collect();
        while !turn.is_empty() {
            turn.retain(|id| self.dispatch_next(*id, now_ms));
        }
    }

    /// Starts the next delivery of a subscription. Returns whether more of the subscription may start.
    fn dispatch_next(&mut self, id: SubscriptionId, now_ms: u64) -> bool {
        let Some(delivery) = self.ready.get_mut(&id).and_then(VecDeque::pop_front) else {
            self.ready.remove(&id);
            self.take_at_ms = 0;
            return false;
        };
        match self.dispatch_one(delivery, now_ms) {
            Dispatched::Gone => {
                self.served = Some(id);
                true
            }
            Dispatched::Waits(delivery) => {
                self.ready.entry(id).or_default().push_front(delivery);
                false
            }
        }
    }

    /// Starts a delivery, or ends it without an attempt.
    fn dispatch_one(&mut self, delivery: Delivery, now_ms: u64) -> Dispatched {
        let directory = self.context.matchers.directory();
        let state = directory.customer(delivery.customer).map(|entry| entry.state());
        let subscription = state.as_ref().and_then(|state| state.subscription(delivery.subscription));
        let Some(subscription) = subscription.filter(|known| known.status == SubscriptionStatus::Active)
        else {
            // A copy of the catalogue that is out of date may not know it yet.
            if directory.age() > Duration::from_millis(self.context.config.shard.snapshot_age_max_ms) {
                return self.put_back(delivery, now_ms + STALE_WAIT_MS);
            }
            let reason = settlement::dead_letter_reason(subscription.map(|known| &known.status));
            return self.give_up_taken(delivery, reason, now_ms);
        };
        let config = &self.context.config.queue;
        if now_ms.saturating_sub(delivery.id.ms()) > config.delivery_age_max_ms {
            return self.give_up_taken(delivery, DeadLetterReason::Exhausted, now_ms);
        }
        if delivery.shape == DeliveryShape::Unpinned {
            let (_, target) = self.context.endpoints.endpoint(subscription);
            return self.pin(delivery, &target, now_ms);
        }
        if state.as_ref().is_some_and(|state| state.customer.status == CustomerStatus::Suspended) {
            let due_ms = now_ms + config.suspended_wait_ms;
            return self.put_back(delivery, due_ms);
        }
        let bytes = subscription.batch.max_bytes as usize;
        if !self.shares.may_start(delivery.customer, bytes) {
            return Dispatched::Waits(delivery);
        }
        if self.attempts.bytes() + bytes > config.in_flight_bytes_max && !self.attempts.is_empty() {
            self.attempts.stop_slowest(now_ms);
            return Dispatched::Waits(delivery);
        }
        let (endpoint, target) = self.context.endpoints.endpoint(subscription);
        match self.context.endpoints.permit(&endpoint, Asker::Worker, now_ms) {
            Ok(permit) => {
                permit.sends(delivery.event_count(), now_ms);
                self.shares.started(delivery.customer, bytes);
                self.attempts.start(delivery, target, permit, bytes, now_ms);
                Dispatched::Gone
            }
            Err(PermitDenied::Busy) => Dispatched::Waits(delivery),
            Err(PermitDenied::Paced { until_ms }) => {
                let due_ms =
                    self.context.endpoints.planned_ms(&endpoint, delivery.event_count(), until_ms, now_ms);
                // It must be looked at again when it becomes too old.
                let too_old_ms = delivery.id.ms() + config.delivery_age_max_ms + 1;
                self.put_back(delivery, due_ms.min(too_old_ms))
            }
            // It waits without spending an attempt, but its age grows.
            Err(PermitDenied::Open { until_ms }) => {
                self.put_back(delivery, until_ms.unwrap_or(now_ms + BLOCKED_BY_PROBE_MS))
            }
        }
    }

    /// Pins a delivery to the current shape of its subscription, durably before its first attempt,
    /// so that later attempts carry the same bytes. If each webhook carries one event, each event
    /// becomes a delivery.
    fn pin(&mut self, delivery: Delivery, target: &Target, now_ms: u64) -> Dispatched {
        self.shares.left(delivery.customer);
        let (shape, commit) = (target.delivery_shape(), &mut self.commits.pending);
        commit.keep_shape(target.shape().as_ref(), now_ms);
        if !target.is_single() || delivery.event_count() == 1 {
            settlement::wait(commit, Delivery { shape, ..delivery }, now_ms);
            return Dispatched::Gone;
        }
        commit.done(delivery.subscription, delivery.id);
        for events in one_by_one(delivery.events.clone()) {
            let one = Delivery { id: DeliveryId::new(now_ms), events, shape, ..delivery.clone() };
            settlement::wait(commit, one, now_ms);
        }
        Dispatched::Gone
    }

    /// Puts a taken delivery back into the queue, due at `due_ms`.
    fn put_back(&mut self, delivery: Delivery, due_ms: u64) -> Dispatched {
        self.shares.left(delivery.customer);
        settlement::wait(&mut self.commits.pending, delivery, due_ms);
        Dispatched::Gone
    }

    fn give_up_taken(&mut self, delivery: Delivery, reason: DeadLetterReason, now_ms: u64) -> Dispatched {
        self.shares.left(delivery.customer);
        self.give_up(delivery, reason, now_ms);
        Dispatched::Gone
    }

    fn give_up(&mut self, delivery: Delivery, reason: DeadLetterReason, now_ms: u64) {
        self.context.metrics().ending(DeliveryEnding::GaveUp(reason), delivery.event_count());
        settlement::give_up(&mut self.commits.pending, delivery, reason, HeldBy::Queue, now_ms);
    }

    fn ended(&mut self, ended: Result<(Id, WorkResult), JoinError>) {
        let now_ms = self.now_ms();
        let Some((attempt, result)) = self.attempts.land(ended, now_ms) else { return };
        self.shares.ended(attempt.delivery.customer, attempt.bytes);
        let (delivery, commit) = (attempt.delivery, &mut self.commits.pending);
        match result {
            WorkResult::Attempted(attempted) => {
                let settlement =
                    conclude(&self.context, commit, &attempt.target, delivery, &attempted, HeldBy::Queue);
                settlement.rest.into_iter().for_each(|rest| commit.put(rest));
            }
            WorkResult::NotLoaded(LoadError::Lost { batch, why }) => {
                self.part_with(delivery, batch, why, now_ms);
            }
            WorkResult::NotLoaded(LoadError::NotNow(error)) => {
                self.context.store_failed(&error);
                settlement::wait(commit, delivery, now_ms + LOAD_RETRY_MS);
            }
        }
    }

    /// Handles a delivery with a lost batch: the batch's events become a dead letter, the others
    /// a new delivery.
    fn part_with(&mut self, delivery: Delivery, batch: BatchId, why: String, now_ms: u64) {
        tracing::error!(delivery = %delivery.id, why, "events that wait for delivery cannot be read back");
        let commit = &mut self.commits.pending;
        commit.done(delivery.subscription, delivery.id);
        let (lost, rest): (Vec<_>, Vec<_>) =
            delivery.events.iter().cloned().partition(|part| part.batch == batch);
        if !rest.is_empty() {
            let rest = Delivery { id: DeliveryId::new(now_ms), events: rest, ..delivery.clone() };
            settlement::wait(commit, rest, now_ms);
        }
        let mut lost = Delivery { id: DeliveryId::new(now_ms), events: lost, ..delivery };
        lost.last.error = Some(why);
        lost.last.at_ms = now_ms;
        self.give_up(lost, DeadLetterReason::Poison, now_ms);
    }

    fn tick(&mut self) {
        let now_ms = self.now_ms();
        if now_ms >= self.late_since_ms + LATE_WINDOW_MS {
            self.context.metrics().queue_late_seconds.set(self.late_ms as f64 / 1000.0);
            (self.late_ms, self.late_since_ms) = (0, now_ms);
        }
        let total = self.context.stores.queue.total();
        self.context.metrics().queue_deliveries.set(total.deliveries as f64);
        self.context.metrics().queue_events.set(total.events as f64);
        let directory = self.context.matchers.directory();
        self.context.endpoints.forget_unused(|subscription| {
            let entry = directory.customer(subscription.customer);
            entry.is_some_and(|entry| entry.state().subscription(subscription.id).is_some())
        });
    }

    /// Ends: takes nothing more, gives POSTs in flight a short grace, and makes their outcomes
    /// durable. The next worker takes all other deliveries again.
    async fn finish(mut self) -> Result<(), PortError> {
        let grace = Duration::from_millis(self.context.config.shutdown.grace_ms);
        let until = Instant::now() + grace;
        loop {
            self.commits.start(self.now_ms(), Position::START, None, true);
            let under_way = !self.attempts.is_empty();
            if !under_way && self.commits.is_idle(Position::START) {
                break;
            }
            // Cancel safe, as in `run`.
            tokio::select! {
                Some(ended) = self.attempts.next(), if under_way => self.ended(ended),
                written = self.commits.next() => drop::<GroupWrite>(written?),
                () = tokio::time::sleep_until(until), if under_way => self.attempts.abandon(),
            }
        }
        self.health.stopped();
        Ok(())
    }
}

async fn taken(taking: &mut Option<BoxFuture<'static, TakenFromQueue>>) -> TakenFromQueue {
    let Some(running) = taking else { return std::future::pending().await };
    let taken = running.await;
    *taking = None;
    taken
}

/// Takes due deliveries. If the queue fails, none are taken and the next look comes soon.
async fn take(
    context: Arc<Context>,
    now_ms: u64,
    max: usize,
    blocked: HashSet<SubscriptionId>,
) -> TakenFromQueue {
    let max_per_subscription = context.config.queue.taken_per_subscription_max;
    let request = TakeRequest { now_ms, max, max_per_subscription, blocked: &blocked };
    match context.stores.queue.take(request).await {
        Ok(deliveries) => TakenFromQueue { deliveries, given_up: context.stores.queue.take_given_up() },
        Err(error) => {
            context.store_failed(&error);
            tokio::time::sleep(Duration::from_millis(context.config.queue.poll_ms)).await;
            TakenFromQueue::default()
        }
    }
}

#[cfg(test)]
mod tests;
