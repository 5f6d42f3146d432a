//! Decodes and compresses huge bodies without holding up others.
//!
//! A body of megabytes occupies a thread for tens of milliseconds, and a hostile one
//! for longer. Such bodies are worked on beside the runtime's threads, one at a time,
//! and customers take turns.

use crate::customer_locks::CustomerLocks;
use sluice_model::CustomerId;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// The largest body that is worked on where its request runs: a thousand small
/// events, or their envelopes.
const INLINE_BYTES_MAX: usize = 400 << 10;

/// Where bodies are decoded.
#[derive(Debug)]
pub(crate) struct DecodingDesk {
    /// The right to decode a huge body now.
    huge: Semaphore,
    /// Each customer waits for the right with one body at a time, so that a customer
    /// with many bodies gets no more turns than one with a single body.
    waiting: CustomerLocks,
}

impl Default for DecodingDesk {
    fn default() -> Self {
        Self { huge: Semaphore::new(1), waiting: CustomerLocks::new(1) }
    }
}

impl DecodingDesk {
    /// Whether the work of a body of `bytes` bytes is done where its request runs.
    pub(crate) const fn is_inline(bytes: usize) -> bool {
        bytes <= INLINE_BYTES_MAX
    }

    /// Does the work of a body of `bytes` bytes. Cancel safe: the work is either not
    /// begun or done.
    pub(crate) async fn work<T>(&self, customer: CustomerId, bytes: usize, work: impl FnOnce() -> T) -> T {
        if Self::is_inline(bytes) {
            return work();
        }
        self.huge_work(customer, work).await
    }

    /// Does work that is too much for a thread of the runtime. Cancel safe like [`Self::work`].
    pub(crate) async fn huge_work<T>(&self, customer: CustomerId, work: impl FnOnce() -> T) -> T {
        let _own = self.waiting.lock(customer).await;
        // The semaphore is never closed.
        let _turn = self.huge.acquire().await;
        match Handle::current().runtime_flavor() {
            // The runtime's other tasks continue on another thread.
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Huge bodies are worked on one at a time. Meanwhile small bodies are not held up,
    /// even if there are as many huge bodies as the runtime has threads.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn huge_bodies_leave_the_threads_to_others() {
        let (desk, customer) = (Arc::new(DecodingDesk::default()), CustomerId::from_u128(1));
        let (busy, done, small) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let (other_desk, others) = (Arc::clone(&desk), Arc::clone(&small));
        let neighbour = tokio::spawn(async move {
            loop {
                other_desk.work(CustomerId::from_u128(2), 10, || others.fetch_add(1, Ordering::SeqCst)).await;
                tokio::task::yield_now().await;
            }
        });
        let huge = (0..8).map(|_| {
            desk.work(customer, 1 << 20, || {
                assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                // The work goes on until the neighbour was served beside it.
                let before = small.load(Ordering::SeqCst);
                while small.load(Ordering::SeqCst) < before + 10 {
                    std::thread::yield_now();
                }
                busy.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
            })
        });
        join_all(huge).await;
        neighbour.abort();
        assert_eq!(done.into_inner(), 8);
    }

    #[tokio::test]
    async fn many_bodies_of_one_customer_are_no_more_turns_than_one_of_another() {
        let (desk, order) = (DecodingDesk::default(), parking_lot::Mutex::new(Vec::new()));
        let held = desk.huge.acquire().await;
        let work = |customer: u128| {
            let (desk, order) = (&desk, &order);
            async move {
                let customer_id = CustomerId::from_u128(customer);
                desk.work(customer_id, 1 << 20, || order.lock().push(customer)).await;
            }
        };
        let all = join_all([1, 1, 1, 1, 2].map(work));
        let release = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        tokio::join!(all, release);
        assert_eq!(order.into_inner()[..2], [1, 2]);
    }
}
