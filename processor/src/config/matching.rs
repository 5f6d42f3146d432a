//! Limits of matching: what one event may cost, and each customer's share.

use serde::{Deserialize, Serialize};
use sluice_selector::EvaluationLimits;

/// How events are matched. Costs are in steps of selectors; a million of them
/// take about 5 to 25 ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingConfig {
    /// The most steps that all selectors of a customer together take on one event. Beyond that, the
    /// event is a dead letter `too_expensive` of the subscriptions that could not judge it.
    pub event_steps_max: u32,
    /// The most of these steps that one selector takes.
    pub selector_steps_max: u32,
    /// The steps that a customer may spend on a shard each millisecond. The batches of a customer
    /// that needs more wait, and others go on.
    pub share_steps_per_ms: u32,
    /// The most steps that a customer may save up and spend at once.
    pub burst_steps: u32,
    /// Threads of this process that match the batches that wait.
    pub threads: usize,
    /// After this many steps such a thread turns to another customer's batch.
    pub turn_steps: u32,
    /// The most batches of a customer that may wait on a shard. Events of further batches become
    /// dead letters `too_expensive`.
    pub waiting_batches_max: usize,
    /// The most bytes of a customer's batches that may wait on a shard.
    pub waiting_bytes_max: u64,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        let limits = EvaluationLimits::default();
        Self {
            event_steps_max: limits.event_steps_max,
            selector_steps_max: limits.selector_steps_max,
            share_steps_per_ms: 20_000,
            burst_steps: 200_000,
            threads: 1,
            turn_steps: 100_000,
            waiting_batches_max: 50_000,
            waiting_bytes_max: 1 << 30,
        }
    }
}

impl MatchingConfig {
    /// The limits of evaluating one event.
    #[must_use]
    pub fn limits(&self) -> EvaluationLimits {
        let Self { event_steps_max, selector_steps_max, .. } = *self;
        EvaluationLimits { event_steps_max, selector_steps_max, ..EvaluationLimits::default() }
    }

    /// Each field with its least and its greatest value.
    pub(super) fn ranges(&self) -> [(&'static str, i128, i128, i128); 8] {
        const MAX: i128 = u32::MAX as i128;
        [
            ("matching.event_steps_max", self.event_steps_max.into(), 1000, MAX),
            ("matching.selector_steps_max", self.selector_steps_max.into(), 1000, MAX),
            ("matching.share_steps_per_ms", self.share_steps_per_ms.into(), 1, 1_000_000_000),
            ("matching.burst_steps", self.burst_steps.into(), 1, MAX),
            ("matching.threads", self.threads as i128, 1, 256),
            ("matching.turn_steps", self.turn_steps.into(), 1, MAX),
            ("matching.waiting_batches_max", self.waiting_batches_max as i128, 1, 10_000_000),
            ("matching.waiting_bytes_max", self.waiting_bytes_max.into(), 1 << 20, 1 << 50),
        ]
    }
}
