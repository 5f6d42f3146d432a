//! Measures the queues at intervals: how much is in them, and how old it is.

use metrics::{Gauge, gauge};
use sluice_model::clock;
use sluice_ports::PortError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The content of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueSample {
    pub(crate) depth: u64,
    /// The time of its oldest entry, in milliseconds since the Unix epoch; `None` if
    /// the queue is empty or the engine does not know.
    pub(crate) oldest_ms: Option<u64>,
}

/// The content of both queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueSamples {
    pub(crate) deliveries: QueueSample,
    pub(crate) dead_letters: QueueSample,
}

/// Whether an engine knows how old the contents of its queues are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnowsAge {
    Yes,
    #[cfg(feature = "aws")]
    No,
}

struct QueueGauges {
    depth: Gauge,
    age: Option<Gauge>,
}

impl QueueGauges {
    fn new(queue: &'static str, knows_age: KnowsAge) -> Self {
        let age = || gauge!("sluice_queue_age_seconds", "queue" => queue);
        let depth = gauge!("sluice_queue_depth", "queue" => queue);
        Self { depth, age: (knows_age == KnowsAge::Yes).then(age) }
    }

    fn set(&self, sample: QueueSample, now_ms: u64) {
        self.depth.set(sample.depth as f64);
        if let Some(age) = &self.age {
            let age_ms = sample.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
            age.set(age_ms as f64 / 1000.0);
        }
    }
}

/// Takes samples until told to stop. While none can be taken the metrics stay as they are.
pub(crate) async fn measure<F: Future<Output = Result<QueueSamples, PortError>>>(
    every: Duration,
    knows_age: KnowsAge,
    sample: impl Fn() -> F,
    stop: CancellationToken,
) {
    let deliveries = QueueGauges::new("deliveries", knows_age);
    let dead_letters = QueueGauges::new("dead_letters", knows_age);
    let mut ticks = tokio::time::interval(every);
    // Cancel safe: a wait.
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // A sample that is cut short is not needed any more.
        match stop.run_until_cancelled(sample()).await {
            Some(Ok(samples)) => {
                let now_ms = clock::now_ms();
                deliveries.set(samples.deliveries, now_ms);
                dead_letters.set(samples.dead_letters, now_ms);
            }
            Some(Err(error)) => tracing::warn!(%error, "the queues were not measured"),
            None => {}
        }
    }
}
