//! The sending end of a shard: an outlet a subscription, and the POSTs in flight.

mod hand_over;

use super::parked::ParkedLanes;
use crate::attempt::{Attempted, Job, Start};
use crate::body;
use crate::commit::Commit;
use crate::context::{Context, Detached};
use crate::endpoint::{Asker, Denied, Permit};
use crate::matcher::Listener;
use crate::outbox::{Cut, Outbox};
use crate::outlet::{BUSY_WAIT_MS, Situation, Step, Way, next_step};
use crate::shard::reason_of;
use crate::slice::{Slice, Ticket};
use foldhash::HashMap;
use sluice_model::{DeadLetterReason, Delivery, DeliveryId, EventRef, Lane, LastAttempt, SubscriptionId};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinSet};

/// How long a subscription that is being disabled counts as gone without being seen to be.
const GONE_MS: u64 = 5000;

/// One subscription on this shard.
pub(super) struct Outlet {
    pub(super) listener: Arc<Listener>,
    pub(super) outbox: Outbox,
    /// What waits for its key, where the subscription is ordered.
    pub(super) parked: ParkedLanes,
    /// The last webhook was a parked one.
    pub(super) sent_parked: bool,
    /// First attempts in flight that hold the log.
    pub(super) in_flight: usize,
    pub(super) staged: Option<Staged>,
    /// Until then events go to the queue: the endpoint did not keep up.
    pub(super) slow_until_ms: u64,
    /// Why events become dead letters instead of deliveries, and since when.
    pub(super) gone: Option<(DeadLetterReason, u64)>,
    /// How long POSTs take lately, in milliseconds.
    pub(super) latency_ms: u64,
    pub(super) used_ms: u64,
    wake_ms: Option<u64>,
}

/// A webhook that is signed (or being signed) and waits for its permit.
pub(super) struct Staged {
    task: Id,
    since_ms: u64,
    gate: oneshot::Sender<Permit>,
}

/// A webhook on its way.
pub(super) struct InFlight {
    pub(super) listener: Arc<Listener>,
    pub(super) delivery: Delivery,
    /// What of the log it settles; empty once it is detached.
    pub(super) tickets: Vec<(Ticket, usize)>,
    pub(super) since_ms: u64,
    pub(super) body_bytes: usize,
    pub(super) staged: bool,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) detached: Option<Detached>,
    /// Its events, where the subscription is ordered.
    pub(super) slices: Vec<Slice>,
    /// The lane whose parked list has it, if one does.
    pub(super) parked: Option<Lane>,
}

/// All outlets of a shard.
pub(super) struct Outlets {
    pub(super) context: Arc<Context>,
    pub(super) all: HashMap<SubscriptionId, Outlet>,
    pub(super) in_flight: HashMap<Id, InFlight>,
    pub(super) jobs: JoinSet<Option<Attempted>>,
    /// When to look at which outlet again.
    wakes: BTreeSet<(u64, SubscriptionId)>,
    /// Outlets to look at now.
    touched: Vec<SubscriptionId>,
    /// The newest commit that is durable.
    pub(super) durable: u64,
}

impl Outlets {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            all: HashMap::default(),
            in_flight: HashMap::default(),
            jobs: JoinSet::new(),
            wakes: BTreeSet::new(),
            touched: Vec::new(),
            durable: 0,
        }
    }

    /// Adds matched events.
    pub(super) fn push(&mut self, listener: &Arc<Listener>, slice: Slice, commit: &mut Commit, now_ms: u64) {
        let id = listener.target.id();
        let outlet = self.all.entry(id).or_insert_with(|| Outlet::new(Arc::clone(listener)));
        outlet.follow(listener);
        outlet.used_ms = now_ms;
        if outlet.parked.is_empty() {
            outlet.outbox.push(slice, now_ms);
        } else {
            let free = outlet.park_held_of(slice, commit, now_ms);
            outlet.outbox.push(free, now_ms);
            self.cap_parked(id, commit, now_ms);
        }
        self.touched.push(id);
    }

    /// Looks at an outlet at the next [`Self::pump`].
    pub(super) fn touch(&mut self, id: SubscriptionId) {
        self.touched.push(id);
    }

    /// When the next outlet wants to be looked at.
    pub(super) fn wake_ms(&self) -> Option<u64> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Lets every outlet that is due or was touched take its steps.
    pub(super) fn pump(&mut self, commit: &mut Commit, now_ms: u64) {
        while let Some((_, id)) = self.wakes.first().filter(|(at, _)| *at <= now_ms).copied() {
            self.unschedule(id);
            self.touched.push(id);
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for id in touched.drain(..) {
            let until_ms = self.step(id, commit, now_ms);
            self.schedule(id, until_ms);
        }
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    fn schedule(&mut self, id: SubscriptionId, until_ms: Option<u64>) {
        self.unschedule(id);
        if let Some((outlet, until_ms)) = self.all.get_mut(&id).zip(until_ms) {
            outlet.wake_ms = Some(until_ms);
            self.wakes.insert((until_ms, id));
        }
    }

    fn unschedule(&mut self, id: SubscriptionId) {
        if let Some(at) = self.all.get_mut(&id).and_then(|outlet| outlet.wake_ms.take()) {
            self.wakes.remove(&(at, id));
        }
    }

    /// Takes steps until the outlet sleeps; says until when.
    fn step(&mut self, id: SubscriptionId, commit: &mut Commit, now_ms: u64) -> Option<u64> {
        loop {
            let outlet = self.all.get_mut(&id)?;
            if outlet.listener.until_ms.is_some() {
                let reason = reason_of(Some(&outlet.listener.target.subscription().status));
                outlet.gone.get_or_insert((reason, now_ms));
            }
            let outlet = self.all.get(&id)?;
            if outlet.gone.is_some() {
                self.hand_over(id, commit, now_ms, now_ms);
                return None;
            }
            let parked_ms = match self.step_parked(id, commit, now_ms) {
                Some(at) if at <= now_ms => continue,
                other => other,
            };
            let outlet = self.all.get(&id)?;
            let (way, due_ms) = self.way(outlet, now_ms);
            let situation = Situation {
                now_ms,
                in_flight: outlet.in_flight,
                staged_since_ms: outlet.staged.as_ref().map(|staged| staged.since_ms),
                way,
                ordered: outlet.listener.target.subscription().ordered,
            };
            let batch = &outlet.listener.target.subscription().batch;
            let sent = match next_step(&outlet.outbox, &situation, batch, &self.context.config.shard) {
                Step::Sleep { until_ms } => return until_ms.into_iter().chain(parked_ms).min(),
                Step::HandOver { slow } => {
                    self.hand_over(id, commit, due_ms, now_ms);
                    if slow {
                        self.slow_down(id, now_ms);
                    }
                    continue;
                }
                Step::Stage => {
                    self.stage(id, now_ms);
                    continue;
                }
                Step::Send => self.send(id, now_ms),
                Step::SendStaged => self.send_staged(id, now_ms),
            };
            match sent {
                Ok(()) => {}
                Err(Denied::Busy) => return Some(now_ms + BUSY_WAIT_MS),
                Err(Denied::Open { until_ms }) => {
                    self.hand_over(id, commit, until_ms.unwrap_or(now_ms), now_ms);
                }
            }
        }
    }

    /// Whether events go to the endpoint, and when they are due if they go to the queue.
    fn way(&self, outlet: &Outlet, now_ms: u64) -> (Way, u64) {
        if outlet.listener.held {
            return (Way::Closed, now_ms + self.context.config.queue.suspended_wait_ms);
        }
        match outlet.listener.endpoint.open_until() {
            Some(Some(until_ms)) if until_ms > now_ms => (Way::Closed, until_ms),
            // A probe is on its way.
            Some(None) => (Way::Closed, now_ms),
            // Closed, or a probe is due: the next webhook is it.
            None | Some(Some(_)) if outlet.slow_until_ms > now_ms => (Way::Closed, now_ms),
            None | Some(Some(_)) => (Way::Open, now_ms),
        }
    }

    /// The endpoint does not keep up: for a while its events go to the queue.
    pub(super) fn slow_down(&mut self, id: SubscriptionId, now_ms: u64) {
        if let Some(outlet) = self.all.get_mut(&id) {
            outlet.slow_until_ms = now_ms + self.context.config.shard.age_cap_ms;
        }
    }

    fn send(&mut self, id: SubscriptionId, now_ms: u64) -> Result<(), Denied> {
        let permit = self.permit(id, now_ms)?;
        self.start(id, |_| Start::Now(permit), now_ms);
        Ok(())
    }

    fn stage(&mut self, id: SubscriptionId, now_ms: u64) {
        let (gate, granted) = oneshot::channel();
        let Some((task, since_ms)) = self.start(
            id,
            |staged| {
                *staged = true;
                Start::When(granted)
            },
            now_ms,
        ) else {
            return;
        };
        if let Some(outlet) = self.all.get_mut(&id) {
            outlet.staged = Some(Staged { task, since_ms, gate });
        }
    }

    fn send_staged(&mut self, id: SubscriptionId, now_ms: u64) -> Result<(), Denied> {
        let permit = self.permit(id, now_ms)?;
        let Some(outlet) = self.all.get_mut(&id) else { return Ok(()) };
        let Some(staged) = outlet.staged.take() else { return Ok(()) };
        if let Some(flying) = self.in_flight.get_mut(&staged.task) {
            flying.staged = false;
            outlet.in_flight += 1;
        }
        // A task that is gone left its permit in the message: dropped with it.
        drop(staged.gate.send(permit));
        Ok(())
    }

    pub(super) fn permit(&self, id: SubscriptionId, now_ms: u64) -> Result<Permit, Denied> {
        let outlet = self.all.get(&id).ok_or(Denied::Busy)?;
        self.context.endpoints.permit(&outlet.listener.endpoint, Asker::Shard, now_ms)
    }

    /// Cuts a webhook and starts its task.
    fn start(
        &mut self,
        id: SubscriptionId,
        when: impl FnOnce(&mut bool) -> Start,
        now_ms: u64,
    ) -> Option<(Id, u64)> {
        let outlet = self.all.get_mut(&id)?;
        let listener = Arc::clone(&outlet.listener);
        let subscription = listener.target.subscription();
        let cut = outlet.outbox.cut(&subscription.batch, subscription.ordered)?;
        let mut staged = false;
        let start = when(&mut staged);
        outlet.in_flight += usize::from(!staged);
        let delivery = delivery_of(&cut, &listener, now_ms);
        let job = Job {
            delivery: delivery.id,
            number: 1,
            target: Arc::clone(&listener.target),
            events: cut.events,
            chunks: body::chunks(cut.slices.iter().map(|slice| (&*slice.batch, &slice.events))),
        };
        let (stop, stopped) = oneshot::channel();
        let courier = Arc::clone(&self.context.courier);
        let task = self.jobs.spawn(async move { courier.attempt(job, start, stopped).await }).id();
        let in_flight = InFlight {
            tickets: tickets_of(&cut),
            slices: if listener.target.subscription().ordered { cut.slices } else { Vec::new() },
            parked: None,
            listener,
            delivery,
            since_ms: cut.since_ms,
            body_bytes: cut.body_bytes,
            staged,
            stop: Some(stop),
            detached: None,
        };
        self.in_flight.insert(task, in_flight);
        Some((task, cut.since_ms))
    }

    /// Ends webhooks that wait for a permit: nothing more is sent.
    pub(super) fn withdraw_staged(&mut self) {
        for outlet in self.all.values_mut() {
            if let Some(staged) = outlet.staged.take() {
                self.in_flight.remove(&staged.task);
            }
        }
    }

    /// Events are delivered again where a subscription should have been
    /// disabled and was not: the catalogue failed, or its owner enabled it.
    /// One that is disabled has no new events.
    pub(super) fn forgive(&mut self, now_ms: u64) {
        for outlet in self.all.values_mut() {
            if outlet.gone.is_some_and(|(_, since_ms)| now_ms >= since_ms + GONE_MS) {
                outlet.gone = None;
            }
        }
    }

    /// Forgets outlets that were not used for a while.
    pub(super) fn evict(&mut self, unused_since_ms: u64) {
        let idle = |outlet: &Outlet| {
            outlet.outbox.is_empty()
                && outlet.parked.is_empty()
                && outlet.in_flight == 0
                && outlet.staged.is_none()
        };
        self.all.retain(|_, outlet| !idle(outlet) || outlet.used_ms >= unused_since_ms);
        let all = &self.all;
        self.wakes.retain(|(_, id)| all.contains_key(id));
    }
}

impl Outlet {
    pub(super) fn new(listener: Arc<Listener>) -> Self {
        Self {
            listener,
            outbox: Outbox::default(),
            parked: ParkedLanes::default(),
            sent_parked: false,
            in_flight: 0,
            staged: None,
            slow_until_ms: 0,
            gone: None,
            latency_ms: 0,
            used_ms: 0,
            wake_ms: None,
        }
    }

    /// Takes over a newer version of the subscription, or its customer's new status.
    pub(super) fn follow(&mut self, listener: &Arc<Listener>) {
        if Arc::ptr_eq(&self.listener, listener) {
            return;
        }
        let version = |of: &Listener| of.target.subscription().version;
        if version(listener) > version(&self.listener) {
            self.gone = None;
        }
        if version(listener) >= version(&self.listener) {
            self.listener = Arc::clone(listener);
        }
    }
}

fn tickets_of(cut: &Cut) -> Vec<(Ticket, usize)> {
    cut.slices.iter().map(|slice| (slice.ticket, slice.events.len())).collect()
}

fn delivery_of(cut: &Cut, listener: &Listener, now_ms: u64) -> Delivery {
    let subscription = listener.target.subscription();
    let events =
        cut.slices.iter().map(|of| EventRef { batch: of.batch.id, events: of.events.clone() }).collect();
    Delivery {
        id: DeliveryId::new(now_ms),
        customer: subscription.customer,
        subscription: subscription.id,
        events,
        attempts: 0,
        first_attempt_ms: 0,
        last: LastAttempt::default(),
        due_ms: now_ms,
    }
}
