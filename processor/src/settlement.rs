//! The consequences of an attempt's outcome: pure.

use crate::commit::Commit;
use crate::outcome::Outcome;
use crate::slice::{Ticket, TicketShare};
use sluice_history::usage::EndedEvents;
use sluice_model::{
    BatchId, DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, DisabledReason, EventId,
    EventRef, EventSet, Fact, Subscription, SubscriptionStatus,
};
use sluice_ports::event_store::NewFact;
use std::collections::HashMap;

/// The ending of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEnding {
    /// The endpoint took all of it, or all except the events that it named.
    Taken,
    /// It will be tried again.
    Waits,
    /// It was given up.
    GaveUp(DeadLetterReason),
}

/// The durable place that holds a delivery while it is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// The log: the events are not settled.
    Log,
    /// The work queue, which must be told of the delivery's end.
    Queue,
    /// The parked list of its lane, which must be told of the delivery's end.
    ParkedList,
}

/// The consequences of an attempt for its delivery.
#[derive(Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The ending of the delivery.
    pub ending: DeliveryEnding,
    /// The ending of the events that a 2xx answer named as not taken, if it named any.
    pub ending_of_failed: Option<DeliveryEnding>,
    /// The part to try again, with its due time: the whole delivery, or a new delivery of the
    /// events that the endpoint did not take. The caller puts it where it must wait.
    pub rest: Option<Delivery>,
    /// The events that a 2xx answer named as not taken.
    pub failed: Vec<EventRef>,
}

impl Settlement {
    /// The ended events of each log entry that a delivery's events settle.
    pub fn endings<'a>(
        &'a self,
        subscription: &'a Subscription,
        tickets: &'a [TicketShare],
        at_ms: u64,
    ) -> impl Iterator<Item = (Ticket, EndedEvents)> + 'a {
        let mut failed: HashMap<BatchId, usize> = HashMap::new();
        for part in &self.failed {
            *failed.entry(part.batch).or_default() += part.events.len();
        }
        tickets.iter().map(move |share| {
            let named = failed.get_mut(&share.batch);
            let left = named.map_or(0, |left| {
                let of_share = (*left).min(share.events);
                *left -= of_share;
                of_share
            });
            let (delivered, gave_up) = match self.ending {
                DeliveryEnding::Waits => (0, 0),
                DeliveryEnding::GaveUp(_) => (0, share.events),
                DeliveryEnding::Taken if matches!(self.ending_of_failed, Some(DeliveryEnding::GaveUp(_))) => {
                    (share.events - left, left)
                }
                DeliveryEnding::Taken => (share.events - left, 0),
            };
            let counted = EndedEvents {
                customer: subscription.customer,
                subscription: subscription.id,
                accepted_ms: share.batch.ms(),
                at_ms,
                delivered: delivered as u32,
                failed: gave_up as u32,
            };
            (share.ticket, counted)
        })
    }
}

/// Counts ended events of a delivery, unless the log holds the delivery: then they are counted with its
/// log entries.
fn count(
    commit: &mut Commit,
    delivery: &Delivery,
    held: HeldBy,
    at_ms: u64,
    events: &[EventRef],
    ending: DeliveryEnding,
) {
    match held {
        HeldBy::Log => return,
        HeldBy::Queue | HeldBy::ParkedList => {}
    }
    for part in events {
        let events = part.events.len() as u32;
        let (delivered, failed) = match ending {
            DeliveryEnding::Taken => (events, 0),
            DeliveryEnding::GaveUp(_) => (0, events),
            DeliveryEnding::Waits => (0, 0),
        };
        commit.count_beside_log(&EndedEvents {
            customer: delivery.customer,
            subscription: delivery.subscription,
            accepted_ms: part.batch.ms(),
            at_ms,
            delivered,
            failed,
        });
    }
}

/// Adds to `commit` what an attempt revealed, and returns what is left to do. `delivery` counts the
/// attempt.
///
/// `failed` are the events that a 2xx answer named as not taken. They become a delivery of their
/// own or a dead letter, as `outcome_of_failed` says. Ids that the delivery does not carry are
/// ignored.
#[must_use]
pub fn settle(
    commit: &mut Commit,
    delivery: Delivery,
    outcome: Outcome,
    failed: &[EventId],
    outcome_of_failed: Outcome,
    held: HeldBy,
    now_ms: u64,
) -> Settlement {
    let ended = |ending, rest| Settlement { ending, ending_of_failed: None, rest, failed: Vec::new() };
    match outcome {
        Outcome::Taken => {
            let left = take(commit, &delivery, failed, held, now_ms);
            if left.is_empty() {
                return ended(DeliveryEnding::Taken, None);
            }
            // It is a new delivery: only the log, or the place of the whole delivery, holds it yet.
            let new = Delivery { id: DeliveryId::new(now_ms), events: left.clone(), ..delivery.clone() };
            let rest = settle(commit, new, outcome_of_failed, &[], outcome_of_failed, HeldBy::Log, now_ms);
            if let DeliveryEnding::GaveUp(_) = rest.ending {
                count(commit, &delivery, held, now_ms, &left, rest.ending);
            }
            let ending_of_failed = Some(rest.ending);
            Settlement { ending: DeliveryEnding::Taken, ending_of_failed, rest: rest.rest, failed: left }
        }
        Outcome::Retry { after } => {
            let rest = mark_waiting(commit, delivery, now_ms + after.as_millis() as u64);
            ended(DeliveryEnding::Waits, Some(rest))
        }
        Outcome::DeadLetter { reason } => {
            give_up(commit, delivery, reason, held, now_ms);
            ended(DeliveryEnding::GaveUp(reason), None)
        }
        Outcome::DisableAndDeadLetter => {
            let reason = DeadLetterReason::SubscriptionDisabled;
            give_up(commit, delivery, reason, held, now_ms);
            ended(DeliveryEnding::GaveUp(reason), None)
        }
    }
}

/// Notes that the endpoint took the delivery except the `failed` events. Returns those of them
/// that it carries.
fn take(
    commit: &mut Commit,
    delivery: &Delivery,
    failed: &[EventId],
    held: HeldBy,
    now_ms: u64,
) -> Vec<EventRef> {
    let (took, left) = split(&delivery.events, failed);
    count(commit, delivery, held, now_ms, &took, DeliveryEnding::Taken);
    if held == HeldBy::Queue {
        commit.done(delivery.subscription, delivery.id);
    }
    let (attempts, last_attempt_ms) = (delivery.attempts, delivery.last.at_ms);
    for part in &took {
        let (matched, took) = (part.events.clone(), part.events.clone());
        add_fact(
            commit,
            delivery,
            part,
            Fact { matched, took, attempts, last_attempt_ms, ..Fact::default() },
        );
    }
    left
}

/// Notes that the events of a delivery are matched and wait (the API shows them as pending), and
/// sets its due time. The caller puts it where it must wait.
#[must_use]
pub fn mark_waiting(commit: &mut Commit, mut delivery: Delivery, due_ms: u64) -> Delivery {
    // Never earlier than before: a queue takes the state that is due earlier for an older one.
    delivery.due_ms = due_ms.max(delivery.due_ms);
    let (attempts, last_attempt_ms) = (delivery.attempts, delivery.last.at_ms);
    for part in &delivery.events {
        let matched = part.events.clone();
        add_fact(commit, &delivery, part, Fact { matched, attempts, last_attempt_ms, ..Fact::default() });
    }
    delivery
}

/// Puts a delivery into the queue, due at `due_ms`.
pub fn wait(commit: &mut Commit, delivery: Delivery, due_ms: u64) {
    let delivery = mark_waiting(commit, delivery, due_ms);
    commit.put(delivery);
}

/// Makes a delivery a dead letter.
pub fn give_up(commit: &mut Commit, delivery: Delivery, reason: DeadLetterReason, held: HeldBy, now_ms: u64) {
    NewFact::given_up(&delivery).for_each(|new| commit.fact(new));
    count(commit, &delivery, held, now_ms, &delivery.events, DeliveryEnding::GaveUp(reason));
    if held == HeldBy::Queue {
        commit.done(delivery.subscription, delivery.id);
    }
    commit.dead_letter(DeadLetter { id: DeadLetterId::new(now_ms), reason, delivery });
}

/// Counts a delivery of which the queue itself made a dead letter, and ends it in the queue.
pub fn count_given_up(commit: &mut Commit, delivery: &Delivery, reason: DeadLetterReason, now_ms: u64) {
    count(commit, delivery, HeldBy::Queue, now_ms, &delivery.events, DeliveryEnding::GaveUp(reason));
    commit.done(delivery.subscription, delivery.id);
}

/// The reason of the dead letters of a subscription that receives nothing; its status is `None` if
/// it was deleted.
#[must_use]
pub fn dead_letter_reason(status: Option<&SubscriptionStatus>) -> DeadLetterReason {
    match status {
        Some(SubscriptionStatus::Disabled { reason: DisabledReason::BacklogFull }) => {
            DeadLetterReason::BacklogFull
        }
        Some(SubscriptionStatus::Disabled { reason: DisabledReason::Gone | DisabledReason::ByCustomer })
        | Some(SubscriptionStatus::Active)
        | None => DeadLetterReason::SubscriptionDisabled,
    }
}

fn add_fact(commit: &mut Commit, delivery: &Delivery, part: &EventRef, fact: Fact) {
    let (customer, subscription) = (delivery.customer, delivery.subscription);
    commit.fact(NewFact { customer, batch: part.batch, subscription, fact });
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
    for part in events {
        let named = by_batch.get_mut(&part.batch).map(|indexes| {
            indexes.sort_unstable();
            indexes.dedup();
            indexes.iter().copied().filter(|index| part.events.contains(*index)).collect::<EventSet>()
        });
        let named = named.unwrap_or_default();
        let rest = part.events.minus(&named);
        for (list, events) in [(&mut left, named), (&mut took, rest)] {
            if !events.is_empty() {
                list.push(EventRef { batch: part.batch, events });
            }
        }
    }
    (took, left)
}

#[cfg(test)]
mod tests;
