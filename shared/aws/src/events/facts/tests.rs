use super::*;
use crate::attribute::{number, text_in};
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use sluice_model::EventId;
use sluice_ports::FailureClass;
use std::collections::HashMap;

const CUSTOMER: CustomerId = CustomerId::from_u128(1);

fn batch() -> BatchId {
    EventId::from_u128(1 << 80).batch()
}

fn set() -> impl Strategy<Value = EventSet> {
    prop_oneof![
        prop::collection::btree_set(0u16..50, 0..20),
        prop::collection::btree_set(0u16..65_000, 0..20),
        (0u16..5000, 1u16..9, 0usize..300)
            .prop_map(|(start, step, count)| (start..).step_by(step.into()).take(count).collect()),
    ]
    .prop_map(|set| set.into_iter().collect())
}

fn fact() -> impl Strategy<Value = (u8, Fact)> {
    (0u8..3, set(), set(), set(), any::<bool>(), 0u32..9, 0u64..1 << 45).prop_map(
        |(subscription, matched, took, gave_up, took_all, attempts, last_attempt_ms)| {
            let took = if took_all { matched.clone() } else { took };
            (subscription, Fact { matched, took, gave_up, attempts, last_attempt_ms })
        },
    )
}

fn new_fact(subscription: u128, fact: &Fact) -> NewFact {
    let subscription = SubscriptionId::from_u128(subscription);
    NewFact { customer: CUSTOMER, batch: batch(), subscription, fact: fact.clone() }
}

/// A subscription that matched and took every second event of a batch, in
/// deliveries of 100 events each.
fn every_second(subscription: u128, events: u16) -> Vec<NewFact> {
    let matched: EventSet = (0..events).step_by(2).collect();
    let all: Vec<u16> = matched.iter().collect();
    let mut facts = vec![new_fact(subscription, &Fact { matched, ..Fact::default() })];
    for (place, taken) in all.chunks(100).enumerate() {
        let took: EventSet = taken.iter().copied().collect();
        let last_attempt_ms = 1_764_400_000_000 + place as u64;
        let fact = Fact { matched: took.clone(), took, attempts: 1, last_attempt_ms, ..Fact::default() };
        facts.push(new_fact(subscription, &fact));
    }
    facts
}

proptest! {
    /// Whether facts are written in any order, repeatedly, in one call or several: the
    /// facts that are read are the join of all that were written.
    #[test]
    fn facts_join_in_the_table_as_in_memory(
        facts in prop::collection::vec(fact(), 1..12),
        order in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let mut wanted: BTreeMap<SubscriptionId, Fact> = BTreeMap::new();
        for (subscription, fact) in &facts {
            let known = wanted.entry(SubscriptionId::from_u128((*subscription).into())).or_default();
            *known = known.join(fact);
        }
        wanted.retain(|_, fact| *fact != Fact::default());
        let mut writes = facts.clone();
        writes.rotate_left(order.index(facts.len()));
        writes.push(facts[again.index(facts.len())].clone());
        let mut table: HashMap<String, Item> = HashMap::new();
        for chunk in writes.chunks(3) {
            let new = chunk.iter().map(|(subscription, fact)| new_fact((*subscription).into(), fact));
            for item in items(new.collect(), 1) {
                table.insert(text_in(&item, "sk").unwrap().to_owned(), item);
            }
        }
        let stored: Vec<Item> = table.into_values().collect();
        prop_assert_eq!(read(&stored).unwrap(), wanted.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn bytes_that_nobody_wrote_are_an_error_or_facts_and_never_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..60)
    ) {
        let mut versioned = vec![VERSION];
        versioned.extend(&body);
        decode(&versioned).ok();
        decode(&body).ok();
    }
}

#[test]
fn facts_of_many_subscriptions_on_every_second_event_fit_small_items() {
    let new: Vec<NewFact> = (1..=48).flat_map(|subscription| every_second(subscription, 2000)).collect();
    let items = items(new, 1);
    let sizes: Vec<usize> = items.iter().map(|item| bytes_in(item, "v").unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= ITEM_BYTES_MAX), "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() < 48 * 300, "{sizes:?}");
    assert_eq!(read(&items).unwrap().len(), 48);
}

#[test]
fn the_largest_facts_of_many_subscriptions_are_split_over_items() {
    let every = |from: u16| -> EventSet { (from..4096).step_by(3).collect() };
    let fact = Fact {
        matched: every(0),
        took: every(1),
        gave_up: every(2),
        attempts: u32::MAX,
        last_attempt_ms: u64::MAX,
    };
    let items = items((0..1000).map(|subscription| new_fact(subscription, &fact)).collect(), 1);
    assert!(items.len() > 50);
    assert!(items.iter().all(|item| bytes_in(item, "v").unwrap().len() <= ITEM_BYTES_MAX));
    let read = read(&items).unwrap();
    assert_eq!(read.len(), 1000);
    assert!(read.iter().all(|(_, known)| *known == fact));
}

/// An item of an earlier version of Sluice, with all facts of a batch.
fn item_of_number_sets() -> Item {
    let numbers = |numbers: &[&str]| AttributeValue::Ns(numbers.iter().map(|text| (*text).into()).collect());
    Item::from([
        ("ttl".into(), number(1_772_200_000)),
        ("m00000000000000000000000000000007".into(), numbers(&["3", "262150"])),
        ("t00000000000000000000000000000007".into(), numbers(&["1", "262149"])),
        ("g00000000000000000000000000000008".into(), numbers(&["131075"])),
        (
            "a00000000000000000000000000000007".into(),
            numbers(&["281474976710661", "562949953421319", "281474976710665"]),
        ),
    ])
}

#[test]
fn facts_in_number_sets_still_read_and_join_with_newer_items() {
    let taken = Fact { took: EventSet::range(1, 3), attempts: 1, last_attempt_ms: 4, ..Fact::default() };
    let mut stored = items(vec![new_fact(7, &taken)], 1);
    stored.push(item_of_number_sets());
    let matched = EventSet::range(0, 3).union(&EventSet::range(4, 6));
    let took = EventSet::range(0, 3).union(&EventSet::range(4, 5));
    let seven = Fact { matched, took, attempts: 2, last_attempt_ms: 9, ..Fact::default() };
    let eight = Fact { gave_up: EventSet::range(2, 3), ..Fact::default() };
    let wanted = [(SubscriptionId::from_u128(7), seven), (SubscriptionId::from_u128(8), eight)];
    assert_eq!(read(&stored).unwrap(), wanted);
}

/// One row with each form of a set: runs, a bitmap, the previous set again, none.
const GOLDEN: &str = "0100000000000000000000000000000007010200030a02030002ffffffffdf01\
    000000000000000000000000000000080205024955010102010003e0d403";

#[test]
fn bytes_of_the_first_version_still_read() {
    let body: Vec<u8> = (0..GOLDEN.len() / 2)
        .map(|place| u8::from_str_radix(&GOLDEN[2 * place..2 * place + 2], 16).unwrap())
        .collect();
    let runs = EventSet::range(0, 3).union(&EventSet::range(13, 15));
    let bitmap: EventSet = [5u16, 8, 11, 13, 15, 17, 19].into_iter().collect();
    let first = Fact {
        matched: runs.clone(),
        took: runs,
        attempts: 2,
        last_attempt_ms: 0xd_ffff_ffff,
        ..Fact::default()
    };
    let second = Fact {
        matched: bitmap,
        took: EventSet::range(2, 3),
        attempts: 3,
        last_attempt_ms: 60_000,
        ..Fact::default()
    };
    let wanted =
        BTreeMap::from([(SubscriptionId::from_u128(7), first), (SubscriptionId::from_u128(8), second)]);
    let hex = |body: &[u8]| body.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(encode(&wanted).iter().map(|body| hex(body)).collect::<Vec<_>>(), [hex(&body)]);
    assert_eq!(decode(&body).unwrap(), wanted.into_iter().collect::<Vec<_>>());
}

#[test]
fn facts_of_a_newer_version_are_not_damaged() {
    let error = decode(&[VERSION + 1, 7, 7]).unwrap_err();
    assert_eq!(error.class(), FailureClass::Denied, "{error}");
}
