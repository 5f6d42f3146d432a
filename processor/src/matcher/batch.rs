//! Matching one batch, with pauses.

use super::{CustomerMatcher, Listener};
use crate::slice::start_of;
use foldhash::HashMap;
use sluice_model::{Batch, EventSet, SubscriptionId};
use sluice_selector::{
    EvaluationLimits, EventVerdicts, MatchBudget, MatchScratch, TypeCandidates, UndecidedCause,
};
use std::sync::Arc;

/// The events of a batch that matching found for one subscription.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    /// The customer's listener: an index for [`CustomerMatcher::listener`].
    pub listener: u32,
    /// The events that it wants.
    pub events: EventSet,
    /// The events that cost more to judge than allowed.
    pub too_expensive: EventSet,
    /// The events that cannot be read.
    pub unreadable: EventSet,
}

/// A batch that is being matched.
#[derive(Debug)]
pub struct BatchMatching {
    /// The candidates for each type of the batch.
    candidates: Vec<TypeCandidates>,
    found: HashMap<u32, Match>,
    /// The next event to judge.
    next: u16,
    /// The number of judged events.
    judged: usize,
    /// The steps that were spent on them.
    steps: u64,
    /// The listener that spent the most steps on one event, and how many.
    costliest: Option<(u32, u32)>,
}

/// The progress of matching a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchingProgress {
    /// All of its events are judged.
    Done,
    /// Some events are left.
    Paused,
}

/// The tools of a task that matches, reused from batch to batch.
#[derive(Debug)]
pub struct MatchingTools {
    scratch: MatchScratch,
    verdicts: EventVerdicts,
    event_steps_max: u32,
}

impl MatchingTools {
    /// Tools with these limits.
    #[must_use]
    pub fn new(limits: EvaluationLimits) -> Self {
        let event_steps_max = limits.event_steps_max;
        Self { scratch: MatchScratch::new(limits), verdicts: EventVerdicts::default(), event_steps_max }
    }
}

impl BatchMatching {
    /// The number of events that must be judged.
    #[must_use]
    pub fn events_to_judge(&self, batch: &Batch) -> usize {
        if self.candidates.iter().all(TypeCandidates::decided) {
            return 0;
        }
        let judged = batch.events.iter().filter(|event| !self.candidates[usize::from(event.kind)].decided());
        judged.count()
    }

    /// The number of events that were judged so far.
    #[must_use]
    pub const fn judged(&self) -> usize {
        self.judged
    }

    /// Whether no subscription wants any event so far.
    #[must_use]
    pub fn found_nothing(&self) -> bool {
        self.found.is_empty()
    }

    /// Counts all events of ordered subscriptions as too expensive, since they may not be delivered
    /// before the batches that wait.
    pub fn give_up_ordered(&mut self, matcher: &CustomerMatcher) {
        for found in self.found.values_mut() {
            if matcher.listener(found.listener).target.subscription().ordered {
                found.too_expensive = found.too_expensive.union(&std::mem::take(&mut found.events));
            }
        }
    }

    /// The steps that were spent so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The subscription that spent the most steps on one event, and how many.
    #[must_use]
    pub fn costliest(&self, matcher: &CustomerMatcher) -> Option<(SubscriptionId, u32)> {
        self.costliest.map(|(listener, steps)| (matcher.listener(listener).target.id(), steps))
    }

    /// The matches by listener, without listeners that have none.
    #[must_use]
    pub fn into_matches(self) -> Vec<Match> {
        let mut found: Vec<_> = self.found.into_values().collect();
        found.sort_unstable_by_key(|found| found.listener);
        found
    }

    fn found(&mut self, listener: u32) -> &mut Match {
        self.found.entry(listener).or_insert_with(|| Match {
            listener,
            events: EventSet::new(),
            too_expensive: EventSet::new(),
            unreadable: EventSet::new(),
        })
    }

    /// Adds the verdicts on one event.
    fn take_over(&mut self, index: u16, verdicts: &EventVerdicts) {
        for listener in &verdicts.matched {
            self.found(*listener).events.push(index);
        }
        for undecided in &verdicts.undecided {
            let found = self.found(undecided.position);
            let events = match undecided.cause {
                UndecidedCause::EventBudget | UndecidedCause::SelectorBudget => &mut found.too_expensive,
                UndecidedCause::Unreadable => &mut found.unreadable,
            };
            events.push(index);
        }
        let costliest = verdicts.costliest.as_ref().map(|cost| (cost.position, cost.steps));
        if costliest.is_some_and(|(_, steps)| self.costliest.is_none_or(|(_, most)| steps > most)) {
            self.costliest = costliest;
        }
    }
}

impl CustomerMatcher {
    /// Begins to match a batch of this customer by looking up its types. Events whose type decides
    /// everything are matched by it.
    #[must_use]
    pub fn begin(&self, batch: &Batch) -> BatchMatching {
        let candidates: Vec<_> = batch.types.iter().map(|kind| self.index.for_type(kind)).collect();
        let mut matching = BatchMatching {
            candidates,
            found: HashMap::default(),
            next: 0,
            judged: 0,
            steps: 0,
            costliest: None,
        };
        if matching.candidates.iter().all(TypeCandidates::decided) {
            self.match_by_type(batch, &mut matching);
            matching.next = batch.len();
        }
        matching
    }

    /// Continues as long as the whole batch takes no more than `steps_max` steps. An event that would
    /// take more is left for later.
    pub fn advance_within(
        &self,
        batch: &Batch,
        matching: &mut BatchMatching,
        tools: &mut MatchingTools,
        steps_max: u32,
    ) -> MatchingProgress {
        while matching.next < batch.len() {
            let steps_left = u64::from(steps_max).saturating_sub(matching.steps) as u32;
            let within = MatchBudget { steps_left };
            self.judge(batch, matching, tools, within);
            let is_short = |cause| cause == UndecidedCause::EventBudget && steps_left < tools.event_steps_max;
            if tools.verdicts.undecided.iter().any(|undecided| is_short(undecided.cause)) {
                return MatchingProgress::Paused;
            }
            matching.take_over(matching.next, &tools.verdicts);
            matching.next += 1;
        }
        MatchingProgress::Done
    }

    /// Continues until about this many more steps are spent. Each event may take as many steps as an
    /// event is allowed.
    pub fn advance_some(
        &self,
        batch: &Batch,
        matching: &mut BatchMatching,
        tools: &mut MatchingTools,
        steps: u32,
    ) -> MatchingProgress {
        let until = matching.steps + u64::from(steps);
        let whole = MatchBudget { steps_left: tools.event_steps_max };
        while matching.next < batch.len() && matching.steps < until {
            self.judge(batch, matching, tools, whole);
            matching.take_over(matching.next, &tools.verdicts);
            matching.next += 1;
        }
        if matching.next < batch.len() { MatchingProgress::Paused } else { MatchingProgress::Done }
    }

    /// Judges the rest of a batch by types alone: the events are too expensive for every subscription
    /// that would have to look inside them.
    pub fn give_up(&self, batch: &Batch, matching: &mut BatchMatching, tools: &mut MatchingTools) {
        while matching.next < batch.len() {
            self.judge(batch, matching, tools, MatchBudget { steps_left: 0 });
            matching.take_over(matching.next, &tools.verdicts);
            matching.next += 1;
        }
    }

    /// Fills `tools.verdicts` with the verdicts on the next event.
    fn judge(
        &self,
        batch: &Batch,
        matching: &mut BatchMatching,
        tools: &mut MatchingTools,
        within: MatchBudget,
    ) {
        let event = &batch.events[usize::from(matching.next)];
        let kind = usize::from(event.kind);
        let candidates = &matching.candidates[kind];
        let counts = |listener: &usize| self.listeners[*listener].counts_at(batch.id.ms());
        let MatchingTools { scratch, verdicts, .. } = tools;
        if candidates.decided() {
            verdicts.matched.clear();
            verdicts.undecided.clear();
            verdicts.costliest = None;
        } else {
            let envelope = &batch.body[start_of(batch, matching.next)..event.end as usize];
            let mut view = scratch.view_within(&batch.types[kind], envelope, within);
            self.index.judge(candidates, &mut view, counts, verdicts);
            matching.steps += u64::from(verdicts.steps);
            matching.judged += 1;
        }
        verdicts.matched.extend(candidates.always().iter().filter(|listener| counts(&(**listener as usize))));
    }

    /// Matches a batch in which each event's type decides everything.
    fn match_by_type(&self, batch: &Batch, matching: &mut BatchMatching) {
        let candidates = std::mem::take(&mut matching.candidates);
        let mut kinds: Vec<(u32, usize)> = Vec::new();
        for (kind, candidates) in candidates.iter().enumerate() {
            kinds.extend(candidates.always().iter().map(|listener| (*listener, kind)));
        }
        kinds.sort_unstable();
        for kinds in kinds.chunk_by(|(a, _), (b, _)| a == b) {
            let listener = kinds[0].0;
            if self.listener(listener).counts_at(batch.id.ms()) {
                matching.found(listener).events = events_of(batch, kinds);
            }
        }
        matching.candidates = candidates;
    }

    /// The listener of a [`Match`].
    #[must_use]
    pub fn listener(&self, listener: u32) -> &Arc<Listener> {
        &self.listeners[listener as usize]
    }
}

/// The events of a batch that have one of these types; each type comes with a listener.
fn events_of(batch: &Batch, kinds: &[(u32, usize)]) -> EventSet {
    if kinds.len() == batch.types.len() {
        return EventSet::range(0, batch.len());
    }
    let is_wanted = |kind: u16| kinds.binary_search_by_key(&usize::from(kind), |(_, kind)| *kind).is_ok();
    let wanted = batch.events.iter().enumerate().filter(|(_, event)| is_wanted(event.kind));
    wanted.map(|(index, _)| index as u16).collect()
}
