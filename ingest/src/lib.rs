//! The edge of Sluice: HTTP in, durable batches out.

mod admission;
mod appenders;
mod auth;
mod body;
pub mod config;
mod connection;
mod cors;
mod cursor;
mod decode;
mod edge;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod inbox;
mod item;
mod lanes;
mod metrics;
mod openapi;
mod produce;
mod reply;
mod request_id;
mod router;
mod routes;
mod server;
mod service;
#[cfg(feature = "simulation")]
pub mod simulation;
mod status;
mod stream;
mod streams;
#[cfg(test)]
mod testing;
mod tls;

pub use crate::metrics::METRICS;
pub use config::EdgeConfig;
pub use edge::{BoundEdge, EdgeError, EdgeParts};
pub use server::BindError;
pub use tls::TlsError;
