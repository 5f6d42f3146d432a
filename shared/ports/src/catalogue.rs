//! The catalogue: customers, their keys and their subscriptions.

#[cfg(any(test, feature = "contract"))]
pub mod contract;

use super::PortError;
use async_trait::async_trait;
use sluice_model::{ApiKey, ApiKeyId, Customer, CustomerId, Subscription, SubscriptionId};
use std::time::Duration;

/// A count that every change of the catalogue raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// What changed since a revision: rows as they are now, and what is gone.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The revision that the changes lead to.
    pub revision: Revision,
    /// Customers, new or changed.
    pub customers: Vec<Customer>,
    /// Keys, new or changed (revoked ones too).
    pub keys: Vec<ApiKey>,
    /// Subscriptions, new or changed.
    pub subscriptions: Vec<Subscription>,
    /// Subscriptions that were deleted.
    pub deleted_subscriptions: Vec<(CustomerId, SubscriptionId)>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is no such row.
    #[error("not found")]
    NotFound,
    /// The row changed since the version that the caller saw, or breaks a rule of uniqueness.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The store failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Customers, keys and subscriptions, with a revision to poll.
///
/// - **Durability**: a change is durable when it answers.
/// - **Order**: `changes` never shows a change without all before it.
/// - **Versions**: `put_subscription` is conditional on the version before;
///   it and `put_customer` insert where there is none.
/// - **Cancel safety**: a dropped change may or may not take effect.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// How long after a change every process of the deployment knows it, at the most.
    fn propagation(&self) -> Duration;

    /// All that changed after `since`.
    async fn changes(&self, since: Revision) -> Result<Changes, PortError>;

    /// Stores a customer, new or changed.
    async fn put_customer(&self, customer: &Customer) -> Result<(), CatalogueError>;

    /// Stores a key, new or changed.
    async fn put_key(&self, key: &ApiKey) -> Result<(), CatalogueError>;

    /// Revokes a customer's key.
    async fn revoke_key(
        &self,
        customer: CustomerId,
        key: ApiKeyId,
        now_ms: u64,
    ) -> Result<(), CatalogueError>;

    /// Stores a subscription whose version is one above the stored one's (1 where there is none).
    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), CatalogueError>;

    /// Deletes a subscription of a customer.
    async fn delete_subscription(
        &self,
        customer: CustomerId,
        id: SubscriptionId,
    ) -> Result<(), CatalogueError>;
}
