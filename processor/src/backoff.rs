//! The wait before another attempt.

use std::time::Duration;

/// How much shorter or longer than its middle a delay can be, as a share of the middle.
const JITTER: f64 = 0.2;

/// `min(2^attempts s, cap)`, up to a fifth less or more, never above `cap`; `random` is in
/// `0..1`.
#[must_use]
pub fn delay(attempts: u32, cap: Duration, random: f64) -> Duration {
    exponential(Duration::from_secs(1), attempts, cap, random)
}

/// `min(first × 2^doublings, cap)` with the same jitter.
#[must_use]
pub fn exponential(first: Duration, doublings: u32, cap: Duration, random: f64) -> Duration {
    let factor = 1u32 << doublings.min(31);
    let middle = first.saturating_mul(factor).min(cap);
    middle.mul_f64(1.0 - JITTER + 2.0 * JITTER * random).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_stays_around_its_power_of_two_and_under_the_cap(
            attempts: u32, cap_s in 0u64..200_000, random in 0.0f64..1.0
        ) {
            let cap = Duration::from_secs(cap_s);
            let got = delay(attempts, cap, random);
            let middle = Duration::from_secs(1u64 << attempts.min(31)).min(cap);
            prop_assert!(got <= cap);
            prop_assert!(got >= middle.mul_f64(0.79), "{:?} is far below {:?}", got, middle);
            prop_assert!(got <= middle.mul_f64(1.21));
        }
    }

    #[test]
    fn the_first_retry_waits_about_two_seconds() {
        assert_eq!(delay(1, Duration::from_secs(86_400), 0.5), Duration::from_secs(2));
        assert_eq!(delay(20, Duration::from_secs(86_400), 0.5), Duration::from_secs(86_400));
    }
}
