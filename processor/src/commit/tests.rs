use super::*;
use crate::parking::DeliveryOwner;
use crate::testing::{RecordingStores, batch_id, batch_of_sizes, delivery, subscription};
use sluice_model::{CustomerId, EventSet, Fact};
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn facts_about_the_same_events_join() {
    let mut commit = Commit::default();
    for (start, attempts) in [(0, 1), (5, 2)] {
        let took = EventSet::range(start, start + 5);
        commit.fact(NewFact {
            customer: CustomerId::from_u128(1),
            batch: batch_id(1, 1),
            subscription: SubscriptionId::from_u128(1),
            fact: Fact { matched: took.clone(), took, attempts, ..Fact::default() },
        });
    }
    assert_eq!(commit.len(), 1);
    let fact = &commit.facts.values().next().unwrap().fact;
    assert_eq!((fact.took.clone(), fact.attempts), (EventSet::range(0, 10), 2));
}

#[test]
fn a_delivery_that_is_done_is_not_put() {
    let mut commit = Commit::default();
    let delivery = delivery(1, 3);
    let (subscription, id) = (delivery.subscription, delivery.id);
    commit.put(delivery);
    assert_eq!(commit.waiting_events(subscription), 3);
    commit.done(subscription, id);
    assert!(!commit.has_puts());
    assert_eq!(commit.waiting_events(subscription), 0);
}

#[tokio::test]
async fn what_is_durable_is_not_written_again_while_another_store_is_away() {
    let (events, queue) = (RecordingStores::default(), RecordingStores::default());
    let stores = CommitStores { queue: queue.stores().queue, ..events.stores() };
    let mut commit = Commit::default();
    commit.batch(NewBatch { batch: Arc::new(batch_of_sizes(&[9])), matched: true });
    commit.put(delivery(1, 1));
    queue.failing.store(true, Ordering::SeqCst);
    let failures = AtomicU32::new(0);
    let written = commit.write_until_durable(
        &stores,
        || 7,
        |error| {
            assert_eq!(failures.fetch_add(1, Ordering::SeqCst), 0, "written again: {error}");
            // From now on the batches could not be written.
            events.failing.store(true, Ordering::SeqCst);
            queue.failing.store(false, Ordering::SeqCst);
        },
    );
    written.await.unwrap();
    assert_eq!(failures.into_inner(), 1);
}

/// A store that writes rows one by one may crash between any two of them.
#[tokio::test]
async fn the_rows_of_a_parked_list_are_written_in_their_order() {
    let owner = DeliveryOwner::new(&subscription(1));
    let (mut commit, mut expected) = (Commit::default(), Vec::new());
    for sequence in 0..300 {
        let row = RowDraft { key: owner.chunk_key(sequence), value: vec![], needs_from_ms: 0 };
        expected.push(row.key.clone());
        commit.park(batch_id(1, 1).lane(), ParkedChanges { grown: vec![row], ..ParkedChanges::default() });
    }
    let recording = RecordingStores::default();
    commit.write_until_durable(&recording.stores(), || 7, |error| panic!("{error}")).await.unwrap();
    assert_eq!(recording.put_rows(), expected);
}

#[tokio::test]
async fn the_rows_of_many_parked_lists_are_written_beside_each_other() {
    let (mut commit, mut expected) = (Commit::default(), BTreeMap::<Vec<u8>, Vec<Vec<u8>>>::new());
    for n in 0..500u128 {
        let owner = DeliveryOwner::new(&subscription(n));
        for sequence in 0..2 {
            let row = RowDraft { key: owner.chunk_key(sequence), value: vec![], needs_from_ms: 0 };
            expected.entry(rows::list_of(&row.key).to_vec()).or_default().push(row.key.clone());
            let changes = ParkedChanges { grown: vec![row], ..ParkedChanges::default() };
            commit.park(batch_id(1, 1).lane(), changes);
        }
    }
    let recording = RecordingStores::default();
    recording.row_ms.store(2, Ordering::SeqCst);
    let began = std::time::Instant::now();
    commit.write_until_durable(&recording.stores(), || 7, |error| panic!("{error}")).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    let mut written = BTreeMap::<Vec<u8>, Vec<Vec<u8>>>::new();
    for key in recording.put_rows() {
        written.entry(rows::list_of(&key).to_vec()).or_default().push(key);
    }
    assert_eq!(written, expected, "each list in its order");
}
