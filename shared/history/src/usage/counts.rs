//! The counts of one customer, type or subscription in a period.

use serde::{Deserialize, Serialize};

/// Events, and bytes of accepted events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCounts {
    /// Events that were accepted.
    pub accepted: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
    /// Events that no subscription matched.
    pub unmatched: u64,
    /// (event × subscription) that an endpoint took.
    pub delivered: u64,
    /// (event × subscription) that were given up.
    pub failed: u64,
}

impl UsageCounts {
    /// Adds other counts to these.
    pub const fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.bytes += other.bytes;
        self.unmatched += other.unmatched;
        self.delivered += other.delivered;
        self.failed += other.failed;
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
