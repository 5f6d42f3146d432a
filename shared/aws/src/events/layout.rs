//! What the table's items hold: pure.
//!
//! ```text
//! pk                 sk               attributes
//! <customer>#<lane>  b#<batch id>     n events, m whether matched, v the batch (or `parts`), ttl
//!                    p#<batch id>#<k> v the k-th part of a batch that does not fit one item
//!                    f#<batch id>     facts: see `facts`
//!                    a#<batch id>     i<index> when the event was acknowledged, in ms
//! d#<customer>       <dead letter id> v the dead letter (postcard), s its subscription, ttl
//! ```
//!
//! A batch is stored as a record of its own (`wire::record`: compressed, with
//! a checksum). Ids sort as their texts do, so a range of keys is a range of time.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::wire::record::{RecordDirectory, RecordEncoder};
use sluice_model::{Batch, BatchId, CustomerId, DeadLetter, EventId, Lane};
use sluice_ports::PortError;
use sluice_ports::event_store::{DeadLetterQuery, Direction, LaneScan, NewBatch};
use sluice_ports::log::RecordDraft;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// An item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;
/// An item's key.
pub(super) type Key = (String, String);

/// The most bytes of a batch in one item: an item has 400 KB with its names and keys.
const ITEM_BYTES_MAX: usize = 400_000;
/// The zstd level: batches are written once and kept long.
const ZSTD_LEVEL: i32 = 3;
/// What 48 bits of an id can say.
const MS_MAX: u64 = (1 << 48) - 1;

/// What an item of a lane's partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Batch,
    Facts,
    Acks,
}

pub(super) fn partition(customer: CustomerId, lane: Lane) -> String {
    format!("{customer}#{}", lane.number())
}

pub(super) fn key(kind: Kind, batch: BatchId) -> String {
    let kind = match kind {
        Kind::Batch => 'b',
        Kind::Facts => 'f',
        Kind::Acks => 'a',
    };
    format!("{kind}#{}", batch.first())
}

pub(super) fn part_key(batch: BatchId, part: usize) -> String {
    format!("p#{}#{part:04}", batch.first())
}

pub(super) fn dead_letters_of(customer: CustomerId) -> String {
    format!("d#{customer}")
}

fn damaged(detail: impl Into<String>) -> PortError {
    PortError::Damaged { what: "read an item of the event store".into(), detail: detail.into() }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn blob(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.to_vec()))
}

fn bytes<'a>(item: &'a Item, name: &str) -> Result<&'a [u8], PortError> {
    let value = item.get(name).and_then(|value| value.as_b().ok());
    value.map(AsRef::as_ref).ok_or_else(|| damaged(format!("it has no bytes `{name}`")))
}

thread_local! {
    /// Kept, because making one costs more than encoding a batch.
    static ENCODER: RefCell<Option<RecordEncoder>> = const { RefCell::new(None) };
}

fn encode(record: &RecordDraft) -> std::io::Result<Vec<u8>> {
    ENCODER.with_borrow_mut(|kept| {
        let mut encoder = kept.take().map_or_else(|| RecordEncoder::new(ZSTD_LEVEL), Ok)?;
        let mut encoded = Vec::new();
        encoder.encode(record, &mut encoded);
        *kept = Some(encoder);
        Ok(encoded)
    })
}

/// The items of a batch: its parts, if it needs some, and last its own.
pub(super) fn items(new: &NewBatch, ttl: u64) -> Result<Vec<Item>, PortError> {
    let batch = &new.batch;
    // Claims are the idempotency store's affair.
    let stored = Batch { claims: Vec::new(), ..Batch::clone(batch) };
    let record =
        RecordDraft { lane: Some(batch.lane()), producer: 0, sequence: 0, batches: vec![stored.into()] };
    let encoded = encode(&record)
        .map_err(|error| PortError::unavailable("encode a batch for the event store", error))?;
    let keyed = |sort: String| {
        Item::from([
            ("pk".into(), text(partition(batch.customer, batch.lane()))),
            ("sk".into(), text(sort)),
            ("ttl".into(), number(ttl)),
        ])
    };
    let mut own = keyed(key(Kind::Batch, batch.id));
    own.insert("n".into(), number(batch.len().into()));
    own.insert("m".into(), AttributeValue::Bool(new.matched));
    if encoded.len() <= ITEM_BYTES_MAX {
        own.insert("v".into(), blob(&encoded));
        return Ok(vec![own]);
    }
    let parts = encoded.chunks(ITEM_BYTES_MAX).enumerate().map(|(part, bytes)| {
        let mut item = keyed(part_key(batch.id, part));
        item.insert("v".into(), blob(bytes));
        item
    });
    let mut items: Vec<Item> = parts.collect();
    own.insert("parts".into(), number(items.len() as u64));
    items.push(own);
    Ok(items)
}

pub(super) fn parts(item: &Item) -> Option<usize> {
    item.get("parts")?.as_n().ok()?.parse().ok()
}

pub(super) fn matched(item: &Item) -> bool {
    item.get("m").and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
}

pub(super) fn batch(item: &Item) -> Result<Batch, PortError> {
    decode(item, bytes(item, "v")?)
}

pub(super) fn batch_of_parts(item: &Item, parts: &[Item]) -> Result<Batch, PortError> {
    let parts: Vec<&[u8]> = parts.iter().map(|part| bytes(part, "v")).collect::<Result<_, _>>()?;
    decode(item, &parts.concat())
}

fn decode(item: &Item, encoded: &[u8]) -> Result<Batch, PortError> {
    let id = batch_id(item)?;
    let wrong = |error: &dyn std::fmt::Display| damaged(format!("batch {}: {error}", id.first()));
    let directory = RecordDirectory::parse(encoded).map_err(|error| wrong(&error))?;
    let batch = directory.read_all(encoded).next().ok_or_else(|| wrong(&"the record is empty"))?;
    let batch = batch.1.map_err(|error| wrong(&error))?;
    if batch.id == id { Ok(batch) } else { Err(wrong(&"the item holds another batch")) }
}

/// The batch that an item is about, by its key.
pub(super) fn batch_id(item: &Item) -> Result<BatchId, PortError> {
    let key = item.get("sk").and_then(|value| value.as_s().ok()).ok_or_else(|| damaged("it has no key"))?;
    let id = key.get(2..).and_then(|id| id.parse::<EventId>().ok());
    id.map(EventId::batch).ok_or_else(|| damaged(format!("`{key}` is no batch's key")))
}

pub(super) fn by_batch(items: Vec<Item>) -> Result<BTreeMap<BatchId, Item>, PortError> {
    items.into_iter().map(|item| Ok((batch_id(&item)?, item))).collect()
}

/// Acknowledged events and when, ascending by index.
pub(super) fn acks(item: &Item) -> Result<Vec<(u16, u64)>, PortError> {
    let all = item.iter().filter_map(|(name, value)| Some((name.strip_prefix('i')?, value)));
    let mut acks = all
        .map(|(index, at)| {
            let parsed = index.parse().ok().zip(at.as_n().ok().and_then(|at| at.parse().ok()));
            parsed.ok_or_else(|| damaged(format!("`i{index}` is no acknowledgement")))
        })
        .collect::<Result<Vec<(u16, u64)>, _>>()?;
    acks.sort_unstable();
    Ok(acks)
}

/// The least and the largest batch id that a scan may meet; nothing where its window is empty.
pub(super) fn id_range(scan: &LaneScan) -> Option<(BatchId, BatchId)> {
    let first_of = |ms: u64| EventId::from_u128(u128::from(ms) << 80).batch();
    let last_of = |ms: u64| EventId::from_u128(((u128::from(ms) + 1) << 80) - 1).batch();
    let mut low = first_of(scan.from_ms.min(MS_MAX));
    let mut high = last_of(scan.until_ms.checked_sub(1)?.min(MS_MAX));
    match (scan.after, scan.direction) {
        (Some(after), Direction::Ascending) => low = low.max(after.batch()),
        (Some(after), Direction::Descending) => high = high.min(after.batch()),
        (None, _) => {}
    }
    (low <= high && scan.from_ms <= MS_MAX).then_some((low, high))
}

/// Whether all events of a batch lie behind the place where a scan goes on.
pub(super) fn is_behind(scan: &LaneScan, item: &Item) -> bool {
    let Some(after) = scan.after.filter(|after| batch_id(item).is_ok_and(|id| id == after.batch())) else {
        return false;
    };
    let count: u16 = item.get("n").and_then(|n| n.as_n().ok()?.parse().ok()).unwrap_or(0);
    match scan.direction {
        Direction::Ascending => u32::from(after.index()) + 1 >= u32::from(count),
        Direction::Descending => after.index() == 0,
    }
}

pub(super) fn dead_letter_item(letter: &DeadLetter, ttl: u64) -> Item {
    let encoded = postcard::to_stdvec(letter).expect("a dead letter has no maps");
    Item::from([
        ("pk".into(), text(dead_letters_of(letter.delivery.customer))),
        ("sk".into(), text(letter.id.to_string())),
        ("v".into(), blob(&encoded)),
        ("s".into(), text(letter.delivery.subscription.to_string())),
        ("ttl".into(), number(ttl)),
    ])
}

pub(super) fn dead_letter(item: &Item) -> Result<DeadLetter, PortError> {
    postcard::from_bytes(bytes(item, "v")?).map_err(|error| damaged(format!("a dead letter: {error}")))
}

/// The keys of a query of dead letters; nothing where its window is empty.
pub(super) fn letter_range(query: &DeadLetterQuery) -> Option<Key> {
    let id = |bits: u128| EventId::from_u128(bits).to_string();
    let after = query.after.map_or(0, |after| after.as_u128());
    let low = after.max(u128::from(query.since_ms.min(MS_MAX)) << 80);
    let until = query.until_ms.filter(|until| *until <= MS_MAX);
    let high = until.map_or(Some(u128::MAX), |until| (u128::from(until) << 80).checked_sub(1))?;
    (low <= high).then(|| (id(low), id(high)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use sluice_model::ids::random_u128;
    use sluice_ports::sample::Batches;
    use std::sync::Arc;

    #[test]
    fn a_batch_that_does_not_fit_one_item_comes_back_from_its_parts() {
        let mut batches = Batches::new(Lane::new(3).unwrap());
        let mut large = Batch::clone(&batches.next(1, 10));
        // Types that hardly compress: as long as a batch may make them.
        let noise = || BASE64.encode((0..11).flat_map(|_| random_u128().to_be_bytes()).collect::<Vec<u8>>());
        large.types = (0..2900).map(|_| noise().into()).collect();
        for (batch, split) in [(large, true), (Batch::clone(&batches.next(9, 500)), false)] {
            let batch = Arc::new(batch);
            let items = items(&NewBatch { batch: Arc::clone(&batch), matched: true }, 7).unwrap();
            let (own, parts) = items.split_last().unwrap();
            assert_eq!(parts.is_empty(), !split);
            let read = if split { batch_of_parts(own, parts) } else { super::batch(own) };
            assert_eq!(read.unwrap(), *batch);
            assert_eq!((super::parts(own).unwrap_or(0), matched(own)), (parts.len(), true));
        }
    }

    #[test]
    fn windows_of_dead_letters_hold_their_ends() {
        let query = |since_ms, until_ms| DeadLetterQuery { since_ms, until_ms, ..DeadLetterQuery::default() };
        assert_eq!(letter_range(&query(5, Some(5))), None);
        assert_eq!(letter_range(&query(0, Some(0))), None);
        let (low, high) = letter_range(&query(5, Some(6))).unwrap();
        assert!(low.starts_with("00000000-0005-0000") && high.starts_with("00000000-0005-ffff"));
    }
}
