//! The event as selectors see it, parsed once and only when needed.

use super::EvaluationLimits;
use super::budget::{MatchBudget, StepBudget};
use super::json::{Tape, Value};
use super::memo::Memo;

/// The bytes of an envelope whose parsing costs about one step.
const PARSED_BYTES_A_STEP: usize = 8;

/// Buffers that are reused from event to event; each task that matches has one.
#[derive(Debug, Default)]
pub struct MatchScratch {
    limits: EvaluationLimits,
    tape: Tape,
    memo: Memo,
}

impl MatchScratch {
    /// Buffers that evaluate under these limits.
    #[must_use]
    pub fn new(limits: EvaluationLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A view of one event, given its type ("" for none) and its envelope: the JSON object that
    /// the webhook carries. Nothing is parsed yet. All selectors that use the view share one
    /// budget: [`EvaluationLimits::event_steps_max`].
    pub fn view<'a>(&'a mut self, event_type: &'a str, envelope: &'a [u8]) -> EventView<'a> {
        let steps_left = self.limits.event_steps_max;
        self.view_within(event_type, envelope, MatchBudget { steps_left })
    }

    /// The same with a smaller budget, such as the steps that earlier events of a page left of
    /// the page's budget.
    pub fn view_within<'a>(
        &'a mut self,
        event_type: &'a str,
        envelope: &'a [u8],
        budget: MatchBudget,
    ) -> EventView<'a> {
        let steps = budget.steps_left.min(self.limits.event_steps_max);
        EventView {
            event_type,
            envelope,
            scratch: self,
            parsed: ParseState::NotYet,
            steps,
            steps_left: steps,
        }
    }
}

/// One event with its candidate selectors: the first that needs the payload parses the
/// envelope, and the others reuse the result.
#[derive(Debug)]
pub struct EventView<'a> {
    event_type: &'a str,
    envelope: &'a [u8],
    scratch: &'a mut MatchScratch,
    parsed: ParseState<'a>,
    /// The initial budget.
    steps: u32,
    steps_left: u32,
}

#[derive(Debug, Clone, Copy)]
enum ParseState<'a> {
    NotYet,
    Envelope { text: &'a str, payload_at: u32 },
    NotJson,
}

/// The envelope of an event, and the payload inside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventJson<'v> {
    pub(super) envelope: Value<'v>,
    pub(super) payload: Value<'v>,
}

/// A parsed event, its known results, and the limits of evaluation.
#[derive(Debug)]
pub(super) struct Opened<'v> {
    pub(super) json: EventJson<'v>,
    pub(super) memo: &'v mut Memo,
    pub(super) limits: &'v EvaluationLimits,
}

impl Opened<'_> {
    pub(super) fn reborrow(&mut self) -> Opened<'_> {
        Opened { json: self.json, memo: self.memo, limits: self.limits }
    }
}

impl<'a> EventView<'a> {
    /// The event's type; "" if it has none.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// The steps that were spent on this event, by its parsing and by all selectors.
    #[must_use]
    pub fn steps_spent(&self) -> u32 {
        self.steps - self.steps_left
    }

    /// The steps left for further selectors.
    #[must_use]
    pub fn budget(&self) -> MatchBudget {
        MatchBudget { steps_left: self.steps_left }
    }

    pub(super) fn limits(&self) -> &EvaluationLimits {
        &self.scratch.limits
    }

    pub(super) fn memo(&mut self) -> &mut Memo {
        &mut self.scratch.memo
    }

    /// The budget of one selector: its own limit, or the event's steps if fewer are left.
    pub(super) fn selector_budget(&self) -> StepBudget {
        StepBudget::new(self.limits().selector_steps_max.min(self.steps_left))
    }

    /// The budget that the event has left.
    pub(super) fn event_budget(&self) -> StepBudget {
        StepBudget::new(self.steps_left)
    }

    /// Subtracts the steps that an evaluation spent from the event's budget.
    pub(super) fn charge(&mut self, given: u32, budget: &StepBudget) -> u32 {
        let spent = given - budget.left();
        self.steps_left = self.steps_left.saturating_sub(spent);
        spent
    }

    /// Parses the envelope, unless that was done already. Fails if it is not JSON, or if the
    /// event's budget does not suffice.
    pub(super) fn parse(&mut self) -> Result<(), Unparsed> {
        if let ParseState::NotYet = self.parsed {
            let steps = u32::try_from(1 + self.envelope.len() / PARSED_BYTES_A_STEP).unwrap_or(u32::MAX);
            let Some(left) = self.steps_left.checked_sub(steps) else {
                self.steps_left = 0;
                return Err(Unparsed::TooExpensive);
            };
            self.steps_left = left;
            self.parsed = self.parsed();
        }
        match self.parsed {
            ParseState::Envelope { .. } => Ok(()),
            ParseState::NotYet | ParseState::NotJson => Err(Unparsed::NotJson),
        }
    }

    /// The parsed event with its known results and the limits; `None` unless [`Self::parse`]
    /// succeeded.
    pub(super) fn opened(&mut self) -> Option<Opened<'_>> {
        let ParseState::Envelope { text, payload_at } = self.parsed else { return None };
        let MatchScratch { tape, memo, limits } = &mut *self.scratch;
        let json = EventJson { envelope: tape.root(text), payload: tape.value(text, payload_at) };
        Some(Opened { json, memo, limits })
    }

    fn parsed(&mut self) -> ParseState<'a> {
        // The envelope itself is one more level.
        let depth_max = self.scratch.limits.payload_depth_max + 1;
        let tape = &mut self.scratch.tape;
        let Ok(text) = std::str::from_utf8(self.envelope) else { return ParseState::NotJson };
        if tape.parse(text, depth_max).is_err() {
            return ParseState::NotJson;
        }
        match tape.root(text).member("payload") {
            Some(payload) => ParseState::Envelope { text, payload_at: payload.position() },
            None => ParseState::NotJson,
        }
    }
}

/// Why an event cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unparsed {
    /// The envelope is not UTF-8, not JSON, deeper than the limit or has no payload.
    NotJson,
    /// The event's budget does not suffice for parsing it.
    TooExpensive,
}
