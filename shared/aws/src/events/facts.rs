//! Facts as number sets that only grow: pure.
//!
//! A batch's facts item has for each subscription up to four sets, named by a
//! letter and the subscription's id without hyphens:
//!
//! ```text
//! m t g  runs of events that it matched, took, was given up on: start * 65536 + end
//! a      attempts: count * 2^48 + when the last of them ended, in ms
//! ```
//!
//! `ADD` to a set is a union, so writes may come in any order and any number
//! of times; what is read is the union of the runs and the largest of the rest.

use super::layout::{Item, number};
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::event_set::EventSet;
use sluice_model::{Fact, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::event_store::NewFact;
use std::collections::{BTreeMap, HashMap};

const MS_BITS: u32 = 48;

/// An update: its expression, names and values.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) expression: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The facts of one batch, one a subscription.
pub(super) fn join(facts: Vec<NewFact>) -> Vec<(SubscriptionId, Fact)> {
    let mut joined: BTreeMap<SubscriptionId, Fact> = BTreeMap::new();
    for new in facts {
        let known = joined.entry(new.subscription).or_default();
        *known = known.join(&new.fact);
    }
    joined.into_iter().collect()
}

/// The update that adds facts to a batch's item.
pub(super) fn update(facts: &[(SubscriptionId, Fact)], ttl: u64) -> Update {
    let mut update = Update { expression: String::new(), names: HashMap::new(), values: HashMap::new() };
    let mut adds = Vec::new();
    for (subscription, fact) in facts {
        let attempts = u128::from(fact.attempts) << MS_BITS | u128::from(fact.last_attempt_ms);
        let sets = [
            ('m', runs(&fact.matched)),
            ('t', runs(&fact.took)),
            ('g', runs(&fact.gave_up)),
            ('a', if attempts > 0 { vec![attempts.to_string()] } else { Vec::new() }),
        ];
        for (letter, set) in sets.into_iter().filter(|(_, set)| !set.is_empty()) {
            let place = adds.len();
            adds.push(format!("#{place} :{place}"));
            update.names.insert(format!("#{place}"), format!("{letter}{:032x}", subscription.as_u128()));
            update.values.insert(format!(":{place}"), AttributeValue::Ns(set));
        }
    }
    update.names.insert("#ttl".into(), "ttl".into());
    update.values.insert(":ttl".into(), number(ttl));
    update.expression = "SET #ttl = :ttl".into();
    if !adds.is_empty() {
        update.expression = format!("{} ADD {}", update.expression, adds.join(", "));
    }
    update
}

fn runs(set: &EventSet) -> Vec<String> {
    set.runs().iter().map(|run| (u32::from(run.start) << 16 | u32::from(run.end)).to_string()).collect()
}

/// What an item says, a row a subscription.
pub(super) fn read(item: &Item) -> Result<Vec<(SubscriptionId, Fact)>, PortError> {
    let mut facts: BTreeMap<SubscriptionId, Fact> = BTreeMap::new();
    for (name, value) in item {
        let AttributeValue::Ns(set) = value else { continue };
        let damaged =
            || PortError::Damaged { what: "read facts".into(), detail: format!("the set `{name}`") };
        let (letter, id) = name.split_at_checked(1).ok_or_else(damaged)?;
        let id = u128::from_str_radix(id, 16).map_err(|_other| damaged())?;
        let numbers: Vec<u128> =
            set.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(|_other| damaged())?;
        let fact = facts.entry(SubscriptionId::from_u128(id)).or_default();
        match letter {
            "m" => fact.matched = union(&numbers),
            "t" => fact.took = union(&numbers),
            "g" => fact.gave_up = union(&numbers),
            "a" => {
                fact.attempts = numbers.iter().map(|of| (of >> MS_BITS) as u32).max().unwrap_or(0);
                let ms = numbers.iter().map(|of| (of & ((1 << MS_BITS) - 1)) as u64);
                fact.last_attempt_ms = ms.max().unwrap_or(0);
            }
            _ => return Err(damaged()),
        }
    }
    Ok(facts.into_iter().collect())
}

fn union(runs: &[u128]) -> EventSet {
    let range = |run: &u128| EventSet::range((run >> 16) as u16, *run as u16);
    runs.iter().map(range).fold(EventSet::new(), |union, of| union.union(&of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_model::{CustomerId, EventId};

    /// What DynamoDB's `ADD` does.
    fn apply(item: &mut Item, update: &Update) {
        for (place, name) in &update.names {
            let AttributeValue::Ns(new) = &update.values[&place.replace('#', ":")] else { continue };
            let known = item.entry(name.clone()).or_insert_with(|| AttributeValue::Ns(Vec::new()));
            let AttributeValue::Ns(known) = known else { unreachable!("only sets are added to") };
            known.extend(new.iter().filter(|value| !known.contains(value)).cloned().collect::<Vec<_>>());
        }
    }

    fn set() -> impl Strategy<Value = EventSet> {
        prop::collection::btree_set(0u16..50, 0..20).prop_map(|set| set.into_iter().collect())
    }

    fn fact() -> impl Strategy<Value = (u8, Fact)> {
        (0u8..3, set(), set(), set(), 0u32..9, 0u64..1 << 45).prop_map(
            |(subscription, matched, took, gave_up, attempts, last_attempt_ms)| {
                (subscription, Fact { matched, took, gave_up, attempts, last_attempt_ms })
            },
        )
    }

    proptest! {
        /// In any order, any number of times, in one update or several: what
        /// is read is the join of all.
        #[test]
        fn facts_join_in_the_table_as_in_memory(
            facts in prop::collection::vec(fact(), 1..12), order in any::<prop::sample::Index>(), again in any::<prop::sample::Index>()
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
            let mut item = Item::new();
            for chunk in writes.chunks(3) {
                let new = chunk.iter().map(|(subscription, fact)| NewFact {
                    customer: CustomerId::from_u128(1),
                    batch: EventId::from_u128(1 << 80).batch(),
                    subscription: SubscriptionId::from_u128((*subscription).into()),
                    fact: fact.clone(),
                });
                apply(&mut item, &update(&join(new.collect()), 1));
            }
            prop_assert_eq!(read(&item).unwrap(), wanted.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_full_update_s_expression_fits() {
        let fact = Fact {
            matched: EventSet::range(0, 9),
            took: EventSet::range(0, 9),
            gave_up: EventSet::range(0, 9),
            attempts: 1,
            last_attempt_ms: 1,
        };
        let facts: Vec<_> = (0..64).map(|n| (SubscriptionId::from_u128(n), fact.clone())).collect();
        let expression = update(&facts, u64::MAX).expression;
        assert!(expression.len() < 4096, "{}", expression.len());
    }
}
