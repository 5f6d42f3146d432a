//! The directory: the customers, keys, subscriptions and event types that a process knows.
//! They are in memory, are read without a lock, and are kept up to date by
//! polling the catalogue for changes.
//!
//! A customer's [`CustomerEntry`] is the same object for as long as the process runs; its
//! state is swapped when it changes. So the holder of an entry sees changes without
//! another lookup, and each customer has one limiter.

mod declared;
mod entry;
mod publish;
mod refresher;
mod striped_map;

pub use declared::DeclaredType;
pub use entry::{CustomerEntry, CustomerState, KeyEntry};
pub use refresher::Refresher;

use sluice_model::{ApiKey, CustomerId};
use sluice_ports::catalogue::{Changes, Revision};
use sluice_ports::{Catalogue, PortError};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use striped_map::StripedMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A process whose directory is older than this is not ready: it could accept a
/// key that was revoked, or refuse a new one.
pub const DIRECTORY_AGE_MAX: Duration = Duration::from_secs(5);

/// The settings of a directory.
#[derive(Debug, Clone, Copy)]
pub struct DirectorySettings {
    /// How often the catalogue is asked for changes.
    pub poll: Duration,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        Self { poll: Duration::from_millis(500) }
    }
}

/// The catalogue in this process' memory.
pub struct Directory {
    catalogue: Arc<dyn Catalogue>,
    settings: DirectorySettings,
    customers: StripedMap<Arc<CustomerEntry>>,
    /// By the first 16 bytes of the key's hash.
    keys: StripedMap<Arc<KeyEntry>>,
    /// The revision up to which all changes are known.
    revision: AtomicU64,
    started: Instant,
    /// All changes made before this time are known; in nanoseconds since `started`.
    as_of_ns: AtomicU64,
    refreshes: mpsc::Sender<oneshot::Sender<Result<(), String>>>,
    /// How many changes this process made; each has at most one entry in the audit log.
    audited: AtomicU64,
}

impl Directory {
    /// Loads the catalogue. Later changes stay unknown unless the refresher runs.
    ///
    /// # Errors
    /// If the catalogue cannot be read.
    pub async fn load(
        catalogue: Arc<dyn Catalogue>,
        settings: DirectorySettings,
    ) -> Result<(Arc<Self>, Refresher), PortError> {
        let (refreshes, requests) = mpsc::channel(refresher::REQUESTS_MAX);
        let directory = Arc::new(Self {
            catalogue,
            settings,
            customers: StripedMap::new(),
            keys: StripedMap::new(),
            revision: AtomicU64::new(0),
            started: Instant::now(),
            as_of_ns: AtomicU64::new(0),
            refreshes,
            audited: AtomicU64::new(0),
        });
        directory.poll().await?;
        Ok((Arc::clone(&directory), Refresher::new(directory, requests)))
    }

    /// The catalogue that the directory is read from.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<dyn Catalogue> {
        &self.catalogue
    }

    /// How many changes this process made that may have left an entry in the audit log.
    #[must_use]
    pub fn audited_changes(&self) -> u64 {
        self.audited.load(Ordering::Relaxed)
    }

    /// A customer.
    #[must_use]
    pub fn customer(&self, id: CustomerId) -> Option<Arc<CustomerEntry>> {
        self.customers.get(id.as_u128())
    }

    /// All customers, the oldest first. Takes time in proportion to their number.
    #[must_use]
    pub fn customers(&self) -> Vec<Arc<CustomerEntry>> {
        let mut all = self.customers.values();
        all.sort_unstable_by_key(|entry| entry.id());
        all
    }

    /// The key with this SHA-256 hash, valid or not. The lookup's timing tells an
    /// attacker nothing of use: it depends on the hash of the text that was sent.
    #[must_use]
    pub fn key(&self, hash: &[u8; 32]) -> Option<Arc<KeyEntry>> {
        self.keys.get(key_place(hash)).filter(|entry| entry.hash() == hash)
    }

    /// The revision up to which all changes are known.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// The age of the directory: all changes made before that long ago are known.
    #[must_use]
    pub fn age(&self) -> Duration {
        let as_of = Duration::from_nanos(self.as_of_ns.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(as_of)
    }

    /// The time on the clock of the customers' limiters, in nanoseconds.
    #[must_use]
    pub fn limiter_now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// Returns once all changes made before the call are known.
    ///
    /// # Errors
    /// If the catalogue cannot be read, or the refresher has ended.
    pub async fn refresh(&self) -> Result<(), PortError> {
        let attempted = "refreshing the directory";
        let closed = || PortError::Closed { attempted: attempted.to_owned() };
        let (reply, answer) = oneshot::channel();
        self.refreshes.send(reply).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|text| PortError::unavailable(attempted, text))
    }

    /// Returns once the directory is no older than `age`.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn fresh(&self, age: Duration) -> Result<(), PortError> {
        while self.age() > age {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Asks the catalogue for changes and applies them. Only `load` and the
    /// refresher call it, so no two calls run at a time.
    async fn poll(&self) -> Result<(), PortError> {
        let asked_at = self.started.elapsed();
        let known = self.revision();
        let changes = self.catalogue.changes(known).await?;
        if changes.revision > known {
            let revision = changes.revision;
            self.apply(changes);
            self.revision.store(revision.0, Ordering::Release);
        }
        self.as_of_ns.store(asked_at.as_nanos() as u64, Ordering::Release);
        Ok(())
    }

    fn apply(&self, changes: Changes) {
        let revision = changes.revision;
        let mut touched: HashMap<CustomerId, CustomerState> = HashMap::new();
        let mut new_customers = Vec::new();
        for customer in changes.customers {
            match self.customer(customer.id) {
                Some(entry) => {
                    let state = touched.entry(customer.id).or_insert_with(|| (*entry.state()).clone());
                    state.customer = customer;
                }
                None => new_customers
                    .push((customer.id.as_u128(), Arc::new(CustomerEntry::new(customer, revision)))),
            }
        }
        self.customers.insert_all(new_customers);
        for subscription in changes.subscriptions {
            if let Some(state) = self.touch(&mut touched, subscription.customer) {
                state.put_subscription(Arc::new(subscription));
            }
        }
        for (customer, id) in changes.deleted_subscriptions {
            if let Some(state) = self.touch(&mut touched, customer) {
                state.remove_subscription(id);
            }
        }
        for event_type in changes.event_types {
            if let Some(state) = self.touch(&mut touched, event_type.customer) {
                state.put_event_type(event_type);
            }
        }
        for (customer, name) in changes.deleted_event_types {
            if let Some(state) = self.touch(&mut touched, customer) {
                state.remove_event_type(&name);
            }
        }
        let mut new_keys = Vec::new();
        for key in changes.keys {
            if let Some(state) = self.touch(&mut touched, key.customer) {
                state.put_key(Arc::new(key.clone()));
                self.index_key(&key, &mut new_keys);
            }
        }
        for (id, mut state) in touched {
            if let Some(entry) = self.customer(id) {
                state.revision = revision;
                entry.swap(state, self.limiter_now_ns());
            }
        }
        // Keys come last, so that a key never leads to a customer that is out of date.
        self.keys.insert_all(new_keys);
    }

    fn touch<'a>(
        &self,
        touched: &'a mut HashMap<CustomerId, CustomerState>,
        id: CustomerId,
    ) -> Option<&'a mut CustomerState> {
        let entry = self.customer(id);
        if entry.is_none() {
            tracing::error!(customer = %id, "the catalogue has a row of a customer that does not exist");
        }
        let entry = entry?;
        Some(touched.entry(id).or_insert_with(|| (*entry.state()).clone()))
    }

    fn index_key(&self, key: &ApiKey, new: &mut Vec<(u128, Arc<KeyEntry>)>) {
        if let Some(entry) = self.key(&key.hash) {
            entry.set(key);
        } else if let Some(customer) = self.customer(key.customer) {
            new.push((key_place(&key.hash), Arc::new(KeyEntry::new(key, customer))));
        }
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

fn key_place(hash: &[u8; 32]) -> u128 {
    u128::from_be_bytes(hash[..16].try_into().expect("sixteen bytes"))
}
