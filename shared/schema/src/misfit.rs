//! The values of a payload that do not fit its schema.

use super::fault::below;
use serde::Serialize;

/// The most bytes of a pointer, and of a message.
const TOLD_BYTES_MAX: usize = 256;

/// A value of a payload that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The value's place in the payload (JSON Pointer, RFC 6901); "" is the payload.
    pub pointer: String,
    /// Why it does not fit, for people. It does not repeat the value.
    pub message: String,
}

impl Misfit {
    pub(crate) fn new(pointer: &str, message: &str) -> Self {
        Self { pointer: cut(pointer), message: cut(message) }
    }

    /// A misfit at the place to which these names and numbers lead, the innermost first.
    pub(crate) fn on_trail(trail: &[String], message: &str) -> Self {
        Self::new(&trail.iter().fold(String::new(), |pointer, token| below(&pointer, token)), message)
    }
}

/// The text, with its end left out if it is long.
fn cut(text: &str) -> String {
    if text.len() <= TOLD_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TOLD_BYTES_MAX);
    format!("{}…", &text[..end])
}
