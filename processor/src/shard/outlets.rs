//! All outlets of a shard: when each takes its next step, and the webhooks under way.

use super::flights::{EndedTask, Flight, FlightKeeper, FlightPhase, Flights};
use super::hand_over::{cap_backlog, detach};
use super::outlet::{Landing, Outlet};
use super::parked_rows::ParkedRow;
use super::steps::take_steps;
use super::wakes::Wakes;
use super::workbench::Workbench;
use crate::commit::Commit;
use crate::conclude::conclude;
use crate::context::Context;
use crate::matcher::Listener;
use crate::slice::Slice;
use foldhash::HashMap;
use sluice_model::SubscriptionId;
use std::sync::Arc;

/// How long events of a subscription that is being disabled become dead letters before the
/// catalogue shows it as disabled.
const GONE_MS: u64 = 5000;

/// How long an outlet without events is kept.
const IDLE_MS: u64 = 600_000;

/// In a full shard, a POST of a slow endpoint for which there is no room is stopped after this
/// share (one in so many) of the age cap.
const HURRY_SHARE: u64 = 4;

/// How full a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    /// Less than half of the cap is used.
    Low,
    /// At least half of the cap is used.
    Filling,
    /// The cap is reached: reading pauses, and all customers of the shard wait.
    Full,
}

/// The sums of unsettled work in a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnsettledSum {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// All outlets of a shard.
pub(super) struct Outlets {
    context: Arc<Context>,
    all: HashMap<SubscriptionId, Outlet>,
    flights: Flights,
    wakes: Wakes,
    /// The newest durable commit.
    durable: u64,
}

impl Outlets {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self {
            flights: Flights::new(Arc::clone(&context)),
            context,
            all: HashMap::default(),
            wakes: Wakes::default(),
            durable: 0,
        }
    }

    /// Adds matched events.
    pub(super) fn push(&mut self, listener: &Arc<Listener>, slice: Slice, commit: &mut Commit, now_ms: u64) {
        let outlet = self.outlet(listener);
        outlet.follow(listener);
        outlet.push(commit, slice, now_ms);
        let id = listener.target.id();
        self.cap_parked(id, commit, now_ms);
        self.wakes.touch(id);
    }

    /// Adds a parked entry when the shard begins.
    pub(super) fn load(&mut self, listener: &Arc<Listener>, row: ParkedRow, now_ms: u64) {
        let outlet = self.outlet(listener);
        outlet.used_ms = now_ms;
        outlet.parked.load(row.lane, row.entry);
        self.wakes.touch(listener.target.id());
    }

    fn outlet(&mut self, listener: &Arc<Listener>) -> &mut Outlet {
        let id = listener.target.id();
        self.all.entry(id).or_insert_with(|| Outlet::new(Arc::clone(listener)))
    }

    /// When the next outlet must be looked at.
    pub(super) fn wake_ms(&self) -> Option<u64> {
        self.wakes.first_ms()
    }

    /// Lets every outlet that is due or was touched take its steps.
    pub(super) fn pump(&mut self, commit: &mut Commit, now_ms: u64) {
        for id in self.wakes.take_due(now_ms) {
            let Some(outlet) = self.all.get_mut(&id) else { continue };
            let mut bench = Workbench {
                context: &self.context,
                flights: &mut self.flights,
                commit,
                durable: self.durable,
                now_ms,
            };
            match take_steps(outlet, &mut bench) {
                Some(until_ms) => self.wakes.set(id, until_ms),
                None => self.wakes.remove(id),
            }
        }
    }

    /// Waits for the end of a webhook's task; `None` if there is no task. Cancel safe.
    pub(super) async fn next_ended(&mut self) -> Option<EndedTask> {
        self.flights.next().await
    }

    /// The end of a webhook's task, if one has ended.
    pub(super) fn try_ended(&mut self) -> Option<EndedTask> {
        self.flights.try_next()
    }

    /// Handles the end of a webhook's task.
    pub(super) fn land(&mut self, ended: EndedTask, commit: &mut Commit, now_ms: u64) {
        let Some((flight, attempted)) = self.flights.land(ended, now_ms) else { return };
        let Flight { listener, delivery, phase, keeper, .. } = flight;
        let held = keeper.held_by();
        let settlement = conclude(&self.context, commit, &listener.target, delivery, &attempted, held);
        let id = listener.target.id();
        match self.all.get_mut(&id) {
            Some(outlet) => {
                let landing = Landing { listener, phase, keeper, settlement };
                outlet.landed(commit, landing, &attempted);
            }
            // Only a webhook that the queue holds outlives its outlet.
            None => settlement.rest.into_iter().for_each(|rest| commit.put(rest)),
        }
        self.cap_parked(id, commit, attempted.ended_ms);
        self.wakes.touch(id);
    }

    /// Disables an ordered subscription with more parked events than allowed.
    fn cap_parked(&mut self, id: SubscriptionId, commit: &mut Commit, now_ms: u64) {
        if let Some(outlet) = self.all.get_mut(&id).filter(|outlet| !outlet.parked.is_empty()) {
            cap_backlog(outlet, &self.context, commit, 0, now_ms);
        }
    }

    /// Notes that the commits up to this one are durable: events parked in them may go.
    pub(super) fn made_durable(&mut self, generation: u64) {
        let before = std::mem::replace(&mut self.durable, generation);
        let parked = self.all.iter().filter(|(_, outlet)| outlet.parked.generation() > before);
        parked.for_each(|(id, _)| self.wakes.touch(*id));
    }

    /// Makes POSTs older than the age cap stop holding the log. If there is no room for more such
    /// POSTs, they are stopped. In a full shard, POSTs of slow endpoints stop holding the log much
    /// sooner.
    pub(super) fn detach_old(&mut self, pressure: Pressure, commit: &mut Commit, now_ms: u64) {
        let config = &self.context.config.shard;
        for flight in self.flights.iter_mut() {
            let holds_log =
                flight.phase == FlightPhase::Sent && matches!(flight.keeper, FlightKeeper::Log { .. });
            let id = flight.listener.target.id();
            let Some(outlet) = self.all.get_mut(&id).filter(|_| holds_log) else { continue };
            let (detach_after_ms, stop_after_ms) = if pressure == Pressure::Full && outlet.is_slow(now_ms) {
                (config.overtake_after_ms, config.age_cap_ms / HURRY_SHARE)
            } else {
                (config.age_cap_ms, config.age_cap_ms)
            };
            let age_ms = now_ms.saturating_sub(flight.since_ms);
            if age_ms < detach_after_ms {
                continue;
            }
            match self.context.detach(flight.body_bytes) {
                Some(room) => detach(outlet, flight, room, &self.context, commit, now_ms),
                None if age_ms >= stop_after_ms => flight.stop(),
                None => {}
            }
            self.wakes.touch(id);
        }
    }

    /// Relieves a shard that fills: outlets whose events have waited long and whose endpoint is
    /// slow give their events to the queue, those that hold most of the shard first, until the
    /// others hold less than half of the cap.
    ///
    /// An endpoint is slow if its POSTs take long; in a full shard also if other outlets have to
    /// wait for it. If only one fast endpoint is left, with more events than it can take, they had
    /// better wait in the log.
    pub(super) fn relieve(&mut self, pressure: Pressure, held: UnsettledSum, now_ms: u64) {
        let config = &self.context.config.shard;
        let waits = |outlet: &Outlet| outlet.waits_ms(now_ms) >= config.overtake_after_ms;
        let others = pressure == Pressure::Full && self.all.values().any(|outlet| !waits(outlet));
        let behind = self.all.values_mut().filter(|outlet| waits(outlet));
        let mut slow: Vec<_> = behind.filter(|outlet| others || outlet.is_slow(now_ms)).collect();
        slow.sort_by_cached_key(|outlet| std::cmp::Reverse((outlet.outbox.bytes(), outlet.id())));
        let (mut events, mut bytes) = (held.events, held.bytes);
        for outlet in slow {
            if events < config.unsettled_events_max / 2 && bytes < config.unsettled_bytes_max / 2 {
                break;
            }
            events = events.saturating_sub(outlet.outbox.events());
            bytes = bytes.saturating_sub(outlet.outbox.bytes());
            outlet.slow_until_ms = now_ms + config.age_cap_ms;
            self.wakes.touch(outlet.id());
        }
    }

    /// Lets outlets take over new versions of their subscriptions; outlets whose subscription is
    /// disabled or deleted give up their events.
    pub(super) fn follow_catalogue(&mut self, now_ms: u64) {
        for (id, outlet) in &mut self.all {
            let customer = outlet.subscription().customer;
            let known = self.context.subscription(customer, *id);
            let matcher = self.context.matchers.matcher(customer);
            match matcher.as_ref().and_then(|matcher| matcher.by_id(*id)) {
                Some(listener) => outlet.follow(listener),
                None => outlet.disabled_as(known.as_deref(), now_ms),
            }
            self.wakes.touch(*id);
        }
    }

    /// Delivers again if a subscription was to be disabled and was not, because the catalogue
    /// failed or the owner enabled it. A disabled subscription has no new events.
    pub(super) fn forgive(&mut self, now_ms: u64) {
        for outlet in self.all.values_mut() {
            if outlet.gone.is_some_and(|(_, since_ms)| now_ms >= since_ms + GONE_MS) {
                outlet.gone = None;
            }
        }
    }

    /// Forgets outlets that were not used for a while.
    pub(super) fn evict(&mut self, now_ms: u64) {
        let wakes = &mut self.wakes;
        self.all.retain(|id, outlet| {
            let keep = !outlet.is_idle() || outlet.used_ms + IDLE_MS >= now_ms;
            if !keep {
                wakes.remove(*id);
            }
            keep
        });
    }

    /// Withdraws webhooks that wait for a permit: nothing more is sent.
    pub(super) fn withdraw_staged(&mut self) {
        for outlet in self.all.values_mut() {
            if let Some(staged) = outlet.staged.take() {
                self.flights.withdraw(staged.task);
            }
        }
    }

    /// Whether any webhook is under way.
    pub(super) fn any_under_way(&self) -> bool {
        !self.flights.is_empty()
    }

    /// Breaks off all webhooks under way.
    pub(super) fn abandon(&mut self) {
        self.flights.abandon();
    }
}
