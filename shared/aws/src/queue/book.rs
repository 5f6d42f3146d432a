//! This process' knowledge of the queue's deliveries: pure.
//!
//! A process knows the deliveries that it put, until a while after they fall due (then
//! another process may have taken them), and the deliveries that it has taken. A
//! subscription's backlog is the sum over all processes, and each sees its own part.

use foldhash::HashMap;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use sluice_ports::work_queue::Backlog;
use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};

/// The most deliveries that are remembered as ended while the queue still has a message of them;
/// the oldest are forgotten first.
const ENDED_MAX: usize = 100_000;

#[derive(Debug)]
struct BookEntry {
    subscription: SubscriptionId,
    events: u64,
    due_ms: u64,
    /// The hash of its message's body.
    content: u64,
    /// The receipt of the message by which it was taken.
    receipt: Option<String>,
}

/// How a received message relates to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Its delivery is not taken yet; it is taken now and must be given out.
    New,
    /// Its delivery is already taken: the message came once more.
    Taken,
    /// Its delivery ended, or was put again in a later state.
    Stale,
}

/// The hash by which the book recognises a message.
pub(super) fn content(body: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// The deliveries that this process put or took.
#[derive(Debug)]
pub(super) struct Book {
    entries: HashMap<DeliveryId, BookEntry>,
    /// The deliveries that are not taken, by when they are due.
    waiting: BTreeSet<(u64, DeliveryId)>,
    by_subscription: HashMap<SubscriptionId, Backlog>,
    total: Backlog,
    ended: VecDeque<DeliveryId>,
    ended_set: foldhash::HashSet<DeliveryId>,
    grace_ms: u64,
}

impl Book {
    /// Deliveries are forgotten `grace_ms` after they fell due.
    pub(super) fn new(grace_ms: u64) -> Self {
        Self {
            entries: HashMap::default(),
            waiting: BTreeSet::new(),
            by_subscription: HashMap::default(),
            total: Backlog::default(),
            ended: VecDeque::new(),
            ended_set: foldhash::HashSet::default(),
            grace_ms,
        }
    }

    fn insert(&mut self, delivery: &Delivery, content: u64, receipt: Option<String>) {
        let events = delivery.event_count() as u64;
        let (subscription, due_ms) = (delivery.subscription, delivery.due_ms);
        if receipt.is_none() {
            self.waiting.insert((due_ms, delivery.id));
        }
        for backlog in [&mut self.total, self.by_subscription.entry(subscription).or_default()] {
            backlog.deliveries += 1;
            backlog.events += events;
        }
        self.entries.insert(delivery.id, BookEntry { subscription, events, due_ms, content, receipt });
    }

    fn remove(&mut self, id: DeliveryId) -> Option<BookEntry> {
        let entry = self.entries.remove(&id)?;
        self.waiting.remove(&(entry.due_ms, id));
        for backlog in [&mut self.total, self.by_subscription.entry(entry.subscription).or_default()] {
            backlog.deliveries -= 1;
            backlog.events -= entry.events;
        }
        let left = self.by_subscription.get(&entry.subscription);
        if left.is_some_and(|backlog| backlog.deliveries == 0) {
            self.by_subscription.remove(&entry.subscription);
        }
        Some(entry)
    }

    /// Notes a sent message of a delivery. Returns the receipt of the message that it replaces.
    pub(super) fn put(&mut self, delivery: &Delivery, content: u64, now_ms: u64) -> Option<String> {
        self.forget_due(now_ms);
        let receipt = self.remove(delivery.id).and_then(|entry| entry.receipt);
        self.insert(delivery, content, None);
        receipt
    }

    /// Whether the queue has a message of the delivery with this content that is not taken.
    pub(super) fn holds(&self, id: DeliveryId, content: u64) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.receipt.is_none() && entry.content == content)
    }

    /// Notes a received message of a delivery.
    pub(super) fn received(
        &mut self,
        delivery: &Delivery,
        content: u64,
        receipt: String,
        now_ms: u64,
    ) -> Met {
        self.forget_due(now_ms);
        if self.ended_set.contains(&delivery.id) {
            return Met::Stale;
        }
        match self.entries.get_mut(&delivery.id) {
            // Each retry falls due later than the previous one.
            Some(entry) if delivery.due_ms < entry.due_ms => Met::Stale,
            Some(entry) if entry.receipt.is_some() => {
                entry.receipt = Some(receipt);
                Met::Taken
            }
            _ => {
                self.remove(delivery.id);
                self.insert(delivery, content, Some(receipt));
                Met::New
            }
        }
    }

    /// Marks taken deliveries as not taken. Returns their receipts.
    pub(super) fn give_back(&mut self, deliveries: &[Delivery]) -> Vec<String> {
        let mut receipts = Vec::new();
        for delivery in deliveries {
            let Some(entry) = self.remove(delivery.id) else { continue };
            let is_taken = entry.receipt.is_some();
            receipts.extend(entry.receipt);
            if is_taken {
                self.insert(delivery, entry.content, None);
            }
        }
        receipts
    }

    /// The receipt of a taken delivery.
    pub(super) fn receipt(&self, id: DeliveryId) -> Option<String> {
        self.entries.get(&id)?.receipt.clone()
    }

    /// The receipts of all taken deliveries.
    pub(super) fn receipts(&self) -> Vec<String> {
        self.entries.values().filter_map(|entry| entry.receipt.clone()).collect()
    }

    /// Notes that a delivery ended. If it is not taken, or its message could not be deleted,
    /// the message is still in the queue and will be recognised as stale.
    pub(super) fn done(&mut self, id: DeliveryId, is_deleted: bool) {
        let Some(entry) = self.remove(id) else { return };
        if (entry.receipt.is_none() || !is_deleted) && self.ended_set.insert(id) {
            self.ended.push_back(id);
            if self.ended.len() > ENDED_MAX
                && let Some(oldest) = self.ended.pop_front()
            {
                self.ended_set.remove(&oldest);
            }
        }
    }

    fn forget_due(&mut self, now_ms: u64) {
        while let Some((due_ms, id)) = self.waiting.first().copied() {
            if due_ms + self.grace_ms > now_ms {
                return;
            }
            self.remove(id);
        }
    }

    pub(super) fn backlog(&mut self, subscription: SubscriptionId, now_ms: u64) -> Backlog {
        self.forget_due(now_ms);
        self.by_subscription.get(&subscription).copied().unwrap_or_default()
    }

    pub(super) fn total(&mut self, now_ms: u64) -> Backlog {
        self.forget_due(now_ms);
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_model::Lane;
    use sluice_ports::sample::{Batches, delivery};

    #[derive(Debug, Clone)]
    enum BookStep {
        Put(usize, u64),
        Receive(usize),
        Done(usize),
        GiveBack(usize),
    }

    fn step() -> impl Strategy<Value = BookStep> {
        prop_oneof![
            (0..6usize, 1..50u64).prop_map(|(which, wait)| BookStep::Put(which, wait)),
            (0..6usize).prop_map(BookStep::Receive),
            (0..6usize).prop_map(BookStep::Done),
            (0..6usize).prop_map(BookStep::GiveBack),
        ]
    }

    proptest! {
        /// The backlog consists of the deliveries that were put or taken and have not ended. A
        /// taken delivery is not given out again, and an earlier state of a delivery never.
        #[test]
        fn the_book_is_right_about_what_it_put(steps in prop::collection::vec(step(), 1..80)) {
            let batch = Batches::new(Lane::new(1).unwrap()).next(4, 1);
            let subscription = |n: usize| SubscriptionId::from_u128(1 + n as u128 % 2);
            let mut all: Vec<_> = (0..6).map(|n| delivery(&batch, subscription(n), 1 + n as u16 % 4, 0)).collect();
            let (mut book, mut state) = (Book::new(1_000_000), [None; 6]);
            let mut versions: Vec<Vec<Delivery>> = vec![Vec::new(); 6];
            for (now, step) in steps.into_iter().enumerate() {
                let now = now as u64;
                match step {
                    // No process puts a delivery again after it ended.
                    BookStep::Put(which, wait) if state[which] != Some("ended") => {
                        all[which].due_ms = all[which].due_ms.max(now) + wait;
                        versions[which].push(all[which].clone());
                        let replaced = book.put(&all[which], now, now);
                        prop_assert!(book.holds(all[which].id, now) && !book.holds(all[which].id, now + 1));
                        prop_assert_eq!(replaced.is_some(), state[which] == Some("taken"));
                        state[which] = Some("waiting");
                    }
                    BookStep::Receive(which) if !versions[which].is_empty() => {
                        for stale in &versions[which][..versions[which].len() - 1] {
                            prop_assert_eq!(book.received(stale, 0, "old".into(), now), Met::Stale);
                        }
                        let wanted = match state[which] {
                            Some("waiting") => Met::New,
                            Some("taken") => Met::Taken,
                            _ => continue,
                        };
                        prop_assert_eq!(book.received(&all[which], 0, "new".into(), now), wanted);
                        state[which] = Some("taken");
                    }
                    BookStep::Done(which) if state[which].is_some() => {
                        let waited = state[which] == Some("waiting");
                        book.done(all[which].id, true);
                        state[which] = Some("ended");
                        if waited {
                            prop_assert_eq!(book.received(&all[which], 0, "late".into(), now), Met::Stale);
                        }
                        versions[which].clear();
                    }
                    BookStep::GiveBack(which) if state[which] == Some("taken") => {
                        prop_assert_eq!(book.give_back(&all[which..=which]).len(), 1);
                        state[which] = Some("waiting");
                    }
                    _ => {}
                }
                for parity in 0..2 {
                    let mine = (0..6).filter(|n| n % 2 == parity && matches!(state[*n], Some("waiting" | "taken")));
                    let (deliveries, events) = mine.fold((0, 0), |sum, n| (sum.0 + 1, sum.1 + all[n].event_count() as u64));
                    prop_assert_eq!(book.backlog(subscription(parity), now), Backlog { deliveries, events });
                }
            }
        }
    }

    #[test]
    fn a_delivery_that_ended_and_whose_message_stayed_is_stale_when_it_comes_again() {
        let batch = Batches::new(Lane::new(1).unwrap()).next(4, 1);
        let mut book = Book::new(100);
        let ended = delivery(&batch, SubscriptionId::from_u128(1), 1, 5);
        assert_eq!(book.received(&ended, 1, "first".into(), 5), Met::New);
        book.done(ended.id, false);
        assert_eq!(book.received(&ended, 1, "again".into(), 6), Met::Stale);
    }

    #[test]
    fn a_delivery_that_fell_due_long_ago_is_forgotten() {
        let batch = Batches::new(Lane::new(1).unwrap()).next(4, 1);
        let mut book = Book::new(100);
        book.put(&delivery(&batch, SubscriptionId::from_u128(1), 1, 1000), 0, 0);
        assert_eq!(book.total(1099).deliveries, 1);
        assert_eq!(book.total(1100), Backlog::default());
    }
}
