//! The ingest role over real sockets, on the embedded engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

mod account;
mod api;
mod audit;
mod bodies;
mod connections;
#[cfg(feature = "console")]
mod console;
mod contract;
mod dead_letters;
mod drain;
mod event_types;
mod faults;
mod harness;
mod more;
mod openapi;
mod operators;
mod scopes;
mod security;
mod stream;
