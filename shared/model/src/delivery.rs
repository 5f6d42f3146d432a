//! Deliveries, their outcomes and dead letters.

mod stored;

use super::subscription::DeliveryShape;
use super::{BatchId, CustomerId, DeadLetterId, DeliveryId, EventSet, SubscriptionId};
use serde::{Deserialize, Serialize};

/// Events of one stored batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// The batch that holds the events.
    pub batch: BatchId,
    /// The events of that batch.
    pub events: EventSet,
}

/// The progress of one batch at one subscription. Facts only grow: joining two facts takes
/// the union of their sets, the larger attempt count and the later time, so repeating or
/// reordering writes changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The events that the subscription matched.
    pub matched: EventSet,
    /// The events that its endpoint took.
    pub took: EventSet,
    /// The events that were given up on.
    pub gave_up: EventSet,
    /// The most attempts that any of the events had.
    pub attempts: u32,
    /// When the last attempt ended, in milliseconds since the Unix epoch; 0 if there was none.
    pub last_attempt_ms: u64,
}

impl Fact {
    /// Joins two facts about the same batch and subscription.
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
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// What went wrong, for people. The code that makes the text bounds its length.
    pub error: Option<String>,
    /// When the attempt ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A delivery that waits in the work queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The `webhook-id` of all its attempts.
    pub id: DeliveryId,
    /// The customer whose events these are.
    pub customer: CustomerId,
    /// The subscription that they are delivered to.
    pub subscription: SubscriptionId,
    /// The events, in the order of the webhook's array.
    pub events: Vec<EventRef>,
    /// The number of attempts made.
    pub attempts: u32,
    /// When the first attempt began, in milliseconds since the Unix epoch; 0 before the first attempt.
    pub first_attempt_ms: u64,
    /// How the last attempt ended.
    pub last: LastAttempt,
    /// When the next attempt is due, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// The shape of its body.
    pub shape: DeliveryShape,
}

impl Delivery {
    /// The number of events that the delivery carries.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.iter().map(|reference| reference.events.len()).sum()
    }

    /// The time part of its oldest event's id, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn oldest_ms(&self) -> u64 {
        self.events.iter().map(|reference| reference.batch.ms()).min().unwrap_or(u64::MAX)
    }
}

/// Why a delivery was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// Every retry failed.
    Exhausted,
    /// The endpoint answered with a 4xx that does not ask for another attempt.
    Refused,
    /// The subscription was disabled or deleted.
    SubscriptionDisabled,
    /// The subscription's backlog was full.
    BacklogFull,
    /// The events could not be read back or turned into a webhook.
    Poison,
    /// The customer's selectors cost more on an event than they may.
    TooExpensive,
    /// The subscription's template failed on an event.
    TransformFailed,
}

impl DeadLetterReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Exhausted,
        Self::Refused,
        Self::SubscriptionDisabled,
        Self::BacklogFull,
        Self::Poison,
        Self::TooExpensive,
        Self::TransformFailed,
    ];

    /// The reason that the API writes like this.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

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
            Self::TransformFailed => "transform_failed",
        }
    }
}

/// A delivery that was given up on. It can be redriven: delivered again as a new
/// delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The dead letter's id; ids ascend with the time at which deliveries were given up on.
    pub id: DeadLetterId,
    /// Why the delivery was given up on.
    pub reason: DeadLetterReason,
    /// The delivery as it was then.
    pub delivery: Delivery,
}
