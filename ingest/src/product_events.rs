//! Sluice's own events, appended to their customer's lane like any other event. They
//! count towards no rate and no share: a customer that floods its lanes must not
//! prevent events about itself from becoming durable.

use crate::appenders::Appenders;
use crate::config::{IngestConfig, ms};
use crate::ingest::producer_settings;
use crate::lanes::{AppendOutcome, EventChunk, LaneBuffers, PlacedRun};
use async_trait::async_trait;
use sluice_model::clock;
use sluice_model::customer::lane_of;
use sluice_model::wire::envelope::EnvelopeParts;
use sluice_ports::product_events::{ProductEvent, ProductEvents};
use sluice_ports::{Log, PortError};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const SOURCE: &[u8] = b"\"sluice\"";

/// Appends Sluice's own events through the lane buffers of the ingest role.
pub(crate) struct LaneProductEvents {
    pub(crate) lanes: Arc<LaneBuffers>,
    /// How many lanes the deployment has.
    pub(crate) lane_count: u16,
    /// The longest wait for the log.
    pub(crate) timeout: Duration,
}

impl LaneProductEvents {
    fn push(&self, event: &ProductEvent, now_ms: u64) -> Vec<PlacedRun> {
        let kind = event.kind.event_type();
        let quoted = format!("\"{kind}\"");
        let parts = EnvelopeParts {
            customer: &event.customer.text(),
            event_type: Some(quoted.as_bytes()),
            source: Some(SOURCE),
            tags: None,
            metadata: None,
            payload: event.payload.as_bytes(),
            timestamp: &clock::rfc3339(now_ms),
        };
        let mut chunk = EventChunk::expecting(parts.len());
        chunk.push(Cow::Borrowed(kind), 0, &parts);
        self.lanes.push_own(event.customer, lane_of(event.customer, 0, self.lane_count), chunk)
    }
}

#[async_trait]
impl ProductEvents for LaneProductEvents {
    async fn append(&self, events: &[ProductEvent]) -> Result<(), PortError> {
        let now_ms = clock::now_ms();
        let placed: Vec<PlacedRun> = events.iter().flat_map(|event| self.push(event, now_ms)).collect();
        let all = async {
            for run in &placed {
                match run.outcome().await.1 {
                    AppendOutcome::Durable => {}
                    AppendOutcome::NotTaken { detail, .. } | AppendOutcome::Unknown { detail } => {
                        return Err(failed(detail.to_string()));
                    }
                }
            }
            Ok(())
        };
        let waited = tokio::time::timeout(self.timeout, all).await;
        waited.unwrap_or_else(|_elapsed| Err(failed("the log did not answer in time".to_owned())))
    }
}

fn failed(detail: String) -> PortError {
    PortError::unavailable("append events of the product", detail)
}

/// Appends Sluice's own events in a process without an ingest role, as a producer of
/// its own.
pub struct ProductAppender {
    events: Arc<LaneProductEvents>,
    appenders: Appenders,
}

impl ProductAppender {
    /// Starts the tasks that append.
    #[must_use]
    pub fn start(log: Arc<dyn Log>, lanes: u16, config: &IngestConfig) -> Self {
        let settings = producer_settings(config, lanes);
        let buffers = Arc::new(LaneBuffers::new(log, settings.lanes));
        let appenders = Appenders::start(&buffers);
        let timeout = ms(config.lanes.append_timeout_ms);
        let events = Arc::new(LaneProductEvents { lanes: buffers, lane_count: lanes, timeout });
        Self { events, appenders }
    }

    /// The port through which events are appended.
    #[must_use]
    pub fn events(&self) -> Arc<dyn ProductEvents> {
        Arc::clone(&self.events) as _
    }

    /// Ends the tasks. Call this once nobody appends any more.
    pub async fn stop(self) {
        self.appenders.stop().await;
    }
}
