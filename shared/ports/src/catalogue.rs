//! The catalogue: customers, their keys, their subscriptions and the types of their events;
//! and the audit log.

#[cfg(any(test, feature = "contract"))]
pub mod contract;

use super::PortError;
use async_trait::async_trait;
use sluice_model::{
    ApiKey, ApiKeyId, AuditDraft, AuditEntry, AuditId, AuditOrigin, AuditOutcome, Customer, CustomerId,
    EventType, Subscription, SubscriptionId,
};
use std::time::Duration;

/// A number that every change of the catalogue raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// The changes after a revision: rows as they are now, and deletions.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The revision after these changes.
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
    /// The row changed since the version that the caller saw, or a value that must be unique
    /// exists already.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The store failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A change that a caller asks for.
#[derive(Debug, Clone)]
pub enum CatalogueChange {
    /// Creates or replaces a customer.
    PutCustomer(Customer),
    /// Creates or replaces a key; its customer and its hash never change.
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
    /// Deletes a subscription. A mark of the deletion stays, so that readers learn of it.
    DeleteSubscription {
        /// The customer that must own the subscription.
        customer: CustomerId,
        /// The subscription.
        id: SubscriptionId,
    },
    /// Declares an event type or replaces it; the time at which it was declared stays.
    PutEventType(EventType),
    /// Deletes an event type. A mark of the deletion stays, so that readers learn of it; the
    /// name may be declared again.
    DeleteEventType {
        /// The customer that must have declared the type.
        customer: CustomerId,
        /// The type's name.
        name: String,
    },
}

/// Who asks for a change, and the part of it that a store cannot see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeContext {
    /// Who asks, and from where.
    pub origin: AuditOrigin,
    /// The changed fields with secret values: a store has these sealed and cannot compare
    /// them.
    pub secret_fields: Vec<String>,
}

impl ChangeContext {
    /// A change by the product itself, of no secret field.
    pub const SYSTEM: Self = Self { origin: AuditOrigin::SYSTEM, secret_fields: Vec::new() };
}

impl From<AuditOrigin> for ChangeContext {
    fn from(origin: AuditOrigin) -> Self {
        Self { origin, secret_fields: Vec::new() }
    }
}

/// An entry of the audit log about a change outside of the catalogue.
#[derive(Debug, Clone)]
pub enum AuditNote {
    /// The change begins.
    Begin(AuditDraft, AuditOrigin),
    /// The change ended.
    End {
        /// The entry that is ended.
        id: AuditId,
        /// How it ended.
        outcome: AuditOutcome,
        /// The error code of a failed change.
        error: Option<String>,
        /// Additions to the entry's details.
        details: serde_json::Map<String, serde_json::Value>,
    },
}

/// A selection of entries of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only entries about this customer.
    pub customer: Option<CustomerId>,
    /// Entries from this one on.
    pub from: AuditId,
    /// Entries before this one.
    pub until: AuditId,
    /// Whether the newest come first.
    pub newest_first: bool,
    /// At most this many.
    pub limit: usize,
}

/// How long entries of the audit log are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRetention {
    /// Entries before this one are deleted.
    pub from: AuditId,
    /// The most that are kept.
    pub rows_max: u64,
    /// The most that one call deletes.
    pub step: u64,
}

/// Customers, keys, subscriptions and event types, with a revision to poll, and the
/// audit log.
///
/// - **Durability**: a change is durable when it answers.
/// - **Audit**: a change and its entry in the audit log are made together or not at all.
///   Ids of entries ascend in the order in which changes become visible, so a reader that
///   continues from the last id misses none. A change that alters no field that the log
///   names leaves no entry.
/// - **Order**: `changes` never shows a change without all earlier ones.
/// - **Versions**: `put_subscription` is conditional on the previous version. It and
///   `put_customer` insert the row if it does not exist.
/// - **Cancel safety**: a dropped change may or may not take effect.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// The longest time until every process of the deployment knows a change.
    fn propagation(&self) -> Duration;

    /// All changes after `since`.
    async fn changes(&self, since: Revision) -> Result<Changes, PortError>;

    /// Makes a change, with its entry in the audit log.
    async fn change(&self, change: CatalogueChange, context: ChangeContext) -> Result<(), CatalogueError>;

    /// Adds an entry about a change outside of the catalogue, or ends one. Returns the entry's
    /// id. If the entry to end is gone, the error is `NotFound`.
    async fn note(&self, note: AuditNote) -> Result<AuditId, CatalogueError>;

    /// Entries of the audit log.
    async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError>;

    /// Deletes entries that are no longer kept, up to a step of them. Returns how many. If there
    /// are too many, those of the customer and kind of actor with the most entries go first, the
    /// oldest first: so nobody's flood of changes pushes out entries about others, nor a
    /// customer's flood those of operators about it.
    async fn trim_audit(&self, retention: AuditRetention) -> Result<u64, PortError>;

    /// As the product itself: stores a customer, new or changed.
    async fn put_customer(&self, customer: &Customer) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutCustomer(customer.clone()), ChangeContext::SYSTEM).await
    }

    /// As the product itself: stores a key, new or changed.
    async fn put_key(&self, key: &ApiKey) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutKey(key.clone()), ChangeContext::SYSTEM).await
    }

    /// As the product itself: revokes a customer's key.
    async fn revoke_key(
        &self,
        customer: CustomerId,
        key: ApiKeyId,
        now_ms: u64,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::RevokeKey { customer, key, now_ms }, ChangeContext::SYSTEM).await
    }

    /// As the product itself: stores a subscription whose version is one above the stored one's
    /// (1 for a new one).
    async fn put_subscription(&self, subscription: &Subscription) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutSubscription(subscription.clone()), ChangeContext::SYSTEM).await
    }

    /// As the product itself: deletes a subscription of a customer.
    async fn delete_subscription(
        &self,
        customer: CustomerId,
        id: SubscriptionId,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::DeleteSubscription { customer, id }, ChangeContext::SYSTEM).await
    }

    /// As the product itself: declares an event type of a customer, or replaces it.
    async fn put_event_type(&self, event_type: &EventType) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutEventType(event_type.clone()), ChangeContext::SYSTEM).await
    }

    /// As the product itself: deletes an event type of a customer.
    async fn delete_event_type(&self, customer: CustomerId, name: &str) -> Result<(), CatalogueError> {
        let change = CatalogueChange::DeleteEventType { customer, name: name.to_owned() };
        self.change(change, ChangeContext::SYSTEM).await
    }
}
