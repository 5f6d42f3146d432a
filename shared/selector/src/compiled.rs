//! What the matcher runs.

use std::sync::Arc;

use super::budget::{Budget, Exhausted};
use super::event::EventJson;
use super::jsonpath::Evaluation;
use super::node::SelectorNode;
use super::{EventTypes, EventView};

/// The answer of one selector for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The event is wanted.
    Match,
    /// The event is not wanted.
    NoMatch,
    /// Not known: the evaluation's budget ran out, or the envelope is not JSON
    /// within the depth limit. The caller must not drop the event silently.
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
}

impl CompiledSelector {
    pub(super) fn new(root: SelectorNode) -> Self {
        Self { root: Arc::new(root) }
    }

    /// True if some part of it looks inside the event rather than at its type.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        self.root.needs_payload()
    }

    /// A superset of the event types that can match.
    #[must_use]
    pub fn event_types(&self) -> EventTypes {
        self.root.event_types()
    }

    /// The answer for every event of this type ("": without a type), if the
    /// type alone settles it.
    #[must_use]
    pub fn decided_by_type(&self, event_type: &str) -> Option<bool> {
        self.root.decided_by_type(event_type)
    }

    /// Judges one event.
    pub fn evaluate(&self, event: &mut EventView<'_>) -> Verdict {
        let steps_max = event.limits().steps_max;
        let mut budget = Budget::new(steps_max);
        let verdict = judge(&self.root, event, &mut budget);
        event.add_steps(steps_max - budget.left());
        verdict
    }

    /// True if the event is certainly wanted; [`Self::evaluate`] has the third
    /// answer too.
    pub fn matches(&self, event: &mut EventView<'_>) -> bool {
        self.evaluate(event) == Verdict::Match
    }

    pub(super) fn root(&self) -> &SelectorNode {
        &self.root
    }

    pub(super) fn write_canonical(&self, json: &mut String) {
        self.root.write_canonical(json);
    }
}

pub(super) fn judge(node: &SelectorNode, event: &mut EventView<'_>, budget: &mut Budget) -> Verdict {
    match node {
        SelectorNode::EventType(pattern) => pattern.accepts(event.event_type()).into(),
        SelectorNode::JsonPath { expression, .. } => {
            inside(event, |event| Evaluation::new(event, budget).run(expression))
        }
        SelectorNode::Function(function) => inside(event, |event| function.holds(event.payload, budget)),
        SelectorNode::All(of) => unless(of, Verdict::NoMatch, event, budget),
        SelectorNode::Any(of) => unless(of, Verdict::Match, event, budget),
        SelectorNode::Not(of) => judge(of, event, budget).not(),
    }
}

/// Judges by what is inside the event, parsing it if no one has.
fn inside(
    event: &mut EventView<'_>,
    holds: impl FnOnce(EventJson<'_>) -> Result<bool, Exhausted>,
) -> Verdict {
    match event.json().map(holds) {
        Some(Ok(holds)) => holds.into(),
        Some(Err(Exhausted)) | None => Verdict::Undecided,
    }
}

/// One `settling` part settles the whole; else one undecided part leaves it
/// undecided (Kleene's logic).
fn unless(of: &[SelectorNode], settling: Verdict, event: &mut EventView<'_>, budget: &mut Budget) -> Verdict {
    let mut verdict = settling.not();
    for node in of {
        match judge(node, event, budget) {
            Verdict::Undecided => verdict = Verdict::Undecided,
            part if part == settling => return settling,
            _ => {}
        }
    }
    verdict
}
