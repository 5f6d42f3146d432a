//! From the outcome of an attempt to what must be written: pure.

use crate::commit::Commit;
use crate::outcome::Outcome;
use sluice_model::{
    DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, EventId, EventRef, EventSet, Fact,
};
use sluice_ports::event_store::NewFact;
use std::collections::HashMap;

/// What the events of a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The endpoint took all of it, or all but those it named.
    Taken,
    /// It will be tried again.
    Waits,
    /// It was given up.
    GaveUp(DeadLetterReason),
}

/// Where a delivery is while it is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In memory only: its events are unsettled in the log.
    ByLog,
    /// In the work queue, which must hear of its end.
    ByQueue,
}

/// Adds to `commit` what the outcome of an attempt means. `delivery` counts the attempt.
///
/// `failed` are the events that a 2xx answer named as not taken; they become a
/// delivery of their own, due after `retry_after_ms`, or a dead letter where
/// `outcome_of_failed` says so. Ids that the delivery does not carry are ignored.
pub fn settle(
    commit: &mut Commit,
    delivery: Delivery,
    outcome: Outcome,
    failed: &[EventId],
    outcome_of_failed: Outcome,
    held: Held,
    now_ms: u64,
) -> Ending {
    match outcome {
        Outcome::Taken => {
            let (took, left) = split(&delivery.events, failed);
            if held == Held::ByQueue {
                commit.done(delivery.subscription, delivery.id);
            }
            let attempts = delivery.attempts;
            let last_ms = delivery.last.at_ms;
            for of in &took {
                let (matched, took) = (of.events.clone(), of.events.clone());
                let fact = Fact { matched, took, attempts, last_attempt_ms: last_ms, ..Fact::default() };
                add_fact(commit, &delivery, of, fact);
            }
            if !left.is_empty() {
                let rest = Delivery { id: DeliveryId::new(now_ms), events: left, ..delivery };
                // Not in the queue yet, whatever the whole was.
                settle(commit, rest, outcome_of_failed, &[], outcome_of_failed, Held::ByLog, now_ms);
            }
            Ending::Taken
        }
        Outcome::Retry { after } => {
            wait(commit, delivery, now_ms + after.as_millis() as u64);
            Ending::Waits
        }
        Outcome::DeadLetter { reason } => {
            give_up(commit, delivery, reason, held, now_ms);
            Ending::GaveUp(reason)
        }
        Outcome::DisableAndDeadLetter => {
            let reason = DeadLetterReason::SubscriptionDisabled;
            give_up(commit, delivery, reason, held, now_ms);
            Ending::GaveUp(reason)
        }
    }
}

/// Puts a delivery into the queue, and says that its events are matched: they show as pending.
pub fn wait(commit: &mut Commit, mut delivery: Delivery, due_ms: u64) {
    delivery.due_ms = due_ms;
    for of in &delivery.events {
        let matched = of.events.clone();
        let (attempts, last_attempt_ms) = (delivery.attempts, delivery.last.at_ms);
        add_fact(commit, &delivery, of, Fact { matched, attempts, last_attempt_ms, ..Fact::default() });
    }
    commit.put(delivery);
}

/// Makes a delivery a dead letter.
pub fn give_up(commit: &mut Commit, delivery: Delivery, reason: DeadLetterReason, held: Held, now_ms: u64) {
    NewFact::given_up(&delivery).for_each(|new| commit.fact(new));
    if held == Held::ByQueue {
        commit.done(delivery.subscription, delivery.id);
    }
    commit.dead_letter(DeadLetter { id: DeadLetterId::new(now_ms), reason, delivery });
}

fn add_fact(commit: &mut Commit, delivery: &Delivery, of: &EventRef, fact: Fact) {
    let (customer, subscription) = (delivery.customer, delivery.subscription);
    commit.fact(NewFact { customer, batch: of.batch, subscription, fact });
}

/// The events that are not in `failed`, and those that are.
fn split(events: &[EventRef], failed: &[EventId]) -> (Vec<EventRef>, Vec<EventRef>) {
    if failed.is_empty() {
        return (events.to_vec(), Vec::new());
    }
    let mut by_batch = HashMap::<_, Vec<u16>>::new();
    for id in failed {
        by_batch.entry(id.batch()).or_default().push(id.index());
    }
    let (mut took, mut left) = (Vec::new(), Vec::new());
    for of in events {
        let named = by_batch.get_mut(&of.batch).map(|indexes| {
            indexes.sort_unstable();
            indexes.dedup();
            indexes.iter().copied().filter(|index| of.events.contains(*index)).collect::<EventSet>()
        });
        let named = named.unwrap_or_default();
        let rest = of.events.minus(&named);
        for (list, events) in [(&mut left, named), (&mut took, rest)] {
            if !events.is_empty() {
                list.push(EventRef { batch: of.batch, events });
            }
        }
    }
    (took, left)
}

#[cfg(test)]
mod tests;
