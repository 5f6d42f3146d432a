//! The work queue: deliveries that wait until they are due.

use super::PortError;
use async_trait::async_trait;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use std::collections::HashSet;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// The deliveries that wait for a subscription, or for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The number of deliveries.
    pub deliveries: u64,
    /// The number of their events.
    pub events: u64,
}

/// A selection of deliveries to take.
#[derive(Debug, Clone)]
pub struct TakeRequest<'a> {
    /// Take deliveries that are due at this time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// At most this many deliveries.
    pub max: usize,
    /// At most this many of one subscription, if the queue can tell them apart.
    pub max_per_subscription: usize,
    /// No delivery of these subscriptions, if the queue can tell them apart.
    pub blocked: &'a HashSet<SubscriptionId>,
}

/// A durable queue of deliveries by due time.
///
/// - **Durability**: a delivery that `put` acknowledged stays until `done`, through crashes.
/// - **At least once**: a taken delivery is not given out again until it is put again or done,
///   except after a restart or a lost take.
/// - **Refusals**: an item that the store will never take does not stop others. Either the
///   adapter splits it or sets it aside with its bytes, and the call succeeds, or the call
///   is [`PortError::Refused`]. Then the caller repeats it in smaller pieces and sets aside
///   those that are refused alone; it never repeats the call unchanged.
/// - **Idempotency**: `put` of an id replaces it; `done` of an unknown id succeeds.
/// - **Cancel safety**: a dropped `put` or `done` may or may not take effect.
#[async_trait]
pub trait WorkQueue: Send + Sync + 'static {
    /// Stores deliveries, new or changed. A taken delivery that is put can be taken again from
    /// its due time on.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError>;

    /// Takes deliveries that are due, the oldest due first within a subscription.
    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError>;

    /// Takes the deliveries of which the queue made dead letters, because they were taken again
    /// and again and never ended. The caller counts each and calls `done`. As with
    /// [`Self::take`], a delivery that is not done may be given out again.
    fn take_given_up(&self) -> Vec<Delivery> {
        Vec::new()
    }

    /// The due time of the next delivery that is neither taken nor of a blocked subscription,
    /// in milliseconds since the Unix epoch.
    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64>;

    /// Forgets deliveries that ended.
    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError>;

    /// The deliveries that wait for a subscription.
    fn backlog(&self, subscription: SubscriptionId) -> Backlog;

    /// The deliveries that wait for all subscriptions.
    fn total(&self) -> Backlog;
}
