//! The rules of a change of the catalogue: the new row, made from the stored one.

use crate::row::{CatalogueRow, CatalogueRowKey, RowSlot, event_type_id};
use sluice_model::{ApiKey, Customer, CustomerId, EventType, Subscription};
use sluice_ports::catalogue::{CatalogueChange, CatalogueError};

/// The row that a change is about.
#[must_use]
pub fn row_key(change: &CatalogueChange) -> CatalogueRowKey {
    match change {
        CatalogueChange::PutCustomer(customer) => (RowSlot::Customer, customer.id.to_bytes()),
        CatalogueChange::PutKey(key) => (RowSlot::Key, key.id.to_bytes()),
        CatalogueChange::RevokeKey { key, .. } => (RowSlot::Key, key.to_bytes()),
        CatalogueChange::PutSubscription(subscription) => (RowSlot::Subscription, subscription.id.to_bytes()),
        CatalogueChange::DeleteSubscription { id, .. } => (RowSlot::Subscription, id.to_bytes()),
        CatalogueChange::PutEventType(new) => (RowSlot::EventType, event_type_id(new.customer, &new.name)),
        CatalogueChange::DeleteEventType { customer, name } => {
            (RowSlot::EventType, event_type_id(*customer, name))
        }
    }
}

/// The customer whose row must exist for a change to be made, unless the change itself
/// shows that it exists.
#[must_use]
pub const fn owner(change: &CatalogueChange) -> Option<CustomerId> {
    match change {
        CatalogueChange::PutCustomer(_)
        | CatalogueChange::RevokeKey { .. }
        | CatalogueChange::DeleteSubscription { .. }
        | CatalogueChange::DeleteEventType { .. } => None,
        CatalogueChange::PutKey(key) => Some(key.customer),
        CatalogueChange::PutSubscription(subscription) => Some(subscription.customer),
        CatalogueChange::PutEventType(event_type) => Some(event_type.customer),
    }
}

/// The row after a change; `None` if the change alters nothing.
///
/// # Errors
/// `NotFound` if the row does not exist or is another customer's;
/// `Conflict` if the stored row does not allow the change.
pub fn apply(
    change: CatalogueChange,
    old: Option<CatalogueRow>,
) -> Result<Option<CatalogueRow>, CatalogueError> {
    match change {
        CatalogueChange::PutCustomer(new) => Ok(Some(put_customer(new, old.as_ref()))),
        CatalogueChange::PutKey(new) => match old {
            Some(CatalogueRow::Key(old)) if old.customer != new.customer || old.hash != new.hash => {
                Err(CatalogueError::Conflict(format!("key {} is another one", new.id)))
            }
            _ => Ok(Some(CatalogueRow::Key(new))),
        },
        CatalogueChange::RevokeKey { customer, now_ms, .. } => match old {
            Some(CatalogueRow::Key(key)) if key.customer == customer => Ok(match key.revoked_at_ms {
                Some(_) => None,
                None => Some(CatalogueRow::Key(ApiKey { revoked_at_ms: Some(now_ms), ..key })),
            }),
            _ => Err(CatalogueError::NotFound),
        },
        CatalogueChange::PutSubscription(new) => put_subscription(new, old).map(Some),
        CatalogueChange::DeleteSubscription { customer, id } => match old {
            Some(CatalogueRow::Subscription(old)) if old.customer == customer => {
                Ok(Some(CatalogueRow::DeletedSubscription { customer, id }))
            }
            _ => Err(CatalogueError::NotFound),
        },
        CatalogueChange::PutEventType(new) => put_event_type(new, old),
        CatalogueChange::DeleteEventType { customer, name } => match old {
            Some(CatalogueRow::EventType(old)) if old.customer == customer && old.name == name => {
                Ok(Some(CatalogueRow::DeletedEventType { customer, name }))
            }
            _ => Err(CatalogueError::NotFound),
        },
    }
}

/// A customer's largest fan-out never shrinks: it tells readers how many lanes to read.
fn put_customer(mut new: Customer, old: Option<&CatalogueRow>) -> CatalogueRow {
    let ever = match old {
        Some(CatalogueRow::Customer(old)) => old.fan_out_ever,
        _ => 0,
    };
    new.fan_out_ever = new.fan_out_ever.max(new.fan_out).max(ever);
    CatalogueRow::Customer(new)
}

fn put_subscription(new: Subscription, old: Option<CatalogueRow>) -> Result<CatalogueRow, CatalogueError> {
    let stored = match old {
        None => 0,
        Some(CatalogueRow::Subscription(old)) if old.customer == new.customer => old.version,
        Some(_) => return Err(CatalogueError::NotFound),
    };
    if stored == 0 && new.version != 1 {
        return Err(CatalogueError::NotFound);
    }
    if Some(new.version) != stored.checked_add(1) {
        let text = format!("subscription {} is at version {stored}", new.id);
        return Err(CatalogueError::Conflict(text));
    }
    Ok(CatalogueRow::Subscription(new))
}

/// A type keeps the time at which it was declared. A declaration that changes nothing
/// leaves the row as it is.
fn put_event_type(new: EventType, old: Option<CatalogueRow>) -> Result<Option<CatalogueRow>, CatalogueError> {
    match old {
        Some(CatalogueRow::EventType(old)) if old.says_the_same_as(&new) => Ok(None),
        Some(CatalogueRow::EventType(old)) if old.customer == new.customer && old.name == new.name => {
            Ok(Some(CatalogueRow::EventType(EventType { created_at_ms: old.created_at_ms, ..new })))
        }
        Some(CatalogueRow::DeletedEventType { customer, name })
            if customer == new.customer && name == new.name =>
        {
            Ok(Some(CatalogueRow::EventType(new)))
        }
        None => Ok(Some(CatalogueRow::EventType(new))),
        // Two names have the same first 128 bits of SHA-256.
        Some(_) => {
            Err(CatalogueError::Conflict(format!("event type {:?} has another one's place", new.name)))
        }
    }
}
