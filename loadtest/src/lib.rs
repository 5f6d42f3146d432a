//! Load generator, receiver and verifier for event pipelines.
//!
//! [`sender`], [`receiver`] and [`ledger`] come from the crate
//! `sluice-traffic`. This crate builds on them: [`verify`] compares the ledgers of
//! a sender and a receiver, [`record`], [`convert`] and [`replay`] work with
//! recorded traffic, [`metric`] judges results, [`merge`] adds up those of several
//! generators, [`search`] looks for the highest rate that meets limits, and
//! [`chaos`] runs scenarios with faults. [`baseline`] is the server that no
//! pipeline can beat.

pub mod baseline;
pub mod chaos;
pub mod convert;
pub mod fetch;
pub mod html;
pub mod metric;
pub mod prometheus;
pub mod record;
pub mod recording;
pub mod replay;
pub mod search;
pub mod verify;
pub mod watch;

pub use sluice_traffic::{
    CurvePoint, LatencySummary, ProcessUse, duration, event, ledger, mark, profile, receiver, request,
    sender, target, tls,
};

pub(crate) use sluice_traffic::{
    Latencies, account, calendar, chain, coding, cpu, fresh_id, random, seq_set, ticker, unix_ns,
};

#[cfg(test)]
pub(crate) use sluice_traffic::scan;
