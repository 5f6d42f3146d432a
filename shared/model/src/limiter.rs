//! A customer's rate: how many events a second, with a burst, by one atomic.
//!
//! This is GCRA (ITU-T I.371): the state is the time at which the customer
//! will have paid for all it has taken. Taking moves it on; a take that would
//! move it further ahead of now than a burst is worth is refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// A refused take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// When the same take would pass, if nothing else is taken.
    pub retry_after: Duration,
}

/// What a customer has left; the `RateLimit` headers are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Events a second.
    pub rate: u64,
    /// Events that can be taken at once after a rest.
    pub burst: u64,
    /// Events that can be taken now.
    pub remaining: u64,
    /// When the whole burst can be taken again.
    pub reset: Duration,
}

/// A rate limit. Times are nanoseconds of any one monotonic clock.
#[derive(Debug)]
pub struct Limiter {
    paid_at_ns: AtomicU64,
    rate: AtomicU64,
    burst: AtomicU64,
}

impl Limiter {
    /// `rate` events a second and the larger of `rate` and `burst_min` at once.
    #[must_use]
    pub fn new(rate: u32, burst_min: u32) -> Self {
        let limiter =
            Self { paid_at_ns: AtomicU64::new(0), rate: AtomicU64::new(1), burst: AtomicU64::new(1) };
        limiter.set(rate, burst_min);
        limiter
    }

    fn set(&self, rate: u32, burst_min: u32) {
        self.rate.store(u64::from(rate.max(1)), Ordering::Relaxed);
        self.burst.store(u64::from(rate.max(burst_min).max(1)), Ordering::Relaxed);
    }

    /// Changes the rate. What was taken stays taken, as so many events: who
    /// waits, waits by the new rate, and for no more than its burst.
    pub fn change(&self, rate: u32, burst_min: u32, now_ns: u64) {
        let before = u128::from(self.rate.load(Ordering::Relaxed));
        self.set(rate, burst_min);
        let after = u128::from(self.rate.load(Ordering::Relaxed));
        if before == after {
            return;
        }
        let depth = self.cost(self.burst.load(Ordering::Relaxed));
        self.paid_at_ns.update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| {
            let ahead = u128::from(paid_at.saturating_sub(now_ns)) * before / after;
            now_ns.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX).min(depth))
        });
    }

    /// Takes `events` at once, or none.
    ///
    /// # Errors
    /// If the rate does not allow them now.
    pub fn take(&self, events: u64, now_ns: u64) -> Result<(), Denied> {
        let cost = self.cost(events);
        let depth = self.cost(self.burst.load(Ordering::Relaxed));
        let mut paid_at = self.paid_at_ns.load(Ordering::Relaxed);
        loop {
            let next = paid_at.max(now_ns).saturating_add(cost);
            let ahead = next - now_ns;
            if ahead > depth {
                return Err(Denied { retry_after: Duration::from_nanos(ahead - depth) });
            }
            match self.paid_at_ns.compare_exchange_weak(paid_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => paid_at = seen,
            }
        }
    }

    /// Gives back events that were taken and then not accepted.
    pub fn give_back(&self, events: u64) {
        let cost = self.cost(events);
        self.paid_at_ns.update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| paid_at.saturating_sub(cost));
    }

    /// What is left at `now_ns`.
    #[must_use]
    pub fn quota(&self, now_ns: u64) -> Quota {
        let (rate, burst) = (self.rate.load(Ordering::Relaxed), self.burst.load(Ordering::Relaxed));
        let ahead = self.paid_at_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        let free = u128::from(self.cost(burst).saturating_sub(ahead));
        let remaining = (free * u128::from(rate) / u128::from(SECOND_NS)) as u64;
        Quota { rate, burst, remaining: remaining.min(burst), reset: Duration::from_nanos(ahead) }
    }

    /// What `events` cost, in nanoseconds, rounded up.
    fn cost(&self, events: u64) -> u64 {
        let rate = u128::from(self.rate.load(Ordering::Relaxed));
        (u128::from(events) * u128::from(SECOND_NS)).div_ceil(rate) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any window, what passed is at most a burst and the rate's share.
        #[test]
        fn no_window_lets_more_through_than_burst_and_rate(
            rate in 1u32..5000,
            burst in 1u32..10_000,
            takes in prop::collection::vec((0u64..400_000_000, 1u64..3000), 1..200),
        ) {
            let limiter = Limiter::new(rate, burst);
            let burst = u64::from(rate.max(burst));
            let mut now = 7 * SECOND_NS;
            let mut passed: Vec<(u64, u64)> = Vec::new();
            for (wait, events) in takes {
                now += wait;
                if limiter.take(events, now).is_ok() {
                    passed.push((now, events));
                }
            }
            for from in 0..passed.len() {
                let mut sum = 0;
                for (at, events) in &passed[from..] {
                    sum += events;
                    let share = (u128::from(at - passed[from].0) * u128::from(rate) / u128::from(SECOND_NS)) as u64;
                    prop_assert!(sum <= burst + share + 1, "{} > {} + {}", sum, burst, share);
                }
            }
        }

        #[test]
        fn a_refused_take_passes_when_it_says(rate in 1u32..5000, burst in 1u32..5000, events in 1u64..5000) {
            let limiter = Limiter::new(rate, burst);
            let events = events.min(u64::from(rate.max(burst)));
            let now = SECOND_NS;
            while limiter.take(events, now).is_ok() {}
            let wait = limiter.take(events, now).unwrap_err().retry_after.as_nanos() as u64;
            prop_assert!(limiter.take(events, now + wait - 1).is_err());
            prop_assert!(limiter.take(events, now + wait).is_ok());
        }

        #[test]
        fn what_remains_can_be_taken_and_no_more(rate in 1u32..5000, burst in 1u32..5000, first in 0u64..5000) {
            let limiter = Limiter::new(rate, burst);
            let taken = limiter.take(first, SECOND_NS).is_ok();
            prop_assert_eq!(taken, first <= u64::from(rate.max(burst)));
            let remaining = limiter.quota(SECOND_NS).remaining;
            prop_assert!(limiter.take(remaining + 2, SECOND_NS).is_err());
            prop_assert!(limiter.take(remaining, SECOND_NS).is_ok());
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = Limiter::new(10, 10);
        limiter.take(10, SECOND_NS).unwrap();
        assert!(limiter.take(4, SECOND_NS).is_err());
        limiter.give_back(4);
        limiter.take(4, SECOND_NS).unwrap();
        assert!(limiter.take(1, SECOND_NS).is_err());
    }

    #[test]
    fn the_largest_request_passes_after_a_rest_whatever_the_rate() {
        let limiter = Limiter::new(1, 10_000);
        assert!(limiter.take(10_000, SECOND_NS).is_ok());
        assert_eq!(limiter.take(1, SECOND_NS).unwrap_err().retry_after, Duration::from_secs(1));
    }

    #[test]
    fn a_new_rate_holds_for_what_comes_after() {
        let limiter = Limiter::new(1, 1);
        limiter.take(1, SECOND_NS).unwrap();
        limiter.change(1000, 1, SECOND_NS);
        assert_eq!(limiter.quota(SECOND_NS).rate, 1000);
        limiter.take(1000, 2 * SECOND_NS).unwrap();
    }

    #[test]
    fn who_waits_when_the_rate_changes_waits_by_the_new_one() {
        let limiter = Limiter::new(1, 10);
        limiter.take(10, SECOND_NS).unwrap();
        limiter.change(1_000_000, 10, SECOND_NS);
        assert_eq!(limiter.quota(SECOND_NS).remaining, 1_000_000 - 10);
        limiter.take(900_000, SECOND_NS).unwrap();
        // A large debt at a high rate is no sentence at a low one.
        limiter.change(2, 10, SECOND_NS);
        let wait = limiter.take(1, SECOND_NS).unwrap_err().retry_after;
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        limiter.take(10, 6 * SECOND_NS).unwrap();
    }
}
