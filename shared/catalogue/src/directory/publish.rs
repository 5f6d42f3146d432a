//! Changes that this process makes. Each is stored in the catalogue with its entry in the
//! audit log, then read back into the directory, and then answered.

use super::Directory;
use crate::audit;
use sluice_model::clock::now_ms;
use sluice_model::{
    ApiKey, ApiKeyId, AuditId, AuditOrigin, Customer, CustomerId, EventType, Subscription, SubscriptionId,
};
use sluice_ports::PortError;
use sluice_ports::catalogue::{AuditNote, CatalogueChange, CatalogueError, ChangeContext};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// If every process knows a change within this time, the answer for a new subscription
/// waits until the subscription counts; else it comes at once and names that time.
const WORTH_WAITING: Duration = Duration::from_millis(100);

/// The most attempts at making a subscription known before its promised time; each allows
/// twice as long as the one before.
const TRIES: u32 = 7;

impl Directory {
    /// Stores a customer.
    ///
    /// # Errors
    /// As the catalogue. After an error the change may or may not have been made.
    pub async fn put_customer(&self, customer: &Customer, origin: AuditOrigin) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutCustomer(customer.clone()), origin.into()).await
    }

    /// Stores a key.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_key(&self, key: &ApiKey, origin: AuditOrigin) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutKey(key.clone()), origin.into()).await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn revoke_key(
        &self,
        customer: CustomerId,
        key: ApiKeyId,
        origin: AuditOrigin,
    ) -> Result<(), CatalogueError> {
        let change = CatalogueChange::RevokeKey { customer, key, now_ms: now_ms() };
        self.change(change, origin.into()).await
    }

    /// Stores a change of a subscription that continues to receive events.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_subscription(
        &self,
        subscription: &Subscription,
        origin: AuditOrigin,
    ) -> Result<(), CatalogueError> {
        // The catalogue takes the change only if the stored version is the one before it.
        let state = self.customer(subscription.customer).map(|customer| customer.state());
        let old = state.as_ref().and_then(|state| state.subscription(subscription.id));
        let secret_fields = old.map_or_else(Vec::new, |old| audit::secret_fields(old, subscription));
        let context = ChangeContext { origin, secret_fields };
        self.change(CatalogueChange::PutSubscription(subscription.clone()), context).await
    }

    /// Deletes a subscription.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn delete_subscription(
        &self,
        customer: CustomerId,
        id: SubscriptionId,
        origin: AuditOrigin,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::DeleteSubscription { customer, id }, origin.into()).await
    }

    async fn change(&self, change: CatalogueChange, context: ChangeContext) -> Result<(), CatalogueError> {
        self.audited.fetch_add(1, Ordering::Relaxed);
        self.catalogue.change(change, context).await?;
        Ok(self.refresh().await?)
    }

    /// Adds an entry to the audit log about a change outside of the catalogue, or ends such an
    /// entry.
    ///
    /// # Errors
    /// As the catalogue.
    pub async fn note(&self, note: AuditNote) -> Result<AuditId, CatalogueError> {
        self.audited.fetch_add(1, Ordering::Relaxed);
        self.catalogue.note(note).await
    }

    /// Declares an event type, or replaces it.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_event_type(
        &self,
        event_type: &EventType,
        origin: AuditOrigin,
    ) -> Result<(), CatalogueError> {
        self.change(CatalogueChange::PutEventType(event_type.clone()), origin.into()).await
    }

    /// Deletes an event type.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn delete_event_type(
        &self,
        customer: CustomerId,
        name: &str,
        origin: AuditOrigin,
    ) -> Result<(), CatalogueError> {
        let change = CatalogueChange::DeleteEventType { customer, name: name.to_owned() };
        self.change(change, origin.into()).await
    }

    /// Stores a subscription that begins to receive events: a new one, or one that
    /// is enabled again.
    ///
    /// `effective_at_ms` is chosen before the change is made, and every process
    /// must know the subscription by then. If the catalogue's propagation time is
    /// long, the time is chosen that far ahead. If it is short, this process waits
    /// until it knows the subscription itself, and answers after `effective_at_ms`;
    /// if it learns of the subscription too late, it stores a new version with a
    /// later time.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn activate(
        &self,
        mut subscription: Subscription,
        origin: AuditOrigin,
    ) -> Result<Subscription, CatalogueError> {
        let mut ahead = self.catalogue.propagation();
        if ahead > WORTH_WAITING {
            subscription.effective_at_ms = now_ms() + ahead.as_millis() as u64;
            self.put_subscription(&subscription, origin.clone()).await?;
            return Ok(subscription);
        }
        for _ in 0..TRIES {
            subscription.effective_at_ms = now_ms() + ahead.as_millis() as u64;
            self.put_subscription(&subscription, origin.clone()).await?;
            if now_ms() < subscription.effective_at_ms {
                wait_until(subscription.effective_at_ms).await;
                return Ok(subscription);
            }
            subscription.version += 1;
            ahead *= 2;
        }
        let attempted = format!("activating subscription {}", subscription.id);
        Err(PortError::unavailable(attempted, "the directory follows the catalogue too slowly").into())
    }
}

async fn wait_until(ms: u64) {
    loop {
        let left = ms.saturating_sub(now_ms());
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}
