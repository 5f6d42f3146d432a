//! Reading each record once, though it may be in the stream twice.
//!
//! What was seen is known in memory. A new owner of a shard learns it again:
//! it reads what came before its checkpoint for as long as a record may be
//! sent again, and the same of the shard's parents, since a record whose first
//! copy went to a parent may have its second in a child. What slips through
//! all this is a legal duplicate.

use super::KinesisLog;
use super::marks::Marks;
use super::stream::From;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::Lane;
use sluice_ports::PortError;
use sluice_ports::log::{AppendError, Log, LogItem, LogPage, Position, RecordDraft, ShardId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a shard that is being read.
struct Seen {
    /// Where the next read goes on, if it is the same reader's.
    position: Position,
    marks: Marks,
}

/// A log that gives each record once.
pub struct Deduplicated {
    log: Arc<KinesisLog>,
    window_ms: u64,
    shards: Mutex<HashMap<ShardId, Seen>>,
}

impl Deduplicated {
    /// Drops what is there twice within `window`.
    #[must_use]
    pub fn new(log: Arc<KinesisLog>, window: Duration) -> Self {
        Self { log, window_ms: window.as_millis() as u64, shards: Mutex::default() }
    }

    /// The marks at a position, learnt from the log.
    async fn learn(&self, shard: &ShardId, after: Position) -> Result<Marks, PortError> {
        let mut marks = Marks::default();
        let shards = self.log.describe().await?;
        if after != Position::START && after != Position::END {
            self.learn_before(shard, after, &mut marks).await?;
        }
        let parents = shards.iter().find(|of| of.id == *shard).map(|of| of.parents.clone());
        for parent in parents.unwrap_or_default() {
            // A parent that is no longer kept is older than any window.
            if let Some(parent) = shards.iter().find(|of| of.id == parent) {
                self.learn_end(&parent.id, &mut marks).await?;
            }
        }
        Ok(marks)
    }

    /// Reads the window that ends with a position.
    async fn learn_before(
        &self,
        shard: &ShardId,
        until: Position,
        marks: &mut Marks,
    ) -> Result<(), PortError> {
        let readers = self.log.readers();
        let at = readers.iterator(shard, From::At(until)).await?;
        let Some(at_ms) = readers.look(shard, at).await?.records.first().map(|of| of.at_ms) else {
            return Ok(());
        };
        let from = From::Time(at_ms.saturating_sub(self.window_ms));
        self.learn_from(shard, from, until, marks).await
    }

    /// Reads the last window of a shard that is closed. When that was is not
    /// told, so it is all that is younger than two windows: an older end is of
    /// no account.
    async fn learn_end(&self, shard: &ShardId, marks: &mut Marks) -> Result<(), PortError> {
        let from = From::Time(sluice_model::clock::now_ms().saturating_sub(self.window_ms * 2));
        self.learn_from(shard, from, Position::END, marks).await
    }

    async fn learn_from(
        &self,
        shard: &ShardId,
        from: From,
        until: Position,
        marks: &mut Marks,
    ) -> Result<(), PortError> {
        let readers = self.log.readers();
        let mut next = Some(readers.iterator(shard, from).await?);
        while let Some(iterator) = next {
            let look = readers.look(shard, iterator).await?;
            for arrived in &look.records {
                if arrived.position > until {
                    return Ok(());
                }
                for item in &arrived.items {
                    if let LogItem::Record(record) = item {
                        marks.is_new(record, arrived.at_ms, self.window_ms);
                    }
                }
            }
            if look.at_end {
                return Ok(());
            }
            next = look.next;
            tokio::time::sleep(readers.poll()).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Log for Deduplicated {
    fn append_units(&self) -> usize {
        self.log.append_units()
    }

    fn append_unit(&self, lane: Lane) -> usize {
        self.log.append_unit(lane)
    }

    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        self.log.append(unit, record).await
    }

    fn accepting(&self) -> Result<(), AppendError> {
        self.log.accepting()
    }

    fn recovered_ms(&self) -> u64 {
        self.log.recovered_ms()
    }

    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        self.log.shards().await
    }

    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        self.log.lanes(shard).await
    }

    /// As the log's own. A record that was seen before leaves its place as a
    /// record without batches, so that the checkpoint passes it.
    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let known = self.shards.lock().remove(shard).filter(|seen| seen.position == after);
        let mut marks = match known {
            Some(seen) => seen.marks,
            None => self.learn(shard, after).await?,
        };
        let read = self.log.read(shard, after, max_bytes, wait).await;
        let mut page = match read {
            Ok(page) => page,
            Err(error) => {
                self.shards.lock().insert(shard.clone(), Seen { position: after, marks });
                return Err(error);
            }
        };
        let mut position = after;
        for item in &mut page.items {
            match item {
                LogItem::Damaged { position: at, .. } => position = *at,
                LogItem::Record(record) => {
                    position = record.position;
                    // Ids carry the time of the cut, which is what a resend repeats.
                    let at_ms = record.batches.first().map_or(0, |batch| batch.id.ms());
                    if !marks.is_new(record, at_ms, self.window_ms) {
                        tracing::debug!(%shard, ?position, "a record that is there twice");
                        record.batches.clear();
                    }
                }
            }
        }
        if !page.closed {
            self.shards.lock().insert(shard.clone(), Seen { position, marks });
        }
        Ok(page)
    }
}
