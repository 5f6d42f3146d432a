//! A selector ready to judge events.

use std::sync::Arc;

use super::budget::{Exhausted, StepBudget};
use super::event::Opened;
use super::jsonpath::Evaluation;
use super::memo::Slot;
use super::node::SelectorNode;
use super::{EventTypes, EventView, PRODUCT_TYPES};

/// The answer of one selector for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The event is wanted.
    Match,
    /// The event is not wanted.
    NoMatch,
    /// Unknown: the evaluation's budget ran out, or the envelope is not JSON within the depth
    /// limit. The caller must not drop the event silently.
    Undecided,
}

impl Verdict {
    fn not(self) -> Self {
        match self {
            Self::Match => Self::NoMatch,
            Self::NoMatch => Self::Match,
            Self::Undecided => Self::Undecided,
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Match } else { Self::NoMatch }
    }
}

/// A selector ready to run. Shared and immutable; cloning is cheap.
#[derive(Debug, Clone)]
pub struct CompiledSelector {
    root: Arc<SelectorNode>,
    /// Whether it names types of product events.
    names_product: bool,
}

impl CompiledSelector {
    pub(super) fn new(root: SelectorNode, names_product: bool) -> Self {
        Self { root: Arc::new(root), names_product }
    }

    /// False for product events, unless the selector names their types.
    pub(super) fn may_want(&self, event_type: &str) -> bool {
        self.names_product || !event_type.starts_with(PRODUCT_TYPES)
    }

    pub(super) const fn names_product(&self) -> bool {
        self.names_product
    }

    /// Whether a part of it looks inside the event rather than at its type.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        self.root.needs_payload()
    }

    /// A superset of the event types that it can match.
    #[must_use]
    pub fn event_types(&self) -> EventTypes {
        self.root.event_types()
    }

    /// The answer for every event of this type ("": without a type), if the type alone decides
    /// it.
    #[must_use]
    pub fn decided_by_type(&self, event_type: &str) -> Option<bool> {
        if self.may_want(event_type) { self.root.decided_by_type(event_type) } else { Some(false) }
    }

    /// Judges one event, within the view's budget and at most
    /// [`selector_steps_max`](super::EvaluationLimits::selector_steps_max).
    pub fn evaluate(&self, event: &mut EventView<'_>) -> Verdict {
        self.judge(event).verdict
    }

    /// Whether the event is certainly wanted; [`Self::evaluate`] also tells whether it is
    /// undecided.
    pub fn matches(&self, event: &mut EventView<'_>) -> bool {
        self.evaluate(event) == Verdict::Match
    }

    /// Judges one event, using the results that earlier selectors left.
    pub(super) fn judge(&self, event: &mut EventView<'_>) -> Judgement {
        let mut budget = event.selector_budget();
        let given = budget.left();
        if !self.may_want(event.event_type()) {
            return Judgement { verdict: Verdict::NoMatch, steps: 0 };
        }
        let verdict = judge(&self.root, event, &mut budget);
        let steps = event.charge(given, &budget);
        Judgement { verdict, steps }
    }

    pub(super) fn root(&self) -> &SelectorNode {
        &self.root
    }
}

/// A verdict and the steps that it took, parsing not included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) steps: u32,
}

pub(super) fn judge(node: &SelectorNode, event: &mut EventView<'_>, budget: &mut StepBudget) -> Verdict {
    match node {
        SelectorNode::EventType(pattern) => pattern.accepts(event.event_type()).into(),
        SelectorNode::JsonPath { expression, slot, .. } => {
            inside(slot, event, budget, |opened, budget| Evaluation::new(opened, budget).run(expression))
        }
        SelectorNode::Function { function, slot, field } => {
            inside(slot, event, budget, |mut opened, budget| function.holds(field, &mut opened, budget))
        }
        SelectorNode::All(parts) => unless(parts, Verdict::NoMatch, event, budget),
        SelectorNode::Any(parts) => unless(parts, Verdict::Match, event, budget),
        SelectorNode::Not(part) => judge(part, event, budget).not(),
    }
}

/// Judges by the event's content. Parses it if it is not parsed yet, unless the answer is
/// known from an equal part of another selector.
fn inside(
    slot: &Slot,
    event: &mut EventView<'_>,
    budget: &mut StepBudget,
    holds: impl FnOnce(Opened<'_>, &mut StepBudget) -> Result<bool, Exhausted>,
) -> Verdict {
    if let Some(verdict) = event.memo().verdict(slot) {
        return verdict;
    }
    if event.parse().is_err() {
        return Verdict::Undecided;
    }
    let selector_steps_max = event.limits().selector_steps_max;
    let Some(mut opened) = event.opened() else { return Verdict::Undecided };
    let steps_before = budget.left();
    match holds(opened.reborrow(), budget) {
        Ok(holds) => {
            opened.memo.keep_verdict(slot, holds.into());
            holds.into()
        }
        Err(Exhausted) => {
            // Where a whole selector's budget did not suffice, another's would not either.
            if steps_before >= selector_steps_max {
                opened.memo.keep_verdict(slot, Verdict::Undecided);
            }
            Verdict::Undecided
        }
    }
}

/// One `settling` part decides the whole; else one undecided part leaves it undecided
/// (Kleene's logic).
fn unless(
    parts: &[SelectorNode],
    settling: Verdict,
    event: &mut EventView<'_>,
    budget: &mut StepBudget,
) -> Verdict {
    let mut verdict = settling.not();
    for part in parts {
        match judge(part, event, budget) {
            Verdict::Undecided => verdict = Verdict::Undecided,
            settled if settled == settling => return settling,
            _ => {}
        }
    }
    verdict
}
