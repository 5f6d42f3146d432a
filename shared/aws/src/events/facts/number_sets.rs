//! Reading facts as number sets, the form that earlier versions of Sluice wrote.
//!
//! A batch had one item, `f#<batch id>`, with up to four sets for each
//! subscription, named by a letter and the subscription's id without hyphens:
//!
//! ```text
//! m t g  runs of events that it matched, took, or that were given up: start * 65536 + end
//! a      attempts: count * 2^48 + when the last of them ended, in ms
//! ```

use crate::attribute::Item;
use crate::table::damaged;
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::{EventSet, Fact, SubscriptionId};
use sluice_ports::PortError;
use std::collections::BTreeMap;

const MS_BITS: u32 = 48;

/// The facts of an item: a row for each subscription.
pub(super) fn read(item: &Item) -> Result<Vec<(SubscriptionId, Fact)>, PortError> {
    let mut facts: BTreeMap<SubscriptionId, Fact> = BTreeMap::new();
    for (name, value) in item {
        let AttributeValue::Ns(set) = value else { continue };
        let wrong = || damaged(format!("facts: the set `{name}`"));
        let (letter, id) = name.split_at_checked(1).ok_or_else(wrong)?;
        let id = u128::from_str_radix(id, 16).map_err(|_other| wrong())?;
        let numbers: Vec<u128> =
            set.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(|_other| wrong())?;
        let fact = facts.entry(SubscriptionId::from_u128(id)).or_default();
        match letter {
            "m" => fact.matched = union(&numbers),
            "t" => fact.took = union(&numbers),
            "g" => fact.gave_up = union(&numbers),
            "a" => {
                fact.attempts = numbers.iter().map(|number| (number >> MS_BITS) as u32).max().unwrap_or(0);
                let ms = numbers.iter().map(|number| (number & ((1 << MS_BITS) - 1)) as u64);
                fact.last_attempt_ms = ms.max().unwrap_or(0);
            }
            _ => return Err(wrong()),
        }
    }
    Ok(facts.into_iter().collect())
}

fn union(runs: &[u128]) -> EventSet {
    let range = |run: &u128| EventSet::range((run >> 16) as u16, *run as u16);
    runs.iter().map(range).fold(EventSet::new(), |union, run| union.union(&run))
}
