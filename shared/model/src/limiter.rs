//! A customer's rate limit in events a second, kept in one atomic.
//!
//! The limit is a bucket that holds one second's rate and fills at the rate. A request that
//! fits into the bucket passes if the bucket holds enough. A larger request passes if the
//! bucket is full, and leaves a debt: nothing passes until the debt is paid. So no size of
//! request is refused for ever.
//!
//! The algorithm is GCRA (ITU-T I.371). Its state is the time at which all taken events
//! will be paid; taking events moves that time forward.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// A refused take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// After how long the same take passes if nothing else is taken.
    pub retry_after: Duration,
}

/// What a customer has left of its rate, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Events a second.
    pub rate: u64,
    /// Events that pass at once when the bucket is full.
    pub burst: u64,
    /// Events that pass now.
    pub remaining: u64,
    /// After how long the bucket is full.
    pub reset: Duration,
}

/// A rate limit. Times are nanoseconds of any one monotonic clock.
#[derive(Debug)]
pub struct Limiter {
    paid_at_ns: AtomicU64,
    rate: AtomicU64,
}

impl Limiter {
    /// A limit of `rate` events a second, at least one.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self { paid_at_ns: AtomicU64::new(0), rate: AtomicU64::new(u64::from(rate.max(1))) }
    }

    /// Changes the rate. Events that were taken stay taken, but nobody waits longer than the
    /// new rate takes to fill the bucket.
    pub fn change(&self, rate: u32, now_ns: u64) {
        let after = u64::from(rate.max(1));
        let before = self.rate.swap(after, Ordering::Relaxed);
        if before == after {
            return;
        }
        self.paid_at_ns.update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| {
            let ahead = u128::from(paid_at.saturating_sub(now_ns)) * u128::from(before) / u128::from(after);
            now_ns.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX).min(SECOND_NS))
        });
    }

    /// Takes all `events` at once, or none.
    ///
    /// # Errors
    /// If the rate does not allow them now.
    pub fn take(&self, events: u64, now_ns: u64) -> Result<(), Denied> {
        let cost = self.cost(events);
        // A request that is larger than the bucket needs all of it.
        let needed = cost.min(SECOND_NS);
        // Costs are rounded up, so the takes of one bucket may add up to this many nanoseconds more.
        let depth = SECOND_NS + self.rate.load(Ordering::Relaxed);
        let mut paid_at = self.paid_at_ns.load(Ordering::Relaxed);
        loop {
            let start = paid_at.max(now_ns);
            let ahead = (start - now_ns).saturating_add(needed);
            if ahead > depth {
                return Err(Denied { retry_after: Duration::from_nanos(ahead - depth) });
            }
            let next = start.saturating_add(cost);
            match self.paid_at_ns.compare_exchange_weak(paid_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => paid_at = seen,
            }
        }
    }

    /// Gives back events that were taken but not accepted.
    pub fn give_back(&self, events: u64) {
        let cost = self.cost(events);
        self.paid_at_ns.update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| paid_at.saturating_sub(cost));
    }

    /// How much is left at `now_ns`.
    #[must_use]
    pub fn quota(&self, now_ns: u64) -> Quota {
        let rate = self.rate.load(Ordering::Relaxed);
        let ahead = self.paid_at_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        let free = u128::from(SECOND_NS.saturating_sub(ahead));
        let remaining = (free * u128::from(rate) / u128::from(SECOND_NS)) as u64;
        Quota { rate, burst: rate, remaining, reset: Duration::from_nanos(ahead) }
    }

    /// The cost of `events` in nanoseconds, rounded up.
    fn cost(&self, events: u64) -> u64 {
        let rate = u128::from(self.rate.load(Ordering::Relaxed));
        let cost = (u128::from(events) * u128::from(SECOND_NS)).div_ceil(rate);
        u64::try_from(cost).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In any window at most the rate's share and one burst pass, or one request that is
        /// larger than the burst.
        #[test]
        fn no_window_lets_more_through_than_a_burst_and_the_rate(
            rate in 1u32..5000,
            takes in prop::collection::vec((0u64..400_000_000, 1u64..6000), 1..200),
        ) {
            let limiter = Limiter::new(rate);
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
                for (sent_ns, events) in &passed[from..] {
                    sum += events;
                    let elapsed = u128::from(sent_ns - passed[from].0);
                    let share = (elapsed * u128::from(rate) / u128::from(SECOND_NS)) as u64;
                    let most = share + u64::from(rate).max(*events) + 1;
                    prop_assert!(sum <= most, "{} > {}", sum, most);
                }
            }
        }

        #[test]
        fn a_refused_take_passes_when_it_says(rate in 1u32..5000, first in 1u64..20_000, events in 1u64..20_000) {
            let limiter = Limiter::new(rate);
            let now = SECOND_NS;
            limiter.take(first, now).unwrap();
            while limiter.take(events, now).is_ok() {}
            let wait = limiter.take(events, now).unwrap_err().retry_after.as_nanos() as u64;
            prop_assert!(limiter.take(events, now + wait - 1).is_err());
            prop_assert!(limiter.take(events, now + wait).is_ok());
        }

        #[test]
        fn exactly_the_remaining_events_can_be_taken(rate in 1u32..5000, first in 0u64..5000) {
            let limiter = Limiter::new(rate);
            limiter.take(first, SECOND_NS).unwrap();
            let remaining = limiter.quota(SECOND_NS).remaining;
            let left = u64::from(rate).saturating_sub(first);
            prop_assert!((left.saturating_sub(1)..=left).contains(&remaining), "{} of {}", remaining, left);
            if first > 0 {
                prop_assert!(limiter.take(remaining + 2, SECOND_NS).is_err());
            }
            prop_assert!(limiter.take(remaining, SECOND_NS).is_ok() || first > u64::from(rate));
        }
    }

    #[test]
    fn a_burst_passes_event_by_event_and_the_next_event_is_refused() {
        for rate in [1, 3, 5, 7, 999] {
            let limiter = Limiter::new(rate);
            for event in 0..rate {
                assert_eq!(limiter.take(1, SECOND_NS), Ok(()), "{event} of {rate}");
            }
            let wait = limiter.take(1, SECOND_NS).unwrap_err().retry_after.as_secs_f64();
            assert!((wait * f64::from(rate) - 1.0).abs() < 0.01, "{wait} at {rate}");
        }
    }

    #[test]
    fn a_request_larger_than_the_burst_needs_all_of_it_and_is_paid_before_the_next_one() {
        let limiter = Limiter::new(10);
        limiter.take(1, SECOND_NS).unwrap();
        let wait = limiter.take(10_000, SECOND_NS).unwrap_err().retry_after;
        assert_eq!(wait.as_micros(), 99_999, "the bucket is not full");
        limiter.take(10_000, 2 * SECOND_NS).unwrap();
        let wait = limiter.take(1, 2 * SECOND_NS).unwrap_err().retry_after;
        assert_eq!(wait.as_micros(), 999_099_999, "until one event's room is there again");
        assert!(limiter.take(1, 1001 * SECOND_NS).is_err());
        limiter.take(1, 1002 * SECOND_NS).unwrap();
    }

    #[test]
    fn events_that_are_given_back_can_be_taken_again() {
        let limiter = Limiter::new(10);
        limiter.take(10, SECOND_NS).unwrap();
        assert!(limiter.take(4, SECOND_NS).is_err());
        limiter.give_back(4);
        limiter.take(4, SECOND_NS).unwrap();
        assert!(limiter.take(1, SECOND_NS).is_err());
    }

    #[test]
    fn a_new_rate_holds_for_what_comes_after() {
        let limiter = Limiter::new(1);
        limiter.take(1, SECOND_NS).unwrap();
        limiter.change(1000, SECOND_NS);
        assert_eq!(limiter.quota(SECOND_NS).rate, 1000);
        limiter.take(1000, 2 * SECOND_NS).unwrap();
    }

    #[test]
    fn a_waiting_request_waits_by_the_new_rate_after_a_change() {
        let limiter = Limiter::new(1);
        limiter.take(10, SECOND_NS).unwrap();
        limiter.change(1_000_000, SECOND_NS);
        assert_eq!(limiter.quota(SECOND_NS).remaining, 1_000_000 - 10);
        limiter.take(900_000, SECOND_NS).unwrap();
        // A large debt at a high rate does not become a long wait at a low one.
        limiter.change(2, SECOND_NS);
        let wait = limiter.take(1, SECOND_NS).unwrap_err().retry_after;
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        limiter.take(2, 6 * SECOND_NS).unwrap();
    }
}
