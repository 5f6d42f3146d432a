//! One customer's subscriptions, ready to judge events.
//!
//! Ten thousand subscriptions cost an event hardly more than the few that want it, since most
//! are never looked at:
//! - selectors that name event types are found by the type;
//! - selectors that ask for one value of a single field, or for the field to exist, are found
//!   by path and value, and decided by that alone if they ask for nothing else;
//! - the others are evaluated, the cheap ones first, and parts that several of them share are
//!   evaluated once.

mod cost;
mod fields;
mod guard;
mod types;
mod verdicts;

use super::event::{EventView, Unparsed};
use super::node::SelectorNode;
use super::share::share;
use super::{CompiledSelector, Verdict};
use fields::{FieldIndex, Hit};
use guard::{Strength, guard};
use types::TypeIndex;

pub use verdicts::{EventVerdicts, SelectorCost, TypeCandidates, UndecidedCause, UndecidedSelector};

/// One customer's subscriptions. A subscription's position is its place in the
/// order in which they were given.
#[derive(Debug)]
pub struct SubscriptionIndex<T> {
    entries: Vec<IndexEntry<T>>,
    types: TypeIndex,
    fields: FieldIndex,
    /// The positions of the selectors in `fields`.
    guarded: Vec<u32>,
    /// The number of results that are remembered for an event.
    slots: usize,
}

#[derive(Debug)]
struct IndexEntry<T> {
    selector: CompiledSelector,
    /// How the cost of the selector grows with the event.
    growth: u32,
    subscription: T,
}

impl<T> SubscriptionIndex<T> {
    /// Indexes subscriptions.
    pub fn new(entries: impl IntoIterator<Item = (CompiledSelector, T)>) -> Self {
        let entries = entries.into_iter().map(|(selector, subscription)| IndexEntry {
            growth: cost::growth(selector.root()),
            selector: selector.unshared(),
            subscription,
        });
        let mut index = Self {
            entries: entries.collect(),
            types: TypeIndex::default(),
            fields: FieldIndex::default(),
            guarded: Vec::new(),
            slots: 0,
        };
        for (position, entry) in (0_u32..).zip(&index.entries) {
            match guard(entry.selector.root()) {
                Some(guard) => {
                    index.fields.insert(&guard, position);
                    index.guarded.push(position);
                }
                None => index.types.insert(entry.selector.event_types(), position),
            }
        }
        index.slots = share(index.entries.iter().map(|entry| entry.selector.root()));
        index
    }

    /// The number of subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no subscriptions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The subscription at a position.
    #[must_use]
    pub fn subscription(&self, position: u32) -> Option<&T> {
        self.entries.get(position as usize).map(|entry| &entry.subscription)
    }

    /// The subscriptions that can want events of a type ("": events without one).
    /// Call it once for each distinct type of a batch.
    #[must_use]
    pub fn for_type(&self, event_type: &str) -> TypeCandidates {
        let mut candidates = TypeCandidates { may_be_called: !self.guarded.is_empty(), ..Default::default() };
        for position in self.types.positions(event_type) {
            let Some(entry) = self.entries.get(position as usize) else { continue };
            match entry.selector.decided_by_type(event_type) {
                Some(true) => candidates.always.push(position),
                Some(false) => {}
                None => candidates.evaluate.push((entry.growth, position)),
            }
        }
        candidates.evaluate.sort_unstable();
        candidates
    }

    /// Judges one event by all subscriptions except those that its type decides
    /// ([`TypeCandidates::always`]). `candidates` are those of the event's type. `counts` tells
    /// whether a subscription counts for this event at all, and is asked before anything is
    /// spent on it. `verdicts` is emptied first.
    pub fn judge(
        &self,
        candidates: &TypeCandidates,
        event: &mut EventView<'_>,
        counts: impl Fn(&T) -> bool,
        verdicts: &mut EventVerdicts,
    ) {
        verdicts.clear();
        let steps_before = event.steps_spent();
        event.memo().begin(self.slots);
        let mut admitted = std::mem::take(&mut verdicts.admitted);
        self.call(event, &counts, verdicts, &mut admitted);
        let by_type = candidates.evaluate.iter().copied();
        for (_, position) in merged(by_type, admitted.iter().copied()) {
            if let Some(entry) = self.entries.get(position as usize)
                && counts(&entry.subscription)
            {
                evaluate(entry, position, event, verdicts);
            }
        }
        verdicts.admitted = admitted;
        verdicts.steps = event.steps_spent() - steps_before;
        verdicts.matched.sort_unstable();
        verdicts.undecided.sort_unstable_by_key(|undecided| undecided.position);
    }

    /// Finds the selectors whose fields the event has. Those that are decided by that match; the
    /// others must be evaluated. If the event cannot be parsed, all must be evaluated.
    fn call(
        &self,
        event: &mut EventView<'_>,
        counts: &impl Fn(&T) -> bool,
        verdicts: &mut EventVerdicts,
        admitted: &mut Vec<(u32, u32)>,
    ) {
        admitted.clear();
        if self.guarded.is_empty() {
            return;
        }
        let mut hits = std::mem::take(&mut verdicts.hits);
        hits.clear();
        let complete = self.hits(event, &mut hits);
        if complete {
            // Deciding hits come first, so that one hides the other hits of its selector.
            hits.sort_unstable();
            hits.dedup_by_key(|hit| hit.position);
        } else {
            hits.clear();
            hits.extend(self.guarded.iter().map(|&position| Hit { position, strength: Strength::Admits }));
        }
        for Hit { position, strength } in &hits {
            let Some(entry) = self.entries.get(*position as usize) else { continue };
            match strength {
                Strength::Settles if !entry.selector.may_want(event.event_type()) => {}
                Strength::Settles if counts(&entry.subscription) => verdicts.matched.push(*position),
                Strength::Settles => {}
                Strength::Admits => admitted.push((entry.growth, *position)),
            }
        }
        admitted.sort_unstable();
        verdicts.hits = hits;
    }

    /// Returns false if the event cannot be parsed, or not within its budget.
    fn hits(&self, event: &mut EventView<'_>, hits: &mut Vec<Hit>) -> bool {
        if event.parse().is_err() {
            return false;
        }
        let mut budget = event.event_budget();
        let given = budget.left();
        let Some(opened) = event.opened() else { return false };
        let result = self.fields.hits(opened.json, &mut budget, hits);
        event.charge(given, &budget);
        result.is_ok()
    }
}

fn evaluate<T>(
    entry: &IndexEntry<T>,
    position: u32,
    event: &mut EventView<'_>,
    verdicts: &mut EventVerdicts,
) {
    let limits = event.limits();
    let event_steps = event.budget().steps_left;
    let is_last_of_event = event_steps < limits.selector_steps_max;
    let judgement = entry.selector.judge(event);
    if verdicts.costliest.is_none_or(|costliest| costliest.steps < judgement.steps) {
        verdicts.costliest = Some(SelectorCost { position, steps: judgement.steps });
    }
    match judgement.verdict {
        Verdict::Match => verdicts.matched.push(position),
        Verdict::NoMatch => {}
        Verdict::Undecided => {
            let cause = match event.parse() {
                Err(Unparsed::NotJson) => UndecidedCause::Unreadable,
                Err(Unparsed::TooExpensive) => UndecidedCause::EventBudget,
                Ok(()) if is_last_of_event => UndecidedCause::EventBudget,
                Ok(()) => UndecidedCause::SelectorBudget,
            };
            verdicts.undecided.push(UndecidedSelector { position, cause });
        }
    }
}

/// Merges two ascending sequences.
fn merged(
    left: impl Iterator<Item = (u32, u32)>,
    right: impl Iterator<Item = (u32, u32)>,
) -> impl Iterator<Item = (u32, u32)> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(first), Some(second)) if second < first => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

impl CompiledSelector {
    /// A copy whose parts are not shared with other selectors yet.
    fn unshared(&self) -> Self {
        Self::new(SelectorNode::clone(self.root()), self.names_product())
    }
}
