//! Matching: the subscriptions that want the events of a batch.
//!
//! A customer's subscriptions are compiled once for each change and shared by all shards. Types are
//! looked up once for each batch. An event is judged (and its payload parsed, once) only if its type
//! does not decide for all candidates.

mod batch;
mod share;
mod waiting_row;

pub use batch::{BatchMatching, Match, MatchingProgress, MatchingTools};
pub use share::{MatchingPlace, MatchingShares};
pub use waiting_row::{WaitingBatch, partition as waiting_partition};

use crate::endpoint::{Endpoint, Endpoints};
use crate::target::Target;
use foldhash::HashMap;
use parking_lot::RwLock;
use sluice_catalogue::directory::{CustomerState, Directory};
use sluice_model::{
    CustomerId, CustomerStatus, DisabledReason, Subscription, SubscriptionId, SubscriptionStatus,
};
use sluice_selector::{CompiledSelector, Selector, SubscriptionIndex};
use std::sync::Arc;

/// How long after a subscription was disabled events may still have been accepted for it: clocks
/// differ, and snapshots are at most a second old.
const DISABLED_MARGIN_MS: u64 = 1000;

/// A subscription that can match events.
#[derive(Debug)]
pub struct Listener {
    /// The endpoint of its webhooks.
    pub endpoint: Arc<Endpoint>,
    /// The subscription, prepared for POSTs.
    pub target: Arc<Target>,
    /// Whether its customer is suspended, so that webhooks are held back.
    pub held: bool,
    /// If it was disabled because of its endpoint: events that were accepted before this time still
    /// match and become dead letters, rather than being lost silently.
    pub until_ms: Option<u64>,
    selector: CompiledSelector,
}

/// The subscriptions of one customer, at one state of the catalogue.
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
    /// Without matchers yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>, endpoints: Arc<Endpoints>) -> Self {
        Self { directory, endpoints, customers: RwLock::default() }
    }

    /// The directory that the subscriptions come from.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The matcher of a customer, compiled anew if the customer changed.
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
            let until_ms = match wanted(subscription) {
                WantedEvents::Always => None,
                WantedEvents::AcceptedBefore(until_ms) => Some(until_ms),
                WantedEvents::Nothing => return None,
            };
            self.listener(subscription, held, until_ms, before).map(Arc::new)
        });
        let listeners: Vec<_> = listeners.collect();
        let entries =
            listeners.iter().enumerate().map(|(place, listener)| (listener.selector.clone(), place));
        let index = SubscriptionIndex::new(entries);
        CustomerMatcher { state, listeners, index }
    }

    fn listener(
        &self,
        subscription: &Arc<Subscription>,
        held: bool,
        until_ms: Option<u64>,
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
                // It was checked when it was stored, so only a version with other rules can refuse
                // it. Logged as an error, because its events are not matched.
                Err(error) => {
                    tracing::error!(subscription = %subscription.id, %error, "a stored selector is not valid");
                    return None;
                }
            },
        };
        Some(Listener { endpoint, target, held, until_ms, selector })
    }
}

/// The events that a subscription wants.
enum WantedEvents {
    Always,
    /// The events that were accepted before this time, in milliseconds since the Unix epoch.
    AcceptedBefore(u64),
    Nothing,
}

fn wanted(subscription: &Subscription) -> WantedEvents {
    match &subscription.status {
        SubscriptionStatus::Active => WantedEvents::Always,
        SubscriptionStatus::Disabled { reason: DisabledReason::Gone | DisabledReason::BacklogFull } => {
            WantedEvents::AcceptedBefore(subscription.updated_at_ms + DISABLED_MARGIN_MS)
        }
        SubscriptionStatus::Disabled { reason: DisabledReason::ByCustomer } => WantedEvents::Nothing,
    }
}

impl Listener {
    /// Whether the subscription wants events that were accepted at this time, which all events of a
    /// batch share.
    fn counts_at(&self, accepted_ms: u64) -> bool {
        let begins = self.target.subscription().effective_at_ms <= accepted_ms;
        begins && self.until_ms.is_none_or(|until_ms| accepted_ms < until_ms)
    }
}

impl CustomerMatcher {
    /// The listener of a subscription. Listeners ascend by id, as the directory's subscriptions do.
    #[must_use]
    pub fn by_id(&self, id: SubscriptionId) -> Option<&Arc<Listener>> {
        let place = self.listeners.binary_search_by_key(&id, |listener| listener.target.id()).ok()?;
        self.listeners.get(place)
    }
}

#[cfg(test)]
mod tests;
