//! The configuration of the embedded engine.

use super::clock::EngineClock;
use super::engine::EngineSettings;
use super::kv::KvSettings;
use super::log::LogSettings;
use super::retention::RetentionSettings;
use serde::{Deserialize, Serialize};
use sluice_model::batch::BATCH_BYTES_MAX;
use sluice_model::config::{ConfigError, within};
use sluice_model::ids::LANES_MAX;
use sluice_model::wire::record::BlockCodec;
use std::time::Duration;

/// How the log's records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogCompression {
    /// The block format of LZ4.
    Lz4,
    /// zstd.
    Zstd,
}

/// The embedded engine's configuration. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Lanes of a new data directory, 1 to 4096; an existing one keeps its own.
    pub lanes: u16,
    /// Log shards of a new data directory; an existing one keeps its own.
    pub shards: u16,
    /// Size of a log segment, 1 MiB to 4 GiB. Each shard has at least two.
    pub log_segment_bytes: u64,
    /// How stored records are compressed: `lz4`, or `zstd`, which takes three times the
    /// time and half the disk. Either way, records of both kinds are read.
    pub compression: LogCompression,
    /// The level of zstd, -50 to 19. Lower levels are faster and pack less.
    pub zstd_level: i32,
    /// Bytes of a shard's newest records that are kept in memory for its consumer.
    pub log_tail_bytes: usize,
    /// Size of a segment of the state's ledger, 1 MiB to 4 GiB.
    pub state_segment_bytes: u64,
    /// The longest that a change of state waits for others to be made durable with it.
    pub state_linger_ms: u64,
    /// Memory for blocks of the state's tables.
    pub state_cache_bytes: u64,
    /// Bytes of the state's ledger after which its tables are flushed. A start replays
    /// up to four times this.
    pub state_flush_bytes: u64,
    /// How many days events are kept.
    pub retention_days: u32,
    /// Bytes of log above which a shard's oldest segments may be deleted.
    pub retention_shard_bytes: u64,
    /// How many hours an idempotency key is kept.
    pub idempotency_hours: u32,
    /// How many requests with an idempotency key may be in flight.
    pub idempotency_in_flight_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lanes: 128,
            shards: 1,
            log_segment_bytes: 128 << 20,
            compression: LogCompression::Lz4,
            zstd_level: 1,
            log_tail_bytes: 128 << 20,
            state_segment_bytes: 32 << 20,
            state_linger_ms: 5,
            state_cache_bytes: 16 << 20,
            state_flush_bytes: 64 << 20,
            retention_days: 90,
            retention_shard_bytes: 64 << 30,
            idempotency_hours: 24,
            idempotency_in_flight_max: 100_000,
        }
    }
}

impl EngineConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// The first value that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MIB: i128 = 1 << 20;
        const MAX: i128 = i64::MAX as i128;
        within([
            ("lanes", self.lanes.into(), 1, LANES_MAX.into()),
            ("shards", self.shards.into(), 1, 64),
            ("log_segment_bytes", self.log_segment_bytes.into(), MIB, 4096 * MIB),
            ("zstd_level", self.zstd_level.into(), -50, 19),
            ("log_tail_bytes", self.log_tail_bytes as i128, BATCH_BYTES_MAX as i128, MAX),
            ("state_segment_bytes", self.state_segment_bytes.into(), MIB, 4096 * MIB),
            ("state_linger_ms", self.state_linger_ms.into(), 0, 1000),
            ("state_cache_bytes", self.state_cache_bytes.into(), MIB, MAX),
            ("state_flush_bytes", self.state_flush_bytes.into(), MIB, MAX),
            ("retention_days", self.retention_days.into(), 1, 3650),
            ("retention_shard_bytes", self.retention_shard_bytes.into(), MIB, MAX),
            ("idempotency_hours", self.idempotency_hours.into(), 1, 24 * 30),
            ("idempotency_in_flight_max", self.idempotency_in_flight_max as i128, 1, MAX),
        ])
    }

    /// The settings that the engine is opened with.
    #[must_use]
    pub fn settings(&self) -> EngineSettings {
        EngineSettings {
            lanes: self.lanes,
            shards: self.shards,
            log: LogSettings {
                segment_bytes: self.log_segment_bytes,
                codec: match self.compression {
                    LogCompression::Lz4 => BlockCodec::Lz4,
                    LogCompression::Zstd => BlockCodec::Zstd(self.zstd_level),
                },
                tail_bytes: self.log_tail_bytes,
            },
            kv: KvSettings {
                segment_bytes: self.state_segment_bytes,
                linger: Duration::from_millis(self.state_linger_ms),
                cache_bytes: self.state_cache_bytes,
                flush_bytes: self.state_flush_bytes,
            },
            retention: RetentionSettings {
                age: Duration::from_secs(u64::from(self.retention_days) * 86_400),
                shard_bytes: self.retention_shard_bytes,
            },
            idempotency_keep: Duration::from_secs(u64::from(self.idempotency_hours) * 3600),
            idempotency_pending_max: self.idempotency_in_flight_max,
            clock: EngineClock::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_absurd_values_are_named() {
        EngineConfig::default().validate().unwrap();
        let absurd = EngineConfig { lanes: 0, ..EngineConfig::default() };
        assert_eq!(absurd.validate().unwrap_err().to_string(), "lanes: 0 is not between 1 and 4096");
    }
}
