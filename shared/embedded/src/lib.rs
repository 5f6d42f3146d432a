//! The embedded engine: every port on one machine, in one data directory.
//!
//! ```text
//! lock, format, format.copy   see `data_dir`
//! log/shard-<n>/              events: `segment`, `frame`, `bounds`, `wire::record`, `log_index`
//! state/ledger/               facts, deliveries, checkpoints and other small state: `kv`
//! state/cache/, flushed       the ledger's current values, in an LSM tree
//! catalogue.db …              customers, keys, subscriptions: `catalogue`
//! ```

mod bounds;
pub mod catalogue;
mod checkpoints;
mod clock;
mod config;
mod data_dir;
mod disk_reads;
mod durable_file;
mod engine;
mod events;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod idempotency;
mod keys;
mod kv;
mod log;
mod log_index;
mod page_file;
mod queue;
mod retention;
mod rows;
mod segment;
mod segment_prepare;
mod segment_writer;
mod segments;
#[cfg(test)]
mod tests;

pub use checkpoints::EmbeddedCheckpoints;
pub use clock::EngineClock;
pub use config::EngineConfig;
pub use data_dir::{DataDir, DataDirError};
pub use engine::{EmbeddedEngine, EngineSettings, OpenEngineError};
pub use events::EmbeddedEvents;
pub use idempotency::EmbeddedIdempotency;
pub use kv::KvSettings;
pub use log::{EmbeddedLog, LogSettings};
pub use queue::EmbeddedQueue;
pub use retention::RetentionSettings;
pub use rows::EmbeddedRows;
