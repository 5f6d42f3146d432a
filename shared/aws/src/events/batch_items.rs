//! The items of a batch: pure.
//!
//! ```text
//! n      events
//! m      whether a subscription matched any of them
//! v      the batch as a record of its own (`wire::record`: compressed, with a checksum)
//! parts  in place of `v`: how many items hold the record, each a part of it in `v`
//! moved  the place at which inbox readers find the batch, if it is not the batch's key
//! ```
//!
//! A batch with another place also has an item at that place:
//!
//! ```text
//! n         events
//! place_of  the batch's id
//! ```

use super::layout::{self, ItemKind};
use crate::attribute::{Item, bytes, bytes_in, number, number_in, text, text_in};
use crate::table::damaged;
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::wire::record::{BlockCodec, RecordDirectory, RecordEncoder};
use sluice_model::{Batch, BatchId, EventId};
use sluice_ports::PortError;
use sluice_ports::event_store::{Direction, LaneScan, NewBatch};
use sluice_ports::log::RecordDraft;
use std::cell::RefCell;

/// The most bytes of a batch in one item. An item may have 400 KB (409,600 bytes), keys and
/// attribute names included.
const ITEM_BYTES_MAX: usize = 400_000;
/// The zstd level: batches are written once and kept long. Records with zstd have
/// the first version, which ingest processes and processors of any version read.
const ZSTD_LEVEL: i32 = 3;

thread_local! {
    /// Reused, because making an encoder costs more than encoding a batch.
    static ENCODER: RefCell<Option<RecordEncoder>> = const { RefCell::new(None) };
}

/// The items of a batch.
#[derive(Debug)]
pub(super) struct BatchItems {
    /// The items that hold the record if it does not fit one item. They are written
    /// before the head, so a crash never leaves a head without its parts.
    pub(super) parts: Vec<Item>,
    /// The item by which the batch is found.
    pub(super) head: Item,
    /// The item at the place where inbox readers find the batch, if that is not its key.
    pub(super) place: Option<Item>,
}

fn encode(record: &RecordDraft) -> std::io::Result<Vec<u8>> {
    ENCODER.with_borrow_mut(|kept| {
        let mut encoder = kept.take().map_or_else(|| RecordEncoder::new(BlockCodec::Zstd(ZSTD_LEVEL)), Ok)?;
        let mut encoded = Vec::new();
        encoder.encode(record, &mut encoded);
        *kept = Some(encoder);
        Ok(encoded)
    })
}

pub(super) fn items(new: &NewBatch, ttl: u64) -> Result<BatchItems, PortError> {
    let batch = &new.batch;
    // The idempotency store keeps the claims.
    let stored = Batch { claims: Vec::new(), ..Batch::clone(batch) };
    let record = RecordDraft {
        lane: Some(batch.lane()),
        producer: 0,
        sequence: 0,
        batches: vec![stored.into()],
        parts: Vec::new(),
    };
    let encoded = encode(&record)
        .map_err(|error| PortError::unavailable("encode a batch for the event store", error))?;
    let mut head = layout::keyed(layout::key(ItemKind::Batch, batch.customer, batch.id), ttl);
    head.insert("n".into(), number(batch.len()));
    head.insert("m".into(), AttributeValue::Bool(new.matched));
    let place = new.place.map(|place| {
        head.insert("moved".into(), text(place.first().to_string()));
        let mut item = layout::keyed(layout::key(ItemKind::Batch, batch.customer, place), ttl);
        item.insert("n".into(), number(batch.len()));
        item.insert("place_of".into(), text(batch.id.first().to_string()));
        item
    });
    if encoded.len() <= ITEM_BYTES_MAX {
        head.insert("v".into(), bytes(encoded));
        return Ok(BatchItems { parts: Vec::new(), head, place });
    }
    let part = |(part, body): (usize, &[u8])| {
        let mut item = layout::keyed(layout::part_key(batch.customer, batch.id, part), ttl);
        item.insert("v".into(), bytes(body));
        item
    };
    let parts: Vec<Item> = encoded.chunks(ITEM_BYTES_MAX).enumerate().map(part).collect();
    head.insert("parts".into(), number(parts.len()));
    Ok(BatchItems { parts, head, place })
}

/// The batch that an item of a place names; `None` for an item of another kind.
pub(super) fn placed(item: &Item) -> Option<Result<BatchId, PortError>> {
    let id = text_in(item, "place_of")?;
    let parsed = id.parse::<EventId>().map(EventId::batch);
    Some(parsed.map_err(|_| damaged(format!("`{id}` is not the id of a batch"))))
}

/// Whether inbox readers find the batch at another place than its key.
pub(super) fn is_moved(head: &Item) -> bool {
    head.contains_key("moved")
}

/// The number of parts of the batch, if it has parts.
pub(super) fn part_count(head: &Item) -> Option<usize> {
    number_in(head, "parts")
}

/// Whether any subscription matched any event of the batch.
pub(super) fn matched(head: &Item) -> bool {
    head.get("m").and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
}

/// How many events the batch has.
pub(super) fn event_count(head: &Item) -> u16 {
    number_in(head, "n").unwrap_or(0)
}

/// The batch of a head without parts.
pub(super) fn batch(head: &Item) -> Result<Batch, PortError> {
    decode(head, record_bytes(head)?)
}

pub(super) fn batch_from_parts(head: &Item, parts: &[Item]) -> Result<Batch, PortError> {
    let parts: Vec<&[u8]> = parts.iter().map(record_bytes).collect::<Result<_, _>>()?;
    decode(head, &parts.concat())
}

fn record_bytes(item: &Item) -> Result<&[u8], PortError> {
    bytes_in(item, "v").ok_or_else(|| damaged("the item of a batch has no bytes `v`"))
}

fn decode(head: &Item, encoded: &[u8]) -> Result<Batch, PortError> {
    let id = layout::batch_id(head)?;
    let wrong = |error: &dyn std::fmt::Display| damaged(format!("batch {}: {error}", id.first()));
    let directory = match RecordDirectory::parse(encoded) {
        Err(error) if error.is_newer() => {
            return Err(PortError::newer(format!("read batch {}", id.first()), error));
        }
        parsed => parsed.map_err(|error| wrong(&error))?,
    };
    let batch = directory.read_all(encoded).next().ok_or_else(|| wrong(&"the record is empty"))?;
    let batch = batch.1.map_err(|error| wrong(&error))?;
    if batch.id == id { Ok(batch) } else { Err(wrong(&"the item holds another batch")) }
}

/// Whether all events of a batch lie behind the end of the scan's previous page.
pub(super) fn is_behind(scan: &LaneScan, head: &Item) -> bool {
    let is_its_batch =
        |after: &sluice_model::EventId| layout::batch_id(head).is_ok_and(|id| id == after.batch());
    let Some(after) = scan.after.filter(is_its_batch) else { return false };
    match scan.direction {
        Direction::Ascending => u32::from(after.index()) + 1 >= u32::from(event_count(head)),
        Direction::Descending => after.index() == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use sluice_model::Lane;
    use sluice_model::ids::random_u128;
    use sluice_model::wire::record::{VERSION_FIRST, version};
    use sluice_ports::FailureClass;
    use sluice_ports::sample::Batches;
    use std::sync::Arc;

    #[test]
    fn a_batch_that_does_not_fit_one_item_comes_back_from_its_parts() {
        let mut batches = Batches::new(Lane::new(3).unwrap());
        let mut large = Batch::clone(&batches.next(1, 10));
        // Event types that hardly compress, as long as a batch allows.
        let noise = || BASE64.encode((0..11).flat_map(|_| random_u128().to_be_bytes()).collect::<Vec<u8>>());
        large.types = (0..2900).map(|_| noise().into()).collect();
        for (batch, split) in [(large, true), (Batch::clone(&batches.next(9, 500)), false)] {
            let batch = Arc::new(batch);
            let BatchItems { parts, head, place: _ } =
                items(&NewBatch::new(Arc::clone(&batch), true), 7).unwrap();
            assert_eq!(parts.is_empty(), !split);
            let read = if split { batch_from_parts(&head, &parts) } else { super::batch(&head) };
            assert_eq!(read.unwrap(), *batch);
            let first = parts.first().unwrap_or(&head);
            assert_eq!(version(record_bytes(first).unwrap()), Ok(VERSION_FIRST), "every version reads it");
            assert_eq!((part_count(&head).unwrap_or(0), matched(&head)), (parts.len(), true));
        }
    }

    #[test]
    fn a_batch_that_a_newer_process_stored_is_not_damaged() {
        let batch = Batches::new(Lane::new(3).unwrap()).next(1, 10);
        let mut head = items(&NewBatch { batch, matched: true, place: None }, 7).unwrap().head;
        let golden = include_bytes!("../../../model/tests/data/record-future.bin");
        head.insert("v".into(), bytes(golden));
        let error = super::batch(&head).unwrap_err();
        assert_eq!(error.class(), FailureClass::Denied, "a retry waits for a process that reads it: {error}");
    }
}
