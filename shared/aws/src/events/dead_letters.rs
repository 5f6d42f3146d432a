//! Dead letters: their items, and their copies in the dead-letter queue.
//!
//! ```text
//! v    the dead letter (postcard)
//! s    its subscription's id
//! ttl
//! ```
//!
//! The item is the truth. The copy in the queue is for alarms, tools and AWS's
//! own redrive.

use super::layout::{self, MS_MAX};
use super::writer::ItemWriter;
use crate::attribute::{Item, bytes, bytes_in, text};
use crate::queue::DeadLetterCarrier;
use crate::table::{ItemKey, ItemTable, KeyRange, PutNew, damaged, lives};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use sluice_model::clock;
use sluice_model::{CustomerId, DeadLetter, DeadLetterId, EventId};
use sluice_ports::PortError;
use sluice_ports::event_store::DeadLetterQuery;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The most items of one page of a list.
const PAGE_ITEMS_MAX: usize = 500;

/// The dead letters of all customers.
#[derive(Debug)]
pub(super) struct DeadLetterItems {
    pub(super) table: Arc<ItemTable>,
    pub(super) writer: Arc<ItemWriter>,
    pub(super) carrier: Option<DeadLetterCarrier>,
    pub(super) requests_max: usize,
    /// The number of dead letters that this process put, less those that it deleted.
    pub(super) count: AtomicI64,
}

impl DeadLetterItems {
    pub(super) async fn put(&self, letters: Vec<DeadLetter>, ttl: u64) -> Result<(), PortError> {
        let put: Vec<_> = letters.iter().map(|letter| self.put_one(item(letter, ttl))).collect();
        let failed = stream::iter(put)
            .buffer_unordered(self.requests_max)
            .fold(None, |failed: Option<PortError>, put| ready(failed.or(put.err())))
            .await;
        if let Some(error) = failed {
            return Err(error);
        }
        match &self.carrier {
            Some(carrier) => carrier.carry(&letters).await,
            None => Ok(()),
        }
    }

    async fn put_one(&self, item: Item) -> Result<(), PortError> {
        match self.table.put_new(item.clone()).await? {
            PutNew::Stored => drop(self.count.fetch_add(1, Ordering::Relaxed)),
            PutNew::WasThere => {}
            PutNew::Refused(reason) => self.writer.set_aside(item, reason).await?,
        }
        Ok(())
    }

    /// A customer's dead letters, the oldest first.
    pub(super) async fn list(
        &self,
        customer: CustomerId,
        query: DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, PortError> {
        let (mut letters, mut from) = (Vec::new(), None);
        let Some(range) = range(customer, &query) else { return Ok(letters) };
        let now_s = clock::now_ms() / 1000;
        while letters.len() < query.limit {
            let limit = Some(query.limit.min(PAGE_ITEMS_MAX));
            let page = self.table.query(&range, true, limit, from).await?;
            for item in page.items.iter().filter(|item| lives(item, now_s)) {
                let letter = read(item)?;
                let of_subscription = query.subscription.is_none_or(|id| letter.delivery.subscription == id);
                let is_behind = query.after.is_none_or(|after| letter.id > after);
                if of_subscription && is_behind && letters.len() < query.limit {
                    letters.push(letter);
                }
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(letters)
    }

    /// Deletes dead letters. Returns how many of them existed.
    pub(super) async fn delete(
        &self,
        customer: CustomerId,
        ids: Vec<DeadLetterId>,
    ) -> Result<usize, PortError> {
        let deleted = stream::iter(ids).map(|id| async move {
            let key = ItemKey { partition: partition(customer), sort: id.to_string() };
            let was_there = self.table.delete(key).await?.is_some();
            self.count.fetch_sub(was_there.into(), Ordering::Relaxed);
            Ok::<bool, PortError>(was_there)
        });
        let deleted: Vec<Result<bool, PortError>> =
            deleted.buffer_unordered(self.requests_max).collect().await;
        let deleted: Vec<bool> = deleted.into_iter().collect::<Result<_, _>>()?;
        Ok(deleted.into_iter().filter(|was_there| *was_there).count())
    }
}

fn partition(customer: CustomerId) -> String {
    format!("d#{customer}")
}

fn item(letter: &DeadLetter, ttl: u64) -> Item {
    let encoded = postcard::to_stdvec(letter).expect("a dead letter has no maps");
    let key = ItemKey { partition: partition(letter.delivery.customer), sort: letter.id.to_string() };
    let mut item = layout::keyed(key, ttl);
    item.extend([("v".into(), bytes(encoded)), ("s".into(), text(letter.delivery.subscription.to_string()))]);
    item
}

fn read(item: &Item) -> Result<DeadLetter, PortError> {
    let encoded = bytes_in(item, "v").ok_or_else(|| damaged("a dead letter has no bytes `v`"))?;
    postcard::from_bytes(encoded).map_err(|error| damaged(format!("a dead letter: {error}")))
}

/// The keys of a query of dead letters; `None` if its window is empty.
fn range(customer: CustomerId, query: &DeadLetterQuery) -> Option<KeyRange> {
    let id = |bits: u128| EventId::from_u128(bits).to_string();
    let after = query.after.map_or(0, |after| after.as_u128());
    let low = after.max(u128::from(query.since_ms.min(MS_MAX)) << 80);
    let until = query.until_ms.filter(|until| *until <= MS_MAX);
    let high = until.map_or(Some(u128::MAX), |until| (u128::from(until) << 80).checked_sub(1))?;
    (low <= high).then(|| KeyRange { partition: partition(customer), low: id(low), high: id(high) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_dead_letters_hold_their_ends() {
        let range = |since_ms, until_ms| {
            let query = DeadLetterQuery { since_ms, until_ms, ..DeadLetterQuery::default() };
            range(CustomerId::from_u128(1), &query).map(|range| (range.low, range.high))
        };
        assert_eq!(range(5, Some(5)), None);
        assert_eq!(range(0, Some(0)), None);
        let (low, high) = range(5, Some(6)).unwrap();
        assert!(low.starts_with("00000000-0005-0000") && high.starts_with("00000000-0005-ffff"));
    }
}
