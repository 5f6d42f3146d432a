//! One attempt of a delivery, as the API's list of recent attempts shows it.

use super::{DeliveryId, EventId, EventRef};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One attempt after it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The delivery's id, sent as `webhook-id`.
    pub delivery: DeliveryId,
    /// When the attempt began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// How long the attempt took, in milliseconds.
    pub latency_ms: u64,
    /// The attempt's number within the delivery, from 1.
    pub attempt: u32,
    /// How many events the webhook carried.
    pub events: usize,
    /// What went wrong, if no answer came or the body of a 2xx could not be read.
    pub error: Option<String>,
    /// The beginning of the answer's body; the processor's configuration limits its length.
    pub excerpt: String,
    /// The events that the webhook carried; empty if they are not known. The history stores
    /// them separately.
    #[serde(skip)]
    pub carried: Arc<[EventRef]>,
}

impl AttemptRecord {
    /// Whether the endpoint took the webhook.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.error.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the webhook is known to have carried an event.
    #[must_use]
    pub fn surely_carried(&self, event: EventId) -> bool {
        let holds = |part: &EventRef| part.batch == event.batch() && part.events.contains(event.index());
        self.carried.iter().any(holds)
    }
}
