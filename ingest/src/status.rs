//! An event's status, computed from the facts about it when it is read.

use serde::Serialize;
use sluice_ports::event_store::StoredBatch;

/// An event's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventStatus {
    /// It waits to be matched or delivered.
    Pending,
    /// At least one webhook took it.
    Delivered,
    /// Every subscription that matched it gave up on it.
    Failed,
    /// No subscription matched it.
    Unmatched,
    /// Its reader acknowledged it.
    Acknowledged,
}

impl EventStatus {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pending" => Self::Pending,
            "delivered" => Self::Delivered,
            "failed" => Self::Failed,
            "unmatched" => Self::Unmatched,
            "acknowledged" => Self::Acknowledged,
            _ => return None,
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Unmatched => "unmatched",
            Self::Acknowledged => "acknowledged",
        }
    }
}

/// The facts about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub status: EventStatus,
    /// Delivery attempts of all subscriptions together.
    pub attempts: u32,
    /// The last attempt of any subscription, in milliseconds since the Unix epoch.
    pub last_attempt_ms: Option<u64>,
    pub acknowledged_at_ms: Option<u64>,
}

/// The facts about the event at `index` of its batch.
pub(crate) fn standing(stored: &StoredBatch, index: u16) -> Standing {
    let (mut matched, mut took, mut waits) = (false, false, false);
    let (mut attempts, mut last_attempt_ms) = (0u32, 0);
    for (_, fact) in &stored.facts {
        let ended = (fact.took.contains(index), fact.gave_up.contains(index));
        if !fact.matched.contains(index) && ended == (false, false) {
            continue;
        }
        matched = true;
        took |= ended.0;
        waits |= ended == (false, false);
        attempts = attempts.saturating_add(fact.attempts);
        last_attempt_ms = last_attempt_ms.max(fact.last_attempt_ms);
    }
    let acknowledged =
        stored.acknowledged.binary_search_by_key(&index, |(acknowledged, _)| *acknowledged).ok();
    let acknowledged_at_ms = acknowledged.and_then(|nth| stored.acknowledged.get(nth)).map(|(_, ms)| *ms);
    let status = match (acknowledged_at_ms, took, matched) {
        (Some(_), ..) => EventStatus::Acknowledged,
        (None, true, _) => EventStatus::Delivered,
        (None, false, true) if waits => EventStatus::Pending,
        (None, false, true) => EventStatus::Failed,
        (None, false, false) if stored.passed => EventStatus::Unmatched,
        (None, false, false) => EventStatus::Pending,
    };
    Standing {
        status,
        attempts,
        last_attempt_ms: (last_attempt_ms > 0).then_some(last_attempt_ms),
        acknowledged_at_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stored_batch;
    use proptest::prelude::*;
    use sluice_model::{EventSet, Fact, SubscriptionId};

    fn fact(matched: bool, took: bool, gave_up: bool) -> Fact {
        let set = |has: bool| if has { EventSet::range(3, 4) } else { EventSet::new() };
        Fact {
            matched: set(matched),
            took: set(took),
            gave_up: set(gave_up),
            attempts: 2,
            last_attempt_ms: 9,
        }
    }

    fn status(facts: &[(bool, bool, bool)], acknowledged: bool, passed: bool) -> EventStatus {
        let mut stored = stored_batch(5);
        stored.facts = facts
            .iter()
            .enumerate()
            .map(|(n, (matched, took, gave_up))| {
                (SubscriptionId::from_u128(n as u128), fact(*matched, *took, *gave_up))
            })
            .collect();
        stored.acknowledged = if acknowledged { vec![(1, 5), (3, 7)] } else { vec![(1, 5)] };
        stored.passed = passed;
        standing(&stored, 3).status
    }

    #[test]
    fn a_status_follows_from_the_facts() {
        let (wanted, took, gave_up) = ((true, false, false), (true, true, false), (true, false, true));
        assert_eq!(status(&[], false, false), EventStatus::Pending);
        assert_eq!(status(&[], false, true), EventStatus::Unmatched);
        assert_eq!(status(&[wanted], false, true), EventStatus::Pending);
        assert_eq!(status(&[wanted, took], false, true), EventStatus::Delivered);
        assert_eq!(status(&[wanted, gave_up], false, true), EventStatus::Pending);
        assert_eq!(status(&[gave_up, gave_up], false, true), EventStatus::Failed);
        assert_eq!(status(&[gave_up, took], false, true), EventStatus::Delivered);
        assert_eq!(status(&[(true, true, true)], false, true), EventStatus::Delivered);
        assert_eq!(status(&[gave_up], true, true), EventStatus::Acknowledged);
        assert_eq!(status(&[], true, false), EventStatus::Acknowledged);
    }

    proptest! {
        /// Facts only grow, and no growth takes a delivery or an acknowledgement back.
        #[test]
        fn more_facts_never_undo_a_delivery(facts in prop::collection::vec(any::<(bool, bool, bool)>(), 0..4), more: (bool, bool, bool)) {
            let before = status(&facts, false, true);
            let mut grown = facts;
            grown.push(more);
            if before == EventStatus::Delivered {
                prop_assert_eq!(status(&grown, false, true), EventStatus::Delivered);
            }
            prop_assert_eq!(status(&grown, true, true), EventStatus::Acknowledged);
        }
    }

    #[test]
    fn attempts_add_up_over_the_subscriptions_that_wanted_the_event() {
        let mut stored = stored_batch(5);
        let id = SubscriptionId::from_u128;
        stored.facts = vec![
            (id(1), fact(true, true, false)),
            (id(2), Fact { attempts: 4, last_attempt_ms: 11, ..fact(true, false, true) }),
            (id(3), fact(false, false, false)),
        ];
        let third = standing(&stored, 3);
        assert_eq!((third.attempts, third.last_attempt_ms), (6, Some(11)));
        assert_eq!(standing(&stored, 2).last_attempt_ms, None);
    }
}
