//! The next step of a subscription on a shard: pure decisions.
//!
//! [`next_step`] decides for the events of the outbox, [`next_parked`] for the parked lists of an
//! ordered subscription. The caller carries the step out and asks again.

use crate::config::ShardConfig;
use crate::outbox::Outbox;
use crate::parking::lanes::{LanesNext, ParkedLanes};
use sluice_model::subscription::BatchPolicy;
use sluice_model::{DeliveryId, Lane};

/// How long to wait if an endpoint has as many POSTs in flight as allowed.
pub const BUSY_WAIT_MS: u64 = 10;

/// The input of [`next_step`], beside the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// First attempts in flight that still hold the log.
    pub in_flight: usize,
    /// Since when the first event of the staged webhook has waited, if a webhook is signed and waits.
    pub staged_since_ms: Option<u64>,
    /// Whether the way to the endpoint is open.
    pub way: Way,
    /// Whether the subscription is ordered.
    pub ordered: bool,
}

/// Whether first attempts go to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They go to the endpoint.
    Open,
    /// They go to the work queue: the breaker is open, the endpoint was too slow recently, or the
    /// customer is suspended.
    Closed,
}

/// A step of an outlet with its outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutletStep {
    /// Cut a webhook and send it.
    Send,
    /// Send the webhook that is signed and waits.
    SendStaged,
    /// Cut a webhook and sign it while the previous webhook is in flight.
    Stage,
    /// Give all waiting events to the work queue.
    HandOver(HandOverCause),
    /// Wait until this time; `None`: until something changes.
    Sleep {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
}

/// Why events leave a shard for the work queue before their first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOverCause {
    /// The way to the endpoint is closed.
    WayClosed,
    /// The endpoint does not keep up: its oldest event waited for the age cap.
    Slow,
}

/// The next step of a subscription on a shard.
///
/// First attempts follow the log one at a time. Where the oldest event waited
/// longer than `overtake_after_ms`, more are sent beside those in flight. When it has waited longer
/// than `age_cap_ms`, all waiting events leave the shard.
#[must_use]
pub fn next_step(
    outbox: &Outbox,
    situation: &Situation,
    batch: &BatchPolicy,
    config: &ShardConfig,
) -> OutletStep {
    let Some(oldest_ms) = [situation.staged_since_ms, outbox.oldest_ms()].into_iter().flatten().min() else {
        return OutletStep::Sleep { until_ms: None };
    };
    let now_ms = situation.now_ms;
    // Whatever the subscription's policy, events that wait for others are sent well before they are too
    // old for the shard.
    let wait_max_ms = u32::try_from(config.age_cap_ms / 2).unwrap_or(u32::MAX);
    let batch = BatchPolicy { max_wait_ms: batch.max_wait_ms.min(wait_max_ms), ..*batch };
    let ready_at = outbox.ready_at_ms(&batch);
    let ready = ready_at.is_some_and(|at_ms| at_ms <= now_ms);
    let staged = situation.staged_since_ms.is_some();
    if situation.way == Way::Closed {
        return if ready || staged {
            OutletStep::HandOver(HandOverCause::WayClosed)
        } else {
            OutletStep::Sleep { until_ms: ready_at }
        };
    }
    let too_old_at = oldest_ms + config.age_cap_ms;
    if too_old_at <= now_ms {
        return OutletStep::HandOver(HandOverCause::Slow);
    }
    let overtake_at = if situation.ordered { u64::MAX } else { oldest_ms + config.overtake_after_ms };
    let may_send = situation.in_flight == 0 || overtake_at <= now_ms;
    let full = ready_at == Some(0);
    match (may_send, staged) {
        (true, true) => OutletStep::SendStaged,
        (true, false) if ready => OutletStep::Send,
        (true, false) => OutletStep::Sleep { until_ms: ready_at.map(|at_ms| at_ms.min(too_old_at)) },
        // The next webhook of an ordered subscription depends on the outcome of this one.
        (false, false) if full && !situation.ordered => OutletStep::Stage,
        (false, _) => OutletStep::Sleep { until_ms: Some(overtake_at.min(too_old_at)) },
    }
}

/// The input of [`next_parked`], beside the parked lists and the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedSituation {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The newest durable commit: events that were parked in later ones may not go yet.
    pub durable: u64,
    /// Webhooks of the subscription that are in flight or signed.
    pub under_way: usize,
    /// Whose turn it is, if both the parked lists and the outbox have events.
    pub turn: Turn,
    /// When to look again, if the customer is suspended.
    pub suspended_until_ms: Option<u64>,
}

/// Whose turn it is. Parked events and the outbox take turns, so that keys that never failed go
/// on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The parked lists'.
    Parked,
    /// The outbox's: the last webhook was a parked one.
    Outbox,
}

/// A step of an outlet with its parked lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedStep {
    /// Try a failed delivery again.
    Retry {
        /// The lane whose list has it.
        lane: Lane,
        /// Which delivery.
        delivery: DeliveryId,
    },
    /// Cut a webhook of waiting events and send it.
    Cut {
        /// The lane whose list has them.
        lane: Lane,
    },
    /// Let the outbox go first, then look again.
    PassTurn,
    /// Wait until this time; `None`: until something changes.
    Sleep {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
}

/// The next step with the parked lists of an ordered subscription. One webhook of the subscription is
/// under way at a time.
#[must_use]
pub fn next_parked(parked: &ParkedLanes, outbox: &Outbox, situation: &ParkedSituation) -> ParkedStep {
    if parked.is_empty() || situation.under_way > 0 {
        return ParkedStep::Sleep { until_ms: None };
    }
    if situation.turn == Turn::Outbox && !outbox.is_empty() {
        return ParkedStep::PassTurn;
    }
    if let Some(until_ms) = situation.suspended_until_ms {
        return ParkedStep::Sleep { until_ms: Some(until_ms) };
    }
    match parked.next(situation.now_ms, situation.durable) {
        LanesNext::Retry { lane, delivery } => ParkedStep::Retry { lane, delivery },
        LanesNext::Cut { lane } => ParkedStep::Cut { lane },
        LanesNext::Sleep { until_ms } => {
            ParkedStep::Sleep { until_ms: until_ms.map(|at_ms| at_ms.max(situation.now_ms + 1)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parking::{DeliveryOwner, Failed, ParkedChanges, ParkedItem};
    use crate::slice::{Slice, Ticket};
    use crate::testing::{batch_id, batch_of_sizes, delivery};
    use proptest::prelude::*;
    use sluice_model::{CustomerId, Delivery, EventSet, SubscriptionId};
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

    fn step(outbox: &Outbox, situation: Situation) -> OutletStep {
        next_step(outbox, &situation, &BATCH, &ShardConfig::default())
    }

    #[test]
    fn a_webhook_goes_when_it_is_full_or_has_waited() {
        assert_eq!(step(&outbox(10, 1000), situation(1000)), OutletStep::Send);
        assert_eq!(step(&outbox(9, 1000), situation(1000)), OutletStep::Sleep { until_ms: Some(1050) });
        assert_eq!(step(&outbox(9, 1000), situation(1050)), OutletStep::Send);
        assert_eq!(step(&outbox(0, 1000), situation(1050)), OutletStep::Sleep { until_ms: None });
    }

    #[test]
    fn one_webhook_is_in_flight_and_one_is_signed_while_the_endpoint_keeps_up() {
        let flying = Situation { in_flight: 1, ..situation(1060) };
        assert_eq!(step(&outbox(10, 1000), flying), OutletStep::Stage);
        assert_eq!(step(&outbox(9, 1000), flying), OutletStep::Sleep { until_ms: Some(1250) });
        let staged = Situation { staged_since_ms: Some(1000), ..flying };
        assert_eq!(step(&outbox(10, 1001), staged), OutletStep::Sleep { until_ms: Some(1250) });
        assert_eq!(step(&outbox(10, 1001), Situation { in_flight: 0, ..staged }), OutletStep::SendStaged);
    }

    #[test]
    fn events_that_waited_too_long_overtake_unless_the_subscription_is_ordered() {
        let flying = Situation { in_flight: 1, ..situation(1250) };
        assert_eq!(step(&outbox(10, 1000), flying), OutletStep::Send);
        let ordered = Situation { ordered: true, ..flying };
        assert_eq!(step(&outbox(10, 1000), ordered), OutletStep::Sleep { until_ms: Some(11_000) });
    }

    #[test]
    fn events_that_waited_far_too_long_leave_the_shard() {
        let flying = Situation { in_flight: 1, ..situation(11_000) };
        assert_eq!(step(&outbox(1, 1000), flying), OutletStep::HandOver(HandOverCause::Slow));
    }

    #[test]
    fn a_webhook_goes_long_before_its_events_are_too_old_for_the_shard() {
        let config = ShardConfig::default();
        let patient = BatchPolicy { max_wait_ms: config.age_cap_ms as u32, ..BATCH };
        let step_at = |now_ms| next_step(&outbox(1, 1000), &situation(now_ms), &patient, &config);
        assert_eq!(step_at(1000), OutletStep::Sleep { until_ms: Some(1000 + config.age_cap_ms / 2) });
        assert_eq!(step_at(1000 + config.age_cap_ms / 2), OutletStep::Send);
    }

    #[test]
    fn a_closed_way_leads_to_the_queue_in_whole_webhooks() {
        let closed = Situation { way: Way::Closed, ..situation(1000) };
        assert_eq!(step(&outbox(9, 1000), closed), OutletStep::Sleep { until_ms: Some(1050) });
        assert_eq!(step(&outbox(10, 1000), closed), OutletStep::HandOver(HandOverCause::WayClosed));
    }

    proptest! {
        /// A step that is not a sleep changes something. If anything waits, a sleep has an end, no
        /// later than the age cap.
        #[test]
        fn nothing_waits_for_ever(
            events in 0u16..20, since in 0u64..20_000, wait in 0u64..30_000, in_flight in 0usize..3,
            staged in proptest::option::of(0u64..20_000), closed: bool, ordered: bool
        ) {
            let now_ms = since + wait;
            let way = if closed { Way::Closed } else { Way::Open };
            let staged = staged.map(|since_ms| since_ms.min(now_ms));
            let situation = Situation { now_ms, in_flight, staged_since_ms: staged, way, ordered };
            match step(&outbox(events, since), situation) {
                OutletStep::Sleep { until_ms: None } => prop_assert!(events == 0 && staged.is_none()),
                OutletStep::Sleep { until_ms: Some(until) } => {
                    prop_assert!(until > now_ms && until <= since.max(staged.unwrap_or(0)) + 10_000);
                }
                OutletStep::Send | OutletStep::Stage => prop_assert!(events > 0 && staged.is_none()),
                OutletStep::SendStaged => prop_assert!(staged.is_some()),
                OutletStep::HandOver(_) => prop_assert!(events > 0 || staged.is_some()),
            }
        }
    }

    /// Lane 3 with a failed delivery of key 1 that is due at 900, and an event of the free key 2.
    fn parked() -> ParkedLanes {
        let mut lanes = ParkedLanes::default();
        let mut changes = ParkedChanges::default();
        let list = lanes.list(LANE);
        let failed = Delivery { due_ms: 900, ..delivery(1, 1) };
        list.fail(Failed { delivery: failed, keys: vec![1] }, 1, &mut changes);
        let item = ParkedItem { key: 2, batch: batch_id(2, 2), events: EventSet::range(0, 1), bytes: 9 };
        list.wait(vec![item], &OWNER, 2, 1, &mut changes);
        lanes
    }

    const LANE: Lane = Lane::new(3).expect("a lane");
    const OWNER: DeliveryOwner =
        DeliveryOwner { customer: CustomerId::from_u128(1), subscription: SubscriptionId::from_u128(1) };
    const CALM: ParkedSituation = ParkedSituation {
        now_ms: 800,
        durable: 2,
        under_way: 0,
        turn: Turn::Parked,
        suspended_until_ms: None,
    };

    #[test]
    fn parked_events_go_when_they_are_due_and_durable() {
        let (parked, empty) = (parked(), Outbox::default());
        let step = |situation| next_parked(&parked, &empty, &situation);
        assert_eq!(step(CALM), ParkedStep::Cut { lane: LANE });
        let early = ParkedSituation { durable: 1, ..CALM };
        assert_eq!(step(early), ParkedStep::Sleep { until_ms: Some(900) });
        assert_eq!(step(ParkedSituation { durable: 0, ..CALM }), ParkedStep::Sleep { until_ms: None });
        let due = ParkedSituation { now_ms: 900, ..early };
        assert!(matches!(step(due), ParkedStep::Retry { lane: LANE, .. }));
    }

    #[test]
    fn nothing_parked_goes_beside_another_webhook_or_for_a_suspended_customer() {
        let (parked, empty) = (parked(), Outbox::default());
        let step = |situation| next_parked(&parked, &empty, &situation);
        assert_eq!(step(ParkedSituation { under_way: 1, ..CALM }), ParkedStep::Sleep { until_ms: None });
        let suspended = ParkedSituation { suspended_until_ms: Some(5000), ..CALM };
        assert_eq!(step(suspended), ParkedStep::Sleep { until_ms: Some(5000) });
        assert_eq!(next_parked(&ParkedLanes::default(), &empty, &CALM), ParkedStep::Sleep { until_ms: None });
    }

    #[test]
    fn parked_events_and_the_outbox_take_turns() {
        let parked = parked();
        let after_parked = ParkedSituation { turn: Turn::Outbox, ..CALM };
        assert_eq!(next_parked(&parked, &outbox(1, 0), &after_parked), ParkedStep::PassTurn);
        assert_eq!(next_parked(&parked, &outbox(1, 0), &CALM), ParkedStep::Cut { lane: LANE });
        let empty = Outbox::default();
        assert_eq!(next_parked(&parked, &empty, &after_parked), ParkedStep::Cut { lane: LANE });
    }
}
