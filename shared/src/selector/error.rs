//! Why a selector was refused, and where.

/// A refused selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("selector at \"{pointer}\": {fault}")]
pub struct SelectorError {
    /// JSON Pointer (RFC 6901) into the selector; empty is the selector itself.
    pub pointer: String,
    /// What is wrong there.
    pub fault: SelectorFault,
}

impl SelectorError {
    pub(super) fn new(pointer: impl Into<String>, fault: SelectorFault) -> Self {
        Self { pointer: pointer.into(), fault }
    }
}

/// What is wrong with a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorFault {
    /// The text is not JSON, or deeper than a selector may be.
    #[error("{0}")]
    Json(String),
}
