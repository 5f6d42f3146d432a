//! The circuit breaker of one subscription's endpoint.
//!
//! A closed breaker counts failures. An open breaker lets nothing through until
//! a time that doubles with every opening. Then it lets one probe through: the
//! probe's outcome closes the breaker or opens it again.

use crate::backoff;
use crate::outcome::EndpointHealth;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// The share of failures among the last `window` attempts that opens it.
    pub failure_share: f64,
    /// How many attempts the share looks at, 1 to 64.
    pub window: u32,
    /// How long it is open the first time, in milliseconds.
    pub open_ms: u64,
    /// The longest that it is open, in milliseconds.
    pub open_max_ms: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { consecutive_failures: 5, failure_share: 0.5, window: 32, open_ms: 1000, open_max_ms: 60_000 }
    }
}

/// Whether attempts go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Attempts go through freely.
    Closed,
    /// No attempt goes through before this time; the first one after it is the probe.
    Open {
        /// Milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// A probe is in flight, and no other attempt goes through.
    HalfOpen,
}

/// Whether one attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerVerdict {
    /// It may.
    Go,
    /// It may, as the only probe: its outcome must be recorded, or the probe abandoned.
    Probe,
    /// It may not before this time; `None` while a probe is in flight.
    Wait {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
}

/// The circuit breaker. It has no clock: the caller passes the time.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    /// Failures since the last success.
    failures: u32,
    /// Successes since the last failure.
    successes: u32,
    /// The last attempts, the newest in bit 0; a set bit is a failure.
    recent: u64,
    /// How many bits of `recent` count.
    recent_len: u32,
    /// Openings since the endpoint last worked for a while.
    opens: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, failures: 0, successes: 0, recent: 0, recent_len: 0, opens: 0 }
    }
}

impl Breaker {
    /// Whether an attempt may start now. The verdict `Probe` changes the state, so ask only for
    /// an attempt that starts if it may.
    pub fn admit(&mut self, now_ms: u64) -> BreakerVerdict {
        match self.state {
            BreakerState::Closed => BreakerVerdict::Go,
            BreakerState::Open { until_ms } if now_ms >= until_ms => {
                self.state = BreakerState::HalfOpen;
                BreakerVerdict::Probe
            }
            BreakerState::Open { until_ms } => BreakerVerdict::Wait { until_ms: Some(until_ms) },
            BreakerState::HalfOpen => BreakerVerdict::Wait { until_ms: None },
        }
    }

    /// Whether attempts go through.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Records the outcome of an attempt. Returns true if it opened the breaker.
    pub fn record(
        &mut self,
        policy: &BreakerPolicy,
        now_ms: u64,
        health: EndpointHealth,
        probe: bool,
        random: f64,
    ) -> bool {
        match self.state {
            // An attempt that began before the opening tells nothing new.
            BreakerState::Open { .. } => return false,
            BreakerState::HalfOpen if !probe => return false,
            BreakerState::HalfOpen | BreakerState::Closed => {}
        }
        match health {
            EndpointHealth::Up => {
                self.succeeded(policy);
                false
            }
            EndpointHealth::Down { hold } => {
                self.count(policy, true);
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                let must_open =
                    self.state == BreakerState::HalfOpen || hold.is_some() || self.is_failing(policy);
                if must_open {
                    self.open(policy, now_ms, hold, random);
                }
                must_open
            }
        }
    }

    /// Notes that the probe ended without an outcome (its task was stopped): another may start at once.
    pub fn abandon_probe(&mut self, now_ms: u64) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Open { until_ms: now_ms };
        }
    }

    fn succeeded(&mut self, policy: &BreakerPolicy) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Closed;
            (self.recent, self.recent_len) = (0, 0);
        }
        self.count(policy, false);
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        // One successful probe does not prove that an endpoint works: the open time returns to its
        // start only after as many successes as failures open the breaker.
        if self.successes >= policy.consecutive_failures {
            self.opens = 0;
        }
    }

    fn count(&mut self, policy: &BreakerPolicy, failed: bool) {
        self.recent = self.recent << 1 | u64::from(failed);
        self.recent_len = (self.recent_len + 1).min(policy.window.clamp(1, 64));
    }

    fn is_failing(&self, policy: &BreakerPolicy) -> bool {
        let window = policy.window.clamp(1, 64);
        let mask = u64::MAX >> (64 - window);
        let share = f64::from((self.recent & mask).count_ones()) / f64::from(window);
        self.failures >= policy.consecutive_failures
            || (self.recent_len == window && share >= policy.failure_share)
    }

    fn open(&mut self, policy: &BreakerPolicy, now_ms: u64, hold: Option<Duration>, random: f64) {
        let cap = Duration::from_millis(policy.open_max_ms);
        let open = backoff::exponential(Duration::from_millis(policy.open_ms), self.opens, cap, random);
        let open = open.max(hold.unwrap_or_default()).min(cap);
        self.opens = self.opens.saturating_add(1);
        self.state = BreakerState::Open { until_ms: now_ms + open.as_millis() as u64 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOWN: EndpointHealth = EndpointHealth::Down { hold: None };

    fn tripped(policy: &BreakerPolicy) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..policy.consecutive_failures {
            breaker.record(policy, 0, DOWN, false, 0.5);
        }
        breaker
    }

    proptest! {
        #[test]
        fn an_open_breaker_lets_one_probe_through_and_never_stays_open_beyond_its_cap(
            steps in prop::collection::vec((0u64..5000, 0u8..4, 0.0f64..1.0), 1..200)
        ) {
            let policy = BreakerPolicy { open_max_ms: 20_000, ..BreakerPolicy::default() };
            let (mut breaker, mut now, mut probes) = (Breaker::default(), 0, 0u32);
            for (pass, action, random) in steps {
                now += pass;
                match action {
                    0 => match breaker.admit(now) {
                        BreakerVerdict::Go => prop_assert_eq!(breaker.state(), BreakerState::Closed),
                        BreakerVerdict::Probe => {
                            prop_assert_eq!(probes, 0, "one probe at a time");
                            probes = 1;
                        }
                        BreakerVerdict::Wait { until_ms: Some(until) } => prop_assert!(until > now && until <= now + 20_000),
                        BreakerVerdict::Wait { until_ms: None } => prop_assert_eq!(probes, 1),
                    },
                    1 | 2 => {
                        let health = if action == 1 { EndpointHealth::Up } else { DOWN };
                        breaker.record(&policy, now, health, probes == 1, random);
                        probes = 0;
                    }
                    _ => {
                        if probes == 1 {
                            breaker.abandon_probe(now);
                            prop_assert_eq!(breaker.admit(now), BreakerVerdict::Probe, "an abandoned probe is due again");
                        }
                    }
                }
            }
        }

        #[test]
        fn open_times_double_up_to_the_cap(rounds in 1u32..20) {
            let policy = BreakerPolicy::default();
            let (mut breaker, mut now) = (tripped(&policy), 0);
            for round in 0..rounds {
                let BreakerState::Open { until_ms: until } = breaker.state() else { panic!("not open") };
                prop_assert_eq!(until - now, (1000u64 << round.min(6)).min(60_000));
                now = until;
                prop_assert_eq!(breaker.admit(now), BreakerVerdict::Probe);
                prop_assert!(breaker.record(&policy, now, DOWN, true, 0.5));
            }
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_good_probe_closes_it() {
        let policy = BreakerPolicy::default();
        let mut breaker = tripped(&policy);
        assert_eq!(breaker.admit(999), BreakerVerdict::Wait { until_ms: Some(1000) });
        assert_eq!(breaker.admit(1000), BreakerVerdict::Probe);
        assert_eq!(breaker.admit(1000), BreakerVerdict::Wait { until_ms: None });
        assert!(!breaker.record(&policy, 1001, EndpointHealth::Up, true, 0.5));
        assert_eq!(breaker.admit(1001), BreakerVerdict::Go);
    }

    #[test]
    fn half_of_a_window_failing_opens_it() {
        let policy = BreakerPolicy { window: 10, ..BreakerPolicy::default() };
        let mut breaker = Breaker::default();
        let opened = (0..10).map(|i| {
            breaker.record(&policy, 0, if i % 2 == 0 { EndpointHealth::Up } else { DOWN }, false, 0.5)
        });
        assert_eq!(opened.filter(|opened| *opened).count(), 1);
    }

    #[test]
    fn an_endpoint_that_asks_to_be_left_alone_is_left_alone() {
        let policy = BreakerPolicy::default();
        let mut breaker = Breaker::default();
        let hold = EndpointHealth::Down { hold: Some(Duration::from_secs(7)) };
        assert!(breaker.record(&policy, 0, hold, false, 0.5));
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: 7000 });
    }

    #[test]
    fn an_attempt_that_began_before_the_opening_does_not_prolong_it() {
        let policy = BreakerPolicy::default();
        let mut breaker = tripped(&policy);
        assert!(!breaker.record(&policy, 900, DOWN, false, 0.5));
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: 1000 });
    }
}
