//! Deliveries, their outcomes and dead letters.

use super::{BatchId, CustomerId, DeadLetterId, DeliveryId, EventSet, SubscriptionId};
use serde::{Deserialize, Serialize};

/// Events of one stored batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// The batch that holds them.
    pub batch: BatchId,
    /// Which of its events.
    pub events: EventSet,
}

/// What is known of one (batch × subscription). Facts only grow: joining two
/// is the union of their sets, the larger attempt count and the later time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The events that the subscription matched.
    pub matched: EventSet,
    /// The events that it took.
    pub took: EventSet,
    /// The events that were given up on.
    pub gave_up: EventSet,
    /// The most attempts that any of the events had.
    pub attempts: u32,
    /// When the last of them ended, in milliseconds since the Unix epoch; 0 for never.
    pub last_attempt_ms: u64,
}

impl Fact {
    /// Joins what is known with what is new.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            matched: self.matched.union(&other.matched),
            took: self.took.union(&other.took),
            gave_up: self.gave_up.union(&other.gave_up),
            attempts: self.attempts.max(other.attempts),
            last_attempt_ms: self.last_attempt_ms.max(other.last_attempt_ms),
        }
    }
}

/// How the last attempt of a delivery ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// What went wrong, in words for people; capped by who makes it.
    pub error: Option<String>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A delivery that waits in the work queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `webhook-id` of all its attempts.
    pub id: DeliveryId,
    /// Whose events these are.
    pub customer: CustomerId,
    /// Where they go.
    pub subscription: SubscriptionId,
    /// The events, in the order of the webhook's array.
    pub events: Vec<EventRef>,
    /// Attempts made.
    pub attempts: u32,
    /// When the first attempt began, in milliseconds since the Unix epoch; 0 before it.
    pub first_attempt_ms: u64,
    /// How the last attempt ended.
    pub last: LastAttempt,
    /// When it is to be tried, in milliseconds since the Unix epoch.
    pub due_ms: u64,
}

impl Delivery {
    /// How many events it carries.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.iter().map(|of| of.events.len()).sum()
    }

    /// The time part of its oldest event's id, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn oldest_ms(&self) -> u64 {
        self.events.iter().map(|of| of.batch.ms()).min().unwrap_or(u64::MAX)
    }
}

/// Why a delivery was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// Every retry failed.
    Exhausted,
    /// The endpoint answered that it will not take the events (4xx).
    Refused,
    /// The subscription was disabled or deleted.
    SubscriptionDisabled,
    /// The subscription's backlog was full.
    BacklogFull,
    /// The events could not be read back or turned into a webhook.
    Poison,
    /// The customer's selectors cost more on an event than they may.
    TooExpensive,
}

impl DeadLetterReason {
    /// The reason as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
            Self::SubscriptionDisabled => "subscription_disabled",
            Self::BacklogFull => "backlog_full",
            Self::Poison => "poison",
            Self::TooExpensive => "too_expensive",
        }
    }
}

/// A delivery given up on; it can be redriven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id; ids ascend with the time of the verdict.
    pub id: DeadLetterId,
    /// Why.
    pub reason: DeadLetterReason,
    /// The delivery as it was.
    pub delivery: Delivery,
}
