//! The configuration of the processor.

mod matching;
mod usage;

pub use matching::MatchingConfig;
pub use usage::UsageConfig;

use crate::breaker::BreakerPolicy;
use crate::client::EgressRoute;
use crate::guard::GuardPolicy;
use crate::watermark::Caps;
use serde::{Deserialize, Serialize};
use sluice_model::config::{ConfigError, within};
use sluice_shape::ShapeLimits;

/// The processor's configuration. Durations are milliseconds, sizes bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorConfig {
    /// How webhooks are sent.
    pub webhook: WebhookConfig,
    /// Where webhooks may be sent.
    pub guard: GuardPolicy,
    /// When an endpoint is left alone.
    pub breaker: BreakerPolicy,
    /// How shards are read and settled.
    pub shard: ShardConfig,
    /// How events are matched.
    pub matching: MatchingConfig,
    /// How waiting deliveries are worked.
    pub queue: QueueConfig,
    /// The limits of templates.
    pub transform: ShapeLimits,
    /// How usage is counted and kept.
    pub usage: UsageConfig,
    /// How the processor ends.
    pub shutdown: ShutdownConfig,
}

/// How webhooks are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The longest that connecting takes, DNS and TLS included.
    pub connect_timeout_ms: u64,
    /// The longest that an attempt takes, redirects and the answer's body included.
    pub timeout_ms: u64,
    /// How long an unused connection is kept. Below the 5 s after which
    /// Node.js servers close theirs, so that a POST does not meet a closing one.
    pub idle_timeout_ms: u64,
    /// The most POSTs in flight to one subscription's endpoint.
    pub concurrency_max: u32,
    /// The most of an answer's body that is read, in bytes, beside 256 bytes
    /// for each event that the answer may name as failed. A longer JSON object
    /// takes no event.
    pub answer_bytes_max: usize,
    /// The most header lines of an answer; an answer with more lines counts as none.
    pub answer_headers_max: usize,
    /// How much of an answer's body is kept for people to read.
    pub excerpt_bytes_max: usize,
    /// Hosts that are reached in another way: with a client certificate, or through a proxy.
    pub routes: Vec<EgressRoute>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("Sluice/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout_ms: 10_000,
            timeout_ms: 30_000,
            idle_timeout_ms: 4000,
            concurrency_max: 16,
            answer_bytes_max: 256 * 1024,
            answer_headers_max: 2000,
            excerpt_bytes_max: 1024,
            routes: Vec::new(),
        }
    }
}

/// How shards are read and settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShardConfig {
    /// About how many bytes one read of the log asks for.
    pub read_bytes: usize,
    /// How long a read waits for records.
    pub read_wait_ms: u64,
    /// The most (event × subscription) that may be unsettled before reading pauses.
    pub unsettled_events_max: usize,
    /// The most bytes of batches that may be held for unsettled events before reading pauses.
    pub unsettled_bytes_max: usize,
    /// The age at which an unsettled event is handed over to the queue.
    pub age_cap_ms: u64,
    /// How long the oldest event must have waited before more than one POST of a subscription and
    /// shard may be in flight, at the cost of their order.
    pub overtake_after_ms: u64,
    /// The most bytes of webhooks in flight whose events were handed over to
    /// the queue because the POST is slow. Beyond it, slow POSTs are stopped.
    pub detached_bytes_max: usize,
    /// The most bytes of webhooks in flight that were copied out of their batches, because their events
    /// do not lie together. Beyond it, events wait.
    pub copied_bytes_max: usize,
    /// The most of `copied_bytes_max` that one customer may use, in percent.
    pub customer_share_percent: u8,
    /// How long outcomes are gathered before they are written together.
    pub commit_linger_ms: u64,
    /// How often a shard's checkpoint is stored.
    pub checkpoint_interval_ms: u64,
    /// The greatest age of the catalogue's snapshot that events are matched with.
    pub snapshot_age_max_ms: u64,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            read_bytes: 4 * 1024 * 1024,
            read_wait_ms: 500,
            unsettled_events_max: 1_000_000,
            unsettled_bytes_max: 64 * 1024 * 1024,
            age_cap_ms: 10_000,
            overtake_after_ms: 250,
            detached_bytes_max: 64 * 1024 * 1024,
            copied_bytes_max: 64 * 1024 * 1024,
            customer_share_percent: 25,
            commit_linger_ms: 20,
            checkpoint_interval_ms: 500,
            snapshot_age_max_ms: 1000,
        }
    }
}

impl ShardConfig {
    /// The caps of a shard's watermark.
    #[must_use]
    pub const fn caps(&self) -> Caps {
        Caps { events: self.unsettled_events_max, bytes: self.unsettled_bytes_max }
    }
}

/// How waiting deliveries are worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// The most deliveries taken from the queue and not ended.
    pub taken_max: usize,
    /// The most bytes of their webhooks in flight, by their subscriptions'
    /// `max_bytes`; beyond it, attempts that take longer than `shard.age_cap_ms`
    /// are stopped.
    pub in_flight_bytes_max: usize,
    /// The most deliveries of one subscription that one look at the queue takes.
    pub taken_per_subscription_max: usize,
    /// The most of `taken_max` and of `in_flight_bytes_max` that one customer may use, in percent, so
    /// that its slow endpoints leave room for others.
    pub customer_share_percent: u8,
    /// The age at which a delivery is given up, whatever its attempts.
    pub delivery_age_max_ms: u64,
    /// The limit of a subscription's backlog in events; beyond it the subscription is disabled.
    pub backlog_events_max: u64,
    /// The share of `backlog_events_max`, in percent, at which the event `sluice.backlog.high` is sent.
    pub backlog_high_percent: u8,
    /// How long the webhooks of a suspended customer wait before the next look.
    pub suspended_wait_ms: u64,
    /// The longest that the worker sleeps without a look at the queue.
    pub poll_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            taken_max: 1024,
            in_flight_bytes_max: 128 * 1024 * 1024,
            taken_per_subscription_max: 32,
            customer_share_percent: 25,
            delivery_age_max_ms: 3 * 24 * 3600 * 1000,
            backlog_events_max: 10_000_000,
            backlog_high_percent: 50,
            suspended_wait_ms: 60_000,
            poll_ms: 1000,
        }
    }
}

impl QueueConfig {
    /// The backlog that a customer is told about.
    #[must_use]
    pub const fn backlog_high(&self) -> u64 {
        self.backlog_events_max / 100 * self.backlog_high_percent as u64
            + self.backlog_events_max % 100 * self.backlog_high_percent as u64 / 100
    }
}

/// How the processor ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// How long POSTs in flight may still take.
    pub grace_ms: u64,
    /// How long the processor may take to end, even if POSTs are in flight.
    pub deadline_ms: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { grace_ms: 1000, deadline_ms: 5000 }
    }
}

impl ProcessorConfig {
    /// Checks every value, alone and against the others.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MAX: i128 = i64::MAX as i128;
        const DAY_MS: i128 = 24 * 3600 * 1000;
        let (webhook, shard, queue, breaker) = (&self.webhook, &self.shard, &self.queue, &self.breaker);
        within([
            ("webhook.connect_timeout_ms", webhook.connect_timeout_ms.into(), 1, 300_000),
            ("webhook.timeout_ms", webhook.timeout_ms.into(), 1, 600_000),
            ("webhook.idle_timeout_ms", webhook.idle_timeout_ms.into(), 0, 3_600_000),
            ("webhook.concurrency_max", webhook.concurrency_max.into(), 1, 1024),
            ("webhook.answer_bytes_max", webhook.answer_bytes_max as i128, 0, 16 << 20),
            ("webhook.answer_headers_max", webhook.answer_headers_max as i128, 16, 16_384),
            ("webhook.excerpt_bytes_max", webhook.excerpt_bytes_max as i128, 0, 64 << 10),
            ("breaker.consecutive_failures", breaker.consecutive_failures.into(), 1, 1_000_000),
            ("breaker.window", breaker.window.into(), 1, 64),
            ("breaker.open_ms", breaker.open_ms.into(), 1, breaker.open_max_ms.into()),
            ("breaker.open_max_ms", breaker.open_max_ms.into(), 1, DAY_MS),
            ("shard.read_bytes", shard.read_bytes as i128, 1, 256 << 20),
            ("shard.read_wait_ms", shard.read_wait_ms.into(), 1, 60_000),
            ("shard.unsettled_events_max", shard.unsettled_events_max as i128, 1, 1 << 32),
            ("shard.unsettled_bytes_max", shard.unsettled_bytes_max as i128, 1 << 20, 64 << 30),
            ("shard.age_cap_ms", shard.age_cap_ms.into(), 1, 3_600_000),
            ("shard.overtake_after_ms", shard.overtake_after_ms.into(), 0, shard.age_cap_ms.into()),
            ("shard.detached_bytes_max", shard.detached_bytes_max as i128, 0, 64 << 30),
            ("shard.copied_bytes_max", shard.copied_bytes_max as i128, 1024, 64 << 30),
            ("shard.customer_share_percent", shard.customer_share_percent.into(), 1, 100),
            ("shard.commit_linger_ms", shard.commit_linger_ms.into(), 0, 1000),
            ("shard.checkpoint_interval_ms", shard.checkpoint_interval_ms.into(), 1, 60_000),
            ("shard.snapshot_age_max_ms", shard.snapshot_age_max_ms.into(), 1, 60_000),
            ("queue.taken_max", queue.taken_max as i128, 1, 1 << 20),
            ("queue.in_flight_bytes_max", queue.in_flight_bytes_max as i128, 1 << 20, 64 << 30),
            ("queue.taken_per_subscription_max", queue.taken_per_subscription_max as i128, 1, 1 << 20),
            ("queue.customer_share_percent", queue.customer_share_percent.into(), 1, 100),
            ("queue.delivery_age_max_ms", queue.delivery_age_max_ms.into(), 1000, 90 * DAY_MS),
            ("queue.backlog_events_max", queue.backlog_events_max.into(), 1, MAX),
            ("queue.backlog_high_percent", queue.backlog_high_percent.into(), 1, 100),
            ("queue.suspended_wait_ms", queue.suspended_wait_ms.into(), 100, DAY_MS),
            ("queue.poll_ms", queue.poll_ms.into(), 1, 60_000),
            ("shutdown.deadline_ms", self.shutdown.deadline_ms.into(), 1, 600_000),
            ("shutdown.grace_ms", self.shutdown.grace_ms.into(), 0, self.shutdown.deadline_ms.into()),
        ])?;
        webhook.routes.iter().try_for_each(EgressRoute::validate)?;
        within(self.matching.ranges())?;
        within(self.transform.ranges())?;
        within(self.usage.ranges())?;
        if !(breaker.failure_share > 0.0 && breaker.failure_share <= 1.0) {
            let problem = format!("{} is not above 0 and at most 1", breaker.failure_share);
            return Err(ConfigError { field: "breaker.failure_share", problem });
        }
        if http::HeaderValue::from_str(&webhook.user_agent).is_err() {
            let problem = "not a value that a header can carry".into();
            return Err(ConfigError { field: "webhook.user_agent", problem });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(ProcessorConfig::default().validate(), Ok(()));
    }

    #[test]
    fn unknown_keys_and_absurd_values_are_refused_by_name() {
        let unknown = serde_json::from_str::<ProcessorConfig>(r#"{"webhook":{"timeout":1}}"#);
        assert!(unknown.unwrap_err().to_string().contains("timeout"));
        for (json, field) in [
            (r#"{"webhook":{"timeout_ms":0}}"#, "webhook.timeout_ms"),
            (r#"{"webhook":{"user_agent":"a\nb"}}"#, "webhook.user_agent"),
            (r#"{"breaker":{"failure_share":0.0}}"#, "breaker.failure_share"),
            (r#"{"breaker":{"open_ms":100000}}"#, "breaker.open_ms"),
            (r#"{"shard":{"age_cap_ms":100}}"#, "shard.overtake_after_ms"),
            (r#"{"shutdown":{"grace_ms":6000}}"#, "shutdown.grace_ms"),
        ] {
            let config: ProcessorConfig = serde_json::from_str(json).unwrap();
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }
}
