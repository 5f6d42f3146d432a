//! The work queue: deliveries that wait for their time.

use super::PortError;
use async_trait::async_trait;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use std::collections::HashSet;

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// What a subscription has waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries.
    pub deliveries: u64,
    /// Their events.
    pub events: u64,
}

/// Which deliveries to take.
#[derive(Debug, Clone)]
pub struct TakeRequest<'a> {
    /// Take what is due by then, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// At most this many.
    pub max: usize,
    /// At most this many of one subscription, where the queue can tell.
    pub max_per_subscription: usize,
    /// Leave these alone, where the queue can tell.
    pub blocked: &'a HashSet<SubscriptionId>,
}

/// A durable queue of deliveries by due time.
///
/// - **Durability**: what `put` acknowledged is there until `done`, through crashes.
/// - **At least once**: a taken delivery is not given out again until it is
///   put again or done, but may be after a restart or a lost take.
/// - **Idempotency**: `put` of an id replaces it; `done` of an unknown id is no error.
/// - **Cancel safety**: a dropped `put` or `done` may or may not take effect.
#[async_trait]
pub trait WorkQueue: Send + Sync + 'static {
    /// Stores deliveries, new or changed; taken ones become takeable at their due time.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError>;

    /// Takes deliveries that are due, the oldest due first within a subscription.
    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError>;

    /// When the next delivery falls due that is not taken and not blocked, if any.
    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64>;

    /// Forgets deliveries that ended.
    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError>;

    /// What a subscription has waiting.
    fn backlog(&self, subscription: SubscriptionId) -> Backlog;

    /// What all subscriptions have waiting.
    fn total(&self) -> Backlog;
}
