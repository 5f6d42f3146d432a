//! The pace at which a subscription is sent events: pure.
//!
//! A POST may begin when no debt is left. It then costs its events' share of the rate, of which one
//! second's worth may have been saved up. So in any window a subscription is sent at most its rate
//! times the window, one second's rate, and the events of one more POST. Each of several processes
//! has an equal part of the rate.

/// How many milliseconds of the rate can be saved up.
const SAVED_MS: f64 = 1000.0;

/// How far ahead deliveries of the queue get their times. If a subscription's rate is raised, its
/// backlog is sent faster after at most this time.
const PLAN_AHEAD_MS: u64 = 900_000;

/// The debt of a subscription, and the times planned for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SubscriptionPace {
    /// When all sent events are paid for, in milliseconds since the Unix epoch.
    paid_at_ms: f64,
    /// When something was last sent.
    sent_ms: u64,
    /// Up to when the times of waiting deliveries are given out.
    planned_ms: u64,
}

/// A subscription's rate, and the number of processes that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceRate {
    /// Events a second.
    pub per_second: u32,
    /// The processes that send.
    pub processes: usize,
}

impl PaceRate {
    /// How long this many events take, in milliseconds.
    fn cost_ms(self, events: usize) -> f64 {
        events as f64 * 1000.0 * self.processes.max(1) as f64 / f64::from(self.per_second.max(1))
    }
}

impl SubscriptionPace {
    /// When the next POST may begin, if that is not now.
    #[must_use]
    pub fn wait_until_ms(&self, now_ms: u64) -> Option<u64> {
        let at_ms = self.paid_at_ms.ceil() as u64;
        (at_ms > now_ms).then_some(at_ms)
    }

    /// Notes that this many events are sent.
    pub fn pay(&mut self, rate: PaceRate, events: usize, now_ms: u64) {
        let from_ms = self.paid_at_ms.max(now_ms as f64 - SAVED_MS);
        self.paid_at_ms = from_ms + rate.cost_ms(events);
        self.sent_ms = now_ms;
    }

    /// Changes the rate: from now on nobody waits longer for sent events than it takes to pay for
    /// them at the new rate.
    pub fn change(&mut self, before: PaceRate, after: PaceRate) {
        let (sent_ms, factor) = (self.sent_ms as f64, after.cost_ms(1) / before.cost_ms(1));
        self.paid_at_ms = sent_ms + (self.paid_at_ms - sent_ms) * factor.min(1.0);
        self.planned_ms = 0;
    }

    /// Gives a delivery that must wait its time in the queue, behind those that got theirs
    /// before.
    pub fn plan(&mut self, rate: PaceRate, events: usize, now_ms: u64) -> u64 {
        let first_ms = self.wait_until_ms(now_ms).unwrap_or(now_ms);
        let latest_ms = now_ms + PLAN_AHEAD_MS;
        let due_ms = self.planned_ms.max(first_ms).min(latest_ms);
        self.planned_ms = due_ms.saturating_add(rate.cost_ms(events) as u64).min(latest_ms);
        due_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: PaceRate = PaceRate { per_second: 10, processes: 1 };

    proptest! {
        #[test]
        fn no_window_has_more_than_its_share(
            per_second in 1u32..2000, processes in 1usize..5,
            asks in prop::collection::vec((0u64..300, 1usize..200), 1..200)
        ) {
            let rate = PaceRate { per_second, processes };
            let (mut pace, mut now_ms, mut sent) = (SubscriptionPace::default(), 1_000_000_000_000, Vec::new());
            for (after_ms, events) in asks {
                now_ms += after_ms;
                if pace.wait_until_ms(now_ms).is_none() {
                    pace.pay(rate, events, now_ms);
                    sent.push((now_ms, events));
                }
            }
            let share = f64::from(per_second) / processes as f64;
            for (first, (from_ms, _)) in sent.iter().enumerate() {
                let mut sum = 0;
                for (to_ms, events) in &sent[first..] {
                    let before = sum as f64;
                    sum += events;
                    let window_s = (to_ms - from_ms) as f64 / 1000.0;
                    prop_assert!(before <= share * (window_s + 1.0) + 0.01, "{} before the last POST", before);
                }
            }
        }

        #[test]
        fn a_post_may_begin_after_the_wait_that_it_was_told(events in 1usize..100_000, per_second in 1u32..100_000) {
            let rate = PaceRate { per_second, processes: 1 };
            let mut pace = SubscriptionPace::default();
            pace.pay(rate, events, 1_000_000_000_000);
            let until_ms = pace.wait_until_ms(1_000_000_000_000).unwrap_or(1_000_000_000_000);
            prop_assert_eq!(pace.wait_until_ms(until_ms), None);
        }
    }

    #[test]
    fn waiting_deliveries_get_times_one_behind_the_other_and_not_too_far_ahead() {
        let (mut pace, now_ms) = (SubscriptionPace::default(), 1_000_000_000_000);
        pace.pay(TEN, 30, now_ms);
        assert_eq!(pace.wait_until_ms(now_ms), Some(now_ms + 2000), "a second's worth was saved up");
        let due: Vec<_> = (0..3).map(|_| pace.plan(TEN, 5, now_ms) - now_ms).collect();
        assert_eq!(due, [2000, 2500, 3000]);
        assert_eq!(pace.plan(TEN, 5, now_ms + 60_000), now_ms + 60_000, "times that passed count no more");
        pace.plan(TEN, 1_000_000, now_ms);
        assert_eq!(pace.plan(TEN, 5, now_ms), now_ms + PLAN_AHEAD_MS);
    }

    #[test]
    fn a_higher_rate_shortens_the_wait_and_a_lower_one_does_not_lengthen_it() {
        let now_ms = 1_000_000_000_000;
        let mut pace = SubscriptionPace::default();
        pace.pay(TEN, 110, now_ms);
        assert_eq!(pace.wait_until_ms(now_ms), Some(now_ms + 10_000));
        let hundred = PaceRate { per_second: 100, processes: 1 };
        pace.change(TEN, hundred);
        assert_eq!(pace.wait_until_ms(now_ms), Some(now_ms + 1000));
        pace.change(hundred, TEN);
        assert_eq!(pace.wait_until_ms(now_ms), Some(now_ms + 1000));
    }
}
