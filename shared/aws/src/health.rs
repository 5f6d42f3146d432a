//! Which dependency answers and which is lost, for readiness: written by every
//! call, read by anyone.

use aws_sdk_kinesis::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a process of the distributed engine depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The stream.
    Kinesis,
    /// Events, leases, rows.
    DynamoDb,
    /// Deliveries and dead letters.
    Sqs,
    /// Rates and idempotency keys.
    Redis,
}

/// All of them, as a report names them.
const ALL: [(Dependency, &str); 4] = [
    (Dependency::Kinesis, "kinesis"),
    (Dependency::DynamoDb, "dynamodb"),
    (Dependency::Sqs, "sqs"),
    (Dependency::Redis, "redis"),
];

/// A dependency is lost when its calls have failed for this long, with none between that was answered.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// How the dependencies are.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Since when all calls fail, in milliseconds since `started` and one; 0 where the last was answered.
    failing_since: [AtomicU64; ALL.len()],
}

impl Default for Health {
    fn default() -> Self {
        Self { started: Instant::now(), failing_since: Default::default() }
    }
}

impl Health {
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    /// A call came back with an answer, whichever.
    pub fn answered(&self, of: Dependency) {
        self.failing_since[of as usize].store(0, Ordering::Relaxed);
    }

    /// A call failed because the dependency did not do its part.
    pub fn failed(&self, of: Dependency) {
        self.failed_at(of, self.now_ms());
    }

    fn failed_at(&self, of: Dependency, now_ms: u64) {
        let since = &self.failing_since[of as usize];
        // Only the first of a row of failures counts.
        since.compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    /// Whether the last call failed.
    #[must_use]
    pub fn is_failing(&self, of: Dependency) -> bool {
        self.failing_since[of as usize].load(Ordering::Relaxed) != 0
    }

    /// Says in a metric which dependencies are lost: where leases cannot be
    /// kept no shard is worked, and no shard's metric tells.
    pub fn report(&self) {
        let lost = self.lost();
        for (_, name) in ALL {
            let is_lost = f64::from(u8::from(lost.contains(&name)));
            metrics::gauge!("sluice_dependency_lost", "dependency" => name).set(is_lost);
        }
    }

    /// The names of those that are lost.
    #[must_use]
    pub fn lost(&self) -> Vec<&'static str> {
        self.lost_at(self.now_ms())
    }

    fn lost_at(&self, now_ms: u64) -> Vec<&'static str> {
        let is_lost = |of: Dependency| match self.failing_since[of as usize].load(Ordering::Relaxed) {
            0 => false,
            since => now_ms.saturating_sub(since) >= LOST_AFTER.as_millis() as u64,
        };
        ALL.iter().filter(|(of, _)| is_lost(*of)).map(|(_, name)| *name).collect()
    }
}

/// Tells [`Health`] how an SDK's calls end.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) of: Dependency,
    pub(super) health: Arc<Health>,
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "SluiceDependencyHealth"
    }

    /// After the last try of a call. A refusal is an answer too; an error of
    /// the service itself, or silence, is none.
    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().map(|response| response.status().as_u16());
        match status {
            Some(200..500) => self.health.answered(self.of),
            _ => self.health.failed(self.of),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_lost_once_all_its_calls_have_failed_for_a_while() {
        let (health, after) = (Health::default(), LOST_AFTER.as_millis() as u64);
        health.failed_at(Dependency::Sqs, 5);
        assert!(health.lost_at(4 + after).is_empty(), "one failure is none");
        health.failed_at(Dependency::Sqs, 4 + after);
        assert_eq!(health.lost_at(5 + after), ["sqs"]);
        health.answered(Dependency::Sqs);
        assert!(health.lost_at(6 + after).is_empty());
        health.failed_at(Dependency::Sqs, 10);
        health.failed_at(Dependency::Redis, 11);
        health.answered(Dependency::DynamoDb);
        assert_eq!(health.lost_at(11 + after), ["sqs", "redis"]);
    }
}
