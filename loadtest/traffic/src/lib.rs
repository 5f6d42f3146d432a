//! Sends marked events over HTTP and receives them as webhooks.
//!
//! [`sender`] posts generated events to any server with Sluice's HTTP contract
//! (or any requests to any server) and measures the answers; [`receiver`] takes
//! the webhooks and finds loss, repetition, disorder and damage by the mark in
//! each event ([`mark`]); [`ledger`] keeps both sides' accounts on disk.
//!
//! The crate `sluice-loadtest` builds a program on it, with recordings, results,
//! comparisons and scenarios; `sluice demo` needs only this crate.

pub mod account;
pub mod calendar;
mod chunked;
pub mod coding;
pub mod cpu;
pub mod duration;
pub mod event;
mod hex;
pub mod ledger;
pub mod mark;
mod process;
pub mod profile;
pub mod random;
mod read_buffer;
pub mod receiver;
pub mod request;
mod response;
pub mod scan;
mod schedule;
pub mod sender;
pub mod seq_set;
mod summary;
pub mod target;
pub mod ticker;
pub mod tls;
pub mod wire;

pub use process::ProcessUse;
pub use response::EventCounts;
pub use summary::{CurvePoint, Latencies, LatencySummary};

/// An id for a run: 64 random bits.
pub fn fresh_id() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::time::SystemTime::now())
}

/// Unix time of an instant just past, in ns.
pub fn unix_ns(instant: std::time::Instant) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(instant.elapsed()).as_nanos() as u64
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
