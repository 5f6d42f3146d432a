//! The processor of Sluice: consumes shards, matches subscriptions, delivers webhooks.
//!
//! The path of one event: a [`shard`] task reads its batch from the log, the [`matcher`] finds the
//! subscriptions that want it, the [`outbox`] of each subscription gathers events into a webhook,
//! and the [`client`] sends the webhook. [`outcome`] decides what the answer means, [`settlement`]
//! which changes follow, and [`commit`] makes these durable before the [`watermark`] counts the
//! event as settled. Failed deliveries wait in the queue for the [`worker`], or in a parked list
//! ([`parking`]) if the subscription is ordered.
//!
//! The rules (`outcome`, `backoff`, `breaker`, `outbox`, `outlet`, `parking`,
//! `watermark`, `settlement`, `sign`, `guard`, `body`) do no I/O and hold no
//! clock. The tasks fetch, ask the rules, and do what they say.

pub mod attempt;
pub mod backoff;
pub mod body;
pub mod breaker;
pub mod client;
pub mod clock;
pub mod commit;
mod conclude;
pub mod config;
mod context;
pub mod endpoint;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group_commit;
pub mod guard;
pub mod health;
mod history;
pub mod matcher;
pub mod metrics;
pub mod notices;
pub mod outbox;
pub mod outcome;
pub mod outlet;
pub mod pace;
pub mod parking;
mod probe;
mod processor;
mod replayer;
pub mod resolver;
pub mod settlement;
pub mod shaping;
mod shard;
pub mod sign;
pub mod signing;
pub mod slice;
mod store_wait;
mod stored_body;
pub mod target;
mod unsaved;
pub mod watermark;
mod worker;

pub use config::ProcessorConfig;
pub use processor::{Processor, ProcessorError, ProcessorPorts};

#[cfg(test)]
mod testing;
