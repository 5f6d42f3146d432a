//! The contract suite of the history of attempts, over any rows.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{AttemptHistory, SLOTS};
use sluice_model::{AttemptRecord, BatchId, DeliveryId, EventRef, EventSet, SubscriptionId};
use sluice_ports::Rows;
use std::sync::Arc;

fn attempt(number: u32, at_ms: u64, carried: Vec<EventRef>) -> Arc<AttemptRecord> {
    Arc::new(AttemptRecord {
        delivery: DeliveryId::new(at_ms),
        at_ms,
        status: Some(if number == 1 { 500 } else { 200 }),
        latency_ms: 7,
        attempt: number,
        events: carried.iter().map(|part| part.events.len()).sum(),
        error: None,
        excerpt: "thank you".into(),
        carried: carried.into(),
    })
}

/// Runs the suite, for a subscription that the rows do not know yet.
///
/// # Panics
/// If a promise is broken.
pub async fn all(rows: Arc<dyn Rows>) {
    let now_ms = sluice_model::clock::now_ms();
    let subscription = SubscriptionId::new(now_ms);
    let batch = |number: u8| {
        let mut id = [number; 16];
        id[14..].fill(0);
        BatchId::from_bytes(id)
    };
    let part = |number, start, end| EventRef { batch: batch(number), events: EventSet::range(start, end) };
    let first = attempt(1, now_ms, vec![part(1, 0, 4), part(2, 1, 2)]);
    let second = attempt(2, now_ms + 1, vec![part(1, 0, 4), part(2, 1, 2)]);
    let other = attempt(2, now_ms + 2, vec![part(1, 4, 9)]);
    // Two processes that deliver for the subscription.
    let histories = [AttemptHistory::new(Arc::clone(&rows), 0), AttemptHistory::new(Arc::clone(&rows), 1)];
    histories[0].add(vec![(subscription, vec![Arc::clone(&first)])]).await.unwrap();
    histories[1].add(vec![(subscription, vec![Arc::clone(&second), Arc::clone(&other)])]).await.unwrap();
    let reader = AttemptHistory::new(Arc::clone(&rows), 2);
    let all = reader.recent(subscription, 10).await.unwrap();
    assert_eq!(all, [&other, &second, &first].map(|one| (**one).clone()));
    for (number, index, expected) in [
        (1, 3, vec![&second, &first]),
        (2, 1, vec![&second, &first]),
        (1, 4, vec![&other]),
        (2, 0, vec![]),
        (3, 0, vec![]),
    ] {
        let found = reader.of_event(subscription, batch(number).event(index)).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(|one| (**one).clone()).collect();
        assert_eq!(found, expected, "event {index} of batch {number}");
    }
    let stranger = SubscriptionId::new(now_ms);
    assert_eq!(reader.of_event(stranger, batch(1).event(0)).await.unwrap(), []);
    // The ring forgets its oldest.
    for turn in 0..u64::from(SLOTS) {
        let newer = attempt(2, now_ms + 10 + turn, vec![part(9, 0, 1)]);
        histories[0].add(vec![(subscription, vec![newer])]).await.unwrap();
    }
    let left = reader.of_event(subscription, batch(1).event(0)).await.unwrap();
    assert_eq!(left, [(*second).clone()]);
}
