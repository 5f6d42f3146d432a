//! What the matcher runs.

use std::sync::Arc;

use super::{EventTypes, EventView};

/// The answer of one selector for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The event is wanted.
    Match,
    /// The event is not wanted.
    NoMatch,
    /// Not known: the evaluation's budget ran out, or the payload is not JSON
    /// within the depth limit. The caller must not drop the event silently.
    Undecided,
}

/// A selector ready to run. Shared and immutable; cloning is cheap.
#[derive(Debug, Clone)]
pub struct CompiledSelector {
    root: Arc<()>,
}

impl CompiledSelector {
    /// True if some event can only be judged by looking into its payload,
    /// tags or metadata.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        Arc::strong_count(&self.root) > 0
    }

    /// A superset of the event types that can match.
    #[must_use]
    pub fn event_types(&self) -> EventTypes {
        EventTypes::Any
    }

    /// The answer for every event of this type, if its type alone settles it.
    #[must_use]
    pub fn decided_by_type(&self, event_type: Option<&str>) -> Option<bool> {
        let _ = event_type;
        None
    }

    /// Judges one event.
    pub fn evaluate(&self, event: &mut EventView<'_>) -> Verdict {
        let _ = event;
        Verdict::NoMatch
    }

    /// True if the event is certainly wanted; see [`Self::evaluate`] for the
    /// third answer.
    pub fn matches(&self, event: &mut EventView<'_>) -> bool {
        self.evaluate(event) == Verdict::Match
    }
}
