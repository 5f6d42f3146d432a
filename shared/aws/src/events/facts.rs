//! The items of facts: pure.
//!
//! Each write of facts about a batch puts an item of its own beside the batch,
//! which never changes: no write reads, none rewrites stored data, and no item
//! grows. The facts of a batch are the union of its items, in any order. An item's
//! key ends in a hash of its bytes, so a repeated write puts the same item again.
//!
//! The attribute `v` of an item:
//!
//! ```text
//! u8   version, 1
//! then for each subscription:
//!   16 bytes  its id, big-endian
//!   set       events that it matched
//!   set       events that it took
//!   set       events that were given up on
//!   varint    attempts
//!   varint    when the last attempt ended, in milliseconds since the Unix epoch
//!
//! set: u8, which of these follows
//!   0  no event
//!   1  runs: varint count, then for each run varint events left out since the
//!      run before (since 0 for the first), varint events of the run
//!   2  a bitmap: varint events left out before it, varint bytes, the bytes;
//!      the lowest bit of the first byte is the first event
//!   3  the set before this one in the same row, again
//! varint: seven bits a byte, the lowest first; the highest bit says that more follow
//! ```
//!
//! Earlier versions of Sluice kept all facts of a batch in one item of number
//! sets, which can still be read: see `number_sets`.

mod number_sets;
mod set;

use super::layout;
use crate::attribute::{Item, bytes_in};
use crate::table::damaged;
use ring::digest;
use sluice_model::wire::bytes_reader::BytesReader;
use sluice_model::{BatchId, CustomerId, EventSet, Fact, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::event_store::NewFact;
use std::collections::BTreeMap;

const VERSION: u8 = 1;
/// The most bytes of facts in one item. The facts of one subscription have less than 2 KB, since
/// a batch has at most 4,096 events.
const ITEM_BYTES_MAX: usize = 16 << 10;

/// The items that hold new facts.
pub(super) fn items(new: Vec<NewFact>, ttl: u64) -> Vec<Item> {
    let mut by_batch: BTreeMap<(CustomerId, BatchId), BTreeMap<SubscriptionId, Fact>> = BTreeMap::new();
    for NewFact { customer, batch, subscription, fact } in new {
        if fact == Fact::default() {
            continue;
        }
        let known = by_batch.entry((customer, batch)).or_default().entry(subscription).or_default();
        *known = known.join(&fact);
    }
    let mut items = Vec::with_capacity(by_batch.len());
    for ((customer, batch), facts) in by_batch {
        let bodies = encode(&facts);
        items.extend(
            bodies.into_iter().map(|body| layout::facts_item(customer, batch, &hash(&body), body, ttl)),
        );
    }
    items
}

/// The first half of the SHA-256 of an item's bytes, in hexadecimal.
fn hash(body: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, body);
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of the items that hold a batch's facts.
fn encode(facts: &BTreeMap<SubscriptionId, Fact>) -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for (subscription, fact) in facts {
        let row = encode_row(*subscription, fact);
        match bodies.last_mut().filter(|last| last.len() + row.len() <= ITEM_BYTES_MAX) {
            Some(last) => last.extend(row),
            None => bodies.push([vec![VERSION], row].concat()),
        }
    }
    bodies
}

fn encode_row(subscription: SubscriptionId, fact: &Fact) -> Vec<u8> {
    let mut row = subscription.as_u128().to_be_bytes().to_vec();
    let nothing = EventSet::new();
    let sets = [&nothing, &fact.matched, &fact.took, &fact.gave_up];
    for pair in sets.windows(2) {
        set::write(&mut row, pair[1], pair[0]);
    }
    set::write_varint(&mut row, fact.attempts.into());
    set::write_varint(&mut row, fact.last_attempt_ms);
    row
}

/// The union of the facts in a batch's items: a row for each subscription, by its id.
pub(super) fn read(items: &[Item]) -> Result<Vec<(SubscriptionId, Fact)>, PortError> {
    let mut facts: BTreeMap<SubscriptionId, Fact> = BTreeMap::new();
    for item in items {
        let rows = match bytes_in(item, "v") {
            Some(body) => decode(body)?,
            None => number_sets::read(item)?,
        };
        for (subscription, fact) in rows {
            let known = facts.entry(subscription).or_default();
            *known = known.join(&fact);
        }
    }
    Ok(facts.into_iter().collect())
}

fn decode(body: &[u8]) -> Result<Vec<(SubscriptionId, Fact)>, PortError> {
    let wrong = |detail: String| damaged(format!("facts: {detail}"));
    let mut reader = BytesReader::new(body);
    match reader.u8() {
        Ok(VERSION) => {}
        Ok(version) => {
            let finding = format!("a newer Sluice wrote them: they have version {version}");
            return Err(PortError::newer("read facts", finding));
        }
        Err(error) => return Err(wrong(error.to_string())),
    }
    let mut rows = Vec::new();
    while reader.position() < body.len() {
        rows.push(decode_row(&mut reader).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(rows)
}

fn decode_row(reader: &mut BytesReader<'_>) -> Result<(SubscriptionId, Fact), set::SetError> {
    let subscription = SubscriptionId::from_u128(u128::from_be_bytes(reader.array()?));
    let matched = set::read(reader, &EventSet::new())?;
    let took = set::read(reader, &matched)?;
    let gave_up = set::read(reader, &took)?;
    let attempts = u32::try_from(set::read_varint(reader)?).map_err(|_large| set::SetError::TooLarge)?;
    let last_attempt_ms = set::read_varint(reader)?;
    Ok((subscription, Fact { matched, took, gave_up, attempts, last_attempt_ms }))
}

#[cfg(test)]
mod tests;
