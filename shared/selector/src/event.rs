//! The event as a selector sees it, parsed once and only if need be.

use super::json::{Tape, Value};

/// Limits on one evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationLimits {
    /// Steps one selector may spend on one event. A step is about one JSON
    /// node looked at; a million take 5 to 25 ms.
    pub steps_max: u32,
    /// Depth of a payload's arrays and objects inside each other. The edge
    /// refuses deeper ones.
    pub payload_depth_max: usize,
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        Self { steps_max: 1_000_000, payload_depth_max: 64 }
    }
}

/// Buffers reused from event to event; one for each task that matches.
#[derive(Debug, Default)]
pub struct MatchScratch {
    limits: EvaluationLimits,
    tape: Tape,
}

impl MatchScratch {
    /// Buffers that evaluate under these limits.
    #[must_use]
    pub fn new(limits: EvaluationLimits) -> Self {
        Self { limits, tape: Tape::default() }
    }

    /// Looks at one event, given its type ("" for none) and its envelope: the
    /// JSON object that the webhook carries. Nothing is parsed yet.
    pub fn view<'a>(&'a mut self, event_type: &'a str, envelope: &'a [u8]) -> EventView<'a> {
        EventView { event_type, envelope, scratch: self, parsed: Parsed::NotYet, steps_spent: 0 }
    }
}

/// One event under the eyes of its candidate selectors: whichever first needs
/// the payload parses the envelope, the others reuse that.
#[derive(Debug)]
pub struct EventView<'a> {
    event_type: &'a str,
    envelope: &'a [u8],
    scratch: &'a mut MatchScratch,
    parsed: Parsed<'a>,
    steps_spent: u64,
}

#[derive(Debug, Clone, Copy)]
enum Parsed<'a> {
    NotYet,
    Envelope { text: &'a str, payload_at: u32 },
    NotJson,
}

/// The event's two faces: the envelope and the payload inside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventJson<'v> {
    pub(super) envelope: Value<'v>,
    pub(super) payload: Value<'v>,
}

impl<'a> EventView<'a> {
    /// The event's type; "" if it has none.
    #[must_use]
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// Steps spent on this event by all selectors so far.
    #[must_use]
    pub fn steps_spent(&self) -> u64 {
        self.steps_spent
    }

    pub(super) fn limits(&self) -> &EvaluationLimits {
        &self.scratch.limits
    }

    pub(super) fn add_steps(&mut self, steps: u32) {
        self.steps_spent += u64::from(steps);
    }

    /// The parsed event; `None` if the envelope is not UTF-8, not JSON, deeper
    /// than the limit or without a payload.
    pub(super) fn json(&mut self) -> Option<EventJson<'_>> {
        if let Parsed::NotYet = self.parsed {
            self.parsed = self.parse();
        }
        let Parsed::Envelope { text, payload_at } = self.parsed else { return None };
        let tape = &self.scratch.tape;
        Some(EventJson { envelope: tape.root(text), payload: tape.value(text, payload_at) })
    }

    fn parse(&mut self) -> Parsed<'a> {
        // The envelope itself is one level.
        let depth_max = self.scratch.limits.payload_depth_max + 1;
        let tape = &mut self.scratch.tape;
        let Ok(text) = std::str::from_utf8(self.envelope) else { return Parsed::NotJson };
        if tape.parse(text, depth_max).is_err() {
            return Parsed::NotJson;
        }
        match tape.root(text).member("payload") {
            Some(payload) => Parsed::Envelope { text, payload_at: payload.position() },
            None => Parsed::NotJson,
        }
    }
}
