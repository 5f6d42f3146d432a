//! One subscription on one shard: what it does next is a pure decision.

use sluice_model::subscription::BatchPolicy;

use crate::config::ShardConfig;
use crate::outbox::Outbox;

/// How long to wait where an endpoint has as many POSTs in flight as it may.
pub const BUSY_WAIT_MS: u64 = 10;

/// What the decision looks at, beside the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// First attempts in flight that still hold the log.
    pub in_flight: usize,
    /// Since when the first event of the signed and waiting webhook waits.
    pub staged_since_ms: Option<u64>,
    /// Whether the way to the endpoint is open.
    pub way: Way,
    /// Whether the subscription wants order above all.
    pub ordered: bool,
}

/// Whether first attempts go to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They do.
    Open,
    /// They go to the work queue: the breaker is open, the endpoint was too
    /// slow lately, or the customer is suspended.
    Closed,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Cut a webhook and send it.
    Send,
    /// Send the webhook that is signed and waits.
    SendStaged,
    /// Cut a webhook and sign it, while the one before it is in flight.
    Stage,
    /// Give what waits to the work queue; `slow` if the endpoint does not keep up.
    HandOver {
        /// Whether that is for being slow.
        slow: bool,
    },
    /// Nothing before then; nothing at all where it is `None`, until something changes.
    Sleep {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
}

/// The next step of a subscription on a shard.
///
/// First attempts follow the log one at a time. Where the oldest event waited
/// longer than `overtake_after_ms`, more are sent beside those in flight; where
/// it waited longer than `age_cap_ms`, what waits leaves the shard.
#[must_use]
pub fn next_step(outbox: &Outbox, of: &Situation, batch: &BatchPolicy, config: &ShardConfig) -> Step {
    let Some(oldest_ms) = [of.staged_since_ms, outbox.oldest_ms()].into_iter().flatten().min() else {
        return Step::Sleep { until_ms: None };
    };
    let now_ms = of.now_ms;
    let ready_at = outbox.ready_at_ms(batch);
    let ready = ready_at.is_some_and(|at| at <= now_ms);
    if of.way == Way::Closed {
        let hand_over = ready || of.staged_since_ms.is_some();
        return if hand_over { Step::HandOver { slow: false } } else { Step::Sleep { until_ms: ready_at } };
    }
    let too_old_at = oldest_ms + config.age_cap_ms;
    if too_old_at <= now_ms {
        return Step::HandOver { slow: true };
    }
    let overtake_at = if of.ordered { u64::MAX } else { oldest_ms + config.overtake_after_ms };
    let may_send = of.in_flight == 0 || overtake_at <= now_ms;
    let staged = of.staged_since_ms.is_some();
    let full = ready_at == Some(0);
    match (may_send, staged) {
        (true, true) => Step::SendStaged,
        (true, false) if ready => Step::Send,
        (true, false) => Step::Sleep { until_ms: ready_at.map(|at| at.min(too_old_at)) },
        // What comes next of an ordered subscription depends on how this one ends.
        (false, false) if full && !of.ordered => Step::Stage,
        (false, _) => Step::Sleep { until_ms: Some(overtake_at.min(too_old_at)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::{Slice, Ticket};
    use crate::testing::batch_of_sizes;
    use proptest::prelude::*;
    use sluice_model::EventSet;
    use std::sync::Arc;

    const BATCH: BatchPolicy = BatchPolicy { max_events: 10, max_bytes: 1000, max_wait_ms: 50 };

    fn outbox(events: u16, since_ms: u64) -> Outbox {
        let mut outbox = Outbox::default();
        let batch = Arc::new(batch_of_sizes(&vec![5; usize::from(events)]));
        outbox.push(Slice { batch, events: EventSet::range(0, events), ticket: Ticket(0) }, since_ms);
        outbox
    }

    fn situation(now_ms: u64) -> Situation {
        Situation { now_ms, in_flight: 0, staged_since_ms: None, way: Way::Open, ordered: false }
    }

    fn step(outbox: &Outbox, of: Situation) -> Step {
        next_step(outbox, &of, &BATCH, &ShardConfig::default())
    }

    #[test]
    fn a_webhook_goes_when_it_is_full_or_has_waited() {
        assert_eq!(step(&outbox(10, 1000), situation(1000)), Step::Send);
        assert_eq!(step(&outbox(9, 1000), situation(1000)), Step::Sleep { until_ms: Some(1050) });
        assert_eq!(step(&outbox(9, 1000), situation(1050)), Step::Send);
        assert_eq!(step(&outbox(0, 1000), situation(1050)), Step::Sleep { until_ms: None });
    }

    #[test]
    fn one_is_in_flight_and_one_is_signed_while_the_endpoint_keeps_up() {
        let flying = Situation { in_flight: 1, ..situation(1060) };
        assert_eq!(step(&outbox(10, 1000), flying), Step::Stage);
        assert_eq!(step(&outbox(9, 1000), flying), Step::Sleep { until_ms: Some(1250) });
        let staged = Situation { staged_since_ms: Some(1000), ..flying };
        assert_eq!(step(&outbox(10, 1001), staged), Step::Sleep { until_ms: Some(1250) });
        assert_eq!(step(&outbox(10, 1001), Situation { in_flight: 0, ..staged }), Step::SendStaged);
    }

    #[test]
    fn what_waited_too_long_overtakes_unless_the_subscription_is_ordered() {
        let flying = Situation { in_flight: 1, ..situation(1250) };
        assert_eq!(step(&outbox(10, 1000), flying), Step::Send);
        let ordered = Situation { ordered: true, ..flying };
        assert_eq!(step(&outbox(10, 1000), ordered), Step::Sleep { until_ms: Some(11_000) });
    }

    #[test]
    fn what_waited_far_too_long_leaves_the_shard() {
        let flying = Situation { in_flight: 1, ..situation(11_000) };
        assert_eq!(step(&outbox(1, 1000), flying), Step::HandOver { slow: true });
    }

    #[test]
    fn a_closed_way_leads_to_the_queue_in_whole_webhooks() {
        let closed = Situation { way: Way::Closed, ..situation(1000) };
        assert_eq!(step(&outbox(9, 1000), closed), Step::Sleep { until_ms: Some(1050) });
        assert_eq!(step(&outbox(10, 1000), closed), Step::HandOver { slow: false });
    }

    proptest! {
        /// A step that is not a sleep changes something; a sleep has an end
        /// wherever anything waits, no later than the age cap.
        #[test]
        fn nothing_waits_for_ever(
            events in 0u16..20, since in 0u64..20_000, wait in 0u64..30_000, in_flight in 0usize..3,
            staged in proptest::option::of(0u64..20_000), closed: bool, ordered: bool
        ) {
            let now_ms = since + wait;
            let way = if closed { Way::Closed } else { Way::Open };
            let staged = staged.map(|at| at.min(now_ms));
            let of = Situation { now_ms, in_flight, staged_since_ms: staged, way, ordered };
            match step(&outbox(events, since), of) {
                Step::Sleep { until_ms: None } => prop_assert!(events == 0 && staged.is_none()),
                Step::Sleep { until_ms: Some(until) } => {
                    prop_assert!(until > now_ms && until <= since.max(staged.unwrap_or(0)) + 10_000);
                }
                Step::Send | Step::Stage => prop_assert!(events > 0 && staged.is_none()),
                Step::SendStaged => prop_assert!(staged.is_some()),
                Step::HandOver { .. } => prop_assert!(events > 0 || staged.is_some()),
            }
        }
    }
}
