//! The keys of the table's items: pure.
//!
//! ```text
//! pk                 sk                   attributes
//! <customer>#<lane>  b#<batch id>         a batch: see `batch_items`
//!                    b#<place>            where inbox readers find a batch whose id is another
//!                    p#<batch id>#<k>     the k-th part of a batch that does not fit one item
//!                    f#<batch id>#<hash>  facts about a batch: see `facts`
//!                    f#<batch id>         facts as earlier versions wrote them
//!                    a#<batch id>         acknowledgements: see `acks`
//! d#<customer>       <dead letter id>     a dead letter: see `dead_letters`
//! x#<day>            <ms>#<random>#<k>    an item that DynamoDB refused: see `aside`
//! ```
//!
//! Every item has `ttl`, the second at which it expires: it is no longer read, and
//! DynamoDB may delete it. Ids sort as their texts do, so a range of keys is a
//! range of time.

use crate::attribute::{Item, bytes, number, text_in};
use crate::table::{ItemKey, KeyRange, damaged};
use sluice_model::{BatchId, CustomerId, EventId, Lane};
use sluice_ports::PortError;
use sluice_ports::event_store::{Direction, LaneScan};
use std::collections::BTreeMap;

/// The highest time, in milliseconds, that the 48 bits of an id can hold.
pub(super) const MS_MAX: u64 = (1 << 48) - 1;

/// The length of an id as text.
const ID_LEN: usize = 36;

/// The kinds of items in a lane's partition, told by the first letter of their sort keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    Batch,
    Facts,
    Acks,
}

impl ItemKind {
    const fn letter(self) -> char {
        match self {
            Self::Batch => 'b',
            Self::Facts => 'f',
            Self::Acks => 'a',
        }
    }
}

pub(super) fn partition(customer: CustomerId, lane: Lane) -> String {
    format!("{customer}#{}", lane.number())
}

fn sort_key(kind: ItemKind, batch: BatchId) -> String {
    format!("{}#{}", kind.letter(), batch.first())
}

/// The key of a batch's item, for the kinds of which a batch has one item.
pub(super) fn key(kind: ItemKind, customer: CustomerId, batch: BatchId) -> ItemKey {
    ItemKey { partition: partition(customer, batch.lane()), sort: sort_key(kind, batch) }
}

/// The key of a part of a batch that does not fit one item.
pub(super) fn part_key(customer: CustomerId, batch: BatchId, part: usize) -> ItemKey {
    let sort = format!("p#{}#{part:04}", batch.first());
    ItemKey { partition: partition(customer, batch.lane()), sort }
}

/// The keys of all items of this kind of the batches from `low` to `high`.
pub(super) fn range(kind: ItemKind, partition: String, low: BatchId, high: BatchId) -> KeyRange {
    // `$` follows `#`, so this key is above all keys that continue with `#` after the id.
    KeyRange { partition, low: sort_key(kind, low), high: format!("{}$", sort_key(kind, high)) }
}

pub(super) fn keyed(key: ItemKey, ttl: u64) -> Item {
    let mut item = key.into_item();
    item.insert("ttl".into(), number(ttl));
    item
}

pub(super) fn facts_item(customer: CustomerId, batch: BatchId, hash: &str, body: Vec<u8>, ttl: u64) -> Item {
    let mut key = key(ItemKind::Facts, customer, batch);
    key.sort = format!("{}#{hash}", key.sort);
    let mut item = keyed(key, ttl);
    item.insert("v".into(), bytes(body));
    item
}

/// The id of an item's batch, from the item's key.
pub(super) fn batch_id(item: &Item) -> Result<BatchId, PortError> {
    let key = text_in(item, "sk").ok_or_else(|| damaged("the item has no key"))?;
    let id = key.get(2..2 + ID_LEN).and_then(|id| id.parse::<EventId>().ok());
    id.map(EventId::batch).ok_or_else(|| damaged(format!("`{key}` is not the key of a batch's item")))
}

/// Groups items by their batches.
pub(super) fn by_batch(items: Vec<Item>) -> Result<BTreeMap<BatchId, Vec<Item>>, PortError> {
    let mut by_batch: BTreeMap<BatchId, Vec<Item>> = BTreeMap::new();
    for item in items {
        by_batch.entry(batch_id(&item)?).or_default().push(item);
    }
    Ok(by_batch)
}

/// The lowest and the highest batch id of a scan; `None` if its window is empty.
pub(super) fn id_range(scan: &LaneScan) -> Option<(BatchId, BatchId)> {
    let first_of = |ms: u64| EventId::from_u128(u128::from(ms) << 80).batch();
    let last_of = |ms: u64| EventId::from_u128(u128::from(ms) << 80 | ((1 << 80) - 1)).batch();
    let mut low = first_of(scan.from_ms.min(MS_MAX));
    let mut high = last_of(scan.until_ms.checked_sub(1)?.min(MS_MAX));
    match (scan.after, scan.direction) {
        (Some(after), Direction::Ascending) => low = low.max(after.batch()),
        (Some(after), Direction::Descending) => high = high.min(after.batch()),
        (None, _) => {}
    }
    (low <= high && scan.from_ms <= MS_MAX).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_batches_holds_all_their_items_and_no_others() {
        // The bits of version 7 and of the variant, which every id has.
        let batch = |ms: u128| EventId::from_u128(ms << 80 | 7 << 76 | 2 << 62).batch();
        let customer = CustomerId::from_u128(7);
        let range = range(ItemKind::Facts, "p".into(), batch(5), batch(6));
        let holds = |sort: &str| range.low.as_str() <= sort && sort <= range.high.as_str();
        for (ms, held) in [(4, false), (5, true), (6, true), (7, false)] {
            let item = facts_item(customer, batch(ms), "ff", vec![1], 1);
            assert_eq!(holds(text_in(&item, "sk").unwrap()), held, "{ms}");
            assert_eq!(holds(&sort_key(ItemKind::Facts, batch(ms))), held, "{ms}");
            assert_eq!(batch_id(&item).unwrap(), batch(ms));
        }
    }
}
