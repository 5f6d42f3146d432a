//! The rules of a change: what it makes of the row that was there.

use super::row::{Row, RowKey, Slot};
use crate::model::{ApiKey, ApiKeyId, Customer, CustomerId, Subscription, SubscriptionId};
use crate::ports::catalogue::CatalogueError;

/// A change somebody asked for.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    PutCustomer(Customer),
    PutKey(ApiKey),
    RevokeKey { customer: CustomerId, key: ApiKeyId, now_ms: u64 },
    PutSubscription(Subscription),
    DeleteSubscription { customer: CustomerId, id: SubscriptionId },
}

impl Change {
    /// The row that the change is about.
    pub(crate) const fn key(&self) -> RowKey {
        match self {
            Self::PutCustomer(of) => (Slot::Customer, of.id.to_bytes()),
            Self::PutKey(of) => (Slot::Key, of.id.to_bytes()),
            Self::RevokeKey { key, .. } => (Slot::Key, key.to_bytes()),
            Self::PutSubscription(of) => (Slot::Subscription, of.id.to_bytes()),
            Self::DeleteSubscription { id, .. } => (Slot::Subscription, id.to_bytes()),
        }
    }

    /// The customer that must exist for the change, where it could be missing.
    pub(crate) const fn owner(&self) -> Option<CustomerId> {
        match self {
            Self::PutCustomer(_) | Self::RevokeKey { .. } | Self::DeleteSubscription { .. } => None,
            Self::PutKey(of) => Some(of.customer),
            Self::PutSubscription(of) => Some(of.customer),
        }
    }

    /// The row as the change leaves it, or nothing where it changes nothing.
    pub(crate) fn apply(self, old: Option<Row>) -> Result<Option<Row>, CatalogueError> {
        match self {
            Self::PutCustomer(mut new) => {
                let ever = match old {
                    Some(Row::Customer(old)) => old.fan_out_ever,
                    _ => 0,
                };
                new.fan_out_ever = new.fan_out_ever.max(new.fan_out).max(ever);
                Ok(Some(Row::Customer(new)))
            }
            Self::PutKey(new) => match old {
                Some(Row::Key(old)) if old.customer != new.customer || old.hash != new.hash => {
                    Err(CatalogueError::Conflict(format!("key {} is another one", new.id)))
                }
                _ => Ok(Some(Row::Key(new))),
            },
            Self::RevokeKey { customer, now_ms, .. } => match old {
                Some(Row::Key(key)) if key.customer == customer => Ok(match key.revoked_at_ms {
                    Some(_) => None,
                    None => Some(Row::Key(ApiKey { revoked_at_ms: Some(now_ms), ..key })),
                }),
                _ => Err(CatalogueError::NotFound),
            },
            Self::PutSubscription(new) => put_subscription(new, old).map(Some),
            Self::DeleteSubscription { customer, id } => match old {
                Some(Row::Subscription(old)) if old.customer == customer => {
                    Ok(Some(Row::DeletedSubscription { customer, id }))
                }
                _ => Err(CatalogueError::NotFound),
            },
        }
    }
}

fn put_subscription(new: Subscription, old: Option<Row>) -> Result<Row, CatalogueError> {
    let stored = match old {
        None => 0,
        Some(Row::Subscription(old)) if old.customer == new.customer => old.version,
        Some(_) => return Err(CatalogueError::NotFound),
    };
    if stored == 0 && new.version != 1 {
        return Err(CatalogueError::NotFound);
    }
    if Some(new.version) != stored.checked_add(1) {
        let text = format!("subscription {} is at version {stored}", new.id);
        return Err(CatalogueError::Conflict(text));
    }
    Ok(Row::Subscription(new))
}
