use super::*;
use crate::parking::{DeliveryOwner, ParkedItem};
use crate::testing::{NeverTakes, RecordingStores, batch_id, batch_of_sizes, delivery, subscription};
use sluice_model::{Batch, CustomerId, DeadLetterId, DeadLetterReason, EventSet, Fact};
use sluice_ports::FailureClass;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
async fn durable_steps_are_not_written_again_while_another_store_is_away() {
    let (events, queue) = (RecordingStores::default(), RecordingStores::default());
    let stores = CommitStores { queue: queue.stores().queue, ..events.stores() };
    let mut commit = Commit::default();
    commit.batch(NewBatch::new(Arc::new(batch_of_sizes(&[9])), true));
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

fn fact_of(subscription: u128) -> NewFact {
    let took = EventSet::range(0, 1);
    NewFact {
        customer: CustomerId::from_u128(1),
        batch: batch_id(1, 1),
        subscription: SubscriptionId::from_u128(subscription),
        fact: Fact { matched: took.clone(), took, ..Fact::default() },
    }
}

fn letter_of(subscription: u128) -> DeadLetter {
    let delivery = delivery(subscription, 1);
    DeadLetter { id: DeadLetterId::new(5), reason: DeadLetterReason::Exhausted, delivery }
}

fn other_row(value: Vec<u8>) -> NewRow {
    let key = (value.len() as u64).to_be_bytes().to_vec();
    NewRow { partition: "other".into(), key, value, expires_at_ms: None, needs_from_ms: None }
}

#[tokio::test]
async fn what_a_store_never_takes_is_set_aside_and_stops_no_neighbour() {
    let (mut commit, recording) = (Commit::default(), RecordingStores::default());
    let batches = [batch_id(1, 1), batch_id(1, 2), batch_id(1, 3)];
    for id in batches {
        let batch = Batch { id, ..batch_of_sizes(&[9, 9]) };
        commit.batch(NewBatch::new(Arc::new(batch), true));
    }
    let puts = [delivery(1, 1), delivery(2, 2), delivery(3, 3)];
    puts.iter().for_each(|delivery| commit.put(delivery.clone()));
    // The list of one subscription, whose events wait behind a failed delivery, in two rows.
    let mut grown = Vec::new();
    for (sequence, events) in [(0, 5), (1, 400)] {
        let owner = DeliveryOwner::new(&subscription(7));
        let items = (0..events).map(|n| ParkedItem {
            key: 1,
            batch: batch_id(1, n),
            events: EventSet::range(0, 2),
            bytes: 9,
        });
        grown.push(rows::chunk(&owner, sequence, items.collect::<Vec<_>>().iter()));
    }
    commit.park(batch_id(1, 1).lane(), ParkedChanges { grown, ..ParkedChanges::default() });
    commit.put_row(other_row(vec![1; 100]));
    commit.put_row(other_row(vec![1; 200_000]));
    for n in [1, 4] {
        commit.dead_letter(letter_of(n));
        commit.fact(fact_of(n));
    }
    *recording.never_takes.lock() = NeverTakes {
        batch: Some(batches[1]),
        delivery: Some(puts[1].id),
        end_of: Some(SubscriptionId::from_u128(4)),
        value_bytes_max: Some(50),
        value_bytes: None,
    };
    let fails = |error: &PortError| assert_eq!(error.class(), FailureClass::Denied, "{error}");
    let stores = recording.stores();
    let written = commit.write_until_durable(&stores, || 7, fails);
    // The rows refuse even the items to set aside: nothing is dropped.
    assert!(tokio::time::timeout(Duration::from_millis(300), written).await.is_err());
    recording.never_takes.lock().value_bytes_max = Some(100_000);
    // The parked rows are taken now; a batch, a delivery, a row, a dead letter and a fact never.
    commit.write_until_durable(&recording.stores(), || 7, |error| panic!("{error}")).await.unwrap();

    let stored = recording.batches();
    assert_eq!(batches.map(|id| stored.contains_key(&id)), [true, false, true]);
    let queued: Vec<_> = recording.queued().iter().map(|delivery| delivery.id).collect();
    assert_eq!(queued.len(), 2);
    assert!(!queued.contains(&puts[1].id));
    assert_eq!((recording.rows_in("parked/"), recording.rows_in("other")), (2, 1));
    let letters: Vec<_> = recording.dead_letters().into_iter().map(|letter| letter.delivery.id).collect();
    assert!(letters.contains(&puts[1].id), "its customer sees the delivery and can redrive it");
    assert!(recording.facts().iter().any(|new| new.subscription == SubscriptionId::from_u128(1)));
    for kind in SetAsideKind::ALL {
        let rows = if kind == SetAsideKind::Row { 4 } else { 1 };
        assert_eq!(recording.rows_in(&format!("set-aside/{}", kind.as_str())), rows, "{kind:?}");
    }
}

#[tokio::test]
async fn events_that_wait_in_a_row_that_no_store_takes_become_a_dead_letter() {
    let (mut commit, recording) = (Commit::default(), RecordingStores::default());
    let owner = DeliveryOwner::new(&subscription(7));
    let items: Vec<_> = (0..400)
        .map(|n| ParkedItem { key: 1, batch: batch_id(1, n), events: EventSet::range(0, 2), bytes: 9 })
        .collect();
    let grown = vec![rows::chunk(&owner, 0, items.iter())];
    let bytes = grown[0].value.len();
    commit.park(batch_id(1, 1).lane(), ParkedChanges { grown, ..ParkedChanges::default() });
    // The piece that would keep it is a little longer than the row: this store refuses only that
    // length.
    recording.never_takes.lock().value_bytes = Some(bytes);
    commit.write_until_durable(&recording.stores(), || 7, |error| panic!("{error}")).await.unwrap();
    let letters = recording.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.delivery.event_count()).sum::<usize>(), 800);
    assert_eq!((recording.rows_in("parked/"), recording.rows_in("set-aside/row")), (0, 1));
}
