//! Which dependencies answer, which do not, and which refuse this process, for
//! readiness, metrics and alerts. Every call reports here.
//!
//! A dependency is **lost** when all its calls have failed without an answer for three
//! seconds. It is **denied** at once when it refuses a call for a reason that only an
//! operator can mend, and stays denied until the same operation succeeds, whatever
//! other operations do.

use super::metrics::HealthMetrics;
use parking_lot::Mutex;
use sluice_ports::{FailureClass, LostDependency};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A service that a process of the distributed engine depends on.
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
    /// Customers, keys and subscriptions.
    Postgres,
}

/// All dependencies, with the names that reports use.
const ALL: [(Dependency, &str); 5] = [
    (Dependency::Kinesis, "kinesis"),
    (Dependency::DynamoDb, "dynamodb"),
    (Dependency::Sqs, "sqs"),
    (Dependency::Redis, "redis"),
    (Dependency::Postgres, "postgres"),
];

/// A dependency whose calls have failed for this long is lost.
const LOST_AFTER: Duration = Duration::from_secs(3);
/// A denied operation that nobody tried for this long is forgotten. An ingest process that is not
/// ready gets no requests, so else it would never try the operation again.
const DENIAL_KEPT: Duration = Duration::from_secs(20);
/// The most denied operations that are remembered of one dependency.
const DENIALS_MAX: usize = 32;

/// A denied operation.
#[derive(Debug)]
struct Denial {
    reason: String,
    tried: Instant,
}

/// The state of one dependency.
#[derive(Debug, Default)]
struct DependencyState {
    /// Since when all calls have failed without an answer, and the last failure.
    silent: Mutex<Option<(Instant, String)>>,
    /// Whether `silent` or `denials` hold anything; if not, a successful call takes no lock.
    troubled: AtomicBool,
    /// The denied operations, by name.
    denials: Mutex<BTreeMap<String, Denial>>,
}

/// The health of all dependencies.
#[derive(Debug, Default)]
pub struct DependencyHealth {
    states: [DependencyState; ALL.len()],
}

impl DependencyHealth {
    /// The names of all dependencies.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name)| *name)
    }

    const fn state(&self, dependency: Dependency) -> &DependencyState {
        &self.states[dependency as usize]
    }

    /// Whether a call of the dependency failed lately. If so, successful calls must be
    /// reported with their operation.
    #[must_use]
    pub fn is_troubled(&self, dependency: Dependency) -> bool {
        self.state(dependency).troubled.load(Ordering::Relaxed)
    }

    /// Notes a successful call. `operation` names it, with the table, stream or queue.
    pub fn succeeded(&self, dependency: Dependency, operation: &str) {
        let state = self.state(dependency);
        if !state.troubled.load(Ordering::Relaxed) {
            return;
        }
        *state.silent.lock() = None;
        let mut denials = state.denials.lock();
        denials.remove(operation);
        if denials.is_empty() {
            state.troubled.store(false, Ordering::Relaxed);
        }
    }

    /// Notes a failed call.
    pub fn failed(&self, dependency: Dependency, class: FailureClass, operation: &str, reason: &str) {
        let state = self.state(dependency);
        let now = Instant::now();
        match class {
            // The service answered, so it works.
            FailureClass::Busy | FailureClass::Refused => *state.silent.lock() = None,
            FailureClass::Away | FailureClass::Ambiguous => {
                let mut silent = state.silent.lock();
                let since = silent.as_ref().map_or(now, |(since, _)| *since);
                *silent = Some((since, format!("{operation}: {reason}")));
                state.troubled.store(true, Ordering::Relaxed);
            }
            FailureClass::Denied => {
                *state.silent.lock() = None;
                let mut denials = state.denials.lock();
                if denials.len() < DENIALS_MAX || denials.contains_key(operation) {
                    denials.insert(operation.to_owned(), Denial { reason: reason.to_owned(), tried: now });
                }
                state.troubled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The dependencies that are lost or denied now, each with its reason.
    #[must_use]
    pub fn lost(&self) -> Vec<LostDependency> {
        let lost = |(dependency, name): &(Dependency, &'static str)| {
            let reason = self.denied(*dependency).or_else(|| self.silent(*dependency))?;
            Some(LostDependency { name, reason })
        };
        ALL.iter().filter_map(lost).collect()
    }

    /// Why the dependency denies an operation, if it does.
    #[must_use]
    pub fn denied(&self, dependency: Dependency) -> Option<String> {
        let mut denials = self.state(dependency).denials.lock();
        denials.retain(|_, denial| denial.tried.elapsed() < DENIAL_KEPT);
        let (operation, denial) = denials.first_key_value()?;
        let others = denials.len() - 1;
        let more = if others > 0 { format!(" (and {others} more operations)") } else { String::new() };
        Some(format!("denied: {operation}: {}{more}", denial.reason))
    }

    /// How long the dependency has not answered and the last failure, if it is long enough
    /// to call the dependency lost.
    fn silent(&self, dependency: Dependency) -> Option<String> {
        let silent = self.state(dependency).silent.lock();
        let (since, reason) = silent.as_ref().filter(|(since, _)| since.elapsed() >= LOST_AFTER)?;
        Some(format!("no answer for {} s: {reason}", since.elapsed().as_secs()))
    }

    /// Sets the metrics. While leases cannot be kept no shard is worked, so no shard's
    /// metric would show the reason.
    pub fn report(&self, metrics: &HealthMetrics) {
        for (dependency, name) in ALL {
            let denied = self.denied(dependency).is_some();
            metrics.set(name, denied || self.silent(dependency).is_some(), denied);
        }
    }
}

#[cfg(all(test, feature = "paused-time"))]
mod tests {
    use super::*;

    const PUT: &str = "PutItem events";
    const SCAN: &str = "Scan leases";

    fn names(health: &DependencyHealth) -> Vec<&'static str> {
        health.lost().iter().map(|lost| lost.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_is_lost_once_all_its_calls_have_failed_for_a_while() {
        let health = DependencyHealth::default();
        let away = |dependency| health.failed(dependency, FailureClass::Away, PUT, "no route");
        away(Dependency::Sqs);
        tokio::time::advance(LOST_AFTER - Duration::from_millis(1)).await;
        assert!(names(&health).is_empty(), "a short silence is no loss");
        away(Dependency::Sqs);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(names(&health), ["sqs"]);
        assert_eq!(health.lost()[0].reason, "no answer for 3 s: PutItem events: no route");
        // A refusal is an answer too.
        health.failed(Dependency::Sqs, FailureClass::Busy, PUT, "throttled");
        assert!(names(&health).is_empty());
        away(Dependency::Sqs);
        away(Dependency::Redis);
        health.succeeded(Dependency::DynamoDb, PUT);
        tokio::time::advance(LOST_AFTER).await;
        assert_eq!(names(&health), ["sqs", "redis"]);
        health.succeeded(Dependency::Sqs, PUT);
        assert_eq!(names(&health), ["redis"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_operation_is_told_at_once_and_until_that_operation_succeeds() {
        let health = DependencyHealth::default();
        health.failed(Dependency::DynamoDb, FailureClass::Denied, PUT, "AccessDeniedException: no");
        assert_eq!(names(&health), ["dynamodb"]);
        assert_eq!(health.lost()[0].reason, "denied: PutItem events: AccessDeniedException: no");
        health.succeeded(Dependency::DynamoDb, SCAN);
        assert_eq!(names(&health), ["dynamodb"], "another operation says nothing about this one");
        health.succeeded(Dependency::DynamoDb, PUT);
        assert!(names(&health).is_empty());
        assert!(!health.is_troubled(Dependency::DynamoDb));
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_that_nobody_tries_again_is_forgotten_after_a_while() {
        let health = DependencyHealth::default();
        health.failed(Dependency::Kinesis, FailureClass::Denied, "PutRecords events", "expired token");
        tokio::time::advance(DENIAL_KEPT).await;
        assert!(names(&health).is_empty());
    }
}
