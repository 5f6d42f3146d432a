//! One subscription on this shard: its waiting events, and the state on which its next step depends.

use super::flights::{FlightKeeper, FlightPhase};
use super::parked::ParkedEvents;
use crate::attempt::Attempted;
use crate::breaker::BreakerState;
use crate::commit::Commit;
use crate::config::ProcessorConfig;
use crate::endpoint::Permit;
use crate::matcher::Listener;
use crate::outbox::Outbox;
use crate::outlet::{ParkedSituation, Situation, Turn, Way};
use crate::parking::DeliveryOwner;
use crate::settlement::{self, DeliveryEnding, Settlement};
use crate::slice::{Slice, one_by_one};
use sluice_model::{DeadLetterReason, Delivery, Subscription, SubscriptionId};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::Id;

/// An endpoint whose POSTs take longer than this is slow, however many are in flight.
const SLOW_POST_MS: u64 = 100;

/// One subscription on this shard.
pub(super) struct Outlet {
    pub(super) listener: Arc<Listener>,
    pub(super) outbox: Outbox,
    /// Events that wait for their key, if the subscription is ordered.
    pub(super) parked: ParkedEvents,
    /// Whose turn it is: the parked lists' or the outbox's.
    pub(super) turn: Turn,
    /// The webhooks in flight that the log or a parked list holds.
    pub(super) in_flight: usize,
    pub(super) staged: Option<StagedWebhook>,
    /// Until this time events go to the queue, because the endpoint did not keep up.
    pub(super) slow_until_ms: u64,
    /// Why events become dead letters instead of deliveries, and since when.
    pub(super) gone: Option<(DeadLetterReason, u64)>,
    /// Whether the customer was told that the backlog is high; reset when it shrinks to half of that.
    pub(super) told_high: bool,
    /// How long recent POSTs took, in milliseconds.
    latency_ms: u64,
    /// When a POST last ended, or when the first of those in flight began.
    heard_ms: u64,
    pub(super) used_ms: u64,
}

/// A webhook that is signed (or being signed) and waits for its permit.
pub(super) struct StagedWebhook {
    pub(super) task: Id,
    /// Since when its first event has waited.
    pub(super) since_ms: u64,
    pub(super) gate: oneshot::Sender<Permit>,
}

/// A webhook whose attempt ended.
pub(super) struct Landing {
    /// The version of the subscription that it was made for.
    pub(super) listener: Arc<Listener>,
    pub(super) phase: FlightPhase,
    pub(super) keeper: FlightKeeper,
    pub(super) settlement: Settlement,
}

impl Outlet {
    pub(super) fn new(listener: Arc<Listener>) -> Self {
        Self {
            parked: ParkedEvents::new(DeliveryOwner::new(listener.target.subscription())),
            listener,
            outbox: Outbox::default(),
            turn: Turn::Parked,
            in_flight: 0,
            staged: None,
            slow_until_ms: 0,
            gone: None,
            told_high: false,
            latency_ms: 0,
            heard_ms: 0,
            used_ms: 0,
        }
    }

    pub(super) fn id(&self) -> SubscriptionId {
        self.listener.target.id()
    }

    /// The version of the subscription that webhooks are made for.
    pub(super) fn subscription(&self) -> &Arc<Subscription> {
        self.listener.target.subscription()
    }

    /// Notes that a webhook was sent.
    pub(super) fn took_off(&mut self, turn: Turn, now_ms: u64) {
        if self.in_flight == 0 {
            self.heard_ms = now_ms;
        }
        self.in_flight += 1;
        self.turn = turn;
    }

    /// Whether recent POSTs took long, or those in flight have brought no answer for long.
    pub(super) const fn is_slow(&self, now_ms: u64) -> bool {
        let silent_ms = if self.in_flight == 0 { 0 } else { now_ms.saturating_sub(self.heard_ms) };
        self.latency_ms >= SLOW_POST_MS || silent_ms >= SLOW_POST_MS
    }

    /// How long the first event of the outbox has waited.
    pub(super) fn waits_ms(&self, now_ms: u64) -> u64 {
        self.outbox.oldest_ms().map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
    }

    /// Whether nothing waits or is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.parked.is_empty() && self.in_flight == 0 && self.staged.is_none()
    }

    /// Takes over a newer version of the subscription, or its customer's new status.
    pub(super) fn follow(&mut self, listener: &Arc<Listener>) {
        if Arc::ptr_eq(&self.listener, listener) {
            return;
        }
        let (newer, mine) = (listener.target.subscription().version, self.subscription().version);
        if newer > mine {
            self.gone = None;
        }
        if newer >= mine {
            self.listener = Arc::clone(listener);
        }
    }

    /// Notes that the subscription, according to the catalogue, no longer receives events (`None`:
    /// it was deleted): its events become dead letters.
    pub(super) fn disabled_as(&mut self, known: Option<&Subscription>, now_ms: u64) {
        self.gone =
            Some((settlement::dead_letter_reason(known.map(|subscription| &subscription.status)), now_ms));
    }

    /// Whether events go to the endpoint, and their due time if they go to the queue.
    pub(super) fn way(&self, config: &ProcessorConfig, now_ms: u64) -> (Way, u64) {
        if self.listener.held {
            return (Way::Closed, now_ms + config.queue.suspended_wait_ms);
        }
        match self.listener.endpoint.breaker_state() {
            BreakerState::Open { until_ms } if until_ms > now_ms => (Way::Closed, until_ms),
            BreakerState::HalfOpen => (Way::Closed, now_ms),
            // If a probe is due, the next webhook is the probe.
            BreakerState::Closed | BreakerState::Open { .. } if self.slow_until_ms > now_ms => {
                (Way::Closed, now_ms)
            }
            BreakerState::Closed | BreakerState::Open { .. } => (Way::Open, now_ms),
        }
    }

    /// The input of [`next_step`](crate::outlet::next_step).
    pub(super) fn situation(&self, way: Way, now_ms: u64) -> Situation {
        Situation {
            now_ms,
            in_flight: self.in_flight,
            staged_since_ms: self.staged.as_ref().map(|staged| staged.since_ms),
            way,
            ordered: self.subscription().ordered,
        }
    }

    /// The input of [`next_parked`](crate::outlet::next_parked).
    pub(super) fn parked_situation(
        &self,
        config: &ProcessorConfig,
        durable: u64,
        now_ms: u64,
    ) -> ParkedSituation {
        ParkedSituation {
            now_ms,
            durable,
            under_way: self.in_flight + usize::from(self.staged.is_some()),
            turn: self.turn,
            suspended_until_ms: self.listener.held.then(|| now_ms + config.queue.suspended_wait_ms),
        }
    }

    /// Adds matched events; events behind a parked key are parked.
    pub(super) fn push(&mut self, commit: &mut Commit, slice: Slice, now_ms: u64) {
        self.used_ms = now_ms;
        if self.parked.is_empty() || !self.subscription().ordered {
            self.outbox.push(slice, now_ms);
            return;
        }
        let (held, free) = slice.split(|lane, key| self.parked.holds(lane, key));
        self.outbox.push(free, now_ms);
        if !held.events.is_empty() {
            self.hold_back(commit, &[held], now_ms, now_ms);
        }
    }

    /// Parks the events of the outbox whose key is now held.
    pub(super) fn divert_held(&mut self, commit: &mut Commit, now_ms: u64) {
        if self.parked.is_empty() || !self.subscription().ordered {
            return;
        }
        let parked = &self.parked;
        let diverted = self.outbox.divert(|lane, key| parked.holds(lane, key));
        self.hold_back(commit, &diverted, now_ms, now_ms);
    }

    /// Parks events behind those of their keys, and settles them; events without a key become a
    /// delivery of the queue, due at `due_ms`.
    pub(super) fn hold_back(&mut self, commit: &mut Commit, slices: &[Slice], due_ms: u64, now_ms: u64) {
        let target = Arc::clone(&self.listener.target);
        let keyless = self.parked.hold_back(commit, slices, &target.subscription().batch, now_ms);
        // If webhooks carry one event, each of these is a webhook of its own.
        let deliveries = if target.is_single() { one_by_one(keyless) } else { vec![keyless] };
        for events in deliveries.into_iter().filter(|events| !events.is_empty()) {
            commit.keep_shape(target.shape().as_ref(), now_ms);
            settlement::wait(commit, target.delivery(events, now_ms), due_ms);
        }
        for slice in slices {
            commit.settle(slice.ticket, slice.events.len());
        }
    }

    /// Handles the end of a webhook: the events to try again wait where the other events of their
    /// key wait, and the others are settled.
    pub(super) fn landed(&mut self, commit: &mut Commit, landing: Landing, attempted: &Attempted) {
        let Landing { listener, phase, keeper, settlement } = landing;
        let now_ms = attempted.ended_ms;
        match (phase, &keeper) {
            // Its task died before it got a permit.
            (FlightPhase::Staged, _) => self.staged = None,
            (FlightPhase::Sent, FlightKeeper::Queue(_)) => {}
            (FlightPhase::Sent, FlightKeeper::Log { .. } | FlightKeeper::Parked(..)) => self.in_flight -= 1,
        }
        match keeper {
            FlightKeeper::Log { tickets, slices } => {
                let subscription = listener.target.subscription();
                for (ticket, ended) in settlement.endings(subscription, &tickets, now_ms) {
                    commit.count(ticket, ended);
                }
                if let Some(rest) = settlement.rest {
                    self.wait_again(commit, rest, &slices, now_ms);
                }
                for share in tickets {
                    commit.settle(share.ticket, share.events);
                }
            }
            FlightKeeper::Queue(_room) => settlement.rest.into_iter().for_each(|rest| commit.put(rest)),
            FlightKeeper::Parked(lane, _room) => self.parked.ended(commit, lane, settlement.rest),
        }
        self.heard_ms = now_ms;
        self.latency_ms = (self.latency_ms * 7 + attempted.latency_ms()) / 8;
        let disabled = DeliveryEnding::GaveUp(DeadLetterReason::SubscriptionDisabled);
        let same_version = listener.target.subscription().version == self.subscription().version;
        if settlement.ending == disabled && same_version {
            self.gone = Some((DeadLetterReason::SubscriptionDisabled, now_ms));
        }
    }

    /// Handles a failed first attempt: its events hold their keys, or wait in the queue if they
    /// have none.
    fn wait_again(&mut self, commit: &mut Commit, rest: Delivery, slices: &[Slice], now_ms: u64) {
        match self.parked.fail(commit, rest, slices) {
            Ok(()) => self.divert_held(commit, now_ms),
            Err(keyless) => commit.put(keyless),
        }
    }
}
