//! An engine with small files, and helpers of its tests.

use crate::{EmbeddedEngine, EngineClock, EngineSettings, KvSettings, LogSettings, RetentionSettings};
use sluice_model::{Batch, Lane};
use sluice_ports::Log;
use sluice_ports::log::{AppendError, BlockCodec, LogItem, LogRecord, Position, RecordDraft, ShardId};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;

/// Settings with small files, so that a test has many of them.
pub(crate) fn settings() -> EngineSettings {
    EngineSettings {
        lanes: 16,
        shards: 2,
        log: LogSettings { segment_bytes: SEGMENT_BYTES, codec: BlockCodec::Lz4, tail_bytes: 32 << 10 },
        kv: KvSettings {
            segment_bytes: 32 << 10,
            linger: Duration::ZERO,
            cache_bytes: 1 << 20,
            flush_bytes: 48 << 10,
        },
        retention: RetentionSettings { age: Duration::from_secs(3600), shard_bytes: 1 << 30 },
        idempotency_keep: Duration::from_secs(3600),
        idempotency_pending_max: 1000,
        clock: EngineClock::default(),
    }
}

pub(crate) async fn open(path: &Path) -> EmbeddedEngine {
    EmbeddedEngine::open(path, settings()).await.unwrap()
}

pub(crate) fn lane(number: u16) -> Lane {
    Lane::new(number).unwrap()
}

/// Appends batches of one lane as one record.
pub(crate) async fn append(log: &dyn Log, batches: Vec<Arc<Batch>>) -> Result<(), AppendError> {
    let unit = log.append_unit(batches[0].lane());
    log.append(unit, RecordDraft { lane: None, producer: 7, sequence: 0, batches, parts: Vec::new() }).await
}

/// All items of a shard's log from a position on.
pub(crate) async fn read_from(log: &dyn Log, shard: &ShardId, mut at: Position) -> Vec<LogItem> {
    let mut items = Vec::new();
    loop {
        let page = log.read(shard, at, 1 << 16, Duration::ZERO).await.unwrap();
        if let Some(LogItem::Record(LogRecord { position, .. }) | LogItem::Damaged { position, .. }) =
            page.items.last()
        {
            at = *position;
        }
        items.extend(page.items);
        if page.at_end {
            return items;
        }
    }
}

/// The batches of the whole log, and its damage.
#[derive(Debug, Default)]
pub(crate) struct Everything {
    pub(crate) batches: BTreeMap<sluice_model::BatchId, Arc<Batch>>,
    pub(crate) damage: Vec<String>,
}

pub(crate) async fn read_all(log: &dyn Log) -> Everything {
    let mut all = Everything::default();
    for shard in log.shards().await.unwrap() {
        for item in read_from(log, &shard, Position::START).await {
            match item {
                LogItem::Record(record) => {
                    all.batches.extend(record.batches.into_iter().map(|batch| (batch.id, batch)));
                }
                LogItem::Damaged { detail, .. } => all.damage.push(detail),
            }
        }
    }
    all
}
