//! Why a subscription is disabled, and what becomes of the events that it still has.

use sluice_model::{DeadLetterReason, SubscriptionStatus};

/// Why the processor disables a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its endpoint answered 410: it is gone for good.
    Gone,
    /// More events wait for it than may.
    BacklogFull,
}

impl DisabledReason {
    /// The reason as a subscription's status holds it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::BacklogFull => "backlog_full",
        }
    }
}

/// The reason of the dead letters of a subscription that receives nothing;
/// `None` where it was deleted.
#[must_use]
pub(crate) fn dead_letter_reason(status: Option<&SubscriptionStatus>) -> DeadLetterReason {
    match status {
        Some(SubscriptionStatus::Disabled { reason }) if reason == DisabledReason::BacklogFull.as_str() => {
            DeadLetterReason::BacklogFull
        }
        Some(SubscriptionStatus::Disabled { .. } | SubscriptionStatus::Active) | None => {
            DeadLetterReason::SubscriptionDisabled
        }
    }
}
