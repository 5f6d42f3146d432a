//! The limits of selectors and of their evaluation.

/// The limits of a selector, checked when it is created. Each is the most that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorLimits {
    /// Bytes of the whole selector's JSON.
    pub json_bytes_max: usize,
    /// Levels of `all`, `any` and `not` inside each other.
    pub nesting_max: usize,
    /// Selectors in total, combinators included.
    pub selectors_max: usize,
    /// Entries of one `of` list.
    pub of_max: usize,
    /// Bytes of an event type or pattern.
    pub event_type_bytes_max: usize,
    /// Bytes of a JSONPath expression.
    pub expression_bytes_max: usize,
    /// Levels of brackets, parentheses and filters inside each other in a JSONPath
    /// expression.
    pub expression_nesting_max: usize,
    /// Bytes of a function's field path.
    pub field_bytes_max: usize,
    /// Entries of the list given to `in` and `not_in`.
    pub in_max: usize,
    /// Bytes of a regular expression as written.
    pub regex_bytes_max: usize,
    /// Bytes of a compiled regular expression.
    pub regex_compiled_bytes_max: usize,
}

impl Default for SelectorLimits {
    fn default() -> Self {
        Self {
            json_bytes_max: 16 * 1024,
            nesting_max: 32,
            selectors_max: 128,
            of_max: 64,
            event_type_bytes_max: 256,
            expression_bytes_max: 512,
            expression_nesting_max: 32,
            field_bytes_max: 512,
            in_max: 1000,
            regex_bytes_max: 256,
            regex_compiled_bytes_max: 64 * 1024,
        }
    }
}

/// The limits of judging one event. A step is about one visited JSON node; a million take 5 to
/// 25 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationLimits {
    /// The steps that all selectors of one event may spend together, parsing included.
    pub event_steps_max: u32,
    /// The steps of these that one selector may spend, so that a single expensive selector leaves
    /// some for the others.
    pub selector_steps_max: u32,
    /// The steps of these that listing the nodes of a shared path may take; beyond them each
    /// selector follows the path by itself.
    pub shared_path_steps_max: u32,
    /// The levels of a payload's arrays and objects inside each other. The ingest process refuses deeper
    /// payloads.
    pub payload_depth_max: usize,
    /// The bytes of a regular expression that `match` or `search` takes from the event, as
    /// written. A longer one leaves the selector undecided.
    pub found_regex_bytes_max: usize,
    /// The bytes of such a compiled regular expression.
    pub found_regex_compiled_bytes_max: usize,
}

impl Default for EvaluationLimits {
    fn default() -> Self {
        Self {
            event_steps_max: 1_000_000,
            selector_steps_max: 500_000,
            shared_path_steps_max: 250_000,
            payload_depth_max: 64,
            found_regex_bytes_max: 256,
            found_regex_compiled_bytes_max: 16 * 1024,
        }
    }
}
