//! What the API takes and answers.
//! Written by `sdk/generate` from the OpenAPI documents; do not edit.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// `Accepted` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// `event_id` of the API.
    pub event_id: String,
    /// `message` of the API.
    pub message: String,
    /// `status` of the API.
    pub status: String,
    /// `timestamp` of the API.
    pub timestamp: String,
}

/// `AcceptedMany` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedMany {
    /// `accepted` of the API.
    pub accepted: i64,
    /// `events` of the API.
    pub events: Vec<EventResult>,
    /// `rejected` of the API.
    pub rejected: i64,
}

/// `AckMany` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckMany {
    /// `event_ids` of the API.
    pub event_ids: Vec<String>,
}

impl AckMany {
    /// With what is required; the rest is absent.
    pub fn new(event_ids: Vec<String>) -> Self {
        Self {
            event_ids,
        }
    }
}

/// `AckResult` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckResult {
    /// `acknowledged_at` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<String>,
    /// `event_id` of the API.
    pub event_id: String,
    /// `status` of the API.
    pub status: AckResultStatus,
}

/// `AckResultStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum AckResultStatus {
    /// `acknowledged`
    Acknowledged,
    /// `already_acknowledged`
    AlreadyAcknowledged,
    /// `not_found`
    NotFound,
    /// `invalid_id`
    InvalidId,
    /// A value that this version does not know.
    Other(String),
}

impl AckResultStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::AlreadyAcknowledged => "already_acknowledged",
            Self::NotFound => "not_found",
            Self::InvalidId => "invalid_id",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for AckResultStatus {
    fn from(value: String) -> Self {
        match &*value {
            "acknowledged" => Self::Acknowledged,
            "already_acknowledged" => Self::AlreadyAcknowledged,
            "not_found" => Self::NotFound,
            "invalid_id" => Self::InvalidId,
            _ => Self::Other(value),
        }
    }
}

impl From<AckResultStatus> for String {
    fn from(value: AckResultStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for AckResultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `AckResults` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AckResults {
    /// `acknowledged` of the API.
    pub acknowledged: i64,
    /// `results` of the API.
    pub results: Vec<AckResult>,
}

/// `Acknowledged` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// `acknowledged_at` of the API.
    pub acknowledged_at: String,
    /// `event_id` of the API.
    pub event_id: String,
    /// `status` of the API.
    pub status: String,
}

/// `Attempt` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// `answer_excerpt` of the API.
    #[serde(default)]
    pub answer_excerpt: Option<String>,
    /// `attempt` of the API.
    pub attempt: i64,
    /// `delivery_id` of the API.
    pub delivery_id: String,
    /// `error` of the API.
    #[serde(default)]
    pub error: Option<String>,
    /// `event_count` of the API.
    pub event_count: i64,
    /// `latency_ms` of the API.
    pub latency_ms: i64,
    /// `status_code` of the API.
    #[serde(default)]
    pub status_code: Option<i64>,
    /// `timestamp` of the API.
    pub timestamp: String,
}

/// `Attempts` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempts {
    /// `deliveries` of the API.
    pub deliveries: Vec<Attempt>,
}

/// `AuditActor` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditActor {
    /// `key_id` of the API.
    #[serde(default)]
    pub key_id: Option<String>,
    /// `kind` of the API.
    pub kind: AuditActorKind,
}

/// `AuditActorKind` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum AuditActorKind {
    /// `admin`
    Admin,
    /// `key`
    Key,
    /// `system`
    System,
    /// A value that this version does not know.
    Other(String),
}

impl AuditActorKind {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Admin => "admin",
            Self::Key => "key",
            Self::System => "system",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for AuditActorKind {
    fn from(value: String) -> Self {
        match &*value {
            "admin" => Self::Admin,
            "key" => Self::Key,
            "system" => Self::System,
            _ => Self::Other(value),
        }
    }
}

impl From<AuditActorKind> for String {
    fn from(value: AuditActorKind) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for AuditActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `AuditChange` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditChange {
    /// The value after; null if there is none, or if it is secret.
    pub after: Value,
    /// The value before; null if there was none, or if it is secret. A long value is cut.
    pub before: Value,
    /// `field` of the API.
    pub field: String,
    /// Whether the values are secret, and so are not shown.
    pub secret: bool,
}

/// `AuditEntry` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// `action` of the API.
    pub action: ListAuditAction,
    /// `actor` of the API.
    pub actor: AuditActor,
    /// `at` of the API.
    pub at: String,
    /// `audit_id` of the API.
    pub audit_id: String,
    /// `changes` of the API.
    pub changes: Vec<AuditChange>,
    /// `customer_id` of the API.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// More about the change: an object with a filter, or with counts.
    pub details: Value,
    /// The code of the error with which the change failed.
    #[serde(default)]
    pub error: Option<String>,
    /// `from` of the API.
    #[serde(default)]
    pub from: Option<AuditSource>,
    /// `begun`: the change is not known to have ended; none, a part or all of it was done.
    pub outcome: AuditEntryOutcome,
    /// `subject` of the API.
    pub subject: AuditSubject,
}

/// `begun`: the change is not known to have ended; none, a part or all of it was done.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum AuditEntryOutcome {
    /// `begun`
    Begun,
    /// `done`
    Done,
    /// `failed`
    Failed,
    /// A value that this version does not know.
    Other(String),
}

impl AuditEntryOutcome {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for AuditEntryOutcome {
    fn from(value: String) -> Self {
        match &*value {
            "begun" => Self::Begun,
            "done" => Self::Done,
            "failed" => Self::Failed,
            _ => Self::Other(value),
        }
    }
}

impl From<AuditEntryOutcome> for String {
    fn from(value: AuditEntryOutcome) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for AuditEntryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `AuditPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditPage {
    /// `audit` of the API.
    pub audit: Vec<AuditEntry>,
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `has_more` of the API.
    pub has_more: bool,
}

/// `AuditSource` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditSource {
    /// The address at the other end of the socket: behind a proxy, the proxy's.
    #[serde(default)]
    pub address: Option<String>,
    /// The beginning of `X-Forwarded-For`, which a client may make up.
    #[serde(default)]
    pub forwarded_for: Option<String>,
    /// `request_id` of the API.
    pub request_id: String,
    /// `user_agent` of the API.
    #[serde(default)]
    pub user_agent: Option<String>,
}

/// `AuditSubject` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditSubject {
    /// `customer_id` of the API.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// `dead_letter_id` of the API.
    #[serde(default)]
    pub dead_letter_id: Option<String>,
    /// `event_type` of the API.
    #[serde(default)]
    pub event_type: Option<String>,
    /// `key_id` of the API.
    #[serde(default)]
    pub key_id: Option<String>,
    /// `replay_id` of the API.
    #[serde(default)]
    pub replay_id: Option<String>,
    /// `workflow_id` of the API.
    #[serde(default)]
    pub workflow_id: Option<String>,
}

/// `BatchPolicy` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchPolicy {
    /// `max_bytes` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<i64>,
    /// `max_events` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_events: Option<i64>,
    /// `max_wait_ms` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_ms: Option<i64>,
}

/// `CreateReplayAnswer` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CreateReplayAnswer {
    /// See [`DryRun`].
    DryRun(DryRun),
    /// See [`Replay`].
    Replay(Replay),
    /// A value that this version does not know.
    Other(Value),
}

/// `Customer` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// `created_at` of the API.
    pub created_at: String,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `email` of the API.
    #[serde(default)]
    pub email: Option<String>,
    /// `fan_out` of the API.
    pub fan_out: i64,
    /// `name` of the API.
    pub name: String,
    /// `rate_limit_per_second` of the API.
    pub rate_limit_per_second: i64,
    /// `status` of the API.
    pub status: CustomerStatus,
    /// `updated_at` of the API.
    pub updated_at: String,
}

/// `CustomerChange` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomerChange {
    /// `email` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `fan_out` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<i64>,
    /// `name` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `rate_limit_per_second` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<i64>,
    /// `status` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<CustomerStatus>,
}

/// `CustomerPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerPage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `customers` of the API.
    pub customers: Vec<Customer>,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `total` of the API.
    pub total: i64,
}

/// `CustomerStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum CustomerStatus {
    /// `active`
    Active,
    /// `suspended`
    Suspended,
    /// A value that this version does not know.
    Other(String),
}

impl CustomerStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for CustomerStatus {
    fn from(value: String) -> Self {
        match &*value {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            _ => Self::Other(value),
        }
    }
}

impl From<CustomerStatus> for String {
    fn from(value: CustomerStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for CustomerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `DeadLetter` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `attempts` of the API.
    pub attempts: i64,
    /// `created_at` of the API.
    pub created_at: String,
    /// `dead_letter_id` of the API.
    pub dead_letter_id: String,
    /// `event_count` of the API.
    pub event_count: i64,
    /// Only if there are at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ids: Option<Vec<String>>,
    /// `event_range` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_range: Option<DeadLetterEventRange>,
    /// `first_attempt` of the API.
    #[serde(default)]
    pub first_attempt: Option<String>,
    /// `last_attempt` of the API.
    #[serde(default)]
    pub last_attempt: Option<String>,
    /// `last_error` of the API.
    #[serde(default)]
    pub last_error: Option<String>,
    /// `last_status` of the API.
    #[serde(default)]
    pub last_status: Option<i64>,
    /// `reason` of the API.
    pub reason: DeadLetterReason,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `DeadLetterEventRange` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterEventRange {
    /// `first` of the API.
    pub first: String,
    /// `last` of the API.
    pub last: String,
}

/// `DeadLetterPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterPage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `dead_letters` of the API.
    pub dead_letters: Vec<DeadLetter>,
    /// `has_more` of the API.
    pub has_more: bool,
}

/// `DeadLetterReason` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// `exhausted`
    Exhausted,
    /// `refused`
    Refused,
    /// `subscription_disabled`
    SubscriptionDisabled,
    /// `backlog_full`
    BacklogFull,
    /// `poison`
    Poison,
    /// `too_expensive`
    TooExpensive,
    /// `transform_failed`
    TransformFailed,
    /// A value that this version does not know.
    Other(String),
}

impl DeadLetterReason {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
            Self::SubscriptionDisabled => "subscription_disabled",
            Self::BacklogFull => "backlog_full",
            Self::Poison => "poison",
            Self::TooExpensive => "too_expensive",
            Self::TransformFailed => "transform_failed",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for DeadLetterReason {
    fn from(value: String) -> Self {
        match &*value {
            "exhausted" => Self::Exhausted,
            "refused" => Self::Refused,
            "subscription_disabled" => Self::SubscriptionDisabled,
            "backlog_full" => Self::BacklogFull,
            "poison" => Self::Poison,
            "too_expensive" => Self::TooExpensive,
            "transform_failed" => Self::TransformFailed,
            _ => Self::Other(value),
        }
    }
}

impl From<DeadLetterReason> for String {
    fn from(value: DeadLetterReason) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `DeadLetterSummary` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterSummary {
    /// `by_reason` of the API.
    pub by_reason: Vec<DeadLetterSummaryByReason>,
    /// `by_workflow` of the API.
    pub by_workflow: Vec<DeadLetterSummaryByWorkflow>,
    /// `complete` of the API.
    pub complete: bool,
    /// `dead_letters` of the API.
    pub dead_letters: i64,
    /// `events` of the API.
    pub events: i64,
}

/// `DeadLetterSummaryByReason` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterSummaryByReason {
    /// `dead_letters` of the API.
    pub dead_letters: i64,
    /// `events` of the API.
    pub events: i64,
    /// `reason` of the API.
    pub reason: DeadLetterReason,
}

/// `DeadLetterSummaryByWorkflow` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterSummaryByWorkflow {
    /// `dead_letters` of the API.
    pub dead_letters: i64,
    /// `events` of the API.
    pub events: i64,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `Deleted` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deleted {
    /// `deleted` of the API.
    pub deleted: i64,
}

/// `DeletedMany` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeletedMany {
    /// `deleted` of the API.
    pub deleted: i64,
    /// `has_more` of the API.
    pub has_more: bool,
}

/// `DryRun` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DryRun {
    /// Whether all events of the range were looked at.
    pub complete: bool,
    /// `dry_run` of the API.
    pub dry_run: bool,
    /// `scanned` of the API.
    pub scanned: i64,
    /// `would_match` of the API.
    pub would_match: i64,
}

/// `Event` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `event_type` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// `metadata` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<EventMetadata>,
    /// `ordering_key` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
    /// Any JSON, at most 64 levels deep.
    pub payload: Value,
    /// `source` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `tags` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

impl Event {
    /// With what is required; the rest is absent.
    pub fn new(payload: Value) -> Self {
        Self {
            event_type: None,
            metadata: None,
            ordering_key: None,
            payload,
            source: None,
            tags: None,
        }
    }
}

/// `EventAttempt` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventAttempt {
    /// `answer_excerpt` of the API.
    #[serde(default)]
    pub answer_excerpt: Option<String>,
    /// `attempt` of the API.
    pub attempt: i64,
    /// `delivery_id` of the API.
    pub delivery_id: String,
    /// `error` of the API.
    #[serde(default)]
    pub error: Option<String>,
    /// `event_count` of the API.
    pub event_count: i64,
    /// `latency_ms` of the API.
    pub latency_ms: i64,
    /// `status_code` of the API.
    #[serde(default)]
    pub status_code: Option<i64>,
    /// `timestamp` of the API.
    pub timestamp: String,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `EventAttempts` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventAttempts {
    /// `attempts` of the API.
    pub attempts: Vec<EventAttempt>,
    /// `event_id` of the API.
    pub event_id: String,
    /// `has_more` of the API.
    pub has_more: bool,
}

/// `EventDeliveries` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventDeliveries {
    /// `event_id` of the API.
    pub event_id: String,
    /// `subscriptions` of the API.
    pub subscriptions: Vec<EventStanding>,
}

/// `EventError` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventError {
    /// `code` of the API.
    pub code: String,
    /// `details` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<EventMisfits>,
    /// `message` of the API.
    pub message: String,
    /// Seconds after which the event may be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<i64>,
}

/// `EventMetadata` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventMetadata {
    /// `correlation_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// An event with the same key and fields within 24 hours is not accepted again: the answer has the
    /// first event's id. This holds for one event among many too; the others are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// `priority` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<EventMetadataPriority>,
}

/// `EventMetadataPriority` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum EventMetadataPriority {
    /// `low`
    Low,
    /// `normal`
    Normal,
    /// `high`
    High,
    /// A value that this version does not know.
    Other(String),
}

impl EventMetadataPriority {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for EventMetadataPriority {
    fn from(value: String) -> Self {
        match &*value {
            "low" => Self::Low,
            "normal" => Self::Normal,
            "high" => Self::High,
            _ => Self::Other(value),
        }
    }
}

impl From<EventMetadataPriority> for String {
    fn from(value: EventMetadataPriority) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for EventMetadataPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The places where the payload does not fit the declared type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventMisfits {
    /// `errors` of the API.
    pub errors: Vec<Misfit>,
    /// `event_type` of the API.
    pub event_type: String,
}

/// `EventResult` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventResult {
    /// `error` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EventError>,
    /// `event_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `index` of the API.
    pub index: i64,
    /// The event was accepted before, under its own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
}

/// `EventStanding` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventStanding {
    /// `attempts` of the API.
    pub attempts: i64,
    /// `last_attempt` of the API.
    #[serde(default)]
    pub last_attempt: Option<String>,
    /// `state` of the API.
    pub state: EventStandingState,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `EventStandingState` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum EventStandingState {
    /// `delivered`
    Delivered,
    /// `failed`
    Failed,
    /// `pending`
    Pending,
    /// A value that this version does not know.
    Other(String),
}

impl EventStandingState {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for EventStandingState {
    fn from(value: String) -> Self {
        match &*value {
            "delivered" => Self::Delivered,
            "failed" => Self::Failed,
            "pending" => Self::Pending,
            _ => Self::Other(value),
        }
    }
}

impl From<EventStandingState> for String {
    fn from(value: EventStandingState) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for EventStandingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `EventStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum EventStatus {
    /// `pending`
    Pending,
    /// `delivered`
    Delivered,
    /// `failed`
    Failed,
    /// `unmatched`
    Unmatched,
    /// `acknowledged`
    Acknowledged,
    /// A value that this version does not know.
    Other(String),
}

impl EventStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unmatched => "unmatched",
            Self::Acknowledged => "acknowledged",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for EventStatus {
    fn from(value: String) -> Self {
        match &*value {
            "pending" => Self::Pending,
            "delivered" => Self::Delivered,
            "failed" => Self::Failed,
            "unmatched" => Self::Unmatched,
            "acknowledged" => Self::Acknowledged,
            _ => Self::Other(value),
        }
    }
}

impl From<EventStatus> for String {
    fn from(value: EventStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `EventType` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventType {
    /// `created_at` of the API.
    pub created_at: String,
    /// `description` of the API.
    #[serde(default)]
    pub description: Option<String>,
    /// `enforce` of the API.
    pub enforce: bool,
    /// `name` of the API.
    pub name: String,
    /// The schema as it was given.
    pub schema: Value,
    /// `updated_at` of the API.
    pub updated_at: String,
}

/// `EventTypePage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventTypePage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `event_types` of the API.
    pub event_types: Vec<EventType>,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `total` of the API.
    pub total: i64,
}

/// `EventTypeResult` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventTypeResult {
    /// `errors` of the API.
    pub errors: Vec<Misfit>,
    /// `valid` of the API.
    pub valid: bool,
}

/// `EventTypeTrial` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventTypeTrial {
    /// Any JSON.
    pub payload: Value,
    /// `schema` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl EventTypeTrial {
    /// With what is required; the rest is absent.
    pub fn new(payload: Value) -> Self {
        Self {
            payload,
            schema: None,
        }
    }
}

/// `Health` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `environment` of the API.
    pub environment: String,
    /// `status` of the API.
    pub status: String,
}

/// `InboxPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxPage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `events` of the API.
    pub events: Vec<StoredEvent>,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `readable_until` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_until: Option<String>,
    /// `total` of the API.
    pub total: i64,
}

/// `JudgedEvent` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedEvent {
    /// `before_effective_at` of the API.
    pub before_effective_at: bool,
    /// `event_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `event_type` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// `matches` of the API.
    pub matches: bool,
    /// `pointer` of the API.
    pub pointer: String,
    /// `reason` of the API.
    pub reason: String,
}

/// `Judgement` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether all events were judged in time.
    pub complete: bool,
    /// `effective_at` of the API.
    #[serde(default)]
    pub effective_at: Option<String>,
    /// `events` of the API.
    pub events: Vec<JudgedEvent>,
    /// `looked_at` of the API.
    pub looked_at: i64,
    /// `matching` of the API.
    pub matching: i64,
}

/// `Key` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// `created_at` of the API.
    pub created_at: String,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `expires_at` of the API.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// The beginning of the key.
    pub hint: String,
    /// `key_id` of the API.
    pub key_id: String,
    /// `revoked_at` of the API.
    #[serde(default)]
    pub revoked_at: Option<String>,
    /// `scopes` of the API.
    pub scopes: Vec<Scope>,
    /// `status` of the API.
    pub status: KeyStatus,
}

/// `KeyStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum KeyStatus {
    /// `active`
    Active,
    /// `revoked`
    Revoked,
    /// `expired`
    Expired,
    /// A value that this version does not know.
    Other(String),
}

impl KeyStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for KeyStatus {
    fn from(value: String) -> Self {
        match &*value {
            "active" => Self::Active,
            "revoked" => Self::Revoked,
            "expired" => Self::Expired,
            _ => Self::Other(value),
        }
    }
}

impl From<KeyStatus> for String {
    fn from(value: KeyStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `KeyWithText` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyWithText {
    /// Shown only in this answer.
    pub api_key: String,
    /// `created_at` of the API.
    pub created_at: String,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `expires_at` of the API.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// The beginning of the key.
    pub hint: String,
    /// `key_id` of the API.
    pub key_id: String,
    /// `revoked_at` of the API.
    #[serde(default)]
    pub revoked_at: Option<String>,
    /// `scopes` of the API.
    pub scopes: Vec<Scope>,
    /// `status` of the API.
    pub status: KeyStatus,
}

/// `Keys` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    /// `keys` of the API.
    pub keys: Vec<Key>,
}

/// `ListAuditAction` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ListAuditAction {
    /// `customer.created`
    CustomerCreated,
    /// `customer.updated`
    CustomerUpdated,
    /// `key.created`
    KeyCreated,
    /// `key.revoked`
    KeyRevoked,
    /// `subscription.created`
    SubscriptionCreated,
    /// `subscription.updated`
    SubscriptionUpdated,
    /// `subscription.enabled`
    SubscriptionEnabled,
    /// `subscription.disabled`
    SubscriptionDisabled,
    /// `subscription.secret_rotated`
    SubscriptionSecretRotated,
    /// `subscription.deleted`
    SubscriptionDeleted,
    /// `event_type.created`
    EventTypeCreated,
    /// `event_type.updated`
    EventTypeUpdated,
    /// `event_type.deleted`
    EventTypeDeleted,
    /// `dead_letters.redriven`
    DeadLettersRedriven,
    /// `dead_letters.deleted`
    DeadLettersDeleted,
    /// `replay.created`
    ReplayCreated,
    /// `replay.cancelled`
    ReplayCancelled,
    /// A value that this version does not know.
    Other(String),
}

impl ListAuditAction {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
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
            Self::Other(value) => value,
        }
    }
}

impl From<String> for ListAuditAction {
    fn from(value: String) -> Self {
        match &*value {
            "customer.created" => Self::CustomerCreated,
            "customer.updated" => Self::CustomerUpdated,
            "key.created" => Self::KeyCreated,
            "key.revoked" => Self::KeyRevoked,
            "subscription.created" => Self::SubscriptionCreated,
            "subscription.updated" => Self::SubscriptionUpdated,
            "subscription.enabled" => Self::SubscriptionEnabled,
            "subscription.disabled" => Self::SubscriptionDisabled,
            "subscription.secret_rotated" => Self::SubscriptionSecretRotated,
            "subscription.deleted" => Self::SubscriptionDeleted,
            "event_type.created" => Self::EventTypeCreated,
            "event_type.updated" => Self::EventTypeUpdated,
            "event_type.deleted" => Self::EventTypeDeleted,
            "dead_letters.redriven" => Self::DeadLettersRedriven,
            "dead_letters.deleted" => Self::DeadLettersDeleted,
            "replay.created" => Self::ReplayCreated,
            "replay.cancelled" => Self::ReplayCancelled,
            _ => Self::Other(value),
        }
    }
}

impl From<ListAuditAction> for String {
    fn from(value: ListAuditAction) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for ListAuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `ListAuditActor` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ListAuditActor {
    /// `admin`
    Admin,
    /// `key`
    Key,
    /// `system`
    System,
    /// A value that this version does not know.
    Other(String),
}

impl ListAuditActor {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Admin => "admin",
            Self::Key => "key",
            Self::System => "system",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for ListAuditActor {
    fn from(value: String) -> Self {
        match &*value {
            "admin" => Self::Admin,
            "key" => Self::Key,
            "system" => Self::System,
            _ => Self::Other(value),
        }
    }
}

impl From<ListAuditActor> for String {
    fn from(value: ListAuditActor) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for ListAuditActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `ListAuditOrder` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ListAuditOrder {
    /// `asc`
    Asc,
    /// `desc`
    Desc,
    /// A value that this version does not know.
    Other(String),
}

impl ListAuditOrder {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for ListAuditOrder {
    fn from(value: String) -> Self {
        match &*value {
            "asc" => Self::Asc,
            "desc" => Self::Desc,
            _ => Self::Other(value),
        }
    }
}

impl From<ListAuditOrder> for String {
    fn from(value: ListAuditOrder) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for ListAuditOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Me` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Me {
    /// `customer` of the API.
    pub customer: Customer,
    /// `key` of the API.
    #[serde(default)]
    pub key: Option<Key>,
    /// `version` of the API.
    pub version: String,
}

/// `Misfit` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Misfit {
    /// `message` of the API.
    pub message: String,
    /// JSON Pointer into the payload; "" is the payload itself.
    pub pointer: String,
}

/// `NewCustomer` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewCustomer {
    /// `email` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `fan_out` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<i64>,
    /// `name` of the API.
    pub name: String,
    /// `rate_limit_per_second` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<i64>,
    /// `status` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<CustomerStatus>,
}

impl NewCustomer {
    /// With what is required; the rest is absent.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            email: None,
            fan_out: None,
            name: name.into(),
            rate_limit_per_second: None,
            status: None,
        }
    }
}

/// `NewEventType` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewEventType {
    /// `description` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `enforce` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<bool>,
    /// `schema` of the API.
    pub schema: Value,
}

impl NewEventType {
    /// With what is required; the rest is absent.
    pub fn new(schema: Value) -> Self {
        Self {
            description: None,
            enforce: None,
            schema,
        }
    }
}

/// `NewKey` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewKey {
    /// `expires_at` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// `mode` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<NewKeyMode>,
    /// `scopes` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

/// `NewKeyMode` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum NewKeyMode {
    /// `live`
    Live,
    /// `test`
    Test,
    /// A value that this version does not know.
    Other(String),
}

impl NewKeyMode {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for NewKeyMode {
    fn from(value: String) -> Self {
        match &*value {
            "live" => Self::Live,
            "test" => Self::Test,
            _ => Self::Other(value),
        }
    }
}

impl From<NewKeyMode> for String {
    fn from(value: NewKeyMode) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for NewKeyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `NewReplay` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewReplay {
    /// `dry_run` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// `end_time` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// `rate_per_second` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<i64>,
    /// `start_time` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// `workflow_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// `NewSubscription` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewSubscription {
    /// `batch` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPolicy>,
    /// `body` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<WebhookBody>,
    /// `description` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `event_selector` of the API.
    pub event_selector: Selector,
    /// `headers` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    /// `ordered` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// `rate_limit_per_second` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<i64>,
    /// `retry` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// `secret` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// `signature` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureScheme>,
    /// `transform` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// https://…; private addresses are refused unless the server is configured to allow them.
    pub webhook_url: String,
}

impl NewSubscription {
    /// With what is required; the rest is absent.
    pub fn new(event_selector: Selector, webhook_url: impl Into<String>) -> Self {
        Self {
            batch: None,
            body: None,
            description: None,
            event_selector,
            headers: None,
            ordered: None,
            rate_limit_per_second: None,
            retry: None,
            secret: None,
            signature: None,
            transform: None,
            webhook_url: webhook_url.into(),
        }
    }
}

/// `ReceiptBucket` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptBucket {
    /// `null` for the last bucket, from 12.4 days on.
    #[serde(default)]
    pub below_ms: Option<i64>,
    /// `events` of the API.
    pub events: i64,
    /// `from_ms` of the API.
    pub from_ms: i64,
}

/// `ReceiptMs` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptMs {
    /// Half of the events took no longer.
    pub p50: f64,
    /// 99 of a hundred events took no longer.
    pub p99: f64,
}

/// `Receipts` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipts {
    /// `buckets` of the API.
    pub buckets: Vec<ReceiptBucket>,
    /// `events` of the API.
    pub events: i64,
    /// `receipt_ms` of the API.
    #[serde(default)]
    pub receipt_ms: Option<ReceiptMs>,
    /// `workflow_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// `Redrive` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Redrive {
    /// `dead_letter_ids` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_ids: Option<Vec<String>>,
    /// `limit` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `reason` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadLetterReason>,
    /// `since` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// `until` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// `workflow_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// `Redriven` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Redriven {
    /// `events` of the API.
    pub events: i64,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `redriven` of the API.
    pub redriven: i64,
    /// `skipped` of the API.
    pub skipped: i64,
}

/// `Replay` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// `created_at` of the API.
    pub created_at: String,
    /// `end_time` of the API.
    pub end_time: String,
    /// `queued` of the API.
    pub queued: i64,
    /// `rate_per_second` of the API.
    pub rate_per_second: i64,
    /// `replay_id` of the API.
    pub replay_id: String,
    /// `scanned` of the API.
    pub scanned: i64,
    /// `start_time` of the API.
    pub start_time: String,
    /// `status` of the API.
    pub status: ReplayStatus,
    /// `updated_at` of the API.
    pub updated_at: String,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `ReplayPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayPage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `replays` of the API.
    pub replays: Vec<Replay>,
}

/// `ReplayStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum ReplayStatus {
    /// `running`
    Running,
    /// `done`
    Done,
    /// `cancelled`
    Cancelled,
    /// `stopped`
    Stopped,
    /// A value that this version does not know.
    Other(String),
}

impl ReplayStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for ReplayStatus {
    fn from(value: String) -> Self {
        match &*value {
            "running" => Self::Running,
            "done" => Self::Done,
            "cancelled" => Self::Cancelled,
            "stopped" => Self::Stopped,
            _ => Self::Other(value),
        }
    }
}

impl From<ReplayStatus> for String {
    fn from(value: ReplayStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for ReplayStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Resend` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resend {
    /// `workflow_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// `Resent` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resent {
    /// `deliveries` of the API.
    pub deliveries: Vec<ResentDelivery>,
    /// `event_id` of the API.
    pub event_id: String,
}

/// `ResentDelivery` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResentDelivery {
    /// `delivery_id` of the API.
    pub delivery_id: String,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `RetryPolicy` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// `client_errors` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_errors: Option<RetryPolicyClientErrors>,
    /// `max_delay_s` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay_s: Option<i64>,
    /// `max_retries` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
}

/// `RetryPolicyClientErrors` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum RetryPolicyClientErrors {
    /// `dead_letter`
    DeadLetter,
    /// `retry`
    Retry,
    /// A value that this version does not know.
    Other(String),
}

impl RetryPolicyClientErrors {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Retry => "retry",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for RetryPolicyClientErrors {
    fn from(value: String) -> Self {
        match &*value {
            "dead_letter" => Self::DeadLetter,
            "retry" => Self::Retry,
            _ => Self::Other(value),
        }
    }
}

impl From<RetryPolicyClientErrors> for String {
    fn from(value: RetryPolicyClientErrors) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for RetryPolicyClientErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Rotation` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rotation {
    /// `keep_s` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_s: Option<i64>,
    /// `signature` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureScheme>,
}

/// `Scope` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Scope {
    /// `events:write`
    EventsWrite,
    /// `events:read`
    EventsRead,
    /// `subscriptions:read`
    SubscriptionsRead,
    /// `subscriptions:write`
    SubscriptionsWrite,
    /// `deliveries:write`
    DeliveriesWrite,
    /// A value that this version does not know.
    Other(String),
}

impl Scope {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::EventsWrite => "events:write",
            Self::EventsRead => "events:read",
            Self::SubscriptionsRead => "subscriptions:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::DeliveriesWrite => "deliveries:write",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for Scope {
    fn from(value: String) -> Self {
        match &*value {
            "events:write" => Self::EventsWrite,
            "events:read" => Self::EventsRead,
            "subscriptions:read" => Self::SubscriptionsRead,
            "subscriptions:write" => Self::SubscriptionsWrite,
            "deliveries:write" => Self::DeliveriesWrite,
            _ => Self::Other(value),
        }
    }
}

impl From<Scope> for String {
    fn from(value: Scope) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// At most 16384 bytes of JSON, 128 selectors in all and 32 levels of `all`, `any` and `not`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Selector {
    /// `event_type`
    #[serde(rename = "event_type")]
    EventType {
        /// A type; `*` stands for one segment, and at the end for all further segments.
        value: String,
    },
    /// `jsonpath`
    #[serde(rename = "jsonpath")]
    Jsonpath {
        /// An RFC 9535 query over the payload, or a bare logical expression.
        expression: String,
    },
    /// `custom`
    #[serde(rename = "custom")]
    Custom {
        /// `function` of the API.
        function: SelectorFunction,
    },
    /// `all`
    #[serde(rename = "all")]
    All {
        /// `of` of the API.
        of: Vec<Selector>,
    },
    /// `any`
    #[serde(rename = "any")]
    Any {
        /// `of` of the API.
        of: Vec<Selector>,
    },
    /// `not`
    #[serde(rename = "not")]
    Not {
        /// `of` of the API.
        of: Box<Selector>,
    },
    /// A value that this version does not know.
    #[serde(untagged)]
    Other(Value),
}

/// `SelectorFunction` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectorFunction {
    /// A dotted path, or a JSON Pointer, into the event.
    pub field: String,
    /// `operator` of the API.
    pub operator: SelectorFunctionOperator,
    /// `value` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl SelectorFunction {
    /// With what is required; the rest is absent.
    pub fn new(field: impl Into<String>, operator: SelectorFunctionOperator) -> Self {
        Self {
            field: field.into(),
            operator,
            value: None,
        }
    }
}

/// `SelectorFunctionOperator` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SelectorFunctionOperator {
    /// `equals`
    Equals,
    /// `not_equals`
    NotEquals,
    /// `greater_than`
    GreaterThan,
    /// `greater_or_equal`
    GreaterOrEqual,
    /// `less_than`
    LessThan,
    /// `less_or_equal`
    LessOrEqual,
    /// `contains`
    Contains,
    /// `starts_with`
    StartsWith,
    /// `ends_with`
    EndsWith,
    /// `in`
    In,
    /// `not_in`
    NotIn,
    /// `matches`
    Matches,
    /// `exists`
    Exists,
    /// `not_exists`
    NotExists,
    /// A value that this version does not know.
    Other(String),
}

impl SelectorFunctionOperator {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::GreaterThan => "greater_than",
            Self::GreaterOrEqual => "greater_or_equal",
            Self::LessThan => "less_than",
            Self::LessOrEqual => "less_or_equal",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Matches => "matches",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SelectorFunctionOperator {
    fn from(value: String) -> Self {
        match &*value {
            "equals" => Self::Equals,
            "not_equals" => Self::NotEquals,
            "greater_than" => Self::GreaterThan,
            "greater_or_equal" => Self::GreaterOrEqual,
            "less_than" => Self::LessThan,
            "less_or_equal" => Self::LessOrEqual,
            "contains" => Self::Contains,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            "in" => Self::In,
            "not_in" => Self::NotIn,
            "matches" => Self::Matches,
            "exists" => Self::Exists,
            "not_exists" => Self::NotExists,
            _ => Self::Other(value),
        }
    }
}

impl From<SelectorFunctionOperator> for String {
    fn from(value: SelectorFunctionOperator) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SelectorFunctionOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `SelectorTrial` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectorTrial {
    /// `event_selector` of the API.
    pub event_selector: Selector,
    /// `last` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// `event` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<SelectorTrialEvent>,
}

impl SelectorTrial {
    /// With what is required; the rest is absent.
    pub fn new(event_selector: Selector) -> Self {
        Self {
            event_selector,
            last: None,
            event: None,
        }
    }
}

/// `SelectorTrialEvent` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectorTrialEvent {
    /// `event_type` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Any JSON.
    pub payload: Value,
}

impl SelectorTrialEvent {
    /// With what is required; the rest is absent.
    pub fn new(payload: Value) -> Self {
        Self {
            event_type: None,
            payload,
        }
    }
}

/// `SentTrial` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentTrial {
    /// `answer_excerpt` of the API.
    #[serde(default)]
    pub answer_excerpt: Option<String>,
    /// `delivered` of the API.
    pub delivered: bool,
    /// `delivery_id` of the API.
    pub delivery_id: String,
    /// `error` of the API.
    #[serde(default)]
    pub error: Option<String>,
    /// `event_id` of the API.
    pub event_id: String,
    /// `latency_ms` of the API.
    pub latency_ms: i64,
    /// `status_code` of the API.
    #[serde(default)]
    pub status_code: Option<i64>,
}

/// The schemes of Standard Webhooks: `v1` is HMAC-SHA256, `v1a` is ed25519.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SignatureScheme {
    /// `v1`
    V1,
    /// `v1a`
    V1a,
    /// A value that this version does not know.
    Other(String),
}

impl SignatureScheme {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SignatureScheme {
    fn from(value: String) -> Self {
        match &*value {
            "v1" => Self::V1,
            "v1a" => Self::V1a,
            _ => Self::Other(value),
        }
    }
}

impl From<SignatureScheme> for String {
    fn from(value: SignatureScheme) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `State` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `status` of the API.
    pub status: String,
}

/// `StatusFilter` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum StatusFilter {
    /// `pending`
    Pending,
    /// `delivered`
    Delivered,
    /// `failed`
    Failed,
    /// `unmatched`
    Unmatched,
    /// `acknowledged`
    Acknowledged,
    /// `any`
    Any,
    /// A value that this version does not know.
    Other(String),
}

impl StatusFilter {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unmatched => "unmatched",
            Self::Acknowledged => "acknowledged",
            Self::Any => "any",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for StatusFilter {
    fn from(value: String) -> Self {
        match &*value {
            "pending" => Self::Pending,
            "delivered" => Self::Delivered,
            "failed" => Self::Failed,
            "unmatched" => Self::Unmatched,
            "acknowledged" => Self::Acknowledged,
            "any" => Self::Any,
            _ => Self::Other(value),
        }
    }
}

impl From<StatusFilter> for String {
    fn from(value: StatusFilter) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for StatusFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `StoredEvent` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// `acknowledged_at` of the API.
    #[serde(default)]
    pub acknowledged_at: Option<String>,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `delivery_attempts` of the API.
    pub delivery_attempts: i64,
    /// `event_id` of the API.
    pub event_id: String,
    /// `event_type` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// `last_delivery_timestamp` of the API.
    #[serde(default)]
    pub last_delivery_timestamp: Option<String>,
    /// `metadata` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// The payload as it was sent.
    pub payload: Value,
    /// `source` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `status` of the API.
    pub status: EventStatus,
    /// `tags` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// `timestamp` of the API.
    pub timestamp: String,
}

/// `Subscription` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// `batch` of the API.
    pub batch: BatchPolicy,
    /// `body` of the API.
    pub body: WebhookBody,
    /// `created_at` of the API.
    pub created_at: String,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `description` of the API.
    #[serde(default)]
    pub description: Option<String>,
    /// `effective_at` of the API.
    pub effective_at: String,
    /// The selector as it was given.
    pub event_selector: Value,
    /// `headers` of the API.
    pub headers: Value,
    /// `ordered` of the API.
    pub ordered: bool,
    /// The key that verifies its signatures, with `v1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// `rate_limit_per_second` of the API.
    #[serde(default)]
    pub rate_limit_per_second: Option<i64>,
    /// `retry` of the API.
    pub retry: RetryPolicy,
    /// `signature` of the API.
    pub signature: SignatureScheme,
    /// `status` of the API.
    pub status: SubscriptionStatus,
    /// Why it is disabled: gone, backlog_full, by_customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// `transform` of the API.
    #[serde(default)]
    pub transform: Option<Transform>,
    /// `updated_at` of the API.
    pub updated_at: String,
    /// `version` of the API.
    pub version: i64,
    /// `webhook_url` of the API.
    pub webhook_url: String,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `SubscriptionChange` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionChange {
    /// `batch` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPolicy>,
    /// `body` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<WebhookBody>,
    /// `description` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `event_selector` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_selector: Option<Selector>,
    /// `headers` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Value>,
    /// `ordered` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// `rate_limit_per_second` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_second: Option<i64>,
    /// `retry` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// `status` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SubscriptionStatus>,
    /// `transform` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// `webhook_url` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
}

/// `SubscriptionHealth` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionHealth {
    /// `backlog_deliveries` of the API.
    pub backlog_deliveries: i64,
    /// `backlog_events` of the API.
    pub backlog_events: i64,
    /// `closed`, `open` or `half_open`
    #[serde(default)]
    pub breaker: Option<String>,
    /// `breaker_until` of the API.
    #[serde(default)]
    pub breaker_until: Option<String>,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `SubscriptionPage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionPage {
    /// `cursor` of the API.
    #[serde(default)]
    pub cursor: Option<String>,
    /// `has_more` of the API.
    pub has_more: bool,
    /// `subscriptions` of the API.
    pub subscriptions: Vec<Subscription>,
    /// `total` of the API.
    pub total: i64,
}

/// `SubscriptionStatus` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SubscriptionStatus {
    /// `active`
    Active,
    /// `disabled`
    Disabled,
    /// A value that this version does not know.
    Other(String),
}

impl SubscriptionStatus {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SubscriptionStatus {
    fn from(value: String) -> Self {
        match &*value {
            "active" => Self::Active,
            "disabled" => Self::Disabled,
            _ => Self::Other(value),
        }
    }
}

impl From<SubscriptionStatus> for String {
    fn from(value: SubscriptionStatus) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SubscriptionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `SubscriptionWithSecret` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionWithSecret {
    /// `batch` of the API.
    pub batch: BatchPolicy,
    /// `body` of the API.
    pub body: WebhookBody,
    /// `created_at` of the API.
    pub created_at: String,
    /// `customer_id` of the API.
    pub customer_id: String,
    /// `description` of the API.
    #[serde(default)]
    pub description: Option<String>,
    /// `effective_at` of the API.
    pub effective_at: String,
    /// The selector as it was given.
    pub event_selector: Value,
    /// `headers` of the API.
    pub headers: Value,
    /// `ordered` of the API.
    pub ordered: bool,
    /// The key that verifies its signatures, with `v1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// `rate_limit_per_second` of the API.
    #[serde(default)]
    pub rate_limit_per_second: Option<i64>,
    /// `retry` of the API.
    pub retry: RetryPolicy,
    /// Shown only in this answer; not with `v1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// `signature` of the API.
    pub signature: SignatureScheme,
    /// `status` of the API.
    pub status: SubscriptionStatus,
    /// Why it is disabled: gone, backlog_full, by_customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// `transform` of the API.
    #[serde(default)]
    pub transform: Option<Transform>,
    /// `updated_at` of the API.
    pub updated_at: String,
    /// `version` of the API.
    pub version: i64,
    /// `webhook_url` of the API.
    pub webhook_url: String,
    /// `workflow_id` of the API.
    pub workflow_id: String,
}

/// `System` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// `customers` of the API.
    pub customers: i64,
    /// `dead_letters` of the API.
    pub dead_letters: i64,
    /// `dependencies` of the API.
    pub dependencies: Vec<SystemDependencie>,
    /// `engine` of the API.
    pub engine: SystemEngine,
    /// `environment` of the API.
    pub environment: String,
    /// `lanes` of the API.
    pub lanes: i64,
    /// `queue` of the API.
    pub queue: SystemQueue,
    /// `ready` of the API.
    pub ready: bool,
    /// `roles` of the API.
    pub roles: Vec<SystemRole>,
    /// `shards` of the API.
    pub shards: Vec<SystemShard>,
    /// `started_at` of the API.
    pub started_at: String,
    /// `streams_open` of the API.
    pub streams_open: i64,
    /// `version` of the API.
    pub version: String,
}

/// `SystemDependencie` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemDependencie {
    /// `name` of the API.
    pub name: String,
    /// `reason` of the API.
    pub reason: String,
    /// `state` of the API.
    pub state: SystemDependencieState,
}

/// `SystemDependencieState` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SystemDependencieState {
    /// `lost`
    Lost,
    /// A value that this version does not know.
    Other(String),
}

impl SystemDependencieState {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Lost => "lost",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SystemDependencieState {
    fn from(value: String) -> Self {
        match &*value {
            "lost" => Self::Lost,
            _ => Self::Other(value),
        }
    }
}

impl From<SystemDependencieState> for String {
    fn from(value: SystemDependencieState) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SystemDependencieState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `SystemEngine` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SystemEngine {
    /// `embedded`
    Embedded,
    /// `distributed`
    Distributed,
    /// A value that this version does not know.
    Other(String),
}

impl SystemEngine {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Embedded => "embedded",
            Self::Distributed => "distributed",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SystemEngine {
    fn from(value: String) -> Self {
        match &*value {
            "embedded" => Self::Embedded,
            "distributed" => Self::Distributed,
            _ => Self::Other(value),
        }
    }
}

impl From<SystemEngine> for String {
    fn from(value: SystemEngine) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SystemEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `SystemQueue` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemQueue {
    /// `deliveries` of the API.
    pub deliveries: i64,
    /// `events` of the API.
    pub events: i64,
}

/// `SystemRole` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SystemRole {
    /// `ingest`
    Ingest,
    /// `processor`
    Processor,
    /// A value that this version does not know.
    Other(String),
}

impl SystemRole {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ingest => "ingest",
            Self::Processor => "processor",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for SystemRole {
    fn from(value: String) -> Self {
        match &*value {
            "ingest" => Self::Ingest,
            "processor" => Self::Processor,
            _ => Self::Other(value),
        }
    }
}

impl From<SystemRole> for String {
    fn from(value: SystemRole) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for SystemRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `SystemShard` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemShard {
    /// `lag_ms` of the API.
    pub lag_ms: i64,
    /// `progress_age_ms` of the API.
    pub progress_age_ms: i64,
    /// `restarts` of the API.
    pub restarts: i64,
    /// `running` of the API.
    pub running: bool,
    /// `shard` of the API.
    pub shard: String,
    /// `unsettled_events` of the API.
    pub unsettled_events: i64,
}

/// `Transform` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Any JSON of at most 16384 bytes. Its strings are minijinja templates over the event. A string
    /// that is nothing but `{{ expression }}` becomes the expression's value and keeps that value's
    /// type.
    pub template: Value,
}

impl Transform {
    /// With what is required; the rest is absent.
    pub fn new(template: Value) -> Self {
        Self {
            template,
        }
    }
}

/// `TransformProblem` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformProblem {
    /// `line` of the API.
    #[serde(default)]
    pub line: Option<i64>,
    /// `message` of the API.
    pub message: String,
    /// `pointer` of the API.
    pub pointer: String,
}

/// `TransformResult` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformResult {
    /// The webhook's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// `bytes` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// `ok` of the API.
    pub ok: bool,
    /// `error` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TransformProblem>,
}

/// `TransformTrial` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TransformTrial {
    /// `body` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<WebhookBody>,
    /// `event_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// A template to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// `event_type` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Any JSON of at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// `Trial` of the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// `last` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// Any JSON of at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// `TrialResult` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum TrialResult {
    /// See [`SentTrial`].
    SentTrial(SentTrial),
    /// See [`Judgement`].
    Judgement(Judgement),
    /// A value that this version does not know.
    Other(Value),
}

/// `Usage` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// `granularity` of the API.
    pub granularity: UsageGranularity,
    /// `group_by` of the API.
    pub group_by: UsageGroupBy,
    /// `receipts` of the API.
    pub receipts: Vec<Receipts>,
    /// `since` of the API.
    pub since: String,
    /// `until` of the API.
    pub until: String,
    /// `usage` of the API.
    pub usage: Vec<UsagePeriod>,
}

/// `UsageGranularity` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum UsageGranularity {
    /// `minute`
    Minute,
    /// `hour`
    Hour,
    /// `day`
    Day,
    /// A value that this version does not know.
    Other(String),
}

impl UsageGranularity {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for UsageGranularity {
    fn from(value: String) -> Self {
        match &*value {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            _ => Self::Other(value),
        }
    }
}

impl From<UsageGranularity> for String {
    fn from(value: UsageGranularity) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for UsageGranularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `UsageGroupBy` of the API.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum UsageGroupBy {
    /// `none`
    None,
    /// `event_type`
    EventType,
    /// `workflow_id`
    WorkflowId,
    /// A value that this version does not know.
    Other(String),
}

impl UsageGroupBy {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::EventType => "event_type",
            Self::WorkflowId => "workflow_id",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for UsageGroupBy {
    fn from(value: String) -> Self {
        match &*value {
            "none" => Self::None,
            "event_type" => Self::EventType,
            "workflow_id" => Self::WorkflowId,
            _ => Self::Other(value),
        }
    }
}

impl From<UsageGroupBy> for String {
    fn from(value: UsageGroupBy) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for UsageGroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `UsagePeriod` of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsagePeriod {
    /// `accepted` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<i64>,
    /// `bytes` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// `delivered` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<i64>,
    /// `null` for events without a type; `other` for events of types beyond the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// `failed` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<i64>,
    /// `receipt_ms` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_ms: Option<ReceiptMs>,
    /// `start` of the API.
    pub start: String,
    /// `unmatched` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<i64>,
    /// `workflow_id` of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// `array`: an array of events. `single`: one event per webhook, without an array around it.
/// It is open: a value that this version does not know is `Other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum WebhookBody {
    /// `array`
    Array,
    /// `single`
    Single,
    /// A value that this version does not know.
    Other(String),
}

impl WebhookBody {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Array => "array",
            Self::Single => "single",
            Self::Other(value) => value,
        }
    }
}

impl From<String> for WebhookBody {
    fn from(value: String) -> Self {
        match &*value {
            "array" => Self::Array,
            "single" => Self::Single,
            _ => Self::Other(value),
        }
    }
}

impl From<WebhookBody> for String {
    fn from(value: WebhookBody) -> Self {
        value.as_str().to_owned()
    }
}

impl fmt::Display for WebhookBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `list_audit` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListAuditQuery {
    /// Entries of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ListAuditAction>,
    /// Changes by this kind of actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ListAuditActor>,
    /// Changes by this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `desc`: the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ListAuditOrder>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before, from the same query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `delete_dead_letters` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeleteDeadLettersQuery {
    /// Dead letters of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Given up for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadLetterReason>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
}

/// What `list_dead_letters` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListDeadLettersQuery {
    /// Dead letters of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Given up for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadLetterReason>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before, from the same query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `count_dead_letters` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CountDeadLettersQuery {
    /// Dead letters of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Given up for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadLetterReason>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
}

/// What `list_event_types` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListEventTypesQuery {
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `event_attempts` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventAttemptsQuery {
    /// Only attempts for this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// What `inbox` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct InboxQuery {
    /// Events with this status; `any` means every status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Events of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Events of this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Events with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Which events come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ListAuditOrder>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Up to this time, which is included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before, from the same query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `list_replays` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListReplaysQuery {
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `list_subscriptions` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListSubscriptionsQuery {
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `list_deliveries` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListDeliveriesQuery {
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// What `usage` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UsageQuery {
    /// Periods from the one that holds this time; by default 60 minutes, 24 hours or 30 days ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Periods that begin before this time; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The length of a period; hours and days are those of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<UsageGranularity>,
    /// How to group the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<UsageGroupBy>,
}

/// What `list_all_audit` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListAllAuditQuery {
    /// Entries about this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Entries of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ListAuditAction>,
    /// Changes by this kind of actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ListAuditActor>,
    /// Changes by this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `desc`: the newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ListAuditOrder>,
    /// At this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before, from the same query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What `list_customers` may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ListCustomersQuery {
    /// The most entries of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
