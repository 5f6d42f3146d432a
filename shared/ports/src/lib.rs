//! The seams between the product and what stores things for it.
//!
//! A port is coarse (a batch a call) and says in its doc comment what it
//! promises. Every port has an embedded adapter and a distributed one.

pub mod catalogue;
pub mod event_store;
mod failure;
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
pub use failure::{FailureClass, LostDependency, PortError};
pub use idempotency::Idempotency;
pub use leases::{Checkpoints, Leases};
pub use log::Log;
pub use rates::Rates;
pub use rows::Rows;
pub use webhook_probe::WebhookProbe;
pub use work_queue::WorkQueue;
