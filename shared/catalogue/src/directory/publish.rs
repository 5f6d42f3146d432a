//! Changes that this process makes. Each is stored in the catalogue, then read
//! back into the directory, then answered.

use super::Directory;
use sluice_model::clock::now_ms;
use sluice_model::{ApiKey, ApiKeyId, Customer, CustomerId, EventType, Subscription, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::catalogue::CatalogueError;
use std::time::Duration;

/// If every process knows a change within this time, a new subscription is
/// answered once it counts; else at once, with the time from which it will.
const WORTH_WAITING: Duration = Duration::from_millis(100);

/// Tries at making a subscription known before the time from which it is promised
/// to count; each try allows twice as long as the one before.
const TRIES: u32 = 7;

impl Directory {
    /// Stores a customer.
    ///
    /// # Errors
    /// As the catalogue. After an error the change may or may not have been made.
    pub async fn put_customer(&self, customer: &Customer) -> Result<(), CatalogueError> {
        self.catalogue.put_customer(customer).await?;
        Ok(self.refresh().await?)
    }

    /// Stores a key.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_key(&self, key: &ApiKey) -> Result<(), CatalogueError> {
        self.catalogue.put_key(key).await?;
        Ok(self.refresh().await?)
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn revoke_key(&self, customer: CustomerId, key: ApiKeyId) -> Result<(), CatalogueError> {
        self.catalogue.revoke_key(customer, key, now_ms()).await?;
        Ok(self.refresh().await?)
    }

    /// Stores a change of a subscription that goes on receiving events.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_subscription(&self, subscription: &Subscription) -> Result<(), CatalogueError> {
        self.catalogue.put_subscription(subscription).await?;
        Ok(self.refresh().await?)
    }

    /// Deletes a subscription.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn delete_subscription(
        &self,
        customer: CustomerId,
        id: SubscriptionId,
    ) -> Result<(), CatalogueError> {
        self.catalogue.delete_subscription(customer, id).await?;
        Ok(self.refresh().await?)
    }

    /// Declares an event type, or replaces it.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn put_event_type(&self, event_type: &EventType) -> Result<(), CatalogueError> {
        self.catalogue.put_event_type(event_type).await?;
        Ok(self.refresh().await?)
    }

    /// Deletes an event type.
    ///
    /// # Errors
    /// As [`Self::put_customer`].
    pub async fn delete_event_type(&self, customer: CustomerId, name: &str) -> Result<(), CatalogueError> {
        self.catalogue.delete_event_type(customer, name).await?;
        Ok(self.refresh().await?)
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
    pub async fn activate(&self, mut subscription: Subscription) -> Result<Subscription, CatalogueError> {
        let mut ahead = self.catalogue.propagation();
        if ahead > WORTH_WAITING {
            subscription.effective_at_ms = now_ms() + ahead.as_millis() as u64;
            self.put_subscription(&subscription).await?;
            return Ok(subscription);
        }
        for _ in 0..TRIES {
            subscription.effective_at_ms = now_ms() + ahead.as_millis() as u64;
            self.put_subscription(&subscription).await?;
            if now_ms() < subscription.effective_at_ms {
                wait_until(subscription.effective_at_ms).await;
                return Ok(subscription);
            }
            subscription.version += 1;
            ahead *= 2;
        }
        let what = format!("activating subscription {}", subscription.id);
        Err(PortError::unavailable(what, "the directory follows the catalogue too slowly").into())
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
