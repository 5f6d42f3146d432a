//! The ingest role of Sluice: events in over HTTP, durable batches out; and the
//! API through which customers and operators read and change everything else.

mod admission;
mod appenders;
mod attempt_view;
mod audience;
mod audit_trimmer;
mod audited;
mod auth;
mod body;
pub mod config;
mod connection;
#[cfg(feature = "console")]
mod console;
mod contexts;
mod cors;
mod cursor;
mod customer_locks;
mod decode;
mod describe;
mod docs;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod head;
mod http_metrics;
mod inbox;
mod ingest;
mod item;
mod lanes;
mod media_type;
mod metrics;
mod occupancy;
mod openapi;
mod produce;
mod product_events;
mod readiness;
mod reply;
mod request;
mod request_id;
mod route;
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
mod trials;
mod type_checks;

pub use crate::metrics::METRICS;
pub use auth::AdminTokens;
pub use config::IngestConfig;
pub use ingest::{
    BoundIngest, EndpointBreaker, EndpointBreakers, IngestError, IngestParts, WorkedShard, WorkedShards,
};
pub use product_events::ProductAppender;
pub use readiness::LostDependencies;
pub use server::BindError;
pub use tls::TlsError;
