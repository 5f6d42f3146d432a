use super::*;
use crate::testing::{batch_id, delivery};
use proptest::prelude::*;
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::rows::Row;
use std::collections::BTreeMap;

const OWNER: DeliveryOwner =
    DeliveryOwner { customer: CustomerId::from_u128(1), subscription: SubscriptionId::from_u128(1) };

fn policy(max_events: u32) -> BatchPolicy {
    BatchPolicy { max_events, max_bytes: 1000, max_wait_ms: 0 }
}

/// Event `n` of a key, in a batch of its own.
fn item(n: u64, key: u64) -> ParkedItem {
    ParkedItem { key, batch: batch_id(n, n), events: EventSet::range(0, 1), bytes: 10 }
}

fn failed(n: u64, keys: &[u64], due_ms: u64) -> Failed {
    let events = vec![EventRef { batch: batch_id(n, n), events: EventSet::range(0, keys.len() as u16) }];
    let id = DeliveryId::from_u128(n.into());
    Failed { delivery: Delivery { id, events, due_ms, attempts: 1, ..delivery(1, 1) }, keys: keys.to_vec() }
}

fn wait(parked: &mut Parked, items: Vec<ParkedItem>, generation: u64) -> ParkedChanges {
    let mut changes = ParkedChanges::default();
    parked.wait(items, &OWNER, generation, 1000, &mut changes);
    changes
}

/// The numbers of a delivery's events.
fn numbers(delivery: &Delivery) -> Vec<u64> {
    delivery.events.iter().map(|part| part.batch.ms()).collect()
}

fn cut(parked: &mut Parked, max_events: u32) -> Vec<u64> {
    parked
        .cut(&OWNER, &policy(max_events), 5000, u64::MAX)
        .map(|delivery| numbers(&delivery))
        .unwrap_or_default()
}

fn end(parked: &mut Parked) -> ParkedChanges {
    let mut changes = ParkedChanges::default();
    parked.ended(None, &OWNER, 1, &mut changes);
    changes
}

#[test]
fn events_wait_for_a_failed_one_of_their_key_and_for_no_other() {
    let mut parked = Parked::default();
    let mut changes = ParkedChanges::default();
    parked.fail(failed(1, &[7, 0], 900), 1, &mut changes);
    wait(&mut parked, vec![item(2, 7), item(3, 8), item(4, 7), item(5, 8)], 1);
    assert!(parked.holds(7) && parked.holds(8) && !parked.holds(9) && !parked.holds(0));
    assert_eq!(parked.next(0, 1), Next::Cut);
    // The event is in one row with events that must wait, and does not wait with them.
    assert_eq!(cut(&mut parked, 9), [3, 5]);
    assert_eq!(parked.next(0, 1), Next::Nothing);
    end(&mut parked);
    assert_eq!(parked.next(0, 1), Next::At(900));
    assert_eq!(parked.next(900, 1), Next::Retry(DeliveryId::from_u128(1)));
    parked.retry(DeliveryId::from_u128(1)).unwrap();
    assert_eq!(cut(&mut parked, 9), [] as [u64; 0], "its key is away");
    end(&mut parked);
    assert_eq!(cut(&mut parked, 9), [2, 4]);
    end(&mut parked);
    assert!(parked.is_empty() && parked.events() == 0 && !parked.holds(7));
}

#[test]
fn a_cut_keeps_to_the_policy_and_lets_an_event_too_large_go_alone() {
    let mut parked = Parked::default();
    let large = ParkedItem { bytes: 5000, ..item(4, 1) };
    wait(&mut parked, vec![item(1, 1), item(2, 2), item(3, 1), large, item(5, 1)], 1);
    assert_eq!(cut(&mut parked, 2), [1, 2]);
    end(&mut parked);
    assert_eq!(cut(&mut parked, 2), [3]);
    end(&mut parked);
    assert_eq!(cut(&mut parked, 2), [4]);
    end(&mut parked);
    assert_eq!(cut(&mut parked, 2), [5]);
}

#[test]
fn nothing_goes_before_it_is_durable() {
    let mut parked = Parked::default();
    wait(&mut parked, vec![item(1, 1)], 3);
    parked.fail(failed(2, &[2], 0), 3, &mut ParkedChanges::default());
    assert_eq!(parked.next(10, 2), Next::Nothing);
    assert!(parked.cut(&OWNER, &policy(9), 10, 2).is_none());
    assert_eq!(parked.next(10, 3), Next::Retry(DeliveryId::from_u128(2)));
}

#[test]
fn a_key_far_behind_a_held_one_is_found() {
    let mut parked = Parked::default();
    parked.fail(failed(0, &[1], u64::MAX), 1, &mut ParkedChanges::default());
    for n in 1..=20_000 {
        wait(&mut parked, vec![item(n, 1)], 1);
    }
    wait(&mut parked, vec![item(20_001, 2)], 1);
    assert_eq!(cut(&mut parked, 9), [20_001]);
}

#[test]
fn a_retry_and_what_was_never_tried_take_turns() {
    let mut parked = Parked::default();
    parked.fail(failed(1, &[1], 0), 1, &mut ParkedChanges::default());
    wait(&mut parked, vec![item(2, 2), item(3, 3)], 1);
    assert_eq!(parked.next(0, 1), Next::Retry(DeliveryId::from_u128(1)));
    let first = parked.retry(DeliveryId::from_u128(1)).unwrap();
    parked.ended(Some(first), &OWNER, 1, &mut ParkedChanges::default());
    assert_eq!(parked.next(0, 1), Next::Cut);
    assert_eq!(cut(&mut parked, 1), [2]);
    end(&mut parked);
    assert_eq!(parked.next(0, 1), Next::Retry(DeliveryId::from_u128(1)));
}

#[test]
fn events_that_an_answer_left_hold_only_their_own_keys() {
    let mut parked = Parked::default();
    let whole = failed(1, &[1, 2, 3], 0);
    parked.fail(whole.clone(), 1, &mut ParkedChanges::default());
    let away = parked.retry(DeliveryId::from_u128(1)).unwrap();
    let left = EventRef { events: EventSet::range(1, 2), ..away.events[0].clone() };
    let rest = Delivery { id: DeliveryId::from_u128(9), events: vec![left], due_ms: 50, ..away };
    let mut changes = ParkedChanges::default();
    parked.ended(Some(rest), &OWNER, 1, &mut changes);
    assert!(!parked.holds(1) && parked.holds(2) && !parked.holds(3));
    assert_eq!((parked.events(), changes.grown.len()), (1, 1));
    assert_eq!(changes.gone, [rows::failed_key(&whole.delivery)]);
}

#[test]
fn a_list_given_up_keeps_what_is_away() {
    let mut parked = Parked::default();
    wait(&mut parked, vec![item(1, 1), item(2, 1), item(3, 2)], 1);
    parked.fail(failed(4, &[3], 0), 1, &mut ParkedChanges::default());
    assert_eq!(cut(&mut parked, 1), [1]);
    let mut changes = ParkedChanges::default();
    let given_up = parked.drain(&OWNER, 9, &mut changes);
    assert_eq!(given_up.iter().map(numbers).collect::<Vec<_>>(), [vec![4], vec![2, 3]]);
    assert_eq!(
        (changes.grown.len(), changes.gone.len()),
        (1, 2),
        "the row of what is away replaces its chunk's"
    );
    assert!(parked.holds(1) && !parked.holds(2) && !parked.holds(3));
    assert_eq!(parked.events(), 1);
    end(&mut parked);
    assert!(parked.is_empty());
}

#[test]
fn rows_of_any_size_that_may_be_fit_and_read_back() {
    let mut parked = Parked::default();
    for n in 1..=300u64 {
        let events = (0..4096u16).filter(|index| index % 2 == 0).collect();
        let wide =
            ParkedItem { key: u64::MAX - n, batch: batch_id(u64::MAX >> 20, n), events, bytes: u32::MAX };
        for row in wait(&mut parked, vec![wide], 1).grown {
            assert!(row.value.len() <= sluice_ports::rows::VALUE_BYTES_MAX, "{}", row.value.len());
            let (owner, entry) = rows::read(&Row { key: row.key, value: row.value }).unwrap();
            assert!(matches!(entry, ParkedEntry::Chunk(..)) && owner == OWNER);
        }
    }
    let events = (0..REFS_MAX as u64).map(|n| EventRef {
        batch: batch_id(u64::MAX >> 20, n),
        events: (4000..4010u16).filter(|index| index % 2 == 0).collect(),
    });
    let large = Delivery { events: events.collect(), ..delivery(1, 1) };
    let keys = vec![u64::MAX; large.event_count()];
    let large = Failed { delivery: large, keys };
    let row = rows::failed(&large);
    assert!(row.value.len() <= sluice_ports::rows::VALUE_BYTES_MAX, "{}", row.value.len());
    let read = rows::read(&Row { key: row.key, value: row.value }).unwrap();
    assert_eq!(read, (OWNER, ParkedEntry::Failed(large)));
    assert!(rows::read(&Row { key: vec![1], value: vec![] }).is_err());
}

/// Rows as a store would hold them.
#[derive(Default)]
struct RowStore(BTreeMap<ParkedRowKey, Vec<u8>>);

impl RowStore {
    /// Writes changes. A crash lets only the first `writes` of them happen.
    fn write(&mut self, changes: ParkedChanges, mut writes: usize) -> bool {
        let ParkedChanges { grown, shrunk, gone } = changes;
        let puts = grown.into_iter().chain(shrunk).map(|row| (row.key, Some(row.value)));
        for (key, value) in puts.chain(gone.into_iter().map(|key| (key, None))) {
            if writes == 0 {
                return false;
            }
            writes -= 1;
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
        true
    }

    fn load(&self) -> Parked {
        let mut parked = Parked::default();
        for (key, value) in &self.0 {
            match rows::read(&Row { key: key.clone(), value: value.clone() }).unwrap().1 {
                ParkedEntry::Failed(failed) => parked.load_failed(failed),
                ParkedEntry::Chunk(sequence, items) => parked.load_chunk(sequence, items),
            }
        }
        parked
    }
}

proptest! {
    /// Whatever fails, succeeds and crashes between any two writes, the events of a key are first
    /// attempted in their order, all of them, and nothing waits for ever.
    #[test]
    fn keys_keep_their_order_through_crashes(
        events in prop::collection::vec((1u64..6, 0u8..4), 1..60),
        outcomes in prop::collection::vec((0u8..4, 0usize..6), 0..200),
        max_events in 1u32..5,
    ) {
        let (mut parked, mut store) = (Parked::default(), RowStore::default());
        let mut arrivals = events.iter().enumerate();
        let (mut now_ms, mut first) = (10_000, Vec::new());
        let mut outcomes = outcomes.into_iter().chain(std::iter::repeat((0, 0)));
        // A failed delivery holds a key from the beginning.
        let mut changes = ParkedChanges::default();
        parked.fail(Failed { delivery: failed(1, &[1], 0).delivery, keys: vec![1] }, 0, &mut changes);
        store.write(changes, usize::MAX);
        let mut all = vec![(1u64, 1u64)];
        loop {
            let mut arrived = false;
            // Events arrive; they are durable before anything else happens.
            for (n, (key, more)) in arrivals.by_ref() {
                let n = n as u64 + 2;
                let mut changes = ParkedChanges::default();
                parked.wait(vec![item(n, *key)], &OWNER, 0, now_ms, &mut changes);
                store.write(changes, usize::MAX);
                all.push((n, *key));
                arrived = true;
                if *more == 0 {
                    break;
                }
            }
            if parked.is_empty() {
                if arrived { continue }
                break;
            }
            let delivery = match parked.next(now_ms, 0) {
                Next::At(due_ms) => { now_ms = due_ms; continue }
                Next::Nothing => return Err(TestCaseError::fail("it waits for ever")),
                Next::Retry(id) => parked.retry(id).unwrap(),
                Next::Cut => parked.cut(&OWNER, &policy(max_events), now_ms, 0).unwrap(),
            };
            prop_assert!(delivery.events.len() <= max_events as usize || delivery.attempts > 0);
            for n in numbers(&delivery) {
                if !first.contains(&n) { first.push(n) }
            }
            let (outcome, writes) = outcomes.next().unwrap();
            let rest = match outcome {
                0 | 1 => None,
                2 => Some(Delivery { attempts: delivery.attempts + 1, due_ms: now_ms + 10, ..delivery.clone() }),
                _ => {
                    let events = delivery.events[..delivery.events.len().div_ceil(2)].to_vec();
                    let id = DeliveryId::new(now_ms);
                    Some(Delivery { id, events, attempts: 1, due_ms: now_ms + 7, ..delivery.clone() })
                }
            };
            let mut changes = ParkedChanges::default();
            parked.ended(rest, &OWNER, 0, &mut changes);
            let crashes = writes > 0;
            if !store.write(changes, if crashes { writes - 1 } else { usize::MAX }) || crashes {
                parked = store.load();
            }
        }
        prop_assert_eq!(first.len(), all.len());
        for key in 1..6 {
            let of_key: Vec<_> = first.iter().filter(|n| all.contains(&(**n, key))).collect();
            prop_assert!(of_key.is_sorted(), "{:?}", of_key);
        }
        prop_assert_eq!((parked.events(), parked.held.len(), parked.waiting.queues.len(), parked.waiting.heads.len()), (0, 0, 0, 0));
        prop_assert!(store.0.is_empty());
    }
}
