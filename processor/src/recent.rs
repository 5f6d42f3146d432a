//! The recent attempts of a subscription, for people: a small ring in memory.

use sluice_shared::model::DeliveryId;
use std::collections::VecDeque;

/// One attempt, as it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The delivery: `webhook-id`.
    pub delivery: DeliveryId,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Which attempt of the delivery it was, from 1.
    pub attempt: u32,
    /// How many events it carried.
    pub events: usize,
    /// What went wrong, where no answer came.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

/// The newest attempts, the oldest first.
#[derive(Debug, Default)]
pub struct RecentAttempts(VecDeque<AttemptRecord>);

impl RecentAttempts {
    /// Adds one; beyond `max` the oldest goes.
    pub fn push(&mut self, record: AttemptRecord, max: usize) {
        while !self.0.is_empty() && self.0.len() >= max {
            self.0.pop_front();
        }
        if max > 0 {
            self.0.push_back(record);
        }
    }

    /// All of them, the newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<AttemptRecord> {
        self.0.iter().rev().cloned().collect()
    }
}
