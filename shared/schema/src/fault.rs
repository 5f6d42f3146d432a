//! Why a schema is refused.

/// Why a schema is refused, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaFault {
    /// The place in the schema (JSON Pointer, RFC 6901).
    pub pointer: String,
    /// The fault, for people: it names the limit, if the schema exceeds one.
    pub message: String,
}

impl SchemaFault {
    pub(crate) fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// A fault of the schema as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self::at("", message)
    }
}

/// The pointer of a member or an item of the value at `parent`.
pub(crate) fn below(parent: &str, token: &str) -> String {
    let escaped = token.replace('~', "~0").replace('/', "~1");
    format!("{parent}/{escaped}")
}
