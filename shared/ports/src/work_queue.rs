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

/// Which deliveries to take.
#[derive(Debug, Clone)]
pub struct TakeRequest<'a> {
    /// Take deliveries that are due at this time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// At most this many.
    pub max: usize,
    /// At most this many of one subscription, if the queue can tell them apart.
    pub max_per_subscription: usize,
    /// Take none of these subscriptions, if the queue can tell them apart.
    pub blocked: &'a HashSet<SubscriptionId>,
}

/// A durable queue of deliveries by due time.
///
/// - **Durability**: a delivery that `put` acknowledged stays until `done`, through crashes.
/// - **At least once**: a taken delivery is not given out again until it is
///   put again or done, but may be after a restart or a lost take.
/// - **Refusals**: an item that the store will never take stops no other. Either the
///   adapter splits it or sets it aside with its bytes, and the call succeeds, or the
///   call is [`PortError::Refused`]. Then the caller makes it again in smaller pieces,
///   and sets aside what is refused alone; it never repeats the call as it was.
/// - **Idempotency**: `put` of an id replaces it; `done` of an unknown id is no error.
/// - **Cancel safety**: a dropped `put` or `done` may or may not take effect.
#[async_trait]
pub trait WorkQueue: Send + Sync + 'static {
    /// Stores deliveries, new or changed. One that was taken can be taken again from
    /// its due time on.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError>;

    /// Takes deliveries that are due, the oldest due first within a subscription.
    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError>;

    /// Takes the deliveries that were taken again and again and never ended, and that
    /// the queue made dead letters of. The caller counts each and says that it is done.
    /// As with [`Self::take`], one that is not done may be given out again.
    fn take_given_up(&self) -> Vec<Delivery> {
        Vec::new()
    }

    /// When the next delivery is due that is neither taken nor of a blocked
    /// subscription, in milliseconds since the Unix epoch.
    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64>;

    /// Forgets deliveries that ended.
    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError>;

    /// The deliveries that wait for a subscription.
    fn backlog(&self, subscription: SubscriptionId) -> Backlog;

    /// The deliveries that wait for all subscriptions.
    fn total(&self) -> Backlog;
}
