//! Ports: the traits through which the roles store and read, and which each engine
//! implements.
//!
//! A port is coarse (one call for a batch), and its doc comment states its
//! contract: durability, order, idempotency, cancel safety. Every port has an
//! embedded adapter and a distributed one, and both pass the port's contract suite.

pub mod catalogue;
pub mod event_store;
mod failure;
pub mod idempotency;
pub mod leases;
pub mod log;
pub mod product_events;
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
pub use product_events::ProductEvents;
pub use rates::Rates;
pub use rows::Rows;
pub use webhook_probe::WebhookProbe;
pub use work_queue::WorkQueue;
