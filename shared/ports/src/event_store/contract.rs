//! The contract suite of [`EventStore`]. Each adapter's tests call [`all`]; the store need
//! not be empty.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{
    AckOutcome, DeadLetterQuery, Direction, EventStore, LanePage, LaneScan, NewBatch, NewFact, StoredBatch,
};
use crate::FailureClass;
use crate::sample::{self, Batches};
use futures_util::future::BoxFuture;
use sluice_model::clock;
use sluice_model::{
    Batch, BatchId, CustomerId, DeadLetter, DeadLetterId, DeadLetterReason, EventSet, Fact, Lane,
    SubscriptionId,
};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);
const LANE: Lane = Lane::new(11).expect("a lane");

/// Makes a batch known to the store as the deployment does: through the log, or by the
/// consumer's first write.
pub type PutBatch<'a> = &'a (dyn Fn(Arc<Batch>) -> BoxFuture<'static, ()> + Sync);

/// Runs every check.
pub async fn all(store: &dyn EventStore, put: PutBatch<'_>) {
    a_batch_is_its_customers_alone(store, put).await;
    facts_only_grow(store, put).await;
    scans_see_every_batch_of_their_window_once(store, put).await;
    readers_of_the_inbox_meet_a_batch_at_its_place(store, put).await;
    an_event_is_acknowledged_once(store, put).await;
    dead_letters_are_listed_until_deleted(store, put).await;
    a_dead_letter_that_can_never_be_stored_stops_no_other(store, put).await;
}

/// Waits until the store has a batch, and returns it.
async fn stored(store: &dyn EventStore, customer: CustomerId, id: BatchId) -> StoredBatch {
    let wait = async {
        loop {
            if let Some(stored) = store.get(customer, id).await.unwrap() {
                return stored;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT, wait).await.expect("a batch that was put can be read")
}

async fn put_some(store: &dyn EventStore, put: PutBatch<'_>, count: usize) -> Vec<Arc<Batch>> {
    let mut batches = Batches::new(LANE);
    let now_ms = clock::now_ms();
    let batches: Vec<_> = (0..count as u64).map(|i| batches.next_at(now_ms + 10 * i, 4, 50)).collect();
    for batch in &batches {
        put(batch.clone()).await;
    }
    for batch in &batches {
        stored(store, batch.customer, batch.id).await;
    }
    batches
}

async fn a_batch_is_its_customers_alone(store: &dyn EventStore, put: PutBatch<'_>) {
    let batch = &put_some(store, put, 1).await[0];
    let read = stored(store, batch.customer, batch.id).await;
    assert_eq!(&read.batch, batch);
    assert!(read.facts.is_empty() && read.acknowledged.is_empty());
    assert_eq!(store.batch(batch.customer, batch.id).await.unwrap().as_ref(), Some(batch));

    let other = CustomerId::new(clock::now_ms());
    assert!(store.get(other, batch.id).await.unwrap().is_none());
    assert!(store.batch(other, batch.id).await.unwrap().is_none());
    let unknown = Batches::new(LANE).next(1, 1).id;
    assert!(store.get(batch.customer, unknown).await.unwrap().is_none());
    assert!(store.batch(batch.customer, unknown).await.unwrap().is_none());
}

async fn facts_only_grow(store: &dyn EventStore, put: PutBatch<'_>) {
    let batch = &put_some(store, put, 1).await[0];
    let subscriptions = [SubscriptionId::new(1), SubscriptionId::new(2)];
    let fact = |took: EventSet, gave_up: EventSet, attempts, last_attempt_ms| Fact {
        matched: EventSet::range(0, 4),
        took,
        gave_up,
        attempts,
        last_attempt_ms,
    };
    let new = |subscription, fact| NewFact { customer: batch.customer, batch: batch.id, subscription, fact };
    let first = fact(EventSet::range(0, 1), EventSet::new(), 2, 70);
    let second = fact(EventSet::range(2, 3), EventSet::range(3, 4), 1, 90);
    let other = fact(EventSet::range(0, 4), EventSet::new(), 1, 80);

    // Two facts of one pair in one call, then one of them again: the store always has their union.
    let pair = vec![new(subscriptions[0], second.clone()), new(subscriptions[0], first.clone())];
    store.add_facts(pair).await.unwrap();
    let again = vec![new(subscriptions[1], other.clone()), new(subscriptions[0], first)];
    store.add_facts(again).await.unwrap();
    store.add_facts(Vec::new()).await.unwrap();

    let mut facts = stored(store, batch.customer, batch.id).await.facts;
    facts.sort_by_key(|(subscription, _)| *subscription);
    let mut took = EventSet::range(0, 1);
    took.push(2);
    let union = fact(took, EventSet::range(3, 4), 2, 90);
    assert_eq!(facts, [(subscriptions[0], union), (subscriptions[1], other)]);
}

async fn scans_see_every_batch_of_their_window_once(store: &dyn EventStore, put: PutBatch<'_>) {
    let batches = put_some(store, put, 7).await;
    put_some(store, put, 2).await;
    let customer = batches[0].customer;
    let scan = |after, from, until, direction, max_batches| LaneScan {
        customer,
        lane: LANE,
        after,
        from_ms: from,
        until_ms: until,
        direction,
        max_batches,
    };
    let ids: Vec<BatchId> = batches.iter().map(|batch| batch.id).collect();
    let reversed: Vec<BatchId> = ids.iter().rev().copied().collect();

    for max_batches in [1, 2, 3, 7, 100] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.scan(scan(after, 0, u64::MAX, direction, max_batches)).await.unwrap();
                assert!(page.batches.len() <= max_batches);
                seen.extend(page.batches.iter().map(|stored| stored.batch.id));
                let Some(last) = page.batches.last().map(|stored| &stored.batch) else { break };
                after = Some(match direction {
                    Direction::Ascending => last.event_id(last.len() - 1),
                    Direction::Descending => last.event_id(0),
                });
                if page.exhausted {
                    break;
                }
            }
            let expected = if direction == Direction::Ascending { &ids } else { &reversed };
            assert_eq!(&seen, expected, "{direction:?}, pages of {max_batches}");
        }
    }

    // A scan that begins within a batch has that batch first; beyond a window's ends there is nothing.
    let within = Some(batches[2].event_id(1));
    let page = store.scan(scan(within, 0, u64::MAX, Direction::Ascending, 100)).await.unwrap();
    assert!(page.batches.iter().map(|stored| stored.batch.id).eq(ids[2..].iter().copied()));
    let page = store.scan(scan(within, 0, u64::MAX, Direction::Descending, 100)).await.unwrap();
    assert!(page.batches.iter().map(|stored| stored.batch.id).eq(reversed[4..].iter().copied()));
    let (from, until) = (ids[1].ms(), ids[4].ms());
    let page = store.scan(scan(None, from, until, Direction::Ascending, 100)).await.unwrap();
    assert!(
        page.exhausted && page.batches.iter().map(|stored| stored.batch.id).eq(ids[1..4].iter().copied())
    );
    let other = LaneScan { lane: Lane::new(12).unwrap(), ..scan(None, 0, u64::MAX, Direction::Ascending, 9) };
    assert!(store.scan(other).await.unwrap().batches.is_empty());
}

async fn readers_of_the_inbox_meet_a_batch_at_its_place(store: &dyn EventStore, put: PutBatch<'_>) {
    let batches = put_some(store, put, 3).await;
    let customer = batches[0].customer;
    let scan = |after, from_ms, until_ms, direction| LaneScan {
        customer,
        lane: LANE,
        after,
        from_ms,
        until_ms,
        direction,
        max_batches: 100,
    };
    let ids = |page: &LanePage| page.batches.iter().map(|stored| stored.batch.id).collect::<Vec<_>>();
    let all = scan(None, 0, u64::MAX, Direction::Ascending);
    let page = store.scan_inbox(all).await.unwrap();
    assert!(page.batches.iter().all(|stored| stored.place == stored.batch.id));
    assert!(ids(&page).into_iter().eq(batches.iter().map(|batch| batch.id)));
    if !store.takes_batches() {
        // The log has acknowledged the batches, so all of them can be read.
        let horizons = store.horizons().await.unwrap();
        assert!(horizons.is_everything() && horizons.of(LANE) == u64::MAX);
        return;
    }
    // The second batch came late: readers may have passed its id's place.
    let [first, late, last] = [0, 1, 2].map(|n: usize| batches[n].id);
    let mut others = Batches::new(LANE);
    let place = others.next_at(last.ms() + 5, 1, 1).id;
    let moved = NewBatch { batch: Arc::clone(&batches[1]), matched: true, place: Some(place) };
    for _ in 0..2 {
        store.put_batches(vec![moved.clone()]).await.unwrap();
    }
    assert_eq!(ids(&store.scan(all).await.unwrap()), [first, late, last], "by its id it is where it was");
    let page = store.scan_inbox(all).await.unwrap();
    assert_eq!(ids(&page), [first, last, late]);
    assert_eq!((page.batches[2].place, &page.batches[2].batch), (place, &batches[1]));
    let downwards = scan(None, 0, u64::MAX, Direction::Descending);
    assert_eq!(ids(&store.scan_inbox(downwards).await.unwrap()), [late, last, first]);
    // Cursors and windows count places.
    let within = scan(Some(place.event(1)), 0, u64::MAX, Direction::Ascending);
    assert_eq!(ids(&store.scan_inbox(within).await.unwrap()), [late]);
    let behind = scan(Some(place.event(3)), 0, u64::MAX, Direction::Ascending);
    assert!(store.scan_inbox(behind).await.unwrap().batches.is_empty());
    let before = scan(None, first.ms(), place.ms(), Direction::Ascending);
    assert_eq!(ids(&store.scan_inbox(before).await.unwrap()), [first, last]);
    // The batch is still found by its id.
    let acked = store.acknowledge(customer, vec![late.event(1), place.event(1)], 70).await.unwrap();
    assert_eq!(acked, [AckOutcome::Acknowledged, AckOutcome::Unknown]);
    assert_eq!(store.scan_inbox(within).await.unwrap().batches[0].acknowledged, [(1, 70)]);
    assert_eq!(stored(store, customer, late).await.place, late);
    assert!(store.get(customer, place).await.unwrap().is_none());
    assert!(store.batch(customer, place).await.unwrap().is_none());
    // A later owner of the shard stores it once more, at its id's place: the other place stays.
    store.put_batches(vec![NewBatch::new(Arc::clone(&batches[1]), true)]).await.unwrap();
    assert_eq!(ids(&store.scan_inbox(all).await.unwrap()), [first, late, last, late]);
}

async fn an_event_is_acknowledged_once(store: &dyn EventStore, put: PutBatch<'_>) {
    let batches = put_some(store, put, 2).await;
    let (customer, id) = (batches[0].customer, batches[0].id);
    let strange = put_some(store, put, 1).await[0].id.event(0);
    let events = vec![id.event(2), id.event(0), id.event(2), id.event(4), batches[1].id.event(1), strange];
    let outcomes = store.acknowledge(customer, events, 500).await.unwrap();
    let (new, unknown) = (AckOutcome::Acknowledged, AckOutcome::Unknown);
    assert_eq!(outcomes, [new, new, AckOutcome::Already(500), unknown, new, unknown]);
    let outcomes = store.acknowledge(customer, vec![id.event(2), id.event(1)], 600).await.unwrap();
    assert_eq!(outcomes, [AckOutcome::Already(500), new]);
    assert_eq!(stored(store, customer, id).await.acknowledged, [(0, 500), (1, 600), (2, 500)]);
    assert!(store.acknowledge(customer, Vec::new(), 700).await.unwrap().is_empty());
}

async fn dead_letters_are_listed_until_deleted(store: &dyn EventStore, put: PutBatch<'_>) {
    let batch = &put_some(store, put, 1).await[0];
    let customer = batch.customer;
    let subscriptions = [SubscriptionId::new(3), SubscriptionId::new(4)];
    let letters: Vec<DeadLetter> = (0..6usize)
        .map(|i| DeadLetter {
            id: DeadLetterId::new(1000 + i as u64),
            reason: DeadLetterReason::Exhausted,
            delivery: sample::delivery(batch, subscriptions[i % 2], 2, 5),
        })
        .collect();
    let before = store.dead_letter_count();
    store.put_dead_letters(letters.clone()).await.unwrap();
    store.put_dead_letters(vec![letters[3].clone(), letters[3].clone()]).await.unwrap();
    assert_eq!(store.dead_letter_count(), before + 6);

    let all = DeadLetterQuery { limit: 100, ..DeadLetterQuery::default() };
    let list = async |query: DeadLetterQuery| store.dead_letters(customer, query).await.unwrap();
    assert_eq!(list(all.clone()).await, letters);
    assert_eq!(list(DeadLetterQuery { limit: 2, ..all.clone() }).await, letters[..2]);
    assert_eq!(list(DeadLetterQuery { after: Some(letters[3].id), ..all.clone() }).await, letters[4..]);
    let window = DeadLetterQuery { since_ms: 1001, until_ms: Some(1004), ..all.clone() };
    assert_eq!(list(window).await, letters[1..4]);
    let of_one = list(DeadLetterQuery { subscription: Some(subscriptions[1]), ..all.clone() }).await;
    assert!(of_one.iter().eq(letters.iter().skip(1).step_by(2)));
    let other = CustomerId::new(clock::now_ms());
    assert!(store.dead_letters(other, all.clone()).await.unwrap().is_empty());

    assert_eq!(store.delete_dead_letters(other, vec![letters[0].id]).await.unwrap(), 0);
    let ids = vec![letters[0].id, letters[0].id, letters[5].id, DeadLetterId::new(77)];
    assert_eq!(store.delete_dead_letters(customer, ids).await.unwrap(), 2);
    assert_eq!(list(all).await, letters[1..5]);
    assert_eq!(store.dead_letter_count(), before + 4);
}

async fn a_dead_letter_that_can_never_be_stored_stops_no_other(store: &dyn EventStore, put: PutBatch<'_>) {
    let batch = &put_some(store, put, 1).await[0];
    let subscription = SubscriptionId::new(3);
    let letter = |n: u64, delivery| DeadLetter {
        id: DeadLetterId::new(1000 + n),
        reason: DeadLetterReason::Exhausted,
        delivery,
    };
    let letters = vec![
        letter(0, sample::delivery(batch, subscription, 2, 5)),
        letter(1, sample::huge_delivery(batch, subscription)),
        letter(2, sample::delivery(batch, subscription, 2, 5)),
    ];
    if let Err(error) = store.put_dead_letters(letters.clone()).await {
        assert_eq!(error.class(), FailureClass::Refused, "{error}");
        // As a caller does after a refusal: each in a call of its own.
        for letter in &letters {
            drop(store.put_dead_letters(vec![letter.clone()]).await);
        }
    }
    let query = DeadLetterQuery { limit: 100, ..DeadLetterQuery::default() };
    let listed = store.dead_letters(batch.customer, query).await.unwrap();
    assert!(listed.contains(&letters[0]) && listed.contains(&letters[2]), "{} are listed", listed.len());
}
