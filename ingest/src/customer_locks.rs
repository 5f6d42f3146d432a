//! A lock for each customer, which exists while somebody holds it or waits for it.

use foldhash::HashMap;
use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The locks that are held or waited for.
#[derive(Debug, Default)]
pub(crate) struct CustomerLocks(Mutex<HashMap<CustomerId, Arc<AsyncMutex<()>>>>);

/// A customer's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct CustomerLock<'a> {
    locks: &'a CustomerLocks,
    customer: CustomerId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl CustomerLocks {
    /// Waits for a customer's lock.
    ///
    /// Cancel safe: to stop waiting leaves nothing behind.
    pub(crate) async fn lock(&self, customer: CustomerId) -> CustomerLock<'_> {
        let lock = Arc::clone(self.0.lock().entry(customer).or_default());
        let mut held = CustomerLock { locks: self, customer, guard: None };
        held.guard = Some(lock.lock_owned().await);
        held
    }
}

impl Drop for CustomerLock<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.0.lock();
        // Clones are made under the map's lock, so the last one here is the map's own.
        if locks.get(&self.customer).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    #[tokio::test]
    async fn a_customer_s_lock_is_held_once_and_another_s_is_free() {
        let locks = CustomerLocks::default();
        let [one, two] = [1, 2].map(CustomerId::from_u128);
        let held = locks.lock(one).await;
        let mut second = pin!(locks.lock(one));
        assert!(poll!(second.as_mut()).is_pending());
        drop(locks.lock(two).await);
        drop(held);
        drop(second.await);
        assert!(locks.0.lock().is_empty(), "an unused lock is forgotten");
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let locks = CustomerLocks::default();
        let customer = CustomerId::from_u128(1);
        let held = locks.lock(customer).await;
        {
            let mut waiting = pin!(locks.lock(customer));
            assert!(poll!(waiting.as_mut()).is_pending());
        }
        drop(held);
        assert!(locks.0.lock().is_empty());
        drop(locks.lock(customer).await);
    }
}
