//! The seams between the product and what stores things for it.
//!
//! A port is coarse (a batch a call) and says in its doc comment what it
//! promises. Every port has an embedded adapter and a distributed one.

pub mod catalogue;
pub mod event_store;
pub mod idempotency;
pub mod leases;
pub mod log;
pub mod rates;
pub mod rows;
#[cfg(any(test, feature = "contract"))]
pub mod sample;
pub mod webhook_probe;
pub mod work_queue;

pub use catalogue::Catalogue;
pub use event_store::EventStore;
pub use idempotency::Idempotency;
pub use leases::Leases;
pub use log::Log;
pub use rates::Rates;
pub use rows::Rows;
pub use webhook_probe::WebhookProbe;
pub use work_queue::WorkQueue;

use std::time::Duration;

/// Why a port could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Nothing was done, and the same call may succeed later.
    #[error("{what}: unavailable: {source}")]
    Unavailable {
        /// What was attempted, on which id.
        what: String,
        /// How long to wait before the next try.
        retry_after: Duration,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Stored bytes are not what was written; trying again will not help.
    #[error("{what}: stored data is damaged: {detail}")]
    Damaged {
        /// What was attempted, on which id.
        what: String,
        /// The file, place and finding.
        detail: String,
    },
    /// The store is shutting down.
    #[error("{what}: the store is closed")]
    Closed {
        /// What was attempted.
        what: String,
    },
}

impl PortError {
    /// A failure worth another try in a moment.
    pub fn unavailable(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { what: what.into(), retry_after: Duration::from_secs(1), source: source.into() }
    }
}
