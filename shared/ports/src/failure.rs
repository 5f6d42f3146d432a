//! Why a call of a port failed, and whether it may be tried again.

use std::fmt;
use std::time::Duration;

/// The class of a failed call of a store, a stream or a queue. The adapter decides it once,
/// since it knows the service's own errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The service refused the call for now and did nothing (throttled, over a quota): try
    /// again later, with jitter, and in smaller pieces if the size may be the cause.
    Busy,
    /// The service could not be reached, or a read had no answer; nothing was done: try again
    /// with back-off.
    Away,
    /// The call may or may not have been done (its answer was lost, or was a 5xx): read back, or
    /// repeat the same idempotent bytes.
    Ambiguous,
    /// The service does not allow the call (access, an expired token, a clock that differs, an
    /// unknown key, a missing table or stream), or stored bytes are of a newer version of
    /// Sluice: an operator must act; try again slowly.
    Denied,
    /// The service will never take this call as it is (too large, invalid):
    /// split it, or set it aside.
    Refused,
}

impl FailureClass {
    /// Its name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Ambiguous => "outcome unknown",
            Self::Denied => "denied",
            Self::Refused => "refused",
        }
    }

    /// The least wait before the same call is repeated.
    #[must_use]
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::Busy | Self::Ambiguous => Duration::from_millis(200),
            Self::Away => Duration::from_secs(1),
            Self::Denied | Self::Refused => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A dependency that cannot be used, and why, as readiness reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDependency {
    /// Its name: `kinesis`, `dynamodb`, `sqs`, `redis` or `postgres`.
    pub name: &'static str,
    /// What failed and why, in one line.
    pub reason: String,
}

impl LostDependency {
    /// Whether an ingest process cannot take events without it.
    #[must_use]
    pub fn stops_ingest(&self) -> bool {
        matches!(self.name, "kinesis" | "postgres")
    }
}

/// Why a call of a port failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The same call may succeed later.
    #[error("{attempted}: {class}: {source}")]
    Unavailable {
        /// What was attempted, on which id.
        attempted: String,
        /// Any class but [`FailureClass::Refused`].
        class: FailureClass,
        /// How long to wait before the next attempt.
        retry_after: Duration,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store will never take this call as it is. Nothing was done.
    #[error("{attempted}: refused: {source}")]
    Refused {
        /// What was attempted, on which id.
        attempted: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored bytes are damaged; trying again will not help.
    #[error("{attempted}: stored data is damaged: {detail}")]
    Damaged {
        /// What was attempted, on which id.
        attempted: String,
        /// The file, place and finding.
        detail: String,
    },
    /// The store is shutting down.
    #[error("{attempted}: the store is closed")]
    Closed {
        /// What was attempted.
        attempted: String,
    },
}

impl PortError {
    /// A failure of the given class.
    pub fn failed(
        class: FailureClass,
        attempted: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let (attempted, source) = (attempted.into(), source.into());
        match class {
            FailureClass::Refused => Self::Refused { attempted, source },
            class => Self::Unavailable { attempted, class, retry_after: class.retry_after(), source },
        }
    }

    /// A store that does not answer.
    pub fn unavailable(
        attempted: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::failed(FailureClass::Away, attempted, source)
    }

    /// Stored data that a newer version of Sluice wrote. It is not damaged: it must be neither
    /// passed nor given up, and a newer process can read it.
    pub fn newer(
        attempted: impl Into<String>,
        finding: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::failed(FailureClass::Denied, attempted, finding)
    }

    /// The class of the failure.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        match self {
            Self::Unavailable { class, .. } => *class,
            Self::Refused { .. } | Self::Damaged { .. } => FailureClass::Refused,
            Self::Closed { .. } => FailureClass::Away,
        }
    }
}
