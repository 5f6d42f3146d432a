//! Which subscriptions want which events of a batch.
//!
//! A customer's subscriptions are compiled once a change and shared by all
//! shards. Types are looked up once a batch; an event is looked at (and its
//! payload parsed, once) only if a candidate cannot be decided by type.

use crate::endpoint::{Endpoint, Endpoints};
use crate::slice::start_of;
use crate::target::Target;
use foldhash::HashMap;
use parking_lot::RwLock;
use sluice_catalogue::directory::{CustomerState, Directory};
use sluice_model::{
    Batch, CustomerId, CustomerStatus, DisabledReason, EventSet, Subscription, SubscriptionId,
    SubscriptionStatus,
};
use sluice_selector::{CompiledSelector, Condition, MatchScratch, Selector, SubscriptionIndex, Verdict};
use std::sync::Arc;

/// How long after a subscription was disabled events may still have been
/// accepted for it: clocks differ, and snapshots are at most a second old.
const DISABLED_MARGIN_MS: u64 = 1000;

/// A subscription that can match.
#[derive(Debug)]
pub struct Listener {
    /// Where its webhooks go.
    pub endpoint: Arc<Endpoint>,
    /// The subscription, ready to be POSTed to.
    pub target: Arc<Target>,
    /// Its customer is suspended: webhooks are held back.
    pub held: bool,
    /// It was disabled for its endpoint's sake: what was accepted before then
    /// and is matched only now ends as dead letters, not in silence. In
    /// milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
    selector: CompiledSelector,
}

/// What one subscription wants of a batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// Which of the customer's listeners: an index for [`CustomerMatcher::listener`].
    pub listener: usize,
    /// The events that it wants.
    pub events: EventSet,
    /// Events that could not be judged within the budget.
    pub undecided: EventSet,
}

/// One customer's subscriptions at one state of the catalogue.
#[derive(Debug)]
pub struct CustomerMatcher {
    state: Arc<CustomerState>,
    listeners: Vec<Arc<Listener>>,
    index: SubscriptionIndex<usize>,
}

/// The matchers of all customers that have had events.
#[derive(Debug)]
pub struct Matchers {
    directory: Arc<Directory>,
    endpoints: Arc<Endpoints>,
    customers: RwLock<HashMap<CustomerId, Arc<CustomerMatcher>>>,
}

impl Matchers {
    /// None yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>, endpoints: Arc<Endpoints>) -> Self {
        Self { directory, endpoints, customers: RwLock::default() }
    }

    /// The directory that subscriptions come from.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// A customer's matcher, compiled anew if the customer changed.
    #[must_use]
    pub fn matcher(&self, customer: CustomerId) -> Option<Arc<CustomerMatcher>> {
        let state = self.directory.customer(customer)?.state();
        let known = self.customers.read().get(&customer).map(Arc::clone);
        if let Some(known) = known.as_ref().filter(|known| Arc::ptr_eq(&known.state, &state)) {
            return Some(Arc::clone(known));
        }
        let compiled = Arc::new(self.compile(state, known.as_deref()));
        self.customers.write().insert(customer, Arc::clone(&compiled));
        Some(compiled)
    }

    fn compile(&self, state: Arc<CustomerState>, before: Option<&CustomerMatcher>) -> CustomerMatcher {
        let held = state.customer.status == CustomerStatus::Suspended;
        let listeners = state.subscriptions.iter().filter_map(|subscription| {
            let until_ms = wanted_until(subscription)?;
            self.listener(subscription, held, before).map(|of| Arc::new(Listener { until_ms, ..of }))
        });
        let listeners: Vec<_> = listeners.collect();
        let entries = listeners.iter().enumerate().map(|(at, listener)| (listener.selector.clone(), at));
        let index = SubscriptionIndex::new(entries);
        CustomerMatcher { state, listeners, index }
    }

    fn listener(
        &self,
        subscription: &Arc<Subscription>,
        held: bool,
        before: Option<&CustomerMatcher>,
    ) -> Option<Listener> {
        let (endpoint, target) = self.endpoints.endpoint(subscription);
        let known = before.and_then(|before| before.by_id(subscription.id));
        let selector = match known {
            Some(known) if known.target.subscription().selector == subscription.selector => {
                known.selector.clone()
            }
            _ => match Selector::parse(&subscription.selector) {
                Ok(selector) => selector.compiled().clone(),
                // Checked when it was stored: only another version of the
                // rules can refuse it now. Loud, because its events are not matched.
                Err(error) => {
                    tracing::error!(subscription = %subscription.id, %error, "a stored selector is not valid");
                    return None;
                }
            },
        };
        Some(Listener { endpoint, target, held, until_ms: None, selector })
    }
}

/// Up to when a subscription wants events: always (`None`) if it is active;
/// nothing at all if its owner disabled it.
fn wanted_until(subscription: &Subscription) -> Option<Option<u64>> {
    match &subscription.status {
        SubscriptionStatus::Active => Some(None),
        SubscriptionStatus::Disabled { reason: DisabledReason::Gone | DisabledReason::BacklogFull } => {
            Some(Some(subscription.updated_at_ms + DISABLED_MARGIN_MS))
        }
        SubscriptionStatus::Disabled { reason: DisabledReason::ByCustomer } => None,
    }
}

impl CustomerMatcher {
    /// The listener of a [`Match`].
    #[must_use]
    pub fn listener(&self, at: usize) -> &Arc<Listener> {
        &self.listeners[at]
    }

    /// Whether nothing can match.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// The listener of a subscription. Listeners ascend by id, as the directory's subscriptions do.
    #[must_use]
    pub fn by_id(&self, id: SubscriptionId) -> Option<&Arc<Listener>> {
        let at = self.listeners.binary_search_by_key(&id, |listener| listener.target.id()).ok()?;
        self.listeners.get(at)
    }

    /// Matches a batch of this customer. A subscription counts for the events
    /// whose id's time is not before its `effective_at_ms`; the events of a
    /// batch share that time.
    #[must_use]
    pub fn match_batch(&self, batch: &Batch, scratch: &mut MatchScratch) -> Vec<Match> {
        let mut candidates = self.candidates(batch);
        let by_event = candidates.iter().any(|of| of.conditions.contains(&Some(Condition::Evaluate)));
        let types = batch.types.len();
        for of in candidates.iter_mut().filter(|_| !by_event) {
            of.found.events = of.by_type(batch, types);
        }
        if by_event {
            judge_events(&mut candidates, batch, scratch);
        }
        let found = candidates.into_iter().map(|of| of.found);
        found.filter(|found| !(found.events.is_empty() && found.undecided.is_empty())).collect()
    }

    fn candidates(&self, batch: &Batch) -> Vec<Candidate<'_>> {
        let mut rows: Vec<(usize, usize, Condition)> = Vec::new();
        for (kind, event_type) in batch.types.iter().enumerate() {
            let wanted = self.index.candidates(event_type).into_iter().filter(|candidate| {
                let listener = &self.listeners[*candidate.subscription];
                let at_ms = batch.id.ms();
                listener.target.subscription().effective_at_ms <= at_ms
                    && listener.until_ms.is_none_or(|until_ms| at_ms < until_ms)
            });
            rows.extend(wanted.map(|candidate| (*candidate.subscription, kind, candidate.condition)));
        }
        rows.sort_unstable_by_key(|(listener, kind, _)| (*listener, *kind));
        let by_listener = rows.chunk_by(|(a, ..), (b, ..)| a == b);
        by_listener
            .map(|rows| {
                let listener = rows[0].0;
                let mut conditions = vec![None; batch.types.len()];
                for (_, kind, condition) in rows {
                    conditions[*kind] = Some(*condition);
                }
                let found = Match { listener, events: EventSet::new(), undecided: EventSet::new() };
                Candidate { selector: &self.listeners[listener].selector, conditions, found }
            })
            .collect()
    }
}

/// A subscription that could want events of a batch.
struct Candidate<'m> {
    selector: &'m CompiledSelector,
    /// By the batch's types: unwanted, always wanted, or to be judged.
    conditions: Vec<Option<Condition>>,
    found: Match,
}

impl Candidate<'_> {
    /// What it wants where the type decides all.
    fn by_type(&self, batch: &Batch, types: usize) -> EventSet {
        if self.conditions.iter().filter(|condition| condition.is_some()).count() == types {
            return EventSet::range(0, batch.len());
        }
        let kinds = batch.events.iter().enumerate();
        let wanted = kinds.filter(|(_, event)| self.conditions[usize::from(event.kind)].is_some());
        wanted.map(|(index, _)| index as u16).collect()
    }
}

/// Event by event, so that what one candidate parsed serves the others.
fn judge_events(candidates: &mut [Candidate<'_>], batch: &Batch, scratch: &mut MatchScratch) {
    for (index, event) in batch.events.iter().enumerate() {
        let index = index as u16;
        let envelope = &batch.body[start_of(batch, index)..event.end as usize];
        let kind = usize::from(event.kind);
        let mut view = scratch.view(&batch.types[kind], envelope);
        for of in candidates.iter_mut() {
            let verdict = match of.conditions[kind] {
                None => Verdict::NoMatch,
                Some(Condition::Always) => Verdict::Match,
                Some(Condition::Evaluate) => of.selector.evaluate(&mut view),
            };
            match verdict {
                Verdict::Match => of.found.events.push(index),
                Verdict::NoMatch => {}
                Verdict::Undecided => of.found.undecided.push(index),
            }
        }
    }
}

#[cfg(test)]
mod tests;
