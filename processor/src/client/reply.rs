//! The reply of an endpoint to one POST.

use crate::outcome::{Fault, PostResult};
use sluice_model::EventId;

/// The longest description of an error that is kept, in bytes.
const ERROR_BYTES_MAX: usize = 300;

/// What came back for one POST.
#[derive(Debug)]
pub struct Reply {
    /// The part that the outcome rules look at.
    pub result: PostResult,
    /// The events that a 2xx answer named as not taken.
    pub failed: Vec<EventId>,
    /// What went wrong, where no answer came or it could not be read.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

impl Reply {
    /// The reply where no answer came.
    #[must_use]
    pub fn fault(fault: Fault, error: impl Into<String>) -> Self {
        let result = PostResult::Fault(fault);
        Self { result, failed: Vec::new(), error: Some(shortened(error.into())), excerpt: String::new() }
    }

    /// The HTTP status, where an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.result {
            PostResult::Answered { code, .. } | PostResult::Unreadable { code, .. } => Some(code),
            PostResult::Fault(_) => None,
        }
    }
}

/// An error's text, no longer than is kept.
pub(super) fn shortened(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
    error
}
