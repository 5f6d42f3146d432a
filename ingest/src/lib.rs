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
mod inbox;
mod item;
mod lanes;
mod metrics;
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
#[cfg(test)]
mod testing;

pub use config::EdgeConfig;
pub use edge::{BoundEdge, EdgeParts};
pub use server::BindError;
