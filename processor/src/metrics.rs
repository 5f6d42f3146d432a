//! The processor's metrics: handles made once, counted once for each batch or POST.
//!
//! Labels come from closed sets: never an id or a URL.

use crate::commit::SetAsideKind;
use crate::outcome::{Fault, PostResult};
use crate::settlement::DeliveryEnding;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use sluice_model::DeadLetterReason;
use sluice_telemetry::{Metric, Values, describe};

const ENDS: &[&str] = &[
    "exhausted",
    "refused",
    "subscription_disabled",
    "backlog_full",
    "poison",
    "too_expensive",
    "transform_failed",
];
const BY_SHARD: &[(&str, Values)] =
    &[("shard", Values::Bounded("a shard of the log; they are few and fixed"))];

const SET_ASIDE: [&str; SetAsideKind::ALL.len()] = ["batch", "row", "delivery", "dead_letter", "fact"];

/// All metrics of the processor.
pub const METRICS: &[Metric] = &[
    Metric::counter(
        "sluice_processor_events_total",
        "Events looked at, by what came of it: (event × subscription) where undecided.",
    )
    .by(&[("result", Values::Of(&["matched", "unmatched", "undecided"]))]),
    Metric::counter(
        "sluice_processor_events_waiting_total",
        "Events that had to wait to be matched, because their customer had used its share of the shard's matching.",
    ),
    Metric::counter("sluice_processor_events_delivered_total", "(Event × subscription) that endpoints took."),
    Metric::counter(
        "sluice_processor_events_handed_over_total",
        "(Event × subscription) handed to the work queue before a first attempt ended.",
    ),
    Metric::counter(
        "sluice_processor_batches_out_of_time_total",
        "Batches that the stream got so late, or so early, after their ids' times that readers of the inbox meet them at places of their own: a slow stream, or an ingest process whose clock is off.",
    ),
    Metric::counter("sluice_processor_log_damage_total", "Places of the log that could not be read."),
    Metric::counter("sluice_processor_retries_total", "Deliveries that will be tried again."),
    Metric::counter("sluice_processor_breaker_opens_total", "Endpoints' breakers that opened."),
    Metric::counter("sluice_processor_store_failures_total", "Tries of a store that failed."),
    Metric::counter(
        "sluice_processor_task_restarts_total",
        "Tasks that ended when they should not have, and were started again.",
    ),
    Metric::histogram("sluice_processor_post_seconds", "How long a webhook's POST took."),
    Metric::histogram("sluice_processor_receipt_seconds", "From an event's acceptance to its receipt."),
    Metric::gauge("sluice_processor_queue_deliveries", "Deliveries that wait in the work queue."),
    Metric::gauge("sluice_processor_queue_events", "Events of the deliveries that wait in the work queue."),
    Metric::gauge(
        "sluice_processor_queue_late_seconds",
        "How long after its due time the latest delivery was taken from the work queue, of those taken in the last minute.",
    ),
    Metric::counter(
        "sluice_processor_posts_total",
        "POSTs of webhooks, by the answer's status or by what went wrong; unreadable is a 2xx whose list of failed events cannot be read.",
    )
    .by(&[("class", Values::Of(&CLASSES))]),
    Metric::counter("sluice_processor_dead_letters_total", "Deliveries given up, by reason.")
        .by(&[("reason", Values::Of(ENDS))]),
    Metric::counter("sluice_processor_dead_letter_events_total", "Events of deliveries given up, by reason.")
        .by(&[("reason", Values::Of(ENDS))]),
    Metric::counter(
        "sluice_processor_set_aside_total",
        "Items that a store will never take or that cannot be read back, set aside with their bytes, by kind.",
    )
    .by(&[("kind", Values::Of(&SET_ASIDE))]),
    Metric::gauge("sluice_processor_unsettled_events", "(Event × subscription) matched and not settled.")
        .by(BY_SHARD),
    Metric::gauge("sluice_processor_unsettled_bytes", "Bytes of batches held for what is not settled.")
        .by(BY_SHARD),
    Metric::gauge(
        "sluice_processor_lag_seconds",
        "How far matching is behind acceptance: 0 at the end of the log, and growing while the log does not answer. \
         Of a shard that nobody works, such as a paused one, every process tells it.",
    )
    .by(BY_SHARD),
    Metric::gauge(
        "sluice_processor_lag_events",
        "Events that were read and are not matched yet, and an estimate of those that are not read.",
    )
    .by(BY_SHARD),
    Metric::gauge(
        "sluice_processor_waiting_batches",
        "Batches that wait to be matched, because their customer has used its share of the shard's matching.",
    )
    .by(BY_SHARD),
    Metric::gauge(
        "sluice_processor_checkpoint_age_seconds",
        "Since a checkpoint was stored, or there was none to store.",
    )
    .by(BY_SHARD),
];

/// The metrics that all tasks share.
#[derive(Clone)]
pub struct Metrics {
    /// Events that at least one subscription wanted.
    pub events_matched: Counter,
    /// Events that no subscription wanted.
    pub events_unmatched: Counter,
    /// (event × subscription) that could not be judged.
    pub events_undecided: Counter,
    /// Events that had to wait to be matched.
    pub events_waiting: Counter,
    /// (event × subscription) that endpoints took.
    pub events_delivered: Counter,
    /// (event × subscription) handed over to the work queue before a first attempt ended.
    pub events_handed_over: Counter,
    /// Batches whose place in the inbox is not their id's.
    pub batches_out_of_time: Counter,
    /// Places of the log that could not be read.
    pub damaged: Counter,
    /// Deliveries that will be tried again.
    pub retries: Counter,
    /// Breakers that opened.
    pub breaker_opens: Counter,
    /// Calls of a store that failed.
    pub store_failures: Counter,
    /// Tasks that broke off and were restarted.
    pub task_restarts: Counter,
    /// Seconds that a POST took.
    pub post_seconds: Histogram,
    /// Seconds from an event's acceptance to its receipt.
    pub receipt_seconds: Histogram,
    /// Deliveries that wait in the queue.
    pub queue_deliveries: Gauge,
    /// The events of these deliveries.
    pub queue_events: Gauge,
    /// How late the latest delivery was taken.
    pub queue_late_seconds: Gauge,
    posts: [Counter; CLASSES.len()],
    dead_letters: [Counter; REASONS.len()],
    dead_events: [Counter; REASONS.len()],
}

const CLASSES: [&str; 10] =
    ["2xx", "3xx", "4xx", "429", "5xx", "unreadable", "timeout", "connect", "broken", "forbidden"];

const REASONS: [DeadLetterReason; 7] = [
    DeadLetterReason::Exhausted,
    DeadLetterReason::Refused,
    DeadLetterReason::SubscriptionDisabled,
    DeadLetterReason::BacklogFull,
    DeadLetterReason::Poison,
    DeadLetterReason::TooExpensive,
    DeadLetterReason::TransformFailed,
];

/// The index of a POST's result in [`CLASSES`].
const fn class(result: PostResult) -> usize {
    match result {
        PostResult::Answered { code: 0..=299, .. } => 0,
        PostResult::Answered { code: 300..=399, .. } => 1,
        PostResult::Answered { code: 429, .. } => 3,
        PostResult::Answered { code: 400..=499, .. } => 2,
        PostResult::Answered { .. } => 4,
        PostResult::Unreadable { .. } => 5,
        PostResult::Fault(Fault::Timeout) => 6,
        PostResult::Fault(Fault::Connect) => 7,
        PostResult::Fault(Fault::Broken | Fault::Redirect) => 8,
        PostResult::Fault(
            Fault::ForbiddenAddress | Fault::ForbiddenUrl | Fault::Unsendable | Fault::Transform,
        ) => 9,
    }
}

/// The index of a reason in [`REASONS`].
const fn place(reason: DeadLetterReason) -> usize {
    match reason {
        DeadLetterReason::Exhausted => 0,
        DeadLetterReason::Refused => 1,
        DeadLetterReason::SubscriptionDisabled => 2,
        DeadLetterReason::BacklogFull => 3,
        DeadLetterReason::Poison => 4,
        DeadLetterReason::TooExpensive => 5,
        DeadLetterReason::TransformFailed => 6,
    }
}

impl Metrics {
    /// Handles of the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        describe(METRICS);
        // Counted without a handle, and exposed from the beginning.
        SetAsideKind::ALL.iter().for_each(|kind| set_aside(*kind).increment(0));
        let events = |result: &'static str| counter!("sluice_processor_events_total", "result" => result);
        Self {
            events_matched: events("matched"),
            events_unmatched: events("unmatched"),
            events_undecided: events("undecided"),
            events_waiting: counter!("sluice_processor_events_waiting_total"),
            events_delivered: counter!("sluice_processor_events_delivered_total"),
            events_handed_over: counter!("sluice_processor_events_handed_over_total"),
            batches_out_of_time: counter!("sluice_processor_batches_out_of_time_total"),
            damaged: counter!("sluice_processor_log_damage_total"),
            retries: counter!("sluice_processor_retries_total"),
            breaker_opens: counter!("sluice_processor_breaker_opens_total"),
            store_failures: counter!("sluice_processor_store_failures_total"),
            task_restarts: counter!("sluice_processor_task_restarts_total"),
            post_seconds: histogram!("sluice_processor_post_seconds"),
            receipt_seconds: histogram!("sluice_processor_receipt_seconds"),
            queue_deliveries: gauge!("sluice_processor_queue_deliveries"),
            queue_events: gauge!("sluice_processor_queue_events"),
            queue_late_seconds: gauge!("sluice_processor_queue_late_seconds"),
            posts: CLASSES.map(|class| counter!("sluice_processor_posts_total", "class" => class)),
            dead_letters: REASONS
                .map(|reason| counter!("sluice_processor_dead_letters_total", "reason" => reason.as_str())),
            dead_events: REASONS.map(
                |reason| counter!("sluice_processor_dead_letter_events_total", "reason" => reason.as_str()),
            ),
        }
    }

    /// Counts a POST.
    pub fn post(&self, result: PostResult, latency_ms: u64) {
        self.posts[class(result)].increment(1);
        self.post_seconds.record(latency_ms as f64 / 1000.0);
    }

    /// Counts the ending of a delivery of `events` events.
    pub fn ending(&self, ending: DeliveryEnding, events: usize) {
        match ending {
            DeliveryEnding::Taken => self.events_delivered.increment(events as u64),
            DeliveryEnding::Waits => self.retries.increment(1),
            DeliveryEnding::GaveUp(reason) => {
                self.dead_letters[place(reason)].increment(1);
                self.dead_events[place(reason)].increment(events as u64);
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts an item that was set aside.
pub fn count_set_aside(kind: SetAsideKind) {
    set_aside(kind).increment(1);
}

fn set_aside(kind: SetAsideKind) -> Counter {
    counter!("sluice_processor_set_aside_total", "kind" => kind.as_str())
}

/// Counts a dead letter of an item that a store refused.
pub fn count_dead_letter(reason: DeadLetterReason, events: usize) {
    counter!("sluice_processor_dead_letters_total", "reason" => reason.as_str()).increment(1);
    counter!("sluice_processor_dead_letter_events_total", "reason" => reason.as_str())
        .increment(events as u64);
}

/// The metrics of one shard; shards are few and their names are fixed. Dropping this sets them to 0:
/// from then on another process tells the shard's metrics.
pub struct ShardMetrics {
    /// Unsettled (event × subscription).
    pub unsettled_events: Gauge,
    /// Bytes of batches that are held for them.
    pub unsettled_bytes: Gauge,
    /// Seconds that matching is behind acceptance; 0 at the end of the log.
    pub lag_seconds: Gauge,
    /// Events that were read and not matched yet.
    pub lag_events: Gauge,
    /// Batches that wait to be matched.
    pub waiting_batches: Gauge,
    /// Seconds since a checkpoint was stored, or nothing was left to checkpoint.
    pub checkpoint_age_seconds: Gauge,
}

impl ShardMetrics {
    /// Handles for a shard.
    #[must_use]
    pub fn new(shard: &str) -> Self {
        let gauge = |name: &'static str| gauge!(name, "shard" => shard.to_owned());
        Self {
            unsettled_events: gauge("sluice_processor_unsettled_events"),
            unsettled_bytes: gauge("sluice_processor_unsettled_bytes"),
            lag_seconds: gauge("sluice_processor_lag_seconds"),
            lag_events: gauge("sluice_processor_lag_events"),
            waiting_batches: gauge("sluice_processor_waiting_batches"),
            checkpoint_age_seconds: gauge("sluice_processor_checkpoint_age_seconds"),
        }
    }
}

impl Drop for ShardMetrics {
    fn drop(&mut self) {
        let all = [
            &self.unsettled_events,
            &self.unsettled_bytes,
            &self.lag_seconds,
            &self.lag_events,
            &self.waiting_batches,
            &self.checkpoint_age_seconds,
        ];
        all.iter().for_each(|gauge| gauge.set(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        for (at, reason) in REASONS.into_iter().enumerate() {
            assert_eq!((place(reason), reason.as_str()), (at, ENDS[at]));
        }
    }

    #[test]
    fn statuses_are_counted_by_class() {
        let class_of = |code| CLASSES[class(PostResult::Answered { code, retry_after: None })];
        assert_eq!([204, 302, 404, 429, 503].map(class_of), ["2xx", "3xx", "4xx", "429", "5xx"]);
        let unreadable = PostResult::Unreadable { code: 200, retry_after: None };
        assert_eq!(CLASSES[class(unreadable)], "unreadable");
    }
}
