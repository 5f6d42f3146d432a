//! The log on one machine: shards of segment files, group commit.
//!
//! A lane belongs to shard `lane % shards`; the number of shards is fixed when
//! the data directory is made. Each shard has a thread that appends its records,
//! see [`writer`]. The newest records are kept in memory, so that a consumer
//! that keeps up never reads the disk.

pub(crate) mod known;
mod shard;
mod tail;
mod writer;

pub(crate) use shard::{LogShard, shard_id};

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::Lane;
use sluice_model::ids::LANES_MAX;
use sluice_ports::log::{AppendError, BlockCodec, Log, LogPage, Position, RecordDraft, ShardId};
use sluice_ports::{FailureClass, PortError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// A consumer at the end of a busy shard gets records at most this often, so that its
/// thread wakes once for several of them. After a pause it gets a record at once.
const GATHER: Duration = Duration::from_millis(1);

/// The layout and the limits of the log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Bytes of a segment file.
    pub segment_bytes: u64,
    /// How records are compressed.
    pub codec: BlockCodec,
    /// Bytes of the newest records that a shard keeps in memory.
    pub tail_bytes: usize,
}

/// The embedded log.
pub struct EmbeddedLog {
    shards: Vec<Arc<LogShard>>,
    codec: BlockCodec,
    recovered_ms: u64,
    /// The record of a newer version at which a reader stopped last.
    newer: Mutex<Option<String>>,
}

impl EmbeddedLog {
    /// Opens or makes the log in `dir`. For each shard, `beyond` is the position
    /// up to which it was read before: new records go above it, even if the log
    /// has lost its end.
    ///
    /// # Errors
    /// If the directory cannot be read or written.
    pub fn open(dir: &Path, shards: u16, settings: &LogSettings, beyond: &[u64]) -> io::Result<Self> {
        let shards: Vec<Arc<LogShard>> = (0..shards)
            .map(|n| {
                let beyond = beyond.get(usize::from(n)).copied().unwrap_or(0);
                LogShard::open(&dir.join(format!("shard-{n}")), n, settings, beyond).map(Arc::new)
            })
            .collect::<io::Result<_>>()?;
        let recovered_ms = shards.iter().map(|shard| shard.index.max_ms()).max().unwrap_or(0);
        Ok(Self { shards, codec: settings.codec, recovered_ms, newer: Mutex::default() })
    }

    /// The shard that holds a lane.
    pub(crate) fn shard_of(&self, lane: Lane) -> &Arc<LogShard> {
        &self.shards[usize::from(lane.number()) % self.shards.len()]
    }

    pub(crate) fn all_shards(&self) -> &[Arc<LogShard>] {
        &self.shards
    }

    /// The damage that was found when the log was opened.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &String> {
        self.shards.iter().flat_map(|shard| &shard.findings)
    }

    /// Why a reader cannot continue, if it met a record of a newer version.
    pub(crate) fn newer(&self) -> Option<String> {
        self.newer.lock().clone()
    }

    /// Whether the log may or may not hold a record whose append ended in `Unknown`.
    pub(crate) fn is_undecided(&self) -> bool {
        self.shards.iter().any(|shard| shard.writer.is_undecided())
    }

    /// Ends the threads after the appends that were handed to them. Blocks.
    pub(crate) fn close(&self) {
        self.shards.iter().for_each(|shard| shard.writer.close());
    }

    fn shard(&self, id: &ShardId) -> Result<&Arc<LogShard>, PortError> {
        let shard = self.shards.iter().find(|shard| shard.id == *id);
        shard.ok_or_else(|| PortError::Damaged {
            attempted: format!("read shard {id}"),
            detail: "the log has no such shard".into(),
        })
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    fn append_units(&self) -> usize {
        self.shards.len()
    }

    fn append_unit(&self, lane: Lane) -> usize {
        usize::from(lane.number()) % self.shards.len()
    }

    fn append_runtime(&self, unit: usize) -> Option<Handle> {
        Some(self.shards[unit].writer.runtime().clone())
    }

    fn body_codec(&self) -> Option<BlockCodec> {
        Some(self.codec)
    }

    async fn append(&self, unit: usize, record: RecordDraft) -> Result<(), AppendError> {
        self.shards[unit].writer.append(record).await
    }

    fn accepting(&self) -> Result<(), AppendError> {
        self.shards.iter().try_for_each(|shard| shard.writer.accepting())
    }

    fn recovered_ms(&self) -> u64 {
        self.recovered_ms
    }

    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        Ok(self.shards.iter().map(|shard| shard.id.clone()).collect())
    }

    async fn lanes(&self, shard: &ShardId) -> Result<Vec<Lane>, PortError> {
        let shard = self.shard(shard)?;
        // A lane that no deployment has holds nothing.
        let all = (0..LANES_MAX).filter_map(Lane::new);
        Ok(all.filter(|lane| Arc::ptr_eq(self.shard_of(*lane), shard)).collect())
    }

    async fn read(
        &self,
        shard: &ShardId,
        after: Position,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<LogPage, PortError> {
        let shard = self.shard(shard)?;
        let after = after.lsn();
        let mut end = shard.end.clone();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let durable = *end.borrow_and_update();
            if let Some(page) = shard.tail.lock().read(after, max_bytes) {
                if !page.items.is_empty() {
                    shard.gave();
                    return Ok(page);
                }
            } else if after < durable {
                let reader = shard.clone();
                let read = tokio::task::spawn_blocking(move || reader.read_disk(after, max_bytes));
                let page = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                let page = page.map_err(|error| {
                    let error = known::log_error(format!("read {}", shard.id), error);
                    if error.class() == FailureClass::Denied {
                        *self.newer.lock() = Some(error.to_string());
                    }
                    error
                })?;
                let page = page.unpacked();
                if !page.items.is_empty() {
                    return Ok(page);
                }
            }
            let gather = GATHER.saturating_sub(shard.since_given()).min(wait);
            if !gather.is_zero() {
                tokio::time::sleep(gather).await;
            }
            match tokio::time::timeout_at(deadline, end.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_closed)) => {
                    return Err(PortError::Closed { attempted: format!("read {}", shard.id) });
                }
                Err(_elapsed) => return Ok(LogPage { at_end: true, ..LogPage::default() }),
            }
        }
    }
}
