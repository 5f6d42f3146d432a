//! Each customer's share of a shard's matching: pure.
//!
//! A shard matches a batch at its place in the log, unless the batch's customer has used up its
//! share: then the batch waits in a durable place, and the batches of other customers go on. The
//! cost of matching is counted in steps of the selectors and not in time, so that the rule decides
//! the same on every machine.

use crate::config::MatchingConfig;
use foldhash::HashMap;
use sluice_model::CustomerId;

/// How much the newest batch counts in the average cost of a customer's events.
const NEWEST_WEIGHT: f64 = 0.2;

/// A customer without events to judge is forgotten after this long.
const IDLE_MS: u64 = 600_000;

/// Where a batch is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchingPlace {
    /// At its place in the log, if that takes no more than this many steps.
    InLog {
        /// Steps for all of its events together.
        steps_max: u32,
    },
    /// Behind the batches that wait.
    Waiting,
}

/// The used shares of each customer of a shard.
#[derive(Debug)]
pub struct MatchingShares {
    config: MatchingConfig,
    customers: HashMap<CustomerId, MatchingShare>,
}

#[derive(Debug, Clone, Copy)]
struct MatchingShare {
    /// Steps that the customer may spend now.
    steps: f64,
    /// When `steps` was last refilled.
    refilled_ms: u64,
    /// The average cost of an event in steps; 0 before the first one.
    event_steps: f64,
}

impl MatchingShares {
    /// Shares of which nothing is used.
    #[must_use]
    pub fn new(config: MatchingConfig) -> Self {
        Self { config, customers: HashMap::default() }
    }

    /// Where to match a batch with this many events to judge, if no batch of its customer and lane
    /// waits already.
    pub fn place(&mut self, customer: CustomerId, events: usize, now_ms: u64) -> MatchingPlace {
        let share = self.refilled(customer, now_ms);
        if share.steps < 1.0 || share.event_steps * events as f64 > share.steps {
            return MatchingPlace::Waiting;
        }
        MatchingPlace::InLog { steps_max: share.steps as u32 }
    }

    /// Subtracts steps that were spent in the log from the customer's share.
    pub fn spend(&mut self, customer: CustomerId, steps: u64, now_ms: u64) {
        let share = self.refilled(customer, now_ms);
        share.steps = (share.steps - steps as f64).max(0.0);
    }

    /// Learns the cost of a customer's events, wherever they were judged.
    pub fn learn(&mut self, customer: CustomerId, events: usize, steps: u64, now_ms: u64) {
        if events == 0 {
            return;
        }
        let share = self.refilled(customer, now_ms);
        let newest = steps as f64 / events as f64;
        let known = if share.event_steps == 0.0 { newest } else { share.event_steps };
        share.event_steps = known + (newest - known) * NEWEST_WEIGHT;
    }

    /// Forgets customers without events to judge.
    pub fn forget_idle(&mut self, now_ms: u64) {
        self.customers.retain(|_, share| now_ms.saturating_sub(share.refilled_ms) < IDLE_MS);
    }

    fn refilled(&mut self, customer: CustomerId, now_ms: u64) -> &mut MatchingShare {
        let burst = f64::from(self.config.burst_steps);
        let full = MatchingShare { steps: burst, refilled_ms: now_ms, event_steps: 0.0 };
        let share = self.customers.entry(customer).or_insert(full);
        let passed_ms = now_ms.saturating_sub(share.refilled_ms);
        let refill = passed_ms as f64 * f64::from(self.config.share_steps_per_ms);
        share.steps = (share.steps + refill).min(burst);
        share.refilled_ms = share.refilled_ms.max(now_ms);
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: CustomerId = CustomerId::from_u128(1);
    const TWO: CustomerId = CustomerId::from_u128(2);

    fn shares() -> MatchingShares {
        let config =
            MatchingConfig { burst_steps: 1000, share_steps_per_ms: 10, ..MatchingConfig::default() };
        MatchingShares::new(config)
    }

    #[test]
    fn a_customer_waits_once_its_share_is_used_and_goes_on_when_it_is_refilled() {
        let mut shares = shares();
        assert_eq!(shares.place(ONE, 5, 0), MatchingPlace::InLog { steps_max: 1000 });
        shares.spend(ONE, 1000, 0);
        assert_eq!(shares.place(ONE, 5, 0), MatchingPlace::Waiting);
        assert_eq!(shares.place(TWO, 5, 0), MatchingPlace::InLog { steps_max: 1000 });
        assert_eq!(shares.place(ONE, 5, 50), MatchingPlace::InLog { steps_max: 500 });
        assert_eq!(shares.place(ONE, 5, 9999), MatchingPlace::InLog { steps_max: 1000 });
    }

    #[test]
    fn a_batch_that_would_not_fit_waits_at_once() {
        let mut shares = shares();
        shares.learn(ONE, 10, 3000, 0);
        assert_eq!(shares.place(ONE, 3, 0), MatchingPlace::InLog { steps_max: 1000 });
        assert_eq!(shares.place(ONE, 4, 0), MatchingPlace::Waiting);
        // Cheaper events lower the average again.
        for _ in 0..20 {
            shares.learn(ONE, 10, 10, 0);
        }
        assert_eq!(shares.place(ONE, 100, 0), MatchingPlace::InLog { steps_max: 1000 });
    }

    #[test]
    fn idle_customers_are_forgotten() {
        let mut shares = shares();
        shares.learn(ONE, 1, 5000, 0);
        shares.forget_idle(IDLE_MS - 1);
        assert_eq!(shares.customers.len(), 1);
        shares.forget_idle(IDLE_MS);
        assert_eq!(shares.customers.len(), 0);
    }

    proptest! {
        /// However batches come, a customer does not spend more in the log than its burst and the
        /// refill.
        #[test]
        fn nobody_spends_more_than_its_share(
            batches in prop::collection::vec((0u64..200, 1usize..50, 0u64..2000), 1..200)
        ) {
            let (mut shares, mut now_ms, mut spent) = (shares(), 0, 0);
            for (pass_ms, events, cost) in batches {
                now_ms += pass_ms;
                if let MatchingPlace::InLog { steps_max } = shares.place(ONE, events, now_ms) {
                    let steps = cost.min(u64::from(steps_max));
                    shares.spend(ONE, steps, now_ms);
                    shares.learn(ONE, events, steps, now_ms);
                    spent += steps;
                }
                prop_assert!(spent <= 1000 + now_ms * 10);
            }
        }
    }
}
