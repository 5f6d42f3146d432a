//! The catalogue: customers, their keys, their subscriptions and the types of their events.

#[cfg(any(test, feature = "contract"))]
pub mod contract;

use super::PortError;
use async_trait::async_trait;
use sluice_model::{ApiKey, ApiKeyId, Customer, CustomerId, EventType, Subscription, SubscriptionId};
use std::time::Duration;

/// A number that every change of the catalogue raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// The changes since a revision: rows as they are now, and deletions.
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
    /// Event types, new or changed.
    pub event_types: Vec<EventType>,
    /// Event types that were deleted, by their names.
    pub deleted_event_types: Vec<(CustomerId, String)>,
}

/// Why a change of the catalogue was not made.
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

/// A change that a caller asked for.
#[derive(Debug, Clone)]
pub enum CatalogueChange {
    /// Creates the customer or replaces it.
    PutCustomer(Customer),
    /// Creates the key or replaces it; its customer and its hash never change.
    PutKey(ApiKey),
    /// Revokes a key for ever. A key that is revoked already stays as it is.
    RevokeKey {
        /// The customer that must own the key.
        customer: CustomerId,
        /// The key.
        key: ApiKeyId,
        /// When it is revoked, in milliseconds since the Unix epoch.
        now_ms: u64,
    },
    /// Creates a subscription (version 1) or replaces it (the stored version plus one).
    PutSubscription(Subscription),
    /// Deletes a subscription. A row stays behind, so that readers learn of it.
    DeleteSubscription {
        /// The customer that must own the subscription.
        customer: CustomerId,
        /// The subscription.
        id: SubscriptionId,
    },
    /// Declares an event type or replaces it; the time at which it was declared stays.
    PutEventType(EventType),
    /// Deletes an event type. A row stays behind, so that readers learn of it; the
    /// name may be declared again.
    DeleteEventType {
        /// The customer that must have declared the type.
        customer: CustomerId,
        /// The type's name.
        name: String,
    },
}

/// Customers, keys, subscriptions and event types, with a revision to poll.
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

    /// Makes a change.
    async fn change(&self, change: CatalogueChange) -> Result<(), CatalogueError>;

    /// Stores a customer, new or changed.
    async fn put_customer(&self, customer: &Customer) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutCustomer(customer.clone())).await
    }

    /// Stores a key, new or changed.
    async fn put_key(&self, key: &ApiKey) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutKey(key.clone())).await
    }

    /// Revokes a customer's key.
    async fn revoke_key(
        &self,
        customer: CustomerId,
        key: ApiKeyId,
        now_ms: u64,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::RevokeKey { customer, key, now_ms }).await
    }

    /// Stores a subscription whose version is one above the stored one's (1 where there is none).
    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutSubscription(subscription.clone())).await
    }

    /// Deletes a subscription of a customer.
    async fn delete_subscription(
        &self,
        customer: CustomerId,
        id: SubscriptionId,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::DeleteSubscription { customer, id }).await
    }

    /// Declares an event type of a customer, or replaces it.
    async fn put_event_type(&self, event_type: &EventType) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutEventType(event_type.clone())).await
    }

    /// Deletes an event type of a customer.
    async fn delete_event_type(&self, customer: CustomerId, name: &str) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::DeleteEventType { customer, name: name.to_owned() }).await
    }
}
