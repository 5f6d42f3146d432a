use super::*;
use crate::testing::{RecordingStores, batch_id, delivery};
use proptest::prelude::*;
use sluice_ports::PortError;
use std::collections::BTreeSet;
use std::time::Duration;

const RETRY: Outcome = Outcome::Retry { after: Duration::from_secs(2) };
const EXHAUSTED: Outcome = Outcome::DeadLetter { reason: DeadLetterReason::Exhausted };

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![Outcome::Taken, RETRY, EXHAUSTED, Outcome::DisableAndDeadLetter])
}

fn ids(events: &[EventRef]) -> BTreeSet<EventId> {
    events.iter().flat_map(|part| part.events.iter().map(|index| part.batch.event(index))).collect()
}

/// The stores after `commit` was written.
async fn written(commit: &Commit) -> RecordingStores {
    let recording = RecordingStores::default();
    let fails = |error: &PortError| panic!("a store in memory fails: {error}");
    commit.write_until_durable(&recording.stores(), || 7, fails).await.unwrap();
    recording
}

proptest! {
    #[test]
    fn every_event_ends_taken_or_waiting_or_given_up_exactly_once(
        outcome in outcomes(), failed_outcome in prop::sample::select(vec![RETRY, EXHAUSTED]),
        sizes in prop::collection::vec(1u16..30, 1..6), named in prop::collection::vec((0u64..8, 0u16..40), 0..20), queued: bool
    ) {
        let mut delivery = delivery(1, 1);
        delivery.attempts = 2;
        delivery.events = sizes.iter().enumerate()
            .map(|(n, size)| EventRef { batch: batch_id(1, n as u64), events: EventSet::range(0, *size) })
            .collect();
        let all = ids(&delivery.events);
        let failed: Vec<_> = named.iter().map(|(n, index)| batch_id(1, *n).event(*index)).collect();
        let held = if queued { HeldBy::Queue } else { HeldBy::Log };
        let mut commit = Commit::default();
        let settlement = settle(&mut commit, delivery.clone(), outcome, &failed, failed_outcome, held, 1000);
        if let Some(rest) = settlement.rest { commit.put(rest) }

        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(written(&commit));
        let facts = got.facts();
        let collect = |events: fn(&Fact) -> &EventSet| -> BTreeSet<EventId> {
            facts.iter().flat_map(|new| events(&new.fact).iter().map(|index| new.batch.event(index)).collect::<Vec<_>>()).collect()
        };
        let (matched, took, gave_up) = (collect(|f| &f.matched), collect(|f| &f.took), collect(|f| &f.gave_up));
        let waiting: BTreeSet<_> = got.queued().iter().flat_map(|delivery| ids(&delivery.events)).collect();
        let dead: BTreeSet<_> = got.dead_letters().iter().flat_map(|letter| ids(&letter.delivery.events)).collect();
        prop_assert_eq!(&matched, &all);
        prop_assert_eq!(&gave_up, &dead);
        prop_assert_eq!(took.len() + waiting.len() + dead.len(), all.len());
        let ended: BTreeSet<_> = took.union(&waiting).chain(&dead).copied().collect();
        prop_assert_eq!(ended, all);

        let same_id_waits = got.queued().iter().any(|waits| waits.id == delivery.id);
        prop_assert_eq!(same_id_waits, matches!(outcome, Outcome::Retry { .. }));
        prop_assert_eq!(!got.done().is_empty(), queued && !same_id_waits);
        for waits in got.queued() {
            prop_assert_eq!((waits.attempts, waits.due_ms), (2, 3000));
        }
    }
}

#[test]
fn ids_that_were_not_sent_are_ignored() {
    let delivery = delivery(1, 3);
    let mut commit = Commit::default();
    let stranger = batch_id(99, 99).event(0);
    let settlement = settle(&mut commit, delivery, Outcome::Taken, &[stranger], RETRY, HeldBy::Log, 0);
    assert_eq!(
        settlement,
        Settlement { ending: DeliveryEnding::Taken, ending_of_failed: None, rest: None, failed: Vec::new() }
    );
    assert!(!commit.has_puts());
}

#[test]
fn events_that_were_not_taken_have_an_ending_of_their_own() {
    let failed = [batch_id(1, 1).event(1)];
    for (outcome, ending) in
        [(RETRY, DeliveryEnding::Waits), (EXHAUSTED, DeliveryEnding::GaveUp(DeadLetterReason::Exhausted))]
    {
        let mut commit = Commit::default();
        let settlement =
            settle(&mut commit, delivery(1, 3), Outcome::Taken, &failed, outcome, HeldBy::Queue, 1000);
        assert_eq!((settlement.ending, settlement.ending_of_failed), (DeliveryEnding::Taken, Some(ending)));
        assert_eq!(settlement.rest.map(|rest| rest.event_count()), (outcome == RETRY).then_some(1));
    }
}
