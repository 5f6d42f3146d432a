//! Writing items that never change once they are written: batches and facts.
//!
//! The caller repeats a call that failed half-way as a whole. The writer remembers
//! the items of a failed call that are stored, and the repetition writes only the
//! rest. So a partition that takes 1,000 write units a second advances by that much
//! each second, instead of storing the same items again and again.

use crate::attribute::{Item, bytes_in};
use crate::refused_items::RefusedItems;
use crate::table::{ItemKey, ItemTable, RefusedWrite, put, put_item};
use aws_sdk_dynamodb::types::WriteRequest;
use foldhash::HashSet;
use parking_lot::Mutex;
use ring::digest;
use sluice_ports::PortError;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most items of failed calls that are remembered as stored; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 100_000;

/// Writes items that never change.
#[derive(Debug)]
pub(super) struct ItemWriter {
    table: Arc<ItemTable>,
    requests_max: usize,
    refused: RefusedItems,
    stored: Mutex<StoredItems>,
}

impl ItemWriter {
    /// Refused items are set aside for `keep_s` seconds.
    pub(super) fn new(table: Arc<ItemTable>, requests_max: usize, keep_s: u64) -> Self {
        let refused = RefusedItems::new(Arc::clone(&table), requests_max, keep_s);
        Self { table, requests_max, refused, stored: Mutex::default() }
    }

    /// Stores items, overwriting earlier ones. An item that DynamoDB refuses for good is
    /// set aside and counts as stored.
    pub(super) async fn store(&self, items: Vec<Item>) -> Result<(), PortError> {
        let items = self.stored.lock().without_stored(items);
        if items.is_empty() {
            return Ok(());
        }
        let all: Vec<WriteRequest> = items.into_iter().map(put).collect();
        let written = self.table.write_all(all.clone(), self.requests_max).await;
        let not_kept = self.refused.keep(written.refused).await;
        let error = match (written.error, not_kept.error) {
            (None, None) => return Ok(()),
            (Some(error), _) | (None, Some(error)) => error,
        };
        let left = written.left.iter().chain(&not_kept.writes);
        let left: HashSet<ItemKey> = left.filter_map(|write| ItemKey::in_item(put_item(write)?)).collect();
        let is_stored = |item: &&Item| ItemKey::in_item(item).is_some_and(|key| !left.contains(&key));
        self.stored.lock().remember(all.iter().filter_map(put_item).filter(is_stored));
        Err(error)
    }

    /// Sets aside an item that was refused although it was written alone.
    pub(super) async fn set_aside(&self, item: Item, reason: String) -> Result<(), PortError> {
        let refused = RefusedWrite { write: put(item), reason };
        self.refused.keep(vec![refused]).await.error.map_or(Ok(()), Err)
    }
}

/// The hash of an item's key and bytes.
type Fingerprint = [u8; 16];

/// The items that failed calls stored: pure.
#[derive(Debug, Default)]
struct StoredItems {
    known: HashSet<Fingerprint>,
    oldest_first: VecDeque<Fingerprint>,
}

impl StoredItems {
    fn remember<'a>(&mut self, items: impl Iterator<Item = &'a Item>) {
        for fingerprint in items.map(fingerprint) {
            if self.known.insert(fingerprint) {
                self.oldest_first.push_back(fingerprint);
            }
        }
        while self.oldest_first.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.oldest_first.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Drops the items that are known to be stored.
    fn without_stored(&self, mut items: Vec<Item>) -> Vec<Item> {
        if !self.known.is_empty() {
            items.retain(|item| !self.known.contains(&fingerprint(item)));
        }
        items
    }
}

fn fingerprint(item: &Item) -> Fingerprint {
    let mut hash = digest::Context::new(&digest::SHA256);
    if let Some(key) = ItemKey::in_item(item) {
        hash.update(key.partition.as_bytes());
        hash.update(b" ");
        hash.update(key.sort.as_bytes());
    }
    hash.update(bytes_in(item, "v").unwrap_or_default());
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&hash.finish().as_ref()[..16]);
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{bytes, number};

    fn new_item(sort: usize, body: u8, ttl: u64) -> Item {
        let mut item = ItemKey { partition: "p".into(), sort: sort.to_string() }.into_item();
        item.extend([("v".into(), bytes(vec![body])), ("ttl".into(), number(ttl))]);
        item
    }

    #[test]
    fn what_a_failed_call_stored_is_not_stored_again() {
        let mut stored = StoredItems::default();
        stored.remember([new_item(1, 1, 5), new_item(2, 1, 5)].iter());
        // The repetition comes later, so its items have a later time to live.
        let again = (1..4).map(|sort| new_item(sort, 1, 6)).chain([new_item(1, 2, 6)]).collect();
        assert_eq!(stored.without_stored(again), [new_item(3, 1, 6), new_item(1, 2, 6)]);
    }

    #[test]
    fn only_so_many_items_are_remembered() {
        let mut stored = StoredItems::default();
        let items: Vec<Item> = (0..REMEMBERED_MAX + 5).map(|sort| new_item(sort, 1, 5)).collect();
        stored.remember(items.iter());
        let forgotten = stored.without_stored(items);
        assert_eq!(forgotten.len(), 5);
        assert_eq!((stored.known.len(), stored.oldest_first.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
