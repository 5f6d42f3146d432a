//! The audit log: who changed what, when and from where.
//!
//! An entry is made in the transaction of its change. For a change outside of the catalogue
//! the entry is made before the change begins, and its outcome is added later. The
//! catalogue stores an entry as JSON. Actions are stored as text, so that a version can
//! read the actions of later ones.

use crate::{ApiKeyId, AuditId, CustomerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// What was done. The names are part of the API and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    /// A customer was made.
    CustomerCreated,
    /// A customer's fields were changed.
    CustomerUpdated,
    /// A key was made.
    KeyCreated,
    /// A key was revoked.
    KeyRevoked,
    /// A subscription was made.
    SubscriptionCreated,
    /// A subscription's fields were changed.
    SubscriptionUpdated,
    /// A disabled subscription was made active, perhaps with other changes.
    SubscriptionEnabled,
    /// An active subscription was disabled, perhaps with other changes.
    SubscriptionDisabled,
    /// A subscription got a new signing secret.
    SubscriptionSecretRotated,
    /// A subscription was deleted.
    SubscriptionDeleted,
    /// An event type was declared.
    EventTypeCreated,
    /// An event type was replaced.
    EventTypeUpdated,
    /// An event type was deleted.
    EventTypeDeleted,
    /// Dead letters were made new deliveries.
    DeadLettersRedriven,
    /// Dead letters were deleted.
    DeadLettersDeleted,
    /// A replay was started.
    ReplayCreated,
    /// A replay was ended before its end.
    ReplayCancelled,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 17] = [
        Self::CustomerCreated,
        Self::CustomerUpdated,
        Self::KeyCreated,
        Self::KeyRevoked,
        Self::SubscriptionCreated,
        Self::SubscriptionUpdated,
        Self::SubscriptionEnabled,
        Self::SubscriptionDisabled,
        Self::SubscriptionSecretRotated,
        Self::SubscriptionDeleted,
        Self::EventTypeCreated,
        Self::EventTypeUpdated,
        Self::EventTypeDeleted,
        Self::DeadLettersRedriven,
        Self::DeadLettersDeleted,
        Self::ReplayCreated,
        Self::ReplayCancelled,
    ];

    /// The action's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerCreated => "customer.created",
            Self::CustomerUpdated => "customer.updated",
            Self::KeyCreated => "key.created",
            Self::KeyRevoked => "key.revoked",
            Self::SubscriptionCreated => "subscription.created",
            Self::SubscriptionUpdated => "subscription.updated",
            Self::SubscriptionEnabled => "subscription.enabled",
            Self::SubscriptionDisabled => "subscription.disabled",
            Self::SubscriptionSecretRotated => "subscription.secret_rotated",
            Self::SubscriptionDeleted => "subscription.deleted",
            Self::EventTypeCreated => "event_type.created",
            Self::EventTypeUpdated => "event_type.updated",
            Self::EventTypeDeleted => "event_type.deleted",
            Self::DeadLettersRedriven => "dead_letters.redriven",
            Self::DeadLettersDeleted => "dead_letters.deleted",
            Self::ReplayCreated => "replay.created",
            Self::ReplayCancelled => "replay.cancelled",
        }
    }
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuditActor {
    /// An operator with the admin token.
    Admin,
    /// A customer's key.
    Key {
        /// The key.
        key_id: ApiKeyId,
    },
    /// The product itself.
    System,
}

impl AuditActor {
    /// The kinds of actors.
    pub const KINDS: [&str; 3] = ["admin", "key", "system"];

    /// The kind of the actor.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Key { .. } => "key",
            Self::System => "system",
        }
    }
}

/// Where the request for a change came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSource {
    /// The address at the other end of the socket: behind a proxy, the proxy's.
    pub address: Option<IpAddr>,
    /// The value of `X-Forwarded-For`, which anyone may claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_for: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// The beginning of the client's user agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// Who asked for a change, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditOrigin {
    /// Who.
    pub actor: AuditActor,
    /// From where; `None` if no request asked.
    pub from: Option<AuditSource>,
}

impl AuditOrigin {
    /// The product itself.
    pub const SYSTEM: Self = Self { actor: AuditActor::System, from: None };
}

/// A field that a change altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedField {
    /// Its name in the API.
    pub field: String,
    /// Its value before; absent if it had none, or if it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value after; absent if it has none, or if it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether the values are secret and therefore left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It began. If it stays so, the process ended or its client hung up meanwhile: all, part
    /// or none of it was done.
    Begun,
    /// It was made.
    Done,
    /// It failed; a part of it may have been done.
    Failed,
}

/// The content of an entry, except who made the change and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDraft {
    /// The customer whose data was changed.
    pub customer: Option<CustomerId>,
    /// What was done.
    pub action: AuditAction,
    /// The ids of the changed things, by their names in the API.
    pub subject: Map<String, Value>,
    /// The altered fields.
    pub changes: Vec<AuditedField>,
    /// Further details: a filter, counts.
    pub details: Map<String, Value>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The entry's id: ids ascend in the order in which entries were made.
    pub id: AuditId,
    /// The customer whose data was changed.
    pub customer: Option<CustomerId>,
    /// What was done: the text of an [`AuditAction`].
    pub action: String,
    /// Who did it.
    pub actor: AuditActor,
    /// The ids of the changed things, by their names in the API.
    pub subject: Map<String, Value>,
    /// The altered fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AuditedField>,
    /// Further details.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The error code of a failed change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where the request came from.
    pub from: Option<AuditSource>,
}

impl AuditEntry {
    /// The entry of a draft.
    #[must_use]
    pub fn new(id: AuditId, draft: AuditDraft, origin: &AuditOrigin, outcome: AuditOutcome) -> Self {
        let AuditDraft { customer, action, subject, changes, details } = draft;
        Self {
            id,
            customer,
            action: action.as_str().to_owned(),
            actor: origin.actor,
            subject,
            changes,
            details,
            outcome,
            error: None,
            from: origin.from.clone(),
        }
    }
}

impl AuditId {
    /// The id of an entry that is made now, above the last entry's. A clock that goes back, or
    /// two entries in a millisecond, do not disturb the order.
    #[must_use]
    pub fn behind(last: Option<Self>, now_ms: u64) -> Self {
        match last {
            Some(last) if now_ms <= last.ms() => Self::from_u128(last.as_u128() + 1),
            _ => Self::new(now_ms),
        }
    }

    /// The least id of a time.
    #[must_use]
    pub const fn at_ms(ms: u64) -> Self {
        Self::from_u128((ms as u128) << 80)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_whatever_the_clock_does() {
        let mut last = None;
        for now_ms in [5, 5, 5, 4, 9, 1, 9, 10] {
            let next = AuditId::behind(last, now_ms);
            assert!(last.is_none_or(|last| next > last), "{next} behind {last:?}");
            assert!(next.ms() >= now_ms);
            assert!(next >= AuditId::at_ms(next.ms()) && next < AuditId::at_ms(next.ms() + 1));
            last = Some(next);
        }
    }

    #[test]
    fn an_entry_reads_as_it_was_written_and_an_action_of_a_later_version_too() {
        let draft = AuditDraft {
            customer: Some(CustomerId::from_u128(2)),
            action: AuditAction::SubscriptionUpdated,
            subject: Map::from_iter([("workflow_id".to_owned(), Value::from("x"))]),
            changes: vec![AuditedField {
                field: "ordered".to_owned(),
                before: Some(false.into()),
                after: Some(true.into()),
                secret: false,
            }],
            details: Map::new(),
        };
        let from = AuditSource {
            address: Some(IpAddr::from([127, 0, 0, 1])),
            forwarded_for: None,
            request_id: "r".to_owned(),
            user_agent: None,
        };
        let actor = AuditActor::Key { key_id: ApiKeyId::from_u128(3) };
        let origin = AuditOrigin { actor, from: Some(from) };
        let entry = AuditEntry::new(AuditId::from_u128(1), draft, &origin, AuditOutcome::Done);
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            text,
            r#"{"id":"00000000-0000-0000-0000-000000000001","customer":"00000000-0000-0000-0000-000000000002","action":"subscription.updated","actor":{"kind":"key","key_id":"00000000-0000-0000-0000-000000000003"},"subject":{"workflow_id":"x"},"changes":[{"field":"ordered","before":false,"after":true}],"outcome":"done","from":{"address":"127.0.0.1","request_id":"r"}}"#
        );
        assert_eq!(serde_json::from_str::<AuditEntry>(&text).unwrap(), entry);
        let later = text.replace("subscription.updated", "subscription.cloned");
        assert_eq!(serde_json::from_str::<AuditEntry>(&later).unwrap().action, "subscription.cloned");
    }

    #[test]
    fn actions_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = AuditAction::ALL.map(AuditAction::as_str).into();
        assert_eq!(names.len(), AuditAction::ALL.len());
    }
}
