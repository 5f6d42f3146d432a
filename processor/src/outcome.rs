//! The meaning of an answer, or of its absence, for a delivery: one pure function.

mod retry_after;

pub use retry_after::RetryAfter;

use crate::backoff;
use sluice_model::{ClientErrors, DeadLetterReason, RetryPolicy};
use std::time::Duration;

/// Why there is no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The whole attempt took too long.
    Timeout,
    /// No connection: DNS, TCP or TLS.
    Connect,
    /// The connection broke before the answer's status line and headers came.
    Broken,
    /// The host's name resolves to refused addresses only.
    ForbiddenAddress,
    /// The URL names a refused address itself, or is not one to POST to.
    ForbiddenUrl,
    /// There were too many redirects, or one without a usable target.
    Redirect,
    /// The delivery cannot be turned into a request.
    Unsendable,
    /// The subscription's template failed on an event.
    Transform,
}

/// The result of one POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostResult {
    /// An answer. If it is a 2xx, it tells for each event whether it was taken.
    Answered {
        /// The HTTP status.
        code: u16,
        /// When the endpoint wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
    /// A 2xx whose body may name events that were not taken but cannot be read: no event counts as
    /// taken.
    Unreadable {
        /// The HTTP status.
        code: u16,
        /// When the endpoint wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
    /// No answer.
    Fault(Fault),
}

/// What to do with a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it.
    Taken,
    /// Try the delivery again.
    Retry {
        /// The least wait from now.
        after: Duration,
    },
    /// Give it up.
    DeadLetter {
        /// Why.
        reason: DeadLetterReason,
    },
    /// The endpoint is gone for good (410): disable the subscription and give up its events.
    DisableAndDeadLetter,
}

/// The endpoint's health according to an attempt, for its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointHealth {
    /// It answers, whether or not it takes the events.
    Up,
    /// It does not answer, or says that it cannot serve.
    Down {
        /// How long it wants to be left alone, if it said so.
        hold: Option<Duration>,
    },
}

/// Whether a status asks for another attempt. Statuses of 600 and above are not valid and count as
/// 5xx (RFC 9110, 15).
const fn is_retried(code: u16, retry_after: Option<RetryAfter>) -> bool {
    match code {
        408 | 425 | 429 | 500.. => true,
        // Too large for now, but not for good (RFC 9110, 15.5.14).
        413 => retry_after.is_some(),
        _ => false,
    }
}

/// The outcome rules. `attempts` includes the last one; `random` is in `0..1`.
///
/// A retry waits at least its back-off and at least the time of `Retry-After`; neither is longer than
/// the subscription's `max_delay_s`.
#[must_use]
pub fn decide(result: PostResult, attempts: u32, retry: &RetryPolicy, now_ms: u64, random: f64) -> Outcome {
    let refused = Outcome::DeadLetter { reason: DeadLetterReason::Refused };
    let wish = match result {
        PostResult::Answered { code: 200..=299, .. } => return Outcome::Taken,
        PostResult::Answered { code: 410, .. } => return Outcome::DisableAndDeadLetter,
        PostResult::Answered { code, retry_after } if is_retried(code, retry_after) => retry_after,
        PostResult::Answered { code: 400..=499, retry_after }
            if retry.client_errors == ClientErrors::Retry =>
        {
            retry_after
        }
        PostResult::Answered { .. } | PostResult::Fault(Fault::ForbiddenUrl | Fault::Redirect) => {
            return refused;
        }
        PostResult::Unreadable { retry_after, .. } => retry_after,
        PostResult::Fault(Fault::Unsendable) => {
            return Outcome::DeadLetter { reason: DeadLetterReason::Poison };
        }
        PostResult::Fault(Fault::Transform) => {
            return Outcome::DeadLetter { reason: DeadLetterReason::TransformFailed };
        }
        PostResult::Fault(Fault::Timeout | Fault::Connect | Fault::Broken | Fault::ForbiddenAddress) => None,
    };
    if attempts > retry.max_retries {
        return Outcome::DeadLetter { reason: DeadLetterReason::Exhausted };
    }
    let cap = Duration::from_secs(u64::from(retry.max_delay_s));
    let wished = wish.map_or(Duration::ZERO, |wish| wish.wait(now_ms)).min(cap);
    Outcome::Retry { after: backoff::delay(attempts, cap, random).max(wished) }
}

/// What an attempt tells the breaker.
#[must_use]
pub fn health(result: PostResult, now_ms: u64) -> EndpointHealth {
    let hold = |wish: Option<RetryAfter>| wish.map(|wish| wish.wait(now_ms));
    match result {
        PostResult::Unreadable { retry_after, .. } => EndpointHealth::Down { hold: hold(retry_after) },
        // The size concerns only this delivery: others may pass.
        PostResult::Answered { code: 413, .. } => EndpointHealth::Up,
        PostResult::Answered { code, retry_after } if is_retried(code, retry_after) => {
            EndpointHealth::Down { hold: hold(retry_after) }
        }
        PostResult::Answered { .. } | PostResult::Fault(Fault::Unsendable | Fault::Transform) => {
            EndpointHealth::Up
        }
        PostResult::Fault(_) => EndpointHealth::Down { hold: None },
    }
}

#[cfg(test)]
mod tests;
