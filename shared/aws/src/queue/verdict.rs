//! What to do with a received message: pure.

use super::book::{Book, Met, content};
use super::message::{self, DeadLetterRef, MessageBody};
use super::requests::ReceivedMessage;
use sluice_model::{Delivery, SubscriptionId};
use std::collections::{HashMap, HashSet};

/// A delivery that is due within this time is given out rather than sent on.
const EARLY_MS: u64 = 50;

/// A [`TakeRequest`](sluice_ports::work_queue::TakeRequest) that a task can own.
#[derive(Debug, Clone)]
pub(super) struct WantedDeliveries {
    pub(super) max: usize,
    pub(super) max_per_subscription: usize,
    pub(super) blocked: HashSet<SubscriptionId>,
}

/// What to do with a message.
#[derive(Debug)]
pub(super) enum MessageVerdict {
    /// Give out its delivery.
    GiveOut(Delivery),
    /// It came before its time: send it on, with a new delay.
    SendOn(Delivery),
    /// Its delivery is due but must wait: keep the message invisible for a while.
    Postpone,
    /// As `Postpone`, but send the message anew: waiting must not count as failing by the
    /// queue's own policy.
    PostponeAnew(Delivery),
    /// Nobody who received it finished it: make a dead letter of its delivery, which is
    /// taken now.
    GiveUp(Delivery),
    /// It is a dead letter that was moved back: deliver it.
    Revive(DeadLetterRef),
    /// Its delivery is already taken.
    Ignore,
    /// It is no longer needed.
    Delete,
    /// It cannot be read. The queue's own policy moves it to the dead letters.
    Unreadable(String),
}

/// Judges the messages of one take.
#[derive(Debug)]
pub(super) struct MessageJudge<'a> {
    wanted: &'a WantedDeliveries,
    receives_max: u32,
    now_ms: u64,
    given_out: usize,
    per_subscription: HashMap<SubscriptionId, usize>,
}

impl<'a> MessageJudge<'a> {
    pub(super) fn new(wanted: &'a WantedDeliveries, receives_max: u32, now_ms: u64) -> Self {
        Self { wanted, receives_max, now_ms, given_out: 0, per_subscription: HashMap::new() }
    }

    /// Judges a message, and notes it in the book.
    pub(super) fn judge(&mut self, received: &ReceivedMessage, book: &mut Book) -> MessageVerdict {
        let delivery = match message::read(&received.body) {
            Ok(MessageBody::Delivery(delivery)) => delivery,
            Ok(MessageBody::DeadLetter(letter)) => return MessageVerdict::Revive(letter),
            Err(error) => return MessageVerdict::Unreadable(error.to_string()),
        };
        if delivery.due_ms > self.now_ms + EARLY_MS {
            return MessageVerdict::SendOn(delivery);
        }
        if self.must_wait(delivery.subscription) {
            // Send anew before waits make up half of the allowed receives.
            let is_anew = received.receives >= self.receives_max / 2;
            return if is_anew { MessageVerdict::PostponeAnew(delivery) } else { MessageVerdict::Postpone };
        }
        match book.received(&delivery, content(&received.body), received.receipt.clone(), self.now_ms) {
            // One receive stays for another process, in case this one dies now.
            Met::New if received.receives + 1 >= self.receives_max => MessageVerdict::GiveUp(delivery),
            Met::New => {
                self.given_out += 1;
                *self.per_subscription.entry(delivery.subscription).or_default() += 1;
                MessageVerdict::GiveOut(delivery)
            }
            Met::Taken => MessageVerdict::Ignore,
            Met::Stale => MessageVerdict::Delete,
        }
    }

    fn must_wait(&self, subscription: SubscriptionId) -> bool {
        let of_subscription = self.per_subscription.get(&subscription).copied().unwrap_or(0);
        self.wanted.blocked.contains(&subscription)
            || of_subscription >= self.wanted.max_per_subscription
            || self.given_out >= self.wanted.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Lane;
    use sluice_ports::sample::{self, Batches};

    const NOW_MS: u64 = 1_000_000;

    fn received(delivery: &Delivery, receives: u32) -> ReceivedMessage {
        let body = message::outgoing(delivery, NOW_MS, 900).body;
        ReceivedMessage { body, receipt: format!("{}", delivery.id), receives }
    }

    fn delivery(subscription: u128, due_ms: u64) -> Delivery {
        let batch = Batches::new(Lane::new(1).unwrap()).next(2, 1);
        sample::delivery(&batch, SubscriptionId::from_u128(subscription), 2, due_ms)
    }

    #[test]
    fn each_message_has_its_verdict() {
        let blocked = HashSet::from([SubscriptionId::from_u128(9)]);
        let wanted = WantedDeliveries { max: 3, max_per_subscription: 2, blocked };
        let (mut book, mut judge) = (Book::new(1000), MessageJudge::new(&wanted, 10, NOW_MS));
        let mut verdict = |received: &ReceivedMessage| judge.judge(received, &mut book);
        let due = delivery(1, NOW_MS);
        assert!(matches!(verdict(&received(&due, 1)), MessageVerdict::GiveOut(given) if given == due));
        assert!(matches!(verdict(&received(&due, 2)), MessageVerdict::Ignore));
        assert!(matches!(verdict(&received(&delivery(1, NOW_MS + 1000), 1)), MessageVerdict::SendOn(_)));
        assert!(matches!(verdict(&received(&delivery(9, NOW_MS), 4)), MessageVerdict::Postpone));
        assert!(matches!(verdict(&received(&delivery(9, NOW_MS), 5)), MessageVerdict::PostponeAnew(_)));
        assert!(matches!(verdict(&received(&delivery(2, NOW_MS), 9)), MessageVerdict::GiveUp(_)));
        assert!(matches!(verdict(&received(&delivery(2, NOW_MS), 10)), MessageVerdict::GiveUp(_)));
        assert!(matches!(verdict(&received(&delivery(1, NOW_MS), 1)), MessageVerdict::GiveOut(_)));
        assert!(
            matches!(verdict(&received(&delivery(1, NOW_MS), 1)), MessageVerdict::Postpone),
            "it has its share"
        );
        assert!(matches!(verdict(&received(&delivery(3, NOW_MS), 1)), MessageVerdict::GiveOut(_)));
        assert!(matches!(verdict(&received(&delivery(4, NOW_MS), 1)), MessageVerdict::Postpone), "enough");
        let unreadable = ReceivedMessage { body: "?".into(), receipt: String::new(), receives: 1 };
        assert!(matches!(verdict(&unreadable), MessageVerdict::Unreadable(_)));
        book.done(due.id, false);
        let mut judge = MessageJudge::new(&wanted, 10, NOW_MS);
        assert!(matches!(judge.judge(&received(&due, 1), &mut book), MessageVerdict::Delete));
    }
}
