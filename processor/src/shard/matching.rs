//! From the log to the outlets: matching events with subscriptions, and noting the changes that must be
//! durable before a record is settled.

use super::outlets::Outlets;
use super::usage::UsageCounter;
use super::waiting::{MatchedLate, UnmatchedBatches, WaitingFull};
use crate::commit::Commit;
use crate::context::Context;
use crate::matcher::{
    BatchMatching, CustomerMatcher, Match, MatchingPlace, MatchingProgress, MatchingShares, MatchingTools,
};
use crate::parking::DeliveryOwner;
use crate::settlement::{self, DeliveryEnding, HeldBy};
use crate::slice::{Slice, Ticket};
use foldhash::HashMap;
use sluice_history::usage::{EndedEvents, UsageLine};
use sluice_model::ids::BatchIds;
use sluice_model::{Batch, BatchId, DeadLetterReason, EventRef, EventSet, Lane, SubscriptionId};
use sluice_ports::event_store::NewBatch;
use sluice_ports::log::{IdTimes, LogRecord};
use std::sync::Arc;

/// Matches records.
pub(super) struct Matching {
    context: Arc<Context>,
    tools: MatchingTools,
    shares: MatchingShares,
    usage: UsageCounter,
    places: Places,
}

/// A matched record.
pub(super) struct MatchedRecord {
    pub(super) outstanding: Outstanding,
    /// Its usage, for its customers.
    pub(super) usage: Vec<UsageLine>,
}

/// The work that must be done before a matched record is settled.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outstanding {
    /// The (event × subscription) and stored batches that must become durable.
    pub(super) events: usize,
    /// The bytes of batches that are held in memory for them.
    pub(super) bytes: usize,
}

/// The state of a batch after it was looked at.
enum MatchedBatch {
    /// Its matches are at their outlets.
    AtOutlets(HandedOut),
    /// It waits to be matched, once its row is durable.
    Waits,
}

/// The result of giving the events of a batch to outlets.
struct HandedOut {
    /// The (event × subscription) that will settle the batch.
    outstanding: usize,
    /// The events that no subscription wants.
    unmatched: EventSet,
}

/// The destination of the matches of a record.
pub(super) struct Matched<'a> {
    pub(super) outlets: &'a mut Outlets,
    pub(super) waiting: &'a mut UnmatchedBatches,
    pub(super) commit: &'a mut Commit,
    /// The record in the watermark, or the waiting batch, that the matches settle.
    pub(super) ticket: Ticket,
    pub(super) now_ms: u64,
}

impl Matching {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let config = &context.config.matching;
        let (tools, shares) = (MatchingTools::new(config.limits()), MatchingShares::new(config.clone()));
        Self { context, tools, shares, usage: UsageCounter::default(), places: Places::default() }
    }

    /// Matches a record: afterwards its events are at their outlets, or wait to be matched. Returns
    /// its usage if it must be counted.
    pub(super) fn match_record(
        &mut self,
        record: &LogRecord,
        counts: bool,
        sink: &mut Matched<'_>,
    ) -> MatchedRecord {
        let (mut outstanding, mut usage) = (Outstanding::default(), Vec::new());
        for batch in &record.batches {
            let stores = self.context.stores.events.takes_batches();
            let place = match self.context.matchers.matcher(batch.customer) {
                Some(matcher) => self.match_batch(batch, &matcher, sink),
                None => {
                    self.count(batch, &[]);
                    MatchedBatch::AtOutlets(HandedOut { outstanding: 0, unmatched: all_of(batch) })
                }
            };
            let (events, matched, unmatched) = match place {
                MatchedBatch::AtOutlets(HandedOut { outstanding, unmatched }) => {
                    (outstanding, outstanding > 0, unmatched)
                }
                MatchedBatch::Waits => (1, false, EventSet::new()),
            };
            if counts {
                self.usage.accepted(batch, &unmatched, &mut usage);
            }
            if stores {
                // Storing the batch is one more thing that must be durable before the record is
                // settled.
                let place = self.places.of(batch.id, record.id_times);
                if place.is_some() {
                    self.context.metrics().batches_out_of_time.increment(1);
                }
                sink.commit.batch(NewBatch { batch: Arc::clone(batch), matched, place });
                sink.commit.settle(sink.ticket, 1);
                outstanding.events += 1;
            }
            outstanding.events += events;
            if stores || events > 0 {
                outstanding.bytes += batch.body.len();
            }
        }
        MatchedRecord { outstanding, usage }
    }

    /// Matches a batch, or lets it wait.
    fn match_batch(
        &mut self,
        batch: &Arc<Batch>,
        matcher: &Arc<CustomerMatcher>,
        sink: &mut Matched<'_>,
    ) -> MatchedBatch {
        if let Some(matching) = self.match_in_log(batch, matcher, sink) {
            return MatchedBatch::AtOutlets(self.deliver(batch, matcher, matching, sink));
        }
        match sink.waiting.add(batch, sink.commit, sink.now_ms) {
            Ok(()) => {
                self.context.metrics().events_waiting.increment(u64::from(batch.len()));
                sink.commit.settle(sink.ticket, 1);
                MatchedBatch::Waits
            }
            Err(WaitingFull) => {
                let mut matching = matcher.begin(batch);
                matcher.give_up(batch, &mut matching, &mut self.tools);
                matching.give_up_ordered(matcher);
                MatchedBatch::AtOutlets(self.deliver(batch, matcher, matching, sink))
            }
        }
    }

    /// Matches a batch at its place in the log, if its customer may spend the steps and they suffice.
    fn match_in_log(
        &mut self,
        batch: &Batch,
        matcher: &CustomerMatcher,
        sink: &Matched<'_>,
    ) -> Option<BatchMatching> {
        let mut matching = matcher.begin(batch);
        let events = matching.events_to_judge(batch);
        if events == 0 && matching.found_nothing() {
            return Some(matching);
        }
        if sink.waiting.holds(batch.customer, batch.lane()) {
            return None;
        }
        if events == 0 {
            return Some(matching);
        }
        let MatchingPlace::InLog { steps_max } = self.shares.place(batch.customer, events, sink.now_ms)
        else {
            return None;
        };
        let progress = matcher.advance_within(batch, &mut matching, &mut self.tools, steps_max);
        self.shares.spend(batch.customer, matching.steps(), sink.now_ms);
        self.shares.learn(batch.customer, matching.judged().max(1), matching.steps(), sink.now_ms);
        (progress == MatchingProgress::Done).then_some(matching)
    }

    /// Gives the matches of a batch that waited to the outlets.
    pub(super) fn deliver_late(&mut self, late: MatchedLate, sink: &mut Matched<'_>) -> usize {
        let HandedOut { outstanding, unmatched } = match late.matched {
            Some((matcher, matching)) => {
                self.shares.learn(late.waiting.customer, matching.judged(), matching.steps(), sink.now_ms);
                self.deliver(&late.batch, &matcher, matching, sink)
            }
            None => HandedOut { outstanding: 0, unmatched: all_of(&late.batch) },
        };
        self.usage.unmatched_late(&late.batch, &unmatched, sink.now_ms, sink.commit.beside_log());
        outstanding
    }

    /// Does the housekeeping.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.shares.forget_idle(now_ms);
    }

    /// Gives the events of a batch to the outlets that want them.
    fn deliver(
        &self,
        batch: &Arc<Batch>,
        matcher: &CustomerMatcher,
        matching: BatchMatching,
        sink: &mut Matched<'_>,
    ) -> HandedOut {
        let costliest = matching.costliest(matcher);
        let found = matching.into_matches();
        self.count(batch, &found);
        let (mut outstanding, unmatched) = (0, unmatched(batch, &found));
        for Match { listener, events, too_expensive, unreadable } in found {
            let listener = matcher.listener(listener);
            outstanding += events.len() + too_expensive.len() + unreadable.len();
            let id = listener.target.id();
            if !too_expensive.is_empty() {
                self.give_up(batch, id, too_expensive, Undelivered::TooExpensive { costliest }, sink);
            }
            if !unreadable.is_empty() {
                self.give_up(batch, id, unreadable, Undelivered::Unreadable, sink);
            }
            let slice = Slice { batch: Arc::clone(batch), events, ticket: sink.ticket };
            sink.outlets.push(listener, slice, sink.commit, sink.now_ms);
        }
        HandedOut { outstanding, unmatched }
    }

    fn count(&self, batch: &Batch, found: &[Match]) {
        let all = usize::from(batch.len());
        let matched = match found {
            [] => 0,
            [one] => one.events.len(),
            many => many.iter().fold(EventSet::new(), |union, found| union.union(&found.events)).len(),
        };
        let metrics = self.context.metrics();
        metrics.events_matched.increment(matched as u64);
        metrics.events_unmatched.increment((all - matched) as u64);
    }

    /// Handles events that a selector could not judge. They are neither matched nor dropped: they
    /// become a dead letter, so that their owner sees them.
    fn give_up(
        &self,
        batch: &Batch,
        subscription: SubscriptionId,
        events: EventSet,
        why: Undelivered,
        sink: &mut Matched<'_>,
    ) {
        let count = events.len();
        self.context.metrics().events_undecided.increment(count as u64);
        let owner = DeliveryOwner { customer: batch.customer, subscription };
        let mut delivery = owner.delivery(vec![EventRef { batch: batch.id, events }], sink.now_ms);
        delivery.last.error = Some(why.text(self.context.config.matching.event_steps_max));
        delivery.last.at_ms = sink.now_ms;
        let reason = why.reason();
        let (customer, accepted_ms) = (batch.customer, batch.id.ms());
        let (at_ms, failed) = (sink.now_ms, count as u32);
        let ended = EndedEvents { customer, subscription, accepted_ms, at_ms, delivered: 0, failed };
        sink.commit.count(sink.ticket, ended);
        self.context.metrics().ending(DeliveryEnding::GaveUp(reason), count);
        settlement::give_up(sink.commit, delivery, reason, HeldBy::Log, sink.now_ms);
        sink.commit.settle(sink.ticket, count);
    }
}

/// Gives new places to batches that cannot be at their ids' places, ascending in each lane as in the
/// log.
#[derive(Debug, Default)]
struct Places(HashMap<Lane, BatchIds>);

impl Places {
    /// The place of a batch, if it is not its id's.
    fn of(&mut self, id: BatchId, times: IdTimes) -> Option<BatchId> {
        let place_ms = times.place_ms(id.ms())?;
        let lane = id.lane();
        Some(self.0.entry(lane).or_insert_with(|| BatchIds::new(lane, 0)).next(place_ms))
    }
}

fn all_of(batch: &Batch) -> EventSet {
    EventSet::range(0, batch.len())
}

/// The events of a batch that no subscription wants or gives up.
fn unmatched(batch: &Batch, found: &[Match]) -> EventSet {
    let all = usize::from(batch.len());
    // The usual case first: one subscription wants all events.
    if found.iter().any(|found| found.events.len() == all) {
        return EventSet::new();
    }
    let sets = found.iter().flat_map(|found| [&found.events, &found.too_expensive, &found.unreadable]);
    let wanted = sets.fold(EventSet::new(), |union, events| union.union(events));
    all_of(batch).minus(&wanted)
}

/// Why events are given up before they are matched.
#[derive(Debug, Clone, Copy)]
enum Undelivered {
    /// Judging them costs more than allowed.
    TooExpensive {
        /// The customer's subscription whose selector spent the most steps on one event.
        costliest: Option<(SubscriptionId, u32)>,
    },
    /// They cannot be read.
    Unreadable,
}

impl Undelivered {
    const fn reason(self) -> DeadLetterReason {
        match self {
            Self::TooExpensive { .. } => DeadLetterReason::TooExpensive,
            Self::Unreadable => DeadLetterReason::Poison,
        }
    }

    /// The reason in words for people.
    fn text(self, event_steps_max: u32) -> String {
        match self {
            Self::TooExpensive { costliest: Some((id, steps)) } => format!(
                "the selectors take more than the {event_steps_max} steps that one event may cost; \
                 the most, {steps}, went to subscription {id}"
            ),
            Self::TooExpensive { costliest: None } => {
                "more events wait to be matched than may: the customer's selectors are too expensive".into()
            }
            Self::Unreadable => "the selector could not read these events".into(),
        }
    }
}
