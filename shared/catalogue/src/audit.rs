//! The rules of the audit log: the entry that a change of a row leaves.
//!
//! An entry names the fields that a change altered, with their values before and after.
//! Secrets, the values of headers, and templates (which may hold keys) are only named, and
//! a URL is shown without its query.

use crate::row::CatalogueRow;
use serde_json::{Map, Value, json};
use sluice_model::audit::AuditedField;
use sluice_model::clock::rfc3339_string;
use sluice_model::{
    ApiKey, AuditAction, AuditDraft, AuditEntry, AuditId, AuditOrigin, AuditOutcome, Customer, CustomerId,
    EventType, Subscription, SubscriptionStatus,
};
use sluice_ports::catalogue::{AuditNote, CatalogueError, ChangeContext};

/// The most bytes of a value; a longer value is cut and kept as text.
const VALUE_BYTES_MAX: usize = 1024;

/// The name under which an entry tells of a new signing secret.
const SECRET: &str = "secret";

/// The entry that a change of a row leaves in the audit log; `None` if it alters no field
/// that the log names.
#[must_use]
pub fn draft(old: Option<&CatalogueRow>, new: &CatalogueRow, context: &ChangeContext) -> Option<AuditDraft> {
    let mut changes = compared(old.map_or_else(Vec::new, fields), fields(new));
    for field in &context.secret_fields {
        changes.push(AuditedField { field: field.clone(), before: None, after: None, secret: true });
    }
    let action = action(old, new, context)?;
    let is_event = matches!(action, AuditAction::KeyRevoked);
    if changes.is_empty() && !is_event {
        return None;
    }
    let (customer, subject) = subject(new);
    Some(AuditDraft { customer: Some(customer), action, subject, changes, details: Map::new() })
}

/// The entry of a note: a new one, or the stored one with its outcome.
///
/// # Errors
/// `NotFound` if the note ends an entry that is gone.
pub fn noted(
    note: AuditNote,
    new_id: impl FnOnce() -> AuditId,
    old: Option<AuditEntry>,
) -> Result<AuditEntry, CatalogueError> {
    match note {
        AuditNote::Begin(draft, origin) => Ok(AuditEntry::new(new_id(), draft, &origin, AuditOutcome::Begun)),
        AuditNote::End { outcome, error, details, .. } => {
            let mut entry = old.ok_or(CatalogueError::NotFound)?;
            entry.details.extend(details);
            Ok(AuditEntry { outcome, error, ..entry })
        }
    }
}

/// The entry of a change that succeeded.
#[must_use]
pub fn made(id: AuditId, draft: AuditDraft, origin: &AuditOrigin) -> AuditEntry {
    AuditEntry::new(id, draft, origin, AuditOutcome::Done)
}

/// The fields of a subscription that differ and whose values are secret.
#[must_use]
pub fn secret_fields(old: &Subscription, new: &Subscription) -> Vec<String> {
    let newest = |subscription: &Subscription| subscription.secrets.first().map(|secret| secret.text.clone());
    let mut fields = Vec::new();
    if newest(old) != newest(new) {
        fields.push(SECRET.to_owned());
    }
    for header in &new.headers {
        let known = old.headers.iter().find(|known| known.name == header.name);
        if known.is_some_and(|known| known.value != header.value) {
            fields.push(format!("headers.{}", header.name));
        }
    }
    fields
}

fn action(old: Option<&CatalogueRow>, new: &CatalogueRow, context: &ChangeContext) -> Option<AuditAction> {
    Some(match (old, new) {
        (None, CatalogueRow::Customer(_)) => AuditAction::CustomerCreated,
        (Some(_), CatalogueRow::Customer(_)) => AuditAction::CustomerUpdated,
        (Some(CatalogueRow::Key(old)), CatalogueRow::Key(new))
            if old.revoked_at_ms.is_none() && new.revoked_at_ms.is_some() =>
        {
            AuditAction::KeyRevoked
        }
        (_, CatalogueRow::Key(_)) => AuditAction::KeyCreated,
        (Some(CatalogueRow::Subscription(old)), CatalogueRow::Subscription(new)) => {
            match (is_active(old), is_active(new)) {
                (true, false) => AuditAction::SubscriptionDisabled,
                (false, true) => AuditAction::SubscriptionEnabled,
                _ if context.secret_fields.iter().any(|field| field == SECRET) => {
                    AuditAction::SubscriptionSecretRotated
                }
                _ => AuditAction::SubscriptionUpdated,
            }
        }
        (_, CatalogueRow::Subscription(_)) => AuditAction::SubscriptionCreated,
        (_, CatalogueRow::DeletedSubscription { .. }) => AuditAction::SubscriptionDeleted,
        (Some(CatalogueRow::EventType(_)), CatalogueRow::EventType(_)) => AuditAction::EventTypeUpdated,
        (_, CatalogueRow::EventType(_)) => AuditAction::EventTypeCreated,
        (_, CatalogueRow::DeletedEventType { .. }) => AuditAction::EventTypeDeleted,
        (_, CatalogueRow::Audit(_)) => return None,
    })
}

fn is_active(subscription: &Subscription) -> bool {
    subscription.status == SubscriptionStatus::Active
}

fn subject(row: &CatalogueRow) -> (CustomerId, Map<String, Value>) {
    let one = |name: &str, id: String| Map::from_iter([(name.to_owned(), Value::from(id))]);
    match row {
        CatalogueRow::Customer(customer) => (customer.id, one("customer_id", customer.id.to_string())),
        CatalogueRow::Key(key) => (key.customer, one("key_id", key.id.to_string())),
        CatalogueRow::Subscription(Subscription { customer, id, .. })
        | CatalogueRow::DeletedSubscription { customer, id } => {
            (*customer, one("workflow_id", id.to_string()))
        }
        CatalogueRow::EventType(EventType { customer, name, .. })
        | CatalogueRow::DeletedEventType { customer, name } => (*customer, one("event_type", name.clone())),
        CatalogueRow::Audit(entry) => (entry.customer.unwrap_or(CustomerId::from_u128(0)), Map::new()),
    }
}

/// A field of a row that the log names.
struct RowField {
    name: &'static str,
    /// Its whole value, to be compared.
    value: Value,
    shown: Shown,
}

/// How much of a value an entry shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// All of it, up to [`VALUE_BYTES_MAX`].
    Whole,
    /// A URL without its query, which may hold a token.
    WithoutQuery,
    /// Nothing.
    Secret,
}

impl Shown {
    fn of(self, value: Value) -> Option<Value> {
        match (self, value) {
            (Self::Whole, value) => cut(value),
            (Self::WithoutQuery, Value::String(url)) => {
                let shown = url.split_once('?').map(|(path, _)| format!("{path}?…"));
                cut(Value::String(shown.unwrap_or(url)))
            }
            (Self::WithoutQuery | Self::Secret, _) => None,
        }
    }
}

/// The fields that the log names, always in the same order.
fn fields(row: &CatalogueRow) -> Vec<RowField> {
    match row {
        CatalogueRow::Customer(customer) => fields_of_customer(customer),
        CatalogueRow::Key(key) => fields_of_key(key),
        CatalogueRow::Subscription(subscription) => fields_of_subscription(subscription),
        CatalogueRow::EventType(event_type) => fields_of_event_type(event_type),
        CatalogueRow::DeletedSubscription { .. }
        | CatalogueRow::DeletedEventType { .. }
        | CatalogueRow::Audit(_) => Vec::new(),
    }
}

fn whole(name: &'static str, value: Value) -> RowField {
    RowField { name, value, shown: Shown::Whole }
}

fn fields_of_customer(customer: &Customer) -> Vec<RowField> {
    vec![
        whole("name", json!(customer.name)),
        whole("email", json!(customer.email)),
        whole("status", json!(customer.status)),
        whole("rate_limit_per_second", json!(customer.rate_limit_per_second)),
        whole("fan_out", json!(customer.fan_out)),
    ]
}

fn fields_of_key(key: &ApiKey) -> Vec<RowField> {
    vec![
        whole("hint", json!(key.hint)),
        whole("scopes", key.scopes.names().collect()),
        whole("expires_at", json!(key.expires_at_ms.map(rfc3339_string))),
    ]
}

fn fields_of_subscription(subscription: &Subscription) -> Vec<RowField> {
    let (status, reason) = match &subscription.status {
        SubscriptionStatus::Active => ("active", None),
        SubscriptionStatus::Disabled { reason } => ("disabled", Some(reason.as_str())),
    };
    let headers: Vec<&str> = subscription.headers.iter().map(|header| header.name.as_str()).collect();
    let hidden = |name, value, shown| RowField { name, value, shown };
    vec![
        whole("event_selector", serde_json::from_str(&subscription.selector).unwrap_or_default()),
        hidden("webhook_url", json!(subscription.webhook_url), Shown::WithoutQuery),
        whole("batch", json!(subscription.batch)),
        whole("retry", json!(subscription.retry)),
        whole("ordered", json!(subscription.ordered)),
        whole("description", json!(subscription.description)),
        whole("status", json!(status)),
        whole("status_reason", json!(reason)),
        whole("headers", if headers.is_empty() { Value::Null } else { json!(headers) }),
        whole("signature", json!(subscription.signature())),
        whole("rate_limit_per_second", json!(subscription.rate_limit_per_second)),
        whole("body", json!(subscription.shape.body)),
        hidden("transform", json!(subscription.shape.template), Shown::Secret),
    ]
}

fn fields_of_event_type(event_type: &EventType) -> Vec<RowField> {
    vec![
        whole("description", json!(event_type.description)),
        whole("schema", serde_json::from_str(&event_type.schema).unwrap_or_default()),
        whole("enforce", json!(event_type.enforce)),
    ]
}

/// The fields that differ. A missing row has no values.
fn compared(old: Vec<RowField>, new: Vec<RowField>) -> Vec<AuditedField> {
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    let mut changes = Vec::new();
    loop {
        let (before, after) = (old.next(), new.next());
        let Some((name, shown)) = before.as_ref().or(after.as_ref()).map(|field| (field.name, field.shown))
        else {
            return changes;
        };
        let value = |field: Option<RowField>| field.map_or(Value::Null, |field| field.value);
        let (before, after) = (value(before), value(after));
        if before != after {
            changes.push(AuditedField {
                field: name.to_owned(),
                before: shown.of(before),
                after: shown.of(after),
                secret: shown == Shown::Secret,
            });
        }
    }
}

/// The value as an entry stores it: `None` for null, and a long value cut.
fn cut(value: Value) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= VALUE_BYTES_MAX {
        return Some(value);
    }
    let end = text.floor_char_boundary(VALUE_BYTES_MAX);
    Some(Value::String(format!("{}…", &text[..end])))
}

#[cfg(test)]
mod tests;
