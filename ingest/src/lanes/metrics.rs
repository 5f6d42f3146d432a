//! Cached handles of the lane buffers' metrics, counted once a record.

use metrics::{Counter, Histogram, counter, histogram};
use std::time::Duration;

pub(super) struct AppendMetrics {
    append_seconds: Histogram,
    records: Counter,
    batches: Counter,
}

impl AppendMetrics {
    pub(super) fn new() -> Self {
        Self {
            append_seconds: histogram!("sluice_ingest_append_seconds"),
            records: counter!("sluice_ingest_records_total"),
            batches: counter!("sluice_ingest_batches_total"),
        }
    }

    /// Counts a record that was appended, or whose append failed.
    pub(super) fn appended(&self, batches: usize, took: Duration) {
        self.append_seconds.record(took.as_secs_f64());
        self.records.increment(1);
        self.batches.increment(batches as u64);
    }
}
