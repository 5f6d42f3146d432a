//! An attempt as the API shows it.

use serde::Serialize;
use sluice_model::clock::rfc3339_string;
use sluice_model::{AttemptRecord, DeliveryId};

#[derive(Debug, Serialize)]
pub(crate) struct AttemptView {
    delivery_id: DeliveryId,
    timestamp: String,
    attempt: u32,
    event_count: usize,
    status_code: Option<u16>,
    latency_ms: u64,
    error: Option<String>,
    answer_excerpt: Option<String>,
}

impl From<AttemptRecord> for AttemptView {
    fn from(attempt: AttemptRecord) -> Self {
        Self {
            delivery_id: attempt.delivery,
            timestamp: rfc3339_string(attempt.at_ms),
            attempt: attempt.attempt,
            event_count: attempt.events,
            status_code: attempt.status,
            latency_ms: attempt.latency_ms,
            error: attempt.error,
            answer_excerpt: attempt.status.map(|_| attempt.excerpt),
        }
    }
}
