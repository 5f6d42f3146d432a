//! The endpoints of all subscriptions: who may POST to which, now.
//!
//! Shards and the queue's worker share an endpoint's breaker and its limit of
//! POSTs in flight. A [`Permit`] is the right to make one.

use crate::breaker::{Admission, Breaker, BreakerPolicy};
use crate::clock;
use crate::outcome::Health;
use crate::recent::{AttemptRecord, RecentAttempts};
use crate::target::Target;
use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;
use sluice_model::{Subscription, SubscriptionId};
use std::sync::Arc;
use tokio::sync::Notify;

/// Who asks for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A shard, for a first attempt. A quarter of the endpoint's POSTs is
    /// left to the worker, or its backlog would never go while events come.
    Shard,
    /// The queue's worker.
    Worker,
}

/// Why there is no permit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The breaker is open, until then at least; `None` while a probe is on its way.
    Open {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
    /// As many POSTs are in flight as may be.
    Busy,
}

/// One subscription's endpoint.
#[derive(Debug)]
pub struct Endpoint {
    id: SubscriptionId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    target: Arc<Target>,
    breaker: Breaker,
    in_flight: u32,
    /// The worker was denied for being busy: it wants to know when that changes.
    worker_waits: bool,
    recent: RecentAttempts,
}

/// All endpoints that were used lately.
#[derive(Debug)]
pub struct Endpoints {
    all: Mutex<HashMap<SubscriptionId, Arc<Endpoint>>>,
    /// Those whose breaker is not closed.
    open: Mutex<HashSet<SubscriptionId>>,
    /// Those with attempts that the history does not have, each once.
    unsaved: Mutex<Vec<SubscriptionId>>,
    limits: Limits,
    changed: Notify,
}

/// Limits that all endpoints have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When breakers open.
    pub breaker: BreakerPolicy,
    /// The most POSTs in flight to one endpoint.
    pub concurrency_max: u32,
    /// How many recent attempts are kept.
    pub recent_attempts: usize,
}

impl Endpoints {
    /// No endpoint yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            all: Mutex::default(),
            open: Mutex::default(),
            unsaved: Mutex::default(),
            limits,
            changed: Notify::new(),
        }
    }

    /// The endpoint of a subscription, and the subscription made ready to be
    /// POSTed to. A new version replaces the old; a new URL starts with a closed breaker.
    pub fn of(&self, subscription: &Arc<Subscription>) -> (Arc<Endpoint>, Arc<Target>) {
        let mut all = self.all.lock();
        let endpoint = all.entry(subscription.id).or_insert_with(|| {
            let target = Arc::new(Target::new(Arc::clone(subscription)));
            Arc::new(Endpoint { id: subscription.id, state: Mutex::new(State::new(target)) })
        });
        let endpoint = Arc::clone(endpoint);
        drop(all);
        let mut state = endpoint.state.lock();
        if state.target.subscription().version < subscription.version {
            if state.target.subscription().webhook_url != subscription.webhook_url {
                state.breaker = Breaker::default();
            }
            state.target = Arc::new(Target::new(Arc::clone(subscription)));
        }
        let target = Arc::clone(&state.target);
        drop(state);
        (endpoint, target)
    }

    /// The recent attempts of a subscription, the newest first.
    #[must_use]
    pub fn recent(&self, id: SubscriptionId) -> Vec<AttemptRecord> {
        let endpoint = self.all.lock().get(&id).map(Arc::clone);
        endpoint.map_or_else(Vec::new, |of| of.state.lock().recent.newest_first())
    }

    /// Attempts that the history does not have, of so many subscriptions.
    #[must_use]
    pub fn take_unsaved(&self, max: usize) -> Vec<(SubscriptionId, Vec<Arc<AttemptRecord>>)> {
        let mut ids = self.unsaved.lock();
        let count = ids.len().min(max);
        let ids: Vec<_> = ids.drain(..count).collect();
        let of = |id: SubscriptionId| {
            let endpoint = self.all.lock().get(&id).map(Arc::clone)?;
            let unsaved = endpoint.state.lock().recent.take_unsaved();
            Some((id, unsaved))
        };
        ids.into_iter().filter_map(of).collect()
    }

    /// Endpoints that the worker should leave alone now, and when the first of them may be tried again.
    #[must_use]
    pub fn blocked(&self, now_ms: u64) -> (Vec<SubscriptionId>, Option<u64>) {
        let mut open = self.open.lock();
        let (mut blocked, mut first) = (Vec::new(), None::<u64>);
        open.retain(|id| {
            let Some(endpoint) = self.all.lock().get(id).map(Arc::clone) else { return false };
            let state = endpoint.state.lock();
            let until = state.breaker.open_until();
            if until.is_none_or(|until| until > now_ms) && !state.breaker.is_closed() {
                blocked.push(*id);
            }
            if let Some(until) = until.filter(|until| *until > now_ms) {
                first = Some(first.map_or(until, |first| first.min(until)));
            }
            !state.breaker.is_closed()
        });
        (blocked, first)
    }

    /// Waits until a permit came back that the worker was denied, or a probe ended.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Forgets endpoints that nobody uses and whose subscription is gone.
    pub fn forget_unused(&self, exists: impl Fn(&Subscription) -> bool) {
        self.all.lock().retain(|_, endpoint| {
            Arc::strong_count(endpoint) > 1 || exists(endpoint.state.lock().target.subscription())
        });
    }

    /// The right to make one POST, if there is one now.
    ///
    /// # Errors
    /// Why there is none.
    pub fn permit(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        asker: Asker,
        now_ms: u64,
    ) -> Result<Permit, Denied> {
        let max = self.limits.concurrency_max;
        let mut state = endpoint.state.lock();
        let limit = match asker {
            Asker::Shard => max - max / 4,
            Asker::Worker => max,
        };
        if state.in_flight >= limit {
            state.worker_waits |= asker == Asker::Worker;
            return Err(Denied::Busy);
        }
        let probe = match state.breaker.admit(now_ms) {
            Admission::Go => false,
            Admission::Probe => true,
            Admission::Wait { until_ms } => return Err(Denied::Open { until_ms }),
        };
        state.in_flight += 1;
        drop(state);
        let (endpoints, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
        Ok(Permit { endpoints, endpoint, probe, recorded: false, last_ms: now_ms })
    }
}

impl State {
    fn new(target: Arc<Target>) -> Self {
        let (breaker, recent) = (Breaker::default(), RecentAttempts::default());
        Self { target, breaker, in_flight: 0, worker_waits: false, recent }
    }
}

impl Endpoint {
    /// Whether POSTs go through freely; else until when they wait (`None`: for a probe's end).
    #[must_use]
    pub fn open_until(&self) -> Option<Option<u64>> {
        let state = self.state.lock();
        (!state.breaker.is_closed()).then(|| state.breaker.open_until())
    }
}

/// The right to make one POST. Dropping it gives it back; a probe that ends
/// without an outcome lets the next one go at once.
#[derive(Debug)]
pub struct Permit {
    endpoints: Arc<Endpoints>,
    endpoint: Arc<Endpoint>,
    probe: bool,
    recorded: bool,
    last_ms: u64,
}

impl Permit {
    /// Records how the POST ended; true if that opened the breaker.
    pub fn record(mut self, now_ms: u64, health: Health, attempt: AttemptRecord) -> bool {
        let limits = &self.endpoints.limits;
        let mut state = self.endpoint.state.lock();
        let random = if health == Health::Up { 0.0 } else { clock::random() };
        let opened = state.breaker.record(&limits.breaker, now_ms, health, self.probe, random);
        let first = state.recent.push(attempt, limits.recent_attempts);
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

    /// Whether this is the one POST that tries whether the endpoint is back.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe
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

    const DOWN: Health = Health::Down { hold: None };

    fn endpoints() -> Arc<Endpoints> {
        let breaker = BreakerPolicy { consecutive_failures: 1, ..BreakerPolicy::default() };
        Arc::new(Endpoints::new(Limits { breaker, concurrency_max: 4, recent_attempts: 2 }))
    }

    #[test]
    fn the_limit_holds_and_leaves_the_worker_its_share() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.of(&Arc::new(subscription(1)));
        let ask = |asker| endpoints.permit(&endpoint, asker, 0);
        let _held: Vec<_> = (0..3).map(|_| ask(Asker::Shard).unwrap()).collect();
        assert_eq!(ask(Asker::Shard).unwrap_err(), Denied::Busy);
        let last = ask(Asker::Worker).unwrap();
        assert_eq!(ask(Asker::Worker).unwrap_err(), Denied::Busy);
        drop(last);
        assert!(ask(Asker::Worker).is_ok());
    }

    #[test]
    fn an_open_breaker_blocks_until_a_probe_succeeds() {
        let endpoints = endpoints();
        let (endpoint, _) = endpoints.of(&Arc::new(subscription(1)));
        let permit = endpoints.permit(&endpoint, Asker::Shard, 0).unwrap();
        assert!(permit.record(0, DOWN, attempt_record()));
        let until = endpoint.open_until().flatten().unwrap();
        assert_eq!(endpoints.blocked(until - 1), (vec![endpoint.id], Some(until)));
        assert_eq!(endpoints.blocked(until), (vec![], None));

        let probe = endpoints.permit(&endpoint, Asker::Worker, until).unwrap();
        assert!(probe.is_probe());
        assert_eq!(endpoints.blocked(until), (vec![endpoint.id], None));
        drop(probe);
        let probe = endpoints.permit(&endpoint, Asker::Worker, until).unwrap();
        assert!(!probe.record(until, Health::Up, attempt_record()));
        assert_eq!(endpoint.open_until(), None);
        assert_eq!(endpoints.recent(endpoint.id).len(), 2);
    }

    #[test]
    fn a_new_url_starts_afresh() {
        let endpoints = endpoints();
        let mut changed = subscription(1);
        let (endpoint, _) = endpoints.of(&Arc::new(changed.clone()));
        endpoints.permit(&endpoint, Asker::Shard, 0).unwrap().record(0, DOWN, attempt_record());
        changed.version += 1;
        changed.webhook_url.push_str("/new");
        let (endpoint, target) = endpoints.of(&Arc::new(changed));
        assert_eq!(endpoint.open_until(), None);
        assert_eq!(target.subscription().version, 2);
    }
}
