//! Decides whether a failed attempt is repeated, and after how long. Pure.

use crate::error::{FaultKind, SdkError};
use crate::http_date;
use std::time::Duration;

/// How often and how fast a failed request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryLimits {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The longest wait after the first failure; it doubles with each.
    pub base: Duration,
    /// The longest wait of all, unless the server asks for more.
    pub cap: Duration,
    /// If `Retry-After` asks for more than this, the request fails at once.
    pub retry_after_max: Duration,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            max_retries: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(10),
            retry_after_max: Duration::from_secs(60),
        }
    }
}

impl RetryLimits {
    /// These limits with another number of retries.
    #[must_use]
    pub fn with_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// These limits with other waits.
    #[must_use]
    pub fn with_waits(mut self, base: Duration, cap: Duration) -> Self {
        (self.base, self.cap) = (base, cap);
        self
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FailedAttempt<'a> {
    /// No complete answer.
    Fault(FaultKind),
    /// An answer that is no success.
    Refusal { status: u16, code: &'a str, retry_after: Option<&'a str>, outcome_unknown: bool },
}

impl<'a> FailedAttempt<'a> {
    /// The failure of an attempt, if repeating could ever help.
    pub(crate) fn of(error: &'a SdkError) -> Option<Self> {
        match error {
            SdkError::Network { fault, .. } => Some(Self::Fault(*fault)),
            SdkError::Api(refused) => Some(Self::Refusal {
                status: refused.status,
                code: &refused.code,
                retry_after: refused.retry_after_text.as_deref(),
                outcome_unknown: refused.outcome_unknown(),
            }),
            _ => None,
        }
    }

    /// Whether a repeat can help and is safe.
    fn is_repeatable(self, method: &str, keyed: bool, has_retry_after: bool) -> bool {
        let safe = keyed || matches!(method, "GET" | "HEAD" | "PUT" | "PATCH" | "DELETE");
        match self {
            Self::Fault(fault) => safe || fault == FaultKind::Connect,
            Self::Refusal { status: 429 | 503, outcome_unknown, .. } => safe || !outcome_unknown,
            Self::Refusal { status: 408 | 502 | 504, .. } => safe,
            Self::Refusal { status: 500, outcome_unknown, .. } => safe && outcome_unknown,
            // The first attempt is still being worked on.
            Self::Refusal { status: 409, code, .. } => keyed && code == "IDEMPOTENCY_IN_FLIGHT",
            // The event may be too young to be in the store.
            Self::Refusal { status: 404, .. } => method == "GET" && has_retry_after,
            Self::Refusal { .. } => false,
        }
    }
}

/// Returns how long to wait before the next attempt, or `None` to give up.
///
/// `failures` counts the failed attempts, this one included; `random` is in 0..1.
pub(crate) fn wait(
    limits: &RetryLimits,
    method: &str,
    keyed: bool,
    failures: u32,
    failure: FailedAttempt<'_>,
    now_ms: i64,
    random: f64,
) -> Option<Duration> {
    let after = match failure {
        FailedAttempt::Refusal { retry_after: Some(text), .. } => retry_after(text, now_ms),
        _ => None,
    };
    if failures > limits.max_retries || !failure.is_repeatable(method, keyed, after.is_some()) {
        return None;
    }
    if let Some(after) = after {
        return (after <= limits.retry_after_max).then(|| after + limits.base.mul_f64(random));
    }
    let doublings = failures.saturating_sub(1).min(30);
    let longest = limits.base.saturating_mul(1 << doublings).min(limits.cap);
    Some(longest.mul_f64(0.5 + 0.5 * random))
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
pub(crate) fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    if (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let left_ms = http_date::millis(text)?.saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn each_failure_is_repeated_as_the_vector_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/retries.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in vectors["decisions"].as_array().unwrap() {
            let outcome = &case["outcome"];
            let failure = match outcome["fault"].as_str() {
                Some("connect") => FailedAttempt::Fault(FaultKind::Connect),
                Some("timeout") => FailedAttempt::Fault(FaultKind::Timeout),
                Some(_) => FailedAttempt::Fault(FaultKind::Broken),
                None => FailedAttempt::Refusal {
                    status: u16::try_from(outcome["status"].as_u64().unwrap()).unwrap(),
                    code: outcome["code"].as_str().unwrap_or_default(),
                    retry_after: outcome["retry_after"].as_str(),
                    outcome_unknown: outcome["outcome"] == "unknown",
                },
            };
            let waits = [0.0, 1.0].map(|random| {
                wait(
                    &RetryLimits::default(),
                    case["method"].as_str().unwrap(),
                    case["keyed"].as_bool().unwrap(),
                    u32::try_from(case["failures"].as_u64().unwrap()).unwrap(),
                    failure,
                    case["now_ms"].as_i64().unwrap(),
                    random,
                )
                .map(|wait| wait.as_millis())
            });
            let wanted = [0, 1].map(|index| case["wait_ms"][index].as_u64().map(u128::from));
            assert_eq!(waits, wanted, "{}", case["name"]);
        }
    }
}
