//! One attempt of a delivery, as people look it up.

use super::DeliveryId;
use serde::{Deserialize, Serialize};

/// One attempt, as it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What went wrong, where no answer came or a 2xx could not be read.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

impl AttemptRecord {
    /// Whether the endpoint took the webhook.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}
