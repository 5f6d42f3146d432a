//! The contract suite of [`WorkQueue`]. Each adapter's tests call [`all`] on an empty queue
//! that nobody else uses.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failed check is a panic")]

use super::{Backlog, TakeRequest, WorkQueue};
use crate::FailureClass;
use crate::sample::{self, Batches};
use sluice_model::clock;
use sluice_model::{Batch, Delivery, DeliveryId, Lane, LastAttempt, SubscriptionId};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);
const HOUR_MS: u64 = 3_600_000;

/// Whether the queue gives out deliveries by subscription and due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It does: the oldest due come first, and blocked ones stay.
    PerSubscription,
    /// It does not, and does not know when the next delivery is due: it may be asked at any
    /// time.
    None,
}

/// Runs every check.
pub async fn all(queue: &dyn WorkQueue, order: Order) {
    due_deliveries_are_given_out_once(queue).await;
    deliveries_that_are_not_due_wait(queue, order).await;
    a_delivery_put_again_replaces_itself(queue).await;
    backlogs_count_what_is_not_done(queue).await;
    a_delivery_that_can_never_be_stored_stops_no_other(queue).await;
    if order == Order::PerSubscription {
        the_oldest_due_comes_first_and_limits_hold(queue).await;
        blocked_subscriptions_are_left_alone(queue).await;
    }
    assert_eq!(queue.total(), Backlog::default());
}

fn batch() -> Arc<Batch> {
    Batches::new(Lane::new(1).unwrap()).next(5, 10)
}

fn request(blocked: &HashSet<SubscriptionId>) -> TakeRequest<'_> {
    TakeRequest { now_ms: clock::now_ms(), max: 100, max_per_subscription: 100, blocked }
}

/// Takes until `count` deliveries were given out.
async fn take(queue: &dyn WorkQueue, count: usize) -> Vec<Delivery> {
    let none = HashSet::new();
    let wait = async {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.extend(queue.take(request(&none)).await.unwrap());
            tokio::task::yield_now().await;
        }
        taken
    };
    tokio::time::timeout(WAIT, wait).await.expect("what is due is given out")
}

async fn take_nothing(queue: &dyn WorkQueue) {
    let none = HashSet::new();
    assert_eq!(queue.take(request(&none)).await.unwrap(), []);
}

async fn finish(queue: &dyn WorkQueue, deliveries: &[Delivery]) {
    queue
        .done(deliveries.iter().map(|delivery| (delivery.subscription, delivery.id)).collect())
        .await
        .unwrap();
}

async fn due_deliveries_are_given_out_once(queue: &dyn WorkQueue) {
    let (batch, subscription, now_ms) = (batch(), SubscriptionId::new(1), clock::now_ms());
    let mut put: Vec<Delivery> =
        (0..25).map(|i| sample::delivery(&batch, subscription, 2, now_ms - i)).collect();
    queue.put(put.clone()).await.unwrap();
    let mut taken = take(queue, put.len()).await;
    put.sort_by_key(|delivery| delivery.id);
    taken.sort_by_key(|delivery| delivery.id);
    assert_eq!(taken, put);
    take_nothing(queue).await;
    finish(queue, &taken).await;
    // `done` of unknown or ended deliveries succeeds.
    finish(queue, &taken).await;
    queue.done(vec![(subscription, DeliveryId::new(1))]).await.unwrap();
    take_nothing(queue).await;
}

async fn deliveries_that_are_not_due_wait(queue: &dyn WorkQueue, order: Order) {
    let due_ms = clock::now_ms() + HOUR_MS;
    let later = sample::delivery(&batch(), SubscriptionId::new(1), 2, due_ms);
    queue.put(vec![later.clone()]).await.unwrap();
    take_nothing(queue).await;
    let next_due_ms = queue.next_due_ms(&HashSet::new());
    assert!(next_due_ms.is_some_and(|at_ms| at_ms <= due_ms));
    assert!(order == Order::None || next_due_ms == Some(due_ms));
    finish(queue, &[later]).await;
    assert!(order == Order::None || queue.next_due_ms(&HashSet::new()).is_none());
}

async fn a_delivery_put_again_replaces_itself(queue: &dyn WorkQueue) {
    let now_ms = clock::now_ms();
    let first = sample::delivery(&batch(), SubscriptionId::new(1), 5, now_ms);
    queue.put(vec![first.clone()]).await.unwrap();
    assert_eq!(take(queue, 1).await, std::slice::from_ref(&first));

    let again = Delivery { attempts: 2, last: LastAttempt::default(), due_ms: now_ms - 5, ..first.clone() };
    queue.put(vec![again.clone()]).await.unwrap();
    assert_eq!(take(queue, 1).await, std::slice::from_ref(&again));

    let later = Delivery { attempts: 3, due_ms: now_ms + HOUR_MS, ..first };
    queue.put(vec![later.clone()]).await.unwrap();
    take_nothing(queue).await;
    assert_eq!(queue.backlog(later.subscription), Backlog { deliveries: 1, events: 5 });
    finish(queue, &[later]).await;
}

async fn backlogs_count_what_is_not_done(queue: &dyn WorkQueue) {
    let (batch, now_ms) = (batch(), clock::now_ms());
    let [one, two] = [SubscriptionId::new(1), SubscriptionId::new(2)];
    let put = [
        sample::delivery(&batch, one, 2, now_ms),
        sample::delivery(&batch, one, 3, now_ms),
        sample::delivery(&batch, two, 4, now_ms),
    ];
    queue.put(put.to_vec()).await.unwrap();
    assert_eq!(queue.backlog(one), Backlog { deliveries: 2, events: 5 });
    assert_eq!(queue.backlog(two), Backlog { deliveries: 1, events: 4 });
    assert_eq!(queue.total(), Backlog { deliveries: 3, events: 9 });
    take(queue, 3).await;
    assert_eq!(queue.total(), Backlog { deliveries: 3, events: 9 }, "taken ones count until they are done");
    finish(queue, &put[..1]).await;
    assert_eq!(queue.backlog(one), Backlog { deliveries: 1, events: 3 });
    finish(queue, &put).await;
    assert_eq!(queue.backlog(one), Backlog::default());
}

async fn the_oldest_due_comes_first_and_limits_hold(queue: &dyn WorkQueue) {
    let (batch, now_ms, none) = (batch(), clock::now_ms(), HashSet::new());
    let subscriptions: Vec<SubscriptionId> = (0..3).map(SubscriptionId::new).collect();
    let put: Vec<Delivery> = (0..30u64)
        .map(|i| sample::delivery(&batch, subscriptions[i as usize % 3], 1, now_ms - i * 7 % 30))
        .collect();
    queue.put(put.clone()).await.unwrap();
    let limited = TakeRequest { max: 8, max_per_subscription: 3, ..request(&none) };
    let mut taken = queue.take(limited.clone()).await.unwrap();
    assert_eq!(taken.len(), 8);
    for subscription in &subscriptions {
        assert!(taken.iter().filter(|delivery| delivery.subscription == *subscription).count() <= 3);
    }
    while taken.len() < 30 {
        let more = queue.take(limited.clone()).await.unwrap();
        assert!(!more.is_empty());
        taken.extend(more);
    }
    for subscription in &subscriptions {
        let due = taken.iter().filter(|delivery| delivery.subscription == *subscription);
        assert!(due.map(|delivery| delivery.due_ms).is_sorted(), "the oldest due first");
    }
    finish(queue, &put).await;
}

async fn blocked_subscriptions_are_left_alone(queue: &dyn WorkQueue) {
    let (batch, now_ms) = (batch(), clock::now_ms());
    let [open, shut] = [SubscriptionId::new(1), SubscriptionId::new(2)];
    let put = [sample::delivery(&batch, open, 1, now_ms), sample::delivery(&batch, shut, 1, now_ms - 9)];
    queue.put(put.to_vec()).await.unwrap();
    let blocked = HashSet::from([shut]);
    assert_eq!(queue.next_due_ms(&blocked), Some(now_ms));
    assert_eq!(queue.take(request(&blocked)).await.unwrap(), put[..1]);
    assert_eq!(queue.next_due_ms(&blocked), None);
    assert_eq!(queue.next_due_ms(&HashSet::new()), Some(now_ms - 9));
    assert_eq!(take(queue, 1).await, put[1..]);
    finish(queue, &put).await;
}

async fn a_delivery_that_can_never_be_stored_stops_no_other(queue: &dyn WorkQueue) {
    let (batch, subscription) = (batch(), SubscriptionId::new(1));
    let small = || sample::delivery(&batch, subscription, 1, 5);
    let deliveries = vec![small(), sample::huge_delivery(&batch, subscription), small()];
    if let Err(error) = queue.put(deliveries.clone()).await {
        assert_eq!(error.class(), FailureClass::Refused, "{error}");
        // As a caller does after a refusal: each in a call of its own.
        for delivery in &deliveries {
            drop(queue.put(vec![delivery.clone()]).await);
        }
    }
    // The large delivery may come whole, in parts, or not at all.
    let mut wanted = HashSet::from([deliveries[0].id, deliveries[2].id]);
    let none = HashSet::new();
    let wait = async {
        while !wanted.is_empty() || queue.total() != Backlog::default() {
            let taken = queue.take(request(&none)).await.unwrap();
            wanted.retain(|id| taken.iter().all(|delivery| delivery.id != *id));
            finish(queue, &taken).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, wait).await.expect("the neighbours are given out");
}
