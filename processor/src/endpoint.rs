//! The endpoints of all subscriptions, and the right to POST to them.
//!
//! Shards and the queue's worker share an endpoint's breaker and its limit of POSTs in flight. A
//! [`Permit`] is the right to make one POST.

use crate::breaker::{Breaker, BreakerPolicy, BreakerState, BreakerVerdict};
use crate::clock;
use crate::outcome::EndpointHealth;
use crate::pace::{PaceRate, SubscriptionPace};
use crate::target::Target;
use crate::unsaved::UnsavedAttempts;
use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;
use sluice_model::{AttemptRecord, Subscription, SubscriptionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Who asks for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A shard, for a first attempt. A quarter of the endpoint's POSTs is reserved for the
    /// worker, or the backlog would never shrink while events come.
    Shard,
    /// The queue's worker.
    Worker,
}

/// Why a permit is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitDenied {
    /// The breaker is open until this time or later; `None` while a probe is in flight.
    Open {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
    /// The endpoint has as many POSTs in flight as allowed.
    Busy,
    /// The subscription was sent as many events as its rate limit allows.
    Paced {
        /// When it may be sent more, in milliseconds since the Unix epoch.
        until_ms: u64,
    },
}

/// One subscription's endpoint.
#[derive(Debug)]
pub struct Endpoint {
    id: SubscriptionId,
    state: Mutex<EndpointState>,
}

#[derive(Debug)]
struct EndpointState {
    target: Arc<Target>,
    breaker: Breaker,
    in_flight: u32,
    /// Whether the worker was denied a permit because the endpoint was busy, and waits for one.
    worker_waits: bool,
    unsaved: UnsavedAttempts,
    /// The pace at which it is sent events, if it has a rate limit.
    pace: SubscriptionPace,
}

/// All recently used endpoints.
#[derive(Debug)]
pub struct Endpoints {
    all: Mutex<HashMap<SubscriptionId, Arc<Endpoint>>>,
    /// The subscriptions whose breaker is not closed.
    open: Mutex<HashSet<SubscriptionId>>,
    /// The subscriptions with attempts that are not in the history yet, each once.
    unsaved: Mutex<Vec<SubscriptionId>>,
    limits: EndpointLimits,
    changed: Notify,
    /// The number of processes that share the rate limits of subscriptions.
    processes: AtomicUsize,
}

/// The limits of every endpoint.
#[derive(Debug, Clone, Copy)]
pub struct EndpointLimits {
    /// When breakers open.
    pub breaker: BreakerPolicy,
    /// The most POSTs in flight to one endpoint.
    pub concurrency_max: u32,
}

impl Endpoints {
    /// Without endpoints yet.
    #[must_use]
    pub fn new(limits: EndpointLimits) -> Self {
        Self {
            all: Mutex::default(),
            open: Mutex::default(),
            unsaved: Mutex::default(),
            limits,
            changed: Notify::new(),
            processes: AtomicUsize::new(1),
        }
    }

    /// Sets how many processes share the rate limits of subscriptions.
    pub fn shared_among(&self, processes: usize) {
        self.processes.store(processes.max(1), Ordering::Relaxed);
    }

    /// This process' part of a rate limit.
    fn rate(&self, subscription: &Subscription) -> Option<PaceRate> {
        let processes = self.processes.load(Ordering::Relaxed);
        subscription.rate_limit_per_second.map(|per_second| PaceRate { per_second, processes })
    }

    /// The due time of a delivery that goes into the queue: `due_ms`, or later if other deliveries of
    /// a subscription with a rate limit wait before it.
    #[must_use]
    pub fn planned_ms(&self, endpoint: &Endpoint, events: usize, due_ms: u64, now_ms: u64) -> u64 {
        let mut state = endpoint.state.lock();
        let Some(rate) = self.rate(state.target.subscription()) else { return due_ms };
        state.pace.plan(rate, events, now_ms).max(due_ms)
    }

    /// The endpoint of a subscription, and the subscription prepared for POSTs. A new version
    /// replaces the old one; a new URL starts with a closed breaker.
    pub fn endpoint(&self, subscription: &Arc<Subscription>) -> (Arc<Endpoint>, Arc<Target>) {
        let mut all = self.all.lock();
        let endpoint = all.entry(subscription.id).or_insert_with(|| {
            let target = Arc::new(Target::new(Arc::clone(subscription)));
            Arc::new(Endpoint { id: subscription.id, state: Mutex::new(EndpointState::new(target)) })
        });
        let endpoint = Arc::clone(endpoint);
        drop(all);
        let mut state = endpoint.state.lock();
        if state.target.subscription().version < subscription.version {
            if state.target.subscription().webhook_url != subscription.webhook_url {
                state.breaker = Breaker::default();
            }
            match (self.rate(state.target.subscription()), self.rate(subscription)) {
                (Some(before), Some(after)) if before != after => state.pace.change(before, after),
                (_, None) => state.pace = SubscriptionPace::default(),
                (None | Some(_), Some(_)) => {}
            }
            state.target = Arc::new(Target::new(Arc::clone(subscription)));
        }
        let target = Arc::clone(&state.target);
        drop(state);
        (endpoint, target)
    }

    /// The attempts that are not in the history yet, of at most `max` subscriptions.
    #[must_use]
    pub fn take_unsaved(&self, max: usize) -> Vec<(SubscriptionId, Vec<Arc<AttemptRecord>>)> {
        let mut ids = self.unsaved.lock();
        let count = ids.len().min(max);
        let ids: Vec<_> = ids.drain(..count).collect();
        let unsaved = |id: SubscriptionId| {
            let endpoint = self.all.lock().get(&id).map(Arc::clone)?;
            let unsaved = endpoint.state.lock().unsaved.take();
            Some((id, unsaved))
        };
        ids.into_iter().filter_map(unsaved).collect()
    }

    /// The endpoints that the worker should leave alone now, and when the first of them may be tried.
    #[must_use]
    pub fn blocked(&self, now_ms: u64) -> (Vec<SubscriptionId>, Option<u64>) {
        let mut open = self.open.lock();
        let (mut blocked, mut first) = (Vec::new(), None::<u64>);
        open.retain(|id| {
            let Some(endpoint) = self.all.lock().get(id).map(Arc::clone) else { return false };
            let state = endpoint.breaker_state();
            match state {
                BreakerState::Open { until_ms } if until_ms > now_ms => {
                    blocked.push(*id);
                    first = Some(first.map_or(until_ms, |first| first.min(until_ms)));
                }
                BreakerState::HalfOpen => blocked.push(*id),
                BreakerState::Open { .. } | BreakerState::Closed => {}
            }
            state != BreakerState::Closed
        });
        (blocked, first)
    }

    /// The breaker of a subscription's endpoint, if this process sent to it recently.
    #[must_use]
    pub fn breaker_of(&self, id: SubscriptionId) -> Option<BreakerState> {
        let endpoint = self.all.lock().get(&id).map(Arc::clone)?;
        Some(endpoint.breaker_state())
    }

    /// Waits until a probe ends, or until a permit returns after the worker was denied one.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Forgets unused endpoints of subscriptions that no longer exist.
    pub fn forget_unused(&self, exists: impl Fn(&Subscription) -> bool) {
        self.all.lock().retain(|_, endpoint| {
            Arc::strong_count(endpoint) > 1 || exists(endpoint.state.lock().target.subscription())
        });
    }

    /// The right to make one POST.
    ///
    /// # Errors
    /// If the endpoint's breaker is open, or it has as many POSTs in flight as allowed.
    pub fn permit(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        asker: Asker,
        now_ms: u64,
    ) -> Result<Permit, PermitDenied> {
        let max = self.limits.concurrency_max;
        let mut state = endpoint.state.lock();
        let limit = match asker {
            Asker::Shard => max - max / 4,
            Asker::Worker => max,
        };
        if state.in_flight >= limit {
            state.worker_waits |= asker == Asker::Worker;
            return Err(PermitDenied::Busy);
        }
        // Checked before the breaker, which counts everybody it lets through.
        if state.target.subscription().rate_limit_per_second.is_some()
            && let Some(until_ms) = state.pace.wait_until_ms(now_ms)
        {
            return Err(PermitDenied::Paced { until_ms });
        }
        let probe = match state.breaker.admit(now_ms) {
            BreakerVerdict::Go => false,
            BreakerVerdict::Probe => true,
            BreakerVerdict::Wait { until_ms } => return Err(PermitDenied::Open { until_ms }),
        };
        state.in_flight += 1;
        drop(state);
        let (endpoints, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
        Ok(Permit { endpoints, endpoint, probe, recorded: false, last_ms: now_ms })
    }
}

impl EndpointState {
    fn new(target: Arc<Target>) -> Self {
        let (breaker, unsaved) = (Breaker::default(), UnsavedAttempts::default());
        Self {
            target,
            breaker,
            in_flight: 0,
            worker_waits: false,
            unsaved,
            pace: SubscriptionPace::default(),
        }
    }
}

impl Endpoint {
    /// Whether POSTs go through.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.state.lock().breaker.state()
    }
}

/// The right to make one POST, which returns when the permit is dropped. If a probe ends without
/// an outcome, the next probe may start at once.
#[derive(Debug)]
pub struct Permit {
    endpoints: Arc<Endpoints>,
    endpoint: Arc<Endpoint>,
    probe: bool,
    recorded: bool,
    last_ms: u64,
}

impl Permit {
    /// Counts the events of the POST towards the subscription's rate limit.
    pub fn sends(&self, events: usize, now_ms: u64) {
        let mut state = self.endpoint.state.lock();
        if let Some(rate) = self.endpoints.rate(state.target.subscription()) {
            state.pace.pay(rate, events, now_ms);
        }
    }

    /// Records the outcome of the POST. Returns true if it opened the breaker.
    pub fn record(mut self, now_ms: u64, health: EndpointHealth, attempt: AttemptRecord) -> bool {
        let limits = &self.endpoints.limits;
        let mut state = self.endpoint.state.lock();
        let random = if health == EndpointHealth::Up { 0.0 } else { clock::random() };
        let opened = state.breaker.record(&limits.breaker, now_ms, health, self.probe, random);
        let first = state.unsaved.push(attempt);
        drop(state);
        if first {
            self.endpoints.unsaved.lock().push(self.endpoint.id);
        }
        if opened {
            self.endpoints.open.lock().insert(self.endpoint.id);
        }
        self.recorded = true;
        opened
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.endpoint.state.lock();
        state.in_flight -= 1;
        if self.probe && !self.recorded {
            state.breaker.abandon_probe(self.last_ms);
        }
        let tell = std::mem::take(&mut state.worker_waits) || self.probe;
        drop(state);
        if tell {
            self.endpoints.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{attempt_record, subscription};

    const DOWN: EndpointHealth = EndpointHealth::Down { hold: None };

    fn endpoints() -> Arc<Endpoints> {
        let breaker = BreakerPolicy { consecutive_failures: 1, ..BreakerPolicy::default() };
        Arc::new(Endpoints::new(EndpointLimits { breaker, concurrency_max: 4 }))
    }

    #[test]
    fn the_limit_holds_and_leaves_the_worker_its_share() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.endpoint(&Arc::new(subscription(1)));
        let ask = |asker| endpoints.permit(&endpoint, asker, 0);
        let _held: Vec<_> = (0..3).map(|_| ask(Asker::Shard).unwrap()).collect();
        assert_eq!(ask(Asker::Shard).unwrap_err(), PermitDenied::Busy);
        let last = ask(Asker::Worker).unwrap();
        assert_eq!(ask(Asker::Worker).unwrap_err(), PermitDenied::Busy);
        drop(last);
        assert!(ask(Asker::Worker).is_ok());
    }

    #[test]
    fn an_open_breaker_blocks_until_a_probe_succeeds() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.endpoint(&Arc::new(subscription(1)));
        let permit = endpoints.permit(&endpoint, Asker::Shard, 0).unwrap();
        assert!(permit.record(0, DOWN, attempt_record()));
        let BreakerState::Open { until_ms: until } = endpoint.breaker_state() else { panic!("not open") };
        assert_eq!(endpoints.blocked(until - 1), (vec![endpoint.id], Some(until)));
        assert_eq!(endpoints.blocked(until), (vec![], None));

        let probe = endpoints.permit(&endpoint, Asker::Worker, until).unwrap();
        assert!(probe.probe);
        assert_eq!(endpoints.blocked(until), (vec![endpoint.id], None));
        drop(probe);
        let probe = endpoints.permit(&endpoint, Asker::Worker, until).unwrap();
        assert!(!probe.record(until, EndpointHealth::Up, attempt_record()));
        assert_eq!(endpoint.breaker_state(), BreakerState::Closed);
        assert_eq!(endpoints.take_unsaved(1)[0].1.len(), 2);
    }

    #[test]
    fn a_new_url_starts_afresh() {
        let endpoints = endpoints();
        let mut changed = subscription(1);
        let (endpoint, _) = endpoints.endpoint(&Arc::new(changed.clone()));
        endpoints.permit(&endpoint, Asker::Shard, 0).unwrap().record(0, DOWN, attempt_record());
        changed.version += 1;
        changed.webhook_url.push_str("/new");
        let (endpoint, target) = endpoints.endpoint(&Arc::new(changed));
        assert_eq!(endpoint.breaker_state(), BreakerState::Closed);
        assert_eq!(target.subscription().version, 2);
    }
}
