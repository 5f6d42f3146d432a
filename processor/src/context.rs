//! The state that all tasks of a processor share.

use crate::attempt::Courier;
use crate::clock::Clock;
use crate::commit::CommitStores;
use crate::config::ProcessorConfig;
use crate::endpoint::Endpoints;
use crate::matcher::Matchers;
use crate::metrics::Metrics;
use sluice_model::{CustomerId, Subscription, SubscriptionId};
use sluice_ports::{Log, PortError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, Semaphore};

/// The state that all tasks of a processor share.
pub(crate) struct Context {
    pub(crate) config: ProcessorConfig,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) stores: CommitStores,
    pub(crate) matchers: Matchers,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) courier: Arc<Courier>,
    /// Wakes the worker when the queue has something new.
    pub(crate) queue_wake: Notify,
    /// Bytes of webhooks in flight that no longer hold a log entry.
    pub(crate) detached_bytes: AtomicUsize,
    /// Turns of the threads that match waiting batches.
    pub(crate) matching_turns: Semaphore,
    /// The number of lanes of the deployment.
    pub(crate) lanes: u16,
}

impl Context {
    pub(crate) fn clock(&self) -> &Clock {
        &self.courier.clock
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.courier.metrics
    }

    /// A subscription as the directory knows it now.
    pub(crate) fn subscription(&self, customer: CustomerId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        let state = self.matchers.directory().customer(customer)?.state();
        state.subscription(id).map(Arc::clone)
    }

    /// Counts and logs a failed call of a store.
    pub(crate) fn store_failed(&self, error: &PortError) {
        self.metrics().store_failures.increment(1);
        tracing::warn!(%error, "a store failed; trying again");
    }

    /// Room for a webhook in flight that no longer holds the log; `None` if there is no room.
    pub(crate) fn detach(self: &Arc<Self>, bytes: usize) -> Option<DetachedRoom> {
        let max = self.config.shard.detached_bytes_max;
        let fits = |held: usize| Some(held + bytes).filter(|sum| *sum <= max);
        self.detached_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(DetachedRoom { context: Arc::clone(self), bytes })
    }
}

/// Room taken by [`Context::detach`]; dropping it gives it back.
pub(crate) struct DetachedRoom {
    context: Arc<Context>,
    bytes: usize,
}

impl Drop for DetachedRoom {
    fn drop(&mut self) {
        self.context.detached_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
