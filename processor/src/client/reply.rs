//! The reply of an endpoint to one POST.

use crate::outcome::{Fault, PostResult};
use sluice_model::EventId;

/// The longest description of an error that is kept, in bytes.
const ERROR_BYTES_MAX: usize = 300;

/// The result of one POST.
#[derive(Debug)]
pub struct Reply {
    /// The part that the outcome rules use.
    pub result: PostResult,
    /// The events that a 2xx answer named as not taken.
    pub failed: Vec<EventId>,
    /// What went wrong, if no answer came or it could not be read.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

impl Reply {
    /// The reply if no answer came.
    #[must_use]
    pub fn fault(fault: Fault, error: impl Into<String>) -> Self {
        let result = PostResult::Fault(fault);
        Self { result, failed: Vec::new(), error: Some(shortened(error.into())), excerpt: String::new() }
    }

    /// The HTTP status, if an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.result {
            PostResult::Answered { code, .. } | PostResult::Unreadable { code, .. } => Some(code),
            PostResult::Fault(_) => None,
        }
    }
}

/// An error's text, cut to the kept length.
pub(super) fn shortened(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
    error
}
