//! The ingest role over real sockets, on the embedded engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

mod api;
mod bodies;
mod connections;
#[cfg(feature = "console")]
mod console;
mod contract;
mod drain;
mod faults;
mod harness;
mod more;
mod openapi;
mod security;
mod stream;
