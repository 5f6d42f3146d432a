//! The errors of the SDK.

use serde_json::Value;
use std::time::Duration;

/// Why a call failed, after all retries.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// The server refused the request, or could not do it.
    #[error("{0}")]
    Api(Box<RefusedRequest>),
    /// No complete answer came.
    #[error("{message}")]
    Network {
        /// How it failed.
        fault: FaultKind,
        /// For people.
        message: String,
    },
    /// The server refused one event; its neighbours are not affected.
    #[error("the event was refused: {code}: {message}")]
    EventRejected {
        /// Stable: programs may rely on it.
        code: String,
        /// For people.
        message: String,
    },
    /// An event has more bytes than the batcher may send.
    #[error("the event has {bytes} bytes, and event_bytes_max is {max}")]
    EventTooLarge {
        /// The bytes of the event's JSON.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The batcher's queue has no room.
    #[error("the queue has {events} events and {bytes} bytes")]
    BatcherFull {
        /// The events that wait or are being sent.
        events: usize,
        /// The bytes of those events.
        bytes: usize,
    },
    /// The batcher was closed before the event had a result.
    #[error("the batcher was closed before the event had a result")]
    BatcherClosed {
        /// Whether the event may have been accepted all the same.
        maybe_accepted: bool,
    },
    /// A setting is absurd.
    #[error("{0}")]
    Setting(String),
    /// A value cannot be written as JSON.
    #[error("the value cannot be written as JSON: {0}")]
    Encode(String),
    /// The answer is not what the API promises.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}

/// A refusal by the server.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status} {code}: {message} (request {})", .request_id.as_deref().unwrap_or("unknown"))]
#[non_exhaustive]
pub struct RefusedRequest {
    /// The HTTP status.
    pub status: u16,
    /// Stable: programs may rely on it. `UNKNOWN` if the answer was not in the API's shape.
    pub code: String,
    /// For people.
    pub message: String,
    /// Details for programs: `field`, `pointer`, a limit, `outcome`.
    pub details: Value,
    /// The request's id, as in `X-Request-ID`.
    pub request_id: Option<String>,
    /// After how long the server asks for a retry.
    pub retry_after: Option<Duration>,
    /// `Retry-After`, as it came.
    pub(crate) retry_after_text: Option<String>,
}

impl RefusedRequest {
    /// Whether the events may have been accepted all the same.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        self.details.get("outcome").and_then(Value::as_str) == Some("unknown")
    }
}

/// How a request failed without a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It was certainly not sent.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Broken,
}

impl SdkError {
    pub(crate) fn network(fault: FaultKind, message: impl Into<String>) -> Self {
        Self::Network { fault, message: message.into() }
    }

    /// Whether the server may have done the request although it reported no success.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Api(refused) => refused.outcome_unknown(),
            Self::Network { fault, .. } => *fault != FaultKind::Connect,
            Self::BatcherClosed { maybe_accepted } => *maybe_accepted,
            Self::Answer(_) => true,
            _ => false,
        }
    }
}
