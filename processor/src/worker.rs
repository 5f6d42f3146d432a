//! The task that works the queue: retries, hand-overs, redrives, replays.
//!
//! A delivery stays in the queue until its end is durable, so whatever dies
//! here is taken again after a restart. Endpoints do not wait for each other:
//! one that is busy or open keeps its own deliveries only.

pub(crate) mod load;

use crate::attempt::{Attempted, Job, Start};
use crate::conclude::conclude;
use crate::context::Context;
use crate::endpoint::{Asker, Denied, Permit};
use crate::health::WorkerHealth;
use crate::ledger::{Ledger, Stored};
use crate::settlement::{self, Ending, Held};
use crate::shard::reason_of;
use crate::target::Target;
use foldhash::HashMap;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use load::{LoadError, load};
use sluice_model::{
    BatchId, CustomerStatus, DeadLetterReason, Delivery, DeliveryId, SubscriptionId, SubscriptionStatus,
};
use sluice_ports::PortError;
use sluice_ports::log::Position;
use sluice_ports::work_queue::TakeRequest;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a delivery waits whose batches the store could not give now.
const LOAD_RETRY_MS: u64 = 1000;

/// The shortest time between two looks at the queue.
const TAKE_GAP_MS: u64 = 2;

/// How long until the next look after one that found nothing that should have been there.
const TAKE_AGAIN_MS: u64 = 50;

/// How long a delivery waits that found a probe on its way.
const BLOCKED_BY_PROBE_MS: u64 = 500;

/// How often the housekeeping runs.
const TICK_MS: u64 = 1000;

/// What a delivery's task came to.
enum Worked {
    Attempted(Attempted),
    NotLoaded(LoadError),
}

/// A delivery on its way.
struct InFlight {
    delivery: Delivery,
    target: Arc<Target>,
    /// What its body takes at the most.
    bytes: usize,
    began_ms: u64,
    stop: Option<oneshot::Sender<()>>,
}

/// The worker of the queue.
pub(crate) struct Worker {
    context: Arc<Context>,
    health: Arc<WorkerHealth>,
    /// Taken, not started: their endpoint is busy.
    /// In an order that is the same in each run.
    ready: BTreeMap<SubscriptionId, VecDeque<Delivery>>,
    ready_count: usize,
    in_flight: HashMap<Id, InFlight>,
    in_flight_bytes: usize,
    jobs: JoinSet<Worked>,
    taking: Option<BoxFuture<'static, Vec<Delivery>>>,
    /// When to look at the queue again.
    take_at_ms: u64,
    took_at_ms: u64,
    ledger: Ledger,
    tick_ms: u64,
}

impl Worker {
    pub(crate) fn new(context: Arc<Context>, health: Arc<WorkerHealth>) -> Self {
        Self {
            ledger: Ledger::new(Arc::clone(&context), None, Position::START),
            context,
            health,
            ready: BTreeMap::new(),
            ready_count: 0,
            in_flight: HashMap::default(),
            in_flight_bytes: 0,
            jobs: JoinSet::new(),
            taking: None,
            take_at_ms: 0,
            took_at_ms: 0,
            tick_ms: 0,
        }
    }

    /// Works the queue until told to stop, then ends in order.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), PortError> {
        self.health.started();
        let context = Arc::clone(&self.context);
        while !shutdown.is_cancelled() {
            self.turn();
            let sleep = self.sleep();
            // No branch loses anything when another wins: what is under way
            // stays in the ledger, the join set and `taking`; a notification
            // that is not consumed is kept.
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.jobs.join_next_with_id() => self.ended(ended),
                stored = self.ledger.next() => drop(stored?),
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
        while let Some(ended) = self.jobs.try_join_next_with_id() {
            self.ended(ended);
        }
        let now_ms = self.now_ms();
        self.dispatch(now_ms);
        self.take_if_due(now_ms);
        self.ledger.start(now_ms, Position::START, false);
        if now_ms >= self.tick_ms {
            self.tick_ms = now_ms + TICK_MS;
            self.tick();
        }
    }

    fn sleep(&self) -> Duration {
        let take_at = (self.taking.is_none() && self.has_room())
            .then_some(self.take_at_ms.max(self.took_at_ms + TAKE_GAP_MS));
        let wakes = [take_at, self.ledger.wake_ms(Position::START), Some(self.tick_ms)];
        let first = wakes.into_iter().flatten().min().unwrap_or(0);
        Duration::from_millis(first.saturating_sub(self.now_ms()).max(1))
    }

    fn has_room(&self) -> bool {
        self.ready_count + self.in_flight.len() < self.context.config.queue.taken_max
    }

    /// Starts to take deliveries, if any may be due and there is room for them.
    fn take_if_due(&mut self, now_ms: u64) {
        let due = now_ms >= self.take_at_ms.max(self.took_at_ms + TAKE_GAP_MS);
        if !due || self.taking.is_some() || !self.has_room() {
            return;
        }
        self.took_at_ms = now_ms;
        let (open, first_open) = self.context.endpoints.blocked(now_ms);
        let mut blocked: HashSet<_> = open.into_iter().collect();
        blocked.extend(self.ready.keys().copied());
        let next = self.context.stores.queue.next_due_ms(&blocked);
        let poll_at = now_ms + self.context.config.queue.poll_ms;
        self.take_at_ms = next.into_iter().chain(first_open).fold(poll_at, u64::min);
        if next.is_some_and(|next| next <= now_ms) {
            let max = self.context.config.queue.taken_max - self.ready_count - self.in_flight.len();
            self.taking = Some(take(Arc::clone(&self.context), now_ms, max, blocked).boxed());
        }
    }

    fn took(&mut self, deliveries: Vec<Delivery>) {
        // There may be more where these came from; or the queue sees it
        // otherwise than it said, and is asked again a little later.
        self.take_at_ms = if deliveries.is_empty() { self.now_ms() + TAKE_AGAIN_MS } else { 0 };
        self.ready_count += deliveries.len();
        for delivery in deliveries {
            self.ready.entry(delivery.subscription).or_default().push_back(delivery);
        }
    }

    /// Starts what can be started of what was taken.
    fn dispatch(&mut self, now_ms: u64) {
        let subscriptions: Vec<_> = self.ready.keys().copied().collect();
        for id in subscriptions {
            while let Some(delivery) = self.ready.get_mut(&id).and_then(VecDeque::pop_front) {
                self.ready_count -= 1;
                if let Err(delivery) = self.dispatch_one(delivery, now_ms) {
                    self.ready_count += 1;
                    self.ready.entry(id).or_default().push_front(delivery);
                    break;
                }
            }
            if self.ready.get(&id).is_some_and(VecDeque::is_empty) {
                self.ready.remove(&id);
                self.take_at_ms = 0;
            }
        }
    }

    /// Starts a delivery or ends it without an attempt; gives it back if it must wait its turn.
    fn dispatch_one(&mut self, delivery: Delivery, now_ms: u64) -> Result<(), Delivery> {
        let directory = self.context.matchers.directory();
        let state = directory.customer(delivery.customer).map(|entry| entry.state());
        let subscription = state.as_ref().and_then(|state| state.subscription(delivery.subscription));
        let Some(subscription) = subscription.filter(|of| of.status == SubscriptionStatus::Active) else {
            let reason = reason_of(subscription.map(|of| &of.status));
            self.give_up(delivery, reason, now_ms);
            return Ok(());
        };
        let config = &self.context.config.queue;
        if now_ms.saturating_sub(delivery.id.ms()) > config.delivery_age_max_ms {
            self.give_up(delivery, DeadLetterReason::Exhausted, now_ms);
            return Ok(());
        }
        if state.as_ref().is_some_and(|state| state.customer.status == CustomerStatus::Suspended) {
            settlement::wait(&mut self.ledger.pending, delivery, now_ms + config.suspended_wait_ms);
            return Ok(());
        }
        let bytes = subscription.batch.max_bytes as usize;
        if self.in_flight_bytes + bytes > config.in_flight_bytes_max && !self.in_flight.is_empty() {
            self.stop_slowest(now_ms);
            return Err(delivery);
        }
        let (endpoint, target) = self.context.endpoints.of(subscription);
        match self.context.endpoints.permit(&endpoint, Asker::Worker, now_ms) {
            Ok(permit) => self.start(delivery, target, permit, bytes, now_ms),
            Err(Denied::Busy) => return Err(delivery),
            // Its time runs, its attempts do not.
            Err(Denied::Open { until_ms }) => {
                let due_ms = until_ms.unwrap_or(now_ms + BLOCKED_BY_PROBE_MS);
                settlement::wait(&mut self.ledger.pending, delivery, due_ms);
            }
        }
        Ok(())
    }

    fn start(&mut self, delivery: Delivery, target: Arc<Target>, permit: Permit, bytes: usize, now_ms: u64) {
        let (stop, stopped) = oneshot::channel();
        let work = work(Arc::clone(&self.context), delivery.clone(), Arc::clone(&target), permit, stopped);
        let task = self.jobs.spawn(work).id();
        self.in_flight_bytes += bytes;
        let in_flight = InFlight { delivery, target, bytes, began_ms: now_ms, stop: Some(stop) };
        self.in_flight.insert(task, in_flight);
    }

    /// Makes room: the oldest attempt ends, if it has had its time.
    fn stop_slowest(&mut self, now_ms: u64) {
        let oldest = self.in_flight.values_mut().filter(|of| of.stop.is_some()).min_by_key(|of| of.began_ms);
        let age_cap_ms = self.context.config.shard.age_cap_ms;
        if let Some(oldest) = oldest.filter(|of| of.began_ms + age_cap_ms <= now_ms)
            && let Some(stop) = oldest.stop.take()
        {
            // An attempt that ended meanwhile does not hear it.
            stop.send(()).ok();
        }
    }

    fn give_up(&mut self, delivery: Delivery, reason: DeadLetterReason, now_ms: u64) {
        self.context.metrics().ending(Ending::GaveUp(reason), delivery.event_count());
        settlement::give_up(&mut self.ledger.pending, delivery, reason, Held::ByQueue, now_ms);
    }

    fn ended(&mut self, ended: Result<(Id, Worked), JoinError>) {
        let now_ms = self.now_ms();
        let (task, worked) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a delivery's task ended without a result");
                let lost = Attempted::lost(now_ms, "the attempt broke off".into());
                (error.id(), Worked::Attempted(lost))
            }
        };
        let Some(InFlight { delivery, target, bytes, .. }) = self.in_flight.remove(&task) else { return };
        self.in_flight_bytes -= bytes;
        let commit = &mut self.ledger.pending;
        match worked {
            Worked::Attempted(attempted) => {
                conclude(&self.context, commit, &target, delivery, &attempted, Held::ByQueue);
            }
            Worked::NotLoaded(LoadError::Lost { batch, why }) => self.part_with(delivery, batch, why, now_ms),
            Worked::NotLoaded(LoadError::NotNow(error)) => {
                self.context.store_failed(&error);
                settlement::wait(commit, delivery, now_ms + LOAD_RETRY_MS);
            }
        }
    }

    /// A batch of the delivery is lost: its events are a dead letter, the rest a delivery of its own.
    fn part_with(&mut self, delivery: Delivery, batch: BatchId, why: String, now_ms: u64) {
        tracing::error!(delivery = %delivery.id, why, "events that wait for delivery cannot be read back");
        let commit = &mut self.ledger.pending;
        commit.done(delivery.subscription, delivery.id);
        let (lost, rest): (Vec<_>, Vec<_>) =
            delivery.events.iter().cloned().partition(|of| of.batch == batch);
        if !rest.is_empty() {
            let rest = Delivery { id: DeliveryId::new(now_ms), events: rest, ..delivery.clone() };
            settlement::wait(commit, rest, now_ms);
        }
        let mut lost = Delivery { id: DeliveryId::new(now_ms), events: lost, ..delivery };
        lost.last.error = Some(why);
        lost.last.at_ms = now_ms;
        self.give_up(lost, DeadLetterReason::Poison, now_ms);
    }

    fn tick(&self) {
        let total = self.context.stores.queue.total();
        self.context.metrics().queue_deliveries.set(total.deliveries as f64);
        self.context.metrics().queue_events.set(total.events as f64);
        let directory = self.context.matchers.directory();
        self.context.endpoints.forget_unused(|subscription| {
            let entry = directory.customer(subscription.customer);
            entry.is_some_and(|entry| entry.state().subscription(subscription.id).is_some())
        });
    }

    /// Ends: nothing more is taken, a short grace for POSTs in flight, what
    /// they came to durable. The rest is taken again by the next worker.
    async fn finish(mut self) -> Result<(), PortError> {
        let grace = Duration::from_millis(self.context.config.shutdown.grace_ms);
        let until = Instant::now() + grace;
        loop {
            self.ledger.start(self.now_ms(), Position::START, true);
            let flying = !self.in_flight.is_empty();
            if !flying && self.ledger.is_idle(Position::START) {
                break;
            }
            // As in `run`, no branch loses anything.
            tokio::select! {
                Some(ended) = self.jobs.join_next_with_id(), if flying => self.ended(ended),
                stored = self.ledger.next() => drop::<Stored>(stored?),
                () = tokio::time::sleep_until(until), if flying => {
                    self.in_flight.clear();
                    self.jobs.abort_all();
                }
            }
        }
        self.health.stopped();
        Ok(())
    }
}

async fn taken(taking: &mut Option<BoxFuture<'static, Vec<Delivery>>>) -> Vec<Delivery> {
    let Some(running) = taking else { return std::future::pending().await };
    let deliveries = running.await;
    *taking = None;
    deliveries
}

/// Takes what is due. A failing queue gives nothing now; the next look comes soon.
async fn take(
    context: Arc<Context>,
    now_ms: u64,
    max: usize,
    blocked: HashSet<SubscriptionId>,
) -> Vec<Delivery> {
    let max_per_subscription = context.config.queue.taken_per_subscription_max;
    let request = TakeRequest { now_ms, max, max_per_subscription, blocked: &blocked };
    match context.stores.queue.take(request).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            context.store_failed(&error);
            tokio::time::sleep(Duration::from_millis(context.config.queue.poll_ms)).await;
            Vec::new()
        }
    }
}

/// Loads a delivery's events and attempts it.
async fn work(
    context: Arc<Context>,
    delivery: Delivery,
    target: Arc<Target>,
    permit: Permit,
    stopped: oneshot::Receiver<()>,
) -> Worked {
    let chunks = match load(&context, &delivery).await {
        Ok(chunks) => chunks,
        Err(error) => return Worked::NotLoaded(error),
    };
    let job = Job {
        delivery: delivery.id,
        number: delivery.attempts + 1,
        target,
        events: delivery.event_count(),
        chunks,
    };
    let attempted = context.courier.attempt(job, Start::Now(permit), stopped).await;
    let withdrawn = || Attempted::lost(context.clock().now_ms(), "withdrawn".into());
    Worked::Attempted(attempted.unwrap_or_else(withdrawn))
}

#[cfg(test)]
mod tests;
