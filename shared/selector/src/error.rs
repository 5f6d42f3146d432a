//! Why a selector is refused, and where.

/// Why a selector is refused, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("selector{}{pointer}: {fault}", if .pointer.is_empty() { "" } else { " at " })]
pub struct SelectorError {
    /// JSON Pointer (RFC 6901) into the selector; empty is the selector itself.
    pub pointer: String,
    /// What is wrong at the pointer.
    pub fault: SelectorFault,
}

/// What is wrong with a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorFault {
    /// The text is not JSON, or nests deeper than a selector can.
    #[error("not JSON at byte {offset}: {reason}")]
    Json {
        /// Byte offset into the selector's text.
        offset: usize,
        /// Why the text is not JSON there.
        reason: &'static str,
    },
    /// A limit of [`SelectorLimits`](super::SelectorLimits) is exceeded.
    #[error("{counted}: {found}, at most {max}")]
    Limit {
        /// The counted thing and its unit, such as `bytes of the field`.
        counted: &'static str,
        /// The number found.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A value has another JSON type, or is not one of the allowed words.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A member is missing from the object.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The object has no such member.
    #[error("no such member here")]
    UnknownMember,
    /// A member is given twice.
    #[error("given twice")]
    DuplicateMember,
    /// `exists` and `not_exists` take no value.
    #[error("`{0}` takes no value")]
    ValueNotTaken(&'static str),
    /// The text is not an event type or pattern.
    #[error("{0}")]
    EventType(&'static str),
    /// The text is not a field path.
    #[error("{0}")]
    Field(&'static str),
    /// The text is neither a JSONPath query nor a logical expression.
    #[error("character {offset}: {reason}")]
    Expression {
        /// Byte offset into the expression.
        offset: usize,
        /// Why the expression is refused there.
        reason: String,
    },
    /// A regular expression does not compile, or is too large when compiled.
    #[error("regular expression: {0}")]
    Regex(String),
}
