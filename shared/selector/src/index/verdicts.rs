//! The answers of an index.

use super::fields::Hit;

/// The subscriptions that can want events of one type.
#[derive(Debug, Clone, Default)]
pub struct TypeCandidates {
    pub(super) always: Vec<u32>,
    /// Selectors to evaluate for each event: the growth of their cost, and their position.
    /// Ascending.
    pub(super) evaluate: Vec<(u32, u32)>,
    /// Whether some selectors are found by the event's fields.
    pub(super) may_be_called: bool,
}

impl TypeCandidates {
    /// The positions of the subscriptions that want every event of this type, ascending.
    #[must_use]
    pub fn always(&self) -> &[u32] {
        &self.always
    }

    /// Whether no other subscription can want an event of this type, so that nothing needs to
    /// be judged.
    #[must_use]
    pub fn decided(&self) -> bool {
        self.evaluate.is_empty() && !self.may_be_called
    }
}

/// The answers for one event. Reuse it from event to event.
#[derive(Debug, Default)]
pub struct EventVerdicts {
    /// Positions of the subscriptions that want the event, ascending, without those of
    /// [`TypeCandidates::always`].
    pub matched: Vec<u32>,
    /// Subscriptions that may want the event, ascending by position: the event must not be
    /// dropped silently for them.
    pub undecided: Vec<UndecidedSelector>,
    /// Steps spent on the event, parsing included.
    pub steps: u32,
    /// The selector that spent the most steps, which is to blame if the budget did not
    /// suffice.
    pub costliest: Option<SelectorCost>,
    pub(super) hits: Vec<Hit>,
    pub(super) admitted: Vec<(u32, u32)>,
}

impl EventVerdicts {
    pub(super) fn clear(&mut self) {
        self.matched.clear();
        self.undecided.clear();
        self.steps = 0;
        self.costliest = None;
    }
}

/// A subscription whose selector has no answer for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndecidedSelector {
    /// The subscription's position.
    pub position: u32,
    /// Why there is no answer.
    pub cause: UndecidedCause,
}

/// Why a selector has no answer for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndecidedCause {
    /// All selectors together spent
    /// [`event_steps_max`](crate::EvaluationLimits::event_steps_max);
    /// [`EventVerdicts::costliest`] names the one that spent the most.
    EventBudget,
    /// This selector alone spent
    /// [`selector_steps_max`](crate::EvaluationLimits::selector_steps_max), or the event has a
    /// regular expression for it that is too large.
    SelectorBudget,
    /// The event's envelope is not JSON within the depth limit.
    Unreadable,
}

/// The cost of one selector for an event, parsing not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectorCost {
    /// The subscription's position.
    pub position: u32,
    /// The steps. A part that several selectors share is counted for the first.
    pub steps: u32,
}
