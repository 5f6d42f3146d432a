//! Counting the events of a shard, each record once.

use super::receipts::CustomerReceipts;
use super::rows::{
    Counter, Granularity, PeriodRow, UsageRetention, decode, decode_period, encode, partition, period_row,
};
use super::tally::{CustomerCounts, UsageTally};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use sluice_model::CustomerId;
use sluice_ports::log::{Position, ShardId};
use sluice_ports::rows::{NewRow, RowChange};
use sluice_ports::{PortError, Rows};
use std::collections::BTreeMap;

/// How many rows of customers are changed at a time.
const ROWS_AT_A_TIME: usize = 64;

/// How often a change of a row is tried while another owner of the shard changes the row.
const TRIES: u32 = 8;

/// The bytes of counts in a row, or in a part. One customer's counts may take more, and
/// still fit (see [`CustomerCounts::bytes_max`]).
const ROW_BYTES: usize = 250_000;

/// The most counts that wait to be added to the customers' rows; beyond it they are added at once.
const WAITING_MAX: usize = 10_000;

/// How many old parts are looked for when a shard is taken over.
const OLD_PARTS_MAX: usize = 10_000;

/// The counts of a customer and minute, in the form that is stored.
type TallyEntry = (CustomerId, u32, CustomerCounts);

/// A shard's row: the counts that were not yet added to the customers' rows.
#[derive(Debug, Serialize, Deserialize)]
struct ShardRow {
    /// The number of the next addition, from 1.
    addition: u64,
    /// All records up to this position are counted.
    through: Position,
    /// The number of this writing of the row, which is in the keys of its parts.
    writing: u64,
    parts: u16,
    entries: Vec<TallyEntry>,
}

/// The usage of a shard, for the shard's owner.
#[derive(Debug)]
pub struct ShardUsage {
    shard: ShardId,
    retention: UsageRetention,
    addition: u64,
    through: Position,
    writing: u64,
    waiting: UsageTally,
    /// Whether the stored row is up to date.
    is_stored: bool,
    /// Parts of earlier writings, which are not needed once the row is written again.
    old_parts: Vec<Vec<u8>>,
    /// Whether an addition was begun and not finished: nothing may be counted before it is.
    is_adding: bool,
}

fn shard_partition(shard: &ShardId) -> String {
    format!("usage-shard/{shard}")
}

const HEAD: &[u8] = b"h";

fn part_key(writing: u64, number: u16) -> Vec<u8> {
    [b"p", &writing.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

/// The receipts of entries, which are stored after them.
fn receipts_of(entries: &[TallyEntry]) -> Vec<&CustomerReceipts> {
    entries.iter().map(|(_, _, counts)| &counts.receipts).collect()
}

fn with_receipts(mut entries: Vec<TallyEntry>, receipts: Vec<CustomerReceipts>) -> Vec<TallyEntry> {
    for ((_, _, counts), receipts) in entries.iter_mut().zip(receipts) {
        counts.receipts = receipts;
    }
    entries
}

impl ShardUsage {
    /// Loads the counts of an earlier owner and adds them to the customers' rows.
    ///
    /// # Errors
    /// If a store fails, or rows are damaged; damaged rows can only be replaced by
    /// [`anew`](Self::anew).
    pub async fn load(
        rows: &dyn Rows,
        shard: &ShardId,
        types_max: usize,
        retention: UsageRetention,
    ) -> Result<Self, PortError> {
        let mut usage = Self::anew(shard, types_max, retention, 1);
        let partition = shard_partition(shard);
        let Some(head) = rows.get(&partition, HEAD).await? else { return Ok(usage) };
        let (mut head, receipts) = decode::<ShardRow, _>("read the usage of a shard", &head)?;
        let mut entries = with_receipts(std::mem::take(&mut head.entries), receipts);
        let parts = rows.list(&partition, Some(HEAD), OLD_PARTS_MAX).await?;
        usage.old_parts = parts.into_iter().map(|row| row.key).collect();
        (usage.addition, usage.through, usage.writing) = (head.addition, head.through, head.writing);
        for number in 0..head.parts {
            let part = rows.get(&partition, &part_key(head.writing, number)).await?;
            let attempted = "read a part of the usage of a shard";
            let (part, receipts) = decode(attempted, &part.unwrap_or_default())?;
            entries.extend(with_receipts(part, receipts));
        }
        for (customer, minute, counts) in &entries {
            usage.waiting.put(*customer, *minute, counts);
        }
        usage.add_up(rows).await?;
        Ok(usage)
    }

    /// Begins without earlier counts. `addition` must be above the number of every earlier
    /// addition: 1, or the time in milliseconds.
    #[must_use]
    pub fn anew(shard: &ShardId, types_max: usize, retention: UsageRetention, addition: u64) -> Self {
        Self {
            shard: shard.clone(),
            retention,
            addition,
            through: Position::START,
            writing: 0,
            waiting: UsageTally::new(types_max),
            is_stored: true,
            old_parts: Vec::new(),
            is_adding: false,
        }
    }

    /// All records up to this position are counted, whatever the checkpoint says.
    #[must_use]
    pub const fn through(&self) -> Position {
        self.through
    }

    /// Whether counts wait to be added to the customers' rows.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Counts the usage of all records up to `position`, durably. After an error the counts
    /// may be taken from `counted` but not durable yet; the next call continues with them and
    /// with the rest of `counted`.
    ///
    /// # Errors
    /// If a store fails.
    pub async fn count(
        &mut self,
        rows: &dyn Rows,
        counted: &mut Option<UsageTally>,
        position: Position,
    ) -> Result<(), PortError> {
        if self.is_adding || self.waiting.len() > WAITING_MAX {
            self.add_up(rows).await?;
        }
        if let Some(new) = counted.take() {
            self.waiting.merge(&new);
            self.through = self.through.max(position);
            self.is_stored = false;
        }
        self.store(rows).await
    }

    /// Adds waiting counts to the customers' rows.
    ///
    /// # Errors
    /// If a store fails; the next call continues.
    pub async fn add_up(&mut self, rows: &dyn Rows) -> Result<(), PortError> {
        // Only stored counts are added, so that after a crash the same counts are added again.
        self.store(rows).await?;
        if self.waiting.is_empty() {
            self.is_adding = false;
            return Ok(());
        }
        self.is_adding = true;
        let counter = Counter::Shard(self.shard.0.clone());
        let additions = self.by_period().into_iter().map(|(place, counts)| {
            let (customer, granularity, start) = place;
            let addition = Addition {
                customer,
                granularity,
                start,
                counter: &counter,
                number: self.addition,
                counts,
                types_max: self.waiting.types_max(),
                retention: self.retention,
            };
            async move { addition.make(rows).await }
        });
        stream::iter(additions).buffer_unordered(ROWS_AT_A_TIME).try_collect::<()>().await?;
        self.addition += 1;
        self.waiting = UsageTally::new(self.waiting.types_max());
        (self.is_adding, self.is_stored) = (false, false);
        self.store(rows).await
    }

    fn by_period(&self) -> BTreeMap<(CustomerId, Granularity, u32), CustomerCounts> {
        let mut all: BTreeMap<_, CustomerCounts> = BTreeMap::new();
        for ((customer, minute), counts) in self.waiting.minutes() {
            for granularity in Granularity::ALL {
                let place = (*customer, granularity, granularity.start(*minute));
                all.entry(place).or_default().add(counts, self.waiting.types_max());
            }
        }
        all
    }

    /// Writes the shard's row, if it changed.
    async fn store(&mut self, rows: &dyn Rows) -> Result<(), PortError> {
        if self.is_stored {
            return Ok(());
        }
        // A writing whose answer was lost may have been made, so its parts stay.
        self.writing += 1;
        let (partition, mut pages) = (shard_partition(&self.shard), self.pages());
        let put = |key: Vec<u8>, value: Vec<u8>| {
            let partition = partition.clone();
            RowChange::Put(NewRow { partition, key, value, expires_at_ms: None, needs_from_ms: None })
        };
        let entries = if pages.is_empty() { Vec::new() } else { pages.remove(0) };
        let parts = pages.len() as u16;
        let head = ShardRow {
            addition: self.addition,
            through: self.through,
            writing: self.writing,
            parts,
            entries,
        };
        let keys: Vec<Vec<u8>> = (0..parts).map(|number| part_key(self.writing, number)).collect();
        let old_parts = std::mem::replace(&mut self.old_parts, keys.clone());
        let pages = pages.iter().zip(keys).map(|(page, key)| put(key, encode(page, &receipts_of(page))));
        let mut changes: Vec<RowChange> = pages.collect();
        // The row is written after the parts that it names, and before old parts are deleted.
        changes.push(put(HEAD.to_vec(), encode(&head, &receipts_of(&head.entries))));
        let remove = |key: &Vec<u8>| RowChange::Remove { partition: partition.clone(), key: key.clone() };
        changes.extend(old_parts.iter().map(remove));
        let written = rows.write(changes).await;
        if written.is_err() {
            self.old_parts.extend(old_parts);
        }
        written?;
        self.is_stored = true;
        Ok(())
    }

    /// The waiting counts, in pages that each fit a row.
    fn pages(&self) -> Vec<Vec<TallyEntry>> {
        let (mut pages, mut room) = (Vec::new(), 0);
        for ((customer, minute), counts) in self.waiting.minutes() {
            let bytes = counts.bytes_max();
            if pages.is_empty() || room < bytes {
                pages.push(Vec::new());
                room = ROW_BYTES;
            }
            room = room.saturating_sub(bytes);
            pages.last_mut().expect("there is a page").push((*customer, *minute, counts.clone()));
        }
        pages
    }
}

/// An addition to one row of a customer.
struct Addition<'a> {
    customer: CustomerId,
    granularity: Granularity,
    start: u32,
    counter: &'a Counter,
    number: u64,
    counts: CustomerCounts,
    types_max: usize,
    retention: UsageRetention,
}

impl Addition<'_> {
    /// Makes the addition, unless it was made before.
    async fn make(&self, rows: &dyn Rows) -> Result<(), PortError> {
        let Self { customer, granularity, start, counter, .. } = self;
        let key = super::rows::period_key(*granularity, *start, counter);
        for _ in 0..TRIES {
            let known = rows.get(&partition(*customer), &key).await?;
            let mut row = match &known {
                Some(known) => decode_period(known).unwrap_or_else(|error| {
                    tracing::error!(%customer, %error, "usage is damaged: a period begins anew");
                    PeriodRow::default()
                }),
                None => PeriodRow::default(),
            };
            if row.addition >= self.number {
                return Ok(());
            }
            row.counts.add(&self.counts, self.types_max);
            row.addition = self.number;
            let row = period_row(*customer, *granularity, *start, counter, &row, self.retention);
            if rows.put_if(row, known).await? {
                return Ok(());
            }
        }
        Err(PortError::unavailable("add up usage", "another owner of the shard adds it up, too"))
    }
}
