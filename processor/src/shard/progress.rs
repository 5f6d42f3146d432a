//! The progress of a shard, for its metrics and its readiness.

use super::TICK_MS;
use super::lag::Behind;
use crate::context::Context;
use crate::health::ShardHealth;
use crate::metrics::ShardMetrics;
use std::sync::Arc;
use std::time::Duration;

/// The progress of a shard.
pub(super) struct ShardProgress {
    metrics: ShardMetrics,
    health: Arc<ShardHealth>,
    /// When a checkpoint was last stored, or there was none to store.
    checkpointed_ms: u64,
}

/// The state of a shard at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardLook {
    pub(super) now_ms: u64,
    /// Whether the whole log is read and matched, according to the log's last answer.
    pub(super) caught_up: bool,
    /// Whether every settled position is checkpointed, and no write is pending.
    pub(super) idle: bool,
    pub(super) unsettled_events: usize,
    pub(super) unsettled_bytes: usize,
    /// How far matching is behind acceptance.
    pub(super) behind: Behind,
    /// Batches that wait to be matched, because their customer has used its share.
    pub(super) waiting_batches: usize,
}

impl ShardProgress {
    pub(super) fn new(shard: &str, health: Arc<ShardHealth>, now_ms: u64) -> Self {
        Self { metrics: ShardMetrics::new(shard), health, checkpointed_ms: now_ms }
    }

    /// Waits for `opening`, and reports the shard meanwhile. Cancel safe if `opening` is.
    pub(super) async fn while_waiting<T>(&self, context: &Context, opening: impl Future<Output = T>) -> T {
        let mut opening = std::pin::pin!(opening);
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                () = tokio::time::sleep(Duration::from_millis(TICK_MS)) => self.waits(context.clock().now_ms()),
            }
        }
    }

    /// Reports a shard that cannot be worked yet, of whose log nothing is known.
    fn waits(&self, now_ms: u64) {
        let blind_ms = self.health.blind_ms(now_ms);
        self.health.observe(blind_ms, 0);
        self.metrics.lag_seconds.set(blind_ms as f64 / 1000.0);
    }

    pub(super) fn started(&self, now_ms: u64) {
        self.health.started(now_ms);
    }

    pub(super) fn stopped(&self) {
        self.health.stopped();
    }

    /// Notes that a commit is durable.
    pub(super) fn settled(&self, now_ms: u64) {
        self.health.progressed(now_ms);
    }

    pub(super) fn checkpointed(&mut self, now_ms: u64) {
        self.checkpointed_ms = now_ms;
    }

    /// Reports the state of the shard.
    pub(super) fn report(&mut self, look: &ShardLook) {
        let now_ms = look.now_ms;
        if look.unsettled_events == 0 && look.caught_up {
            self.health.progressed(now_ms);
            if look.idle {
                self.checkpointed_ms = now_ms;
            }
        }
        let checkpoint_age_ms = now_ms.saturating_sub(self.checkpointed_ms);
        self.health.observe(look.behind.ms, look.unsettled_events);
        self.metrics.checkpoint_age_seconds.set(checkpoint_age_ms as f64 / 1000.0);
        self.metrics.unsettled_events.set(look.unsettled_events as f64);
        self.metrics.unsettled_bytes.set(look.unsettled_bytes as f64);
        self.metrics.lag_seconds.set(look.behind.ms as f64 / 1000.0);
        self.metrics.lag_events.set(look.behind.events as f64);
        self.metrics.waiting_batches.set(look.waiting_batches as f64);
    }
}
