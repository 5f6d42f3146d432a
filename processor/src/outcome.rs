//! What an answer, or the lack of one, means for a delivery: one pure function.

use crate::backoff;
use sluice_model::{DeadLetterReason, RetryPolicy};
use std::time::Duration;

/// `Retry-After` (RFC 9110, 10.2.3) in either of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// A date, in milliseconds since the Unix epoch.
    At(u64),
}

impl RetryAfter {
    /// Reads the header's value; nothing where it is neither form.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
            // Digits past u64 ask for "very long": the clamp decides.
            return Some(Self::Seconds(value.parse().unwrap_or(u64::MAX)));
        }
        // IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT" (the obsolete forms are not sent any more).
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
        Some(Self::At(u64::try_from(at).unwrap_or(0)))
    }

    fn wait(self, now_ms: u64) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::At(at_ms) => Duration::from_millis(at_ms.saturating_sub(now_ms)),
        }
    }
}

/// Why no usable answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The whole attempt took too long.
    Timeout,
    /// No connection: DNS, TCP or TLS.
    Connect,
    /// The connection broke before the answer was whole.
    Broken,
    /// The host's name resolves to refused addresses only.
    ForbiddenAddress,
    /// The URL names a refused address itself, or is not one to POST to.
    ForbiddenUrl,
    /// Redirected too often, or to nowhere.
    Redirect,
    /// The delivery cannot be turned into a request.
    Unsendable,
}

/// What came of one POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A whole answer.
    Status {
        /// The HTTP status.
        code: u16,
        /// When the endpoint wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
    /// None.
    Fault(Fault),
}

/// What is to be done with a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint took it.
    Taken,
    /// Try again.
    Retry {
        /// No sooner than this from now.
        after: Duration,
    },
    /// Give it up.
    DeadLetter {
        /// Why.
        reason: DeadLetterReason,
    },
    /// The endpoint is gone for good (410): disable the subscription and give up what it has.
    DisableAndDeadLetter,
}

/// What an attempt says about the endpoint, for its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers; whether it likes the events is another matter.
    Up,
    /// It does not, or says that it cannot.
    Down {
        /// How long it wants to be left alone, where it said so.
        hold: Option<Duration>,
    },
}

/// The outcome rules. `attempts` counts the one just made; `random` is in `0..1`.
///
/// A retry waits at least its back-off and at least as long as `Retry-After`
/// asks; neither is longer than the subscription's `max_delay_s`.
#[must_use]
pub fn decide(answer: Answer, attempts: u32, retry: &RetryPolicy, now_ms: u64, random: f64) -> Outcome {
    let refused = Outcome::DeadLetter { reason: DeadLetterReason::Refused };
    let wish = match answer {
        Answer::Status { code: 200..=299, .. } => return Outcome::Taken,
        Answer::Status { code: 410, .. } => return Outcome::DisableAndDeadLetter,
        Answer::Status { code: 429 | 503, retry_after } => retry_after,
        Answer::Status { code: 408 | 500..=599, .. } => None,
        Answer::Status { .. } | Answer::Fault(Fault::ForbiddenUrl | Fault::Redirect) => return refused,
        Answer::Fault(Fault::Unsendable) => {
            return Outcome::DeadLetter { reason: DeadLetterReason::Poison };
        }
        Answer::Fault(Fault::Timeout | Fault::Connect | Fault::Broken | Fault::ForbiddenAddress) => None,
    };
    if attempts > retry.max_retries {
        return Outcome::DeadLetter { reason: DeadLetterReason::Exhausted };
    }
    let cap = Duration::from_secs(u64::from(retry.max_delay_s));
    let wished = wish.map_or(Duration::ZERO, |wish| wish.wait(now_ms)).min(cap);
    Outcome::Retry { after: backoff::delay(attempts, cap, random).max(wished) }
}

/// What the breaker learns from an answer.
#[must_use]
pub fn health(answer: Answer, now_ms: u64) -> Health {
    match answer {
        Answer::Status { code: 429 | 503, retry_after } => {
            Health::Down { hold: retry_after.map(|wish| wish.wait(now_ms)) }
        }
        Answer::Status { code: 408 | 500..=599, .. } => Health::Down { hold: None },
        Answer::Status { .. } | Answer::Fault(Fault::Unsendable) => Health::Up,
        Answer::Fault(_) => Health::Down { hold: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(code: u16) -> Answer {
        Answer::Status { code, retry_after: None }
    }

    fn faults() -> impl Strategy<Value = Answer> {
        prop::sample::select(vec![Fault::Timeout, Fault::Connect, Fault::Broken, Fault::ForbiddenAddress])
            .prop_map(Answer::Fault)
    }

    fn retryable() -> impl Strategy<Value = Answer> {
        prop_oneof![faults(), prop_oneof![Just(408u16), Just(429), 500u16..600].prop_map(status)]
    }

    proptest! {
        #[test]
        fn a_retryable_answer_is_retried_until_the_policy_ends(
            answer in retryable(), attempts in 1u32..40, max_retries in 0u32..30, cap in 1u32..90_000, random in 0.0f64..1.0
        ) {
            let policy = RetryPolicy { max_retries, max_delay_s: cap };
            match decide(answer, attempts, &policy, 0, random) {
                Outcome::Retry { after } => {
                    prop_assert!(attempts <= max_retries);
                    prop_assert!(after > Duration::ZERO && after <= Duration::from_secs(u64::from(cap)));
                }
                other => {
                    prop_assert!(attempts > max_retries);
                    prop_assert_eq!(other, Outcome::DeadLetter { reason: DeadLetterReason::Exhausted });
                }
            }
            let down = matches!(health(answer, 0), Health::Down { .. });
            prop_assert!(down);
        }

        #[test]
        fn every_status_has_the_outcome_of_the_table(code in 100u16..600) {
            let outcome = decide(status(code), 1, &RetryPolicy::default(), 0, 0.5);
            let expected = match code {
                200..=299 => outcome == Outcome::Taken,
                410 => outcome == Outcome::DisableAndDeadLetter,
                408 | 429 | 500..=599 => matches!(outcome, Outcome::Retry { .. }),
                _ => outcome == Outcome::DeadLetter { reason: DeadLetterReason::Refused },
            };
            prop_assert!(expected, "{} gave {:?}", code, outcome);
        }

        #[test]
        fn retry_after_is_honoured_and_clamped(code in prop::sample::select(vec![429u16, 503]), wish in 0u64..200_000, as_date: bool) {
            let now_ms = 1_700_000_000_000;
            let wish_form = if as_date { RetryAfter::At(now_ms + wish * 1000) } else { RetryAfter::Seconds(wish) };
            let answer = Answer::Status { code, retry_after: Some(wish_form) };
            let Outcome::Retry { after } = decide(answer, 1, &RetryPolicy::default(), now_ms, 0.5) else {
                panic!("not retried");
            };
            prop_assert!(after >= Duration::from_secs(wish.min(86_400)));
            prop_assert!(after <= Duration::from_secs(86_400));
        }

        #[test]
        fn any_retry_after_text_is_read_or_left(text in "\\PC{0,40}") {
            prop_assert!(RetryAfter::parse(&text).is_none_or(|_| !text.trim().is_empty()));
        }
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        assert_eq!(RetryAfter::parse(" 120 "), Some(RetryAfter::Seconds(120)));
        assert_eq!(RetryAfter::parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(RetryAfter::At(784_111_777_000)));
        assert_eq!(RetryAfter::parse("99999999999999999999999"), Some(RetryAfter::Seconds(u64::MAX)));
        for not_one in ["", "soon", "-1", "1.5", "+3"] {
            assert_eq!(RetryAfter::parse(not_one), None, "{not_one}");
        }
    }

    #[test]
    fn what_can_never_be_sent_is_not_retried() {
        let decide = |fault| decide(Answer::Fault(fault), 1, &RetryPolicy::default(), 0, 0.5);
        assert_eq!(decide(Fault::ForbiddenUrl), Outcome::DeadLetter { reason: DeadLetterReason::Refused });
        assert_eq!(decide(Fault::Redirect), Outcome::DeadLetter { reason: DeadLetterReason::Refused });
        assert_eq!(decide(Fault::Unsendable), Outcome::DeadLetter { reason: DeadLetterReason::Poison });
    }
}
