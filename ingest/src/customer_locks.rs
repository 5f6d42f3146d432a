//! A lock for each customer, with one or several holders. It exists while a task holds
//! it or waits for it.

use foldhash::HashMap;
use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The locks that are held or waited for.
#[derive(Debug)]
pub(crate) struct CustomerLocks {
    /// How many may hold a customer's lock at a time.
    holders: usize,
    locks: Mutex<HashMap<CustomerId, Arc<Semaphore>>>,
}

/// A customer's lock, held until this is dropped.
#[derive(Debug)]
pub(crate) struct CustomerLock<'a> {
    locks: &'a CustomerLocks,
    customer: CustomerId,
    permit: Option<OwnedSemaphorePermit>,
}

impl CustomerLocks {
    /// Locks that `holders` tasks may hold at a time.
    pub(crate) fn new(holders: usize) -> Self {
        Self { holders, locks: Mutex::default() }
    }

    /// Waits for a customer's lock, behind those who came before.
    ///
    /// Cancel safe: to stop waiting leaves nothing behind.
    pub(crate) async fn lock(&self, customer: CustomerId) -> CustomerLock<'_> {
        let new = || Arc::new(Semaphore::new(self.holders));
        let lock = Arc::clone(self.locks.lock().entry(customer).or_insert_with(new));
        let mut held = CustomerLock { locks: self, customer, permit: None };
        held.permit = Some(lock.acquire_owned().await.expect("nobody closes a lock"));
        held
    }
}

impl Drop for CustomerLock<'_> {
    fn drop(&mut self) {
        self.permit = None;
        let mut locks = self.locks.locks.lock();
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
        let locks = CustomerLocks::new(1);
        let [one, two] = [1, 2].map(CustomerId::from_u128);
        let held = locks.lock(one).await;
        let mut second = pin!(locks.lock(one));
        assert!(poll!(second.as_mut()).is_pending());
        drop(locks.lock(two).await);
        drop(held);
        drop(second.await);
        assert!(locks.locks.lock().is_empty(), "an unused lock is forgotten");
    }

    #[tokio::test]
    async fn as_many_hold_a_lock_as_may() {
        let locks = CustomerLocks::new(2);
        let customer = CustomerId::from_u128(1);
        let first = locks.lock(customer).await;
        let second = locks.lock(customer).await;
        let mut third = pin!(locks.lock(customer));
        assert!(poll!(third.as_mut()).is_pending());
        drop(first);
        drop((third.await, second));
        assert!(locks.locks.lock().is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let locks = CustomerLocks::new(1);
        let customer = CustomerId::from_u128(1);
        let held = locks.lock(customer).await;
        {
            let mut waiting = pin!(locks.lock(customer));
            assert!(poll!(waiting.as_mut()).is_pending());
        }
        drop(held);
        assert!(locks.locks.lock().is_empty());
        drop(locks.lock(customer).await);
    }
}
