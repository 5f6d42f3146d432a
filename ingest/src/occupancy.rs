//! How full the process's buffers are, as gauges.

use crate::body::BodyIntake;
use crate::lanes::LaneBuffers;
use crate::streams::Streams;
use metrics::{Gauge, gauge};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(1);

/// Sets the gauges of the buffers.
pub(crate) struct Occupancy {
    intake: Arc<BodyIntake>,
    lanes: Arc<LaneBuffers>,
    streams: Arc<Streams>,
    in_flight_bytes: Gauge,
    lane_bytes: Gauge,
    open_streams: Gauge,
}

impl Occupancy {
    pub(crate) fn new(intake: Arc<BodyIntake>, lanes: Arc<LaneBuffers>, streams: Arc<Streams>) -> Self {
        Self {
            intake,
            lanes,
            streams,
            in_flight_bytes: gauge!("sluice_ingest_in_flight_bytes"),
            lane_bytes: gauge!("sluice_ingest_lane_bytes"),
            open_streams: gauge!("sluice_http_open_streams"),
        }
    }

    /// Sets the gauges again and again until told to stop.
    pub(crate) async fn measure(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        // Cancel safe: a wait.
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.in_flight_bytes.set(self.intake.bytes() as f64);
            self.lane_bytes.set(self.lanes.bytes() as f64);
            self.open_streams.set(self.streams.len() as f64);
        }
    }
}
