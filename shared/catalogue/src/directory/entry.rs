//! The directory's entries: one customer, one key.

use super::DeclaredType;
use arc_swap::ArcSwap;
use sluice_model::clock::now_ms;
use sluice_model::limiter::Limiter;
use sluice_model::{
    ApiKey, ApiKeyId, Customer, CustomerId, CustomerStatus, EventType, Scopes, Subscription, SubscriptionId,
};
use sluice_ports::catalogue::Revision;
use sluice_ports::rates::RatedCustomer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};

/// A customer with its keys, subscriptions and event types at one revision.
#[derive(Debug, Clone)]
pub struct CustomerState {
    /// The customer.
    pub customer: Customer,
    /// The customer's keys, ascending by id; revoked ones too.
    pub keys: Vec<Arc<ApiKey>>,
    /// The customer's subscriptions, ascending by id.
    pub subscriptions: Vec<Arc<Subscription>>,
    /// The event types that the customer declared, ascending by name.
    pub event_types: Vec<Arc<DeclaredType>>,
    /// The catalogue's revision at which any of these last changed.
    pub revision: Revision,
}

impl CustomerState {
    /// A subscription by its id.
    #[must_use]
    pub fn subscription(&self, id: SubscriptionId) -> Option<&Arc<Subscription>> {
        let index = self.subscriptions.binary_search_by_key(&id, |known| known.id).ok()?;
        self.subscriptions.get(index)
    }

    pub(super) fn put_subscription(&mut self, subscription: Arc<Subscription>) {
        match self.subscriptions.binary_search_by_key(&subscription.id, |known| known.id) {
            Ok(index) => self.subscriptions[index] = subscription,
            Err(index) => self.subscriptions.insert(index, subscription),
        }
    }

    pub(super) fn remove_subscription(&mut self, id: SubscriptionId) {
        if let Ok(index) = self.subscriptions.binary_search_by_key(&id, |known| known.id) {
            self.subscriptions.remove(index);
        }
    }

    /// A declared event type by its name.
    #[must_use]
    pub fn event_type(&self, name: &str) -> Option<&Arc<DeclaredType>> {
        let index = self.event_type_place(name).ok()?;
        self.event_types.get(index)
    }

    pub(super) fn put_event_type(&mut self, event_type: EventType) {
        let place = self.event_type_place(&event_type.name);
        let declared = Arc::new(DeclaredType::new(event_type));
        match place {
            Ok(index) => self.event_types[index] = declared,
            Err(index) => self.event_types.insert(index, declared),
        }
    }

    pub(super) fn remove_event_type(&mut self, name: &str) {
        if let Ok(index) = self.event_type_place(name) {
            self.event_types.remove(index);
        }
    }

    fn event_type_place(&self, name: &str) -> Result<usize, usize> {
        self.event_types.binary_search_by(|known| known.name.as_str().cmp(name))
    }

    pub(super) fn put_key(&mut self, key: Arc<ApiKey>) {
        match self.keys.binary_search_by_key(&key.id, |known| known.id) {
            Ok(index) => self.keys[index] = key,
            Err(index) => self.keys.insert(index, key),
        }
    }
}

/// A customer; the same object for as long as the process runs.
#[derive(Debug)]
pub struct CustomerEntry {
    id: CustomerId,
    /// Copies of those parts of the state that each request reads.
    active: AtomicBool,
    declares_types: AtomicBool,
    fan_out: AtomicU16,
    limiter: Limiter,
    state: ArcSwap<CustomerState>,
}

impl CustomerEntry {
    pub(crate) fn new(customer: Customer, revision: Revision) -> Self {
        Self {
            id: customer.id,
            active: AtomicBool::new(is_active(&customer)),
            declares_types: AtomicBool::new(false),
            fan_out: AtomicU16::new(customer.fan_out),
            limiter: Limiter::new(customer.rate_limit_per_second),
            state: ArcSwap::from_pointee(CustomerState {
                customer,
                keys: Vec::new(),
                subscriptions: Vec::new(),
                event_types: Vec::new(),
                revision,
            }),
        }
    }

    pub(super) fn swap(&self, state: CustomerState, limiter_now_ns: u64) {
        self.active.store(is_active(&state.customer), Ordering::Relaxed);
        self.fan_out.store(state.customer.fan_out, Ordering::Relaxed);
        self.limiter.change(state.customer.rate_limit_per_second, limiter_now_ns);
        let declares_types = !state.event_types.is_empty();
        self.state.store(Arc::new(state));
        // Stored after the state, so that a reader who sees the flag sees the types.
        self.declares_types.store(declares_types, Ordering::Release);
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> CustomerId {
        self.id
    }

    /// True if the customer can use the API.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// True if the customer declared event types.
    #[must_use]
    pub fn declares_types(&self) -> bool {
        self.declares_types.load(Ordering::Acquire)
    }

    /// The number of lanes that the customer's new events use.
    #[must_use]
    pub fn fan_out(&self) -> u16 {
        self.fan_out.load(Ordering::Relaxed)
    }

    /// Its rate limit, for [`Rates`](sluice_ports::Rates), on
    /// [`Directory::limiter_now_ns`](super::Directory::limiter_now_ns).
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The customer in the form that the rate limits take.
    #[must_use]
    pub const fn rated(&self) -> RatedCustomer<'_> {
        RatedCustomer { id: self.id, limiter: &self.limiter }
    }

    /// The customer with its keys and subscriptions as they are known now.
    #[must_use]
    pub fn state(&self) -> Arc<CustomerState> {
        self.state.load_full()
    }
}

fn is_active(customer: &Customer) -> bool {
    match customer.status {
        CustomerStatus::Active => true,
        CustomerStatus::Suspended => false,
    }
}

/// An API key; the same object for as long as the process runs.
#[derive(Debug)]
pub struct KeyEntry {
    id: ApiKeyId,
    hash: [u8; 32],
    customer: Arc<CustomerEntry>,
    /// The time from which the key is refused, in milliseconds since the Unix
    /// epoch: 0 once it is revoked, `u64::MAX` if it never expires.
    valid_until_ms: AtomicU64,
    /// The key's scopes, as [`Scopes::bits`].
    scopes: AtomicU8,
}

impl KeyEntry {
    pub(super) fn new(key: &ApiKey, customer: Arc<CustomerEntry>) -> Self {
        let (valid_until_ms, scopes) = (AtomicU64::new(0), AtomicU8::new(0));
        let entry = Self { id: key.id, hash: key.hash, customer, valid_until_ms, scopes };
        entry.set(key);
        entry
    }

    pub(super) fn set(&self, key: &ApiKey) {
        let until = match key.revoked_at_ms {
            Some(_) => 0,
            None => key.expires_at_ms.unwrap_or(u64::MAX),
        };
        self.scopes.store(key.scopes.bits(), Ordering::Relaxed);
        self.valid_until_ms.store(until, Ordering::Relaxed);
    }

    /// The key's public name.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// SHA-256 of the key.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The customer that owns the key.
    #[must_use]
    pub const fn customer(&self) -> &Arc<CustomerEntry> {
        &self.customer
    }

    /// What the key lets its holder do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_bits(self.scopes.load(Ordering::Relaxed))
    }

    /// True if requests with the key are accepted now. The clock is read only for a
    /// key that expires.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match self.valid_until_ms.load(Ordering::Relaxed) {
            0 => false,
            u64::MAX => true,
            until => now_ms() < until,
        }
    }
}
