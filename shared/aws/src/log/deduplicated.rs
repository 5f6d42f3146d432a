//! Reading each record once, although the stream may hold it twice.
//!
//! The reader remembers the records that it saw. A new owner of a shard first learns
//! the records before its checkpoint ([`Learning`]). A repeated record that it does
//! not know is delivered again, which is legal.

use super::KinesisLog;
use super::learning::{Learning, Learnt};
use super::marks::Marks;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::Lane;
use sluice_ports::PortError;
use sluice_ports::log::{AppendError, Log, LogItem, LogPage, Position, RecordDraft, ShardId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The marks of a shard are forgotten when nobody read it for this long.
const IDLE: Duration = Duration::from_secs(60);

/// The records of a shard that are known as seen.
enum Known {
    /// Nothing yet.
    Nothing,
    /// The reader is learning them.
    Learning(Box<Learning>),
    /// The records up to `position`, where the next read continues.
    Marks { position: Position, marks: Marks },
}

impl Known {
    /// Whether a reader that continues behind `after` can use this.
    fn is_behind(&self, after: Position) -> bool {
        match self {
            Self::Nothing => false,
            Self::Learning(learning) => learning.after == after,
            Self::Marks { position, .. } => *position == after,
        }
    }
}

/// A shard that is being read.
struct ShardReading {
    known: Known,
    asked: Instant,
}

/// A log that gives each record once.
pub struct Deduplicated {
    log: Arc<KinesisLog>,
    window: Duration,
    shards: Mutex<HashMap<ShardId, Arc<tokio::sync::Mutex<ShardReading>>>>,
}

impl Deduplicated {
    /// Drops repeats of a record that come within `window`.
    #[must_use]
    pub fn new(log: Arc<KinesisLog>, window: Duration) -> Self {
        Self { log, window, shards: Mutex::default() }
    }

    fn reading(&self, shard: &ShardId) -> Arc<tokio::sync::Mutex<ShardReading>> {
        let mut shards = self.shards.lock();
        shards.retain(|id, reading| {
            id == shard || reading.try_lock().map_or(true, |reading| reading.asked.elapsed() < IDLE)
        });
        let new = || ShardReading { known: Known::Nothing, asked: Instant::now() };
        let reading = shards.entry(shard.clone());
        Arc::clone(reading.or_insert_with(|| Arc::new(tokio::sync::Mutex::new(new()))))
    }

    /// Learns the records before `after`, until `until` at the latest. Returns whether all
    /// are learnt. Those learnt so far are kept in `known`.
    async fn learn(
        &self,
        shard: &ShardId,
        after: Position,
        known: &mut Known,
        until: Instant,
    ) -> Result<bool, PortError> {
        let readers = self.log.readers();
        loop {
            match known {
                Known::Marks { .. } => return Ok(true),
                Known::Nothing => {
                    let (shards, within) = (self.log.describe().await?, readers.settings.learn);
                    let learning = Learning::new(shard, after, &shards, self.window, within);
                    *known = Known::Learning(Box::new(learning));
                }
                Known::Learning(learning) => {
                    if let Learnt::Everything(beyond) = learning.advance(readers, shard, until).await? {
                        if let Some(look) = beyond {
                            readers.resume(shard, after, look).await;
                        }
                        if let Known::Learning(learnt) = std::mem::replace(known, Known::Nothing) {
                            *known = Known::Marks { position: after, marks: learnt.into_marks() };
                        }
                    } else if Instant::now() >= until {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Replaces a record that was seen before by a record without batches, so that the
    /// checkpoint passes it.
    fn drop_seen(&self, shard: &ShardId, page: &mut LogPage, position: &mut Position, marks: &mut Marks) {
        let window_ms = self.window.as_millis() as u64;
        for item in &mut page.items {
            match item {
                LogItem::Damaged { position: place, .. } => *position = *place,
                LogItem::Record(record) => {
                    *position = record.position;
                    // An id carries the time of the cut, from which the window of repeats runs.
                    let at_ms = record.batches.first().map_or(0, |batch| batch.id.ms());
                    if !marks.is_new(record, at_ms, window_ms) {
                        tracing::debug!(%shard, ?position, "a record that is there twice");
                        record.batches.clear();
                    }
                }
            }
        }
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

    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let until = Instant::now() + wait;
        let reading = self.reading(shard);
        let mut reading = reading.lock().await;
        reading.asked = Instant::now();
        if !reading.known.is_behind(after) {
            reading.known = Known::Nothing;
        }
        if !self.learn(shard, after, &mut reading.known, until).await? {
            return Ok(LogPage::default());
        }
        let left = until.saturating_duration_since(Instant::now());
        let mut page = self.log.read(shard, after, max_bytes, left).await?;
        // No `.await` follows, so a dropped reader loses no mark.
        if let Known::Marks { position, marks } = &mut reading.known {
            self.drop_seen(shard, &mut page, position, marks);
        }
        reading.asked = Instant::now();
        Ok(page)
    }
}
