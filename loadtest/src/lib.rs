//! Load generator, receiver and verifier for event pipelines.
//!
//! [`sender`] posts generated events to any server with Sluice's HTTP contract
//! and measures the answers; [`receiver`] takes the webhooks and finds loss,
//! repetition, disorder and damage by the mark in each event ([`mark`]);
//! [`ledger`] keeps both sides' accounts on disk and [`verify`] compares them.
//! [`baseline`] is the server that no pipeline can beat.

mod account;
pub mod baseline;
mod calendar;
pub mod chaos;
mod coding;
pub mod convert;
mod cpu;
pub mod duration;
pub mod event;
pub mod fetch;
mod hex;
pub mod html;
pub mod ledger;
pub mod mark;
pub mod metric;
mod process;
pub mod profile;
pub mod prometheus;
mod random;
mod read_buffer;
pub mod receiver;
pub mod record;
pub mod recording;
pub mod replay;
pub mod request;
mod response;
mod scan;
mod schedule;
pub mod sender;
mod seq_set;
mod summary;
mod target;
mod ticker;
pub mod verify;
pub mod watch;

pub use process::ProcessUse;
pub use summary::{CurvePoint, LatencySummary};
pub use target::TargetError;

/// An id that no other run has: 64 random bits.
pub(crate) fn fresh_id() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::time::SystemTime::now())
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
