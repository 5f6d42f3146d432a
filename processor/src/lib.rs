//! The processor of Sluice: consumes shards, matches subscriptions, delivers webhooks.
//!
//! One event's way: [`shard`](shard) reads its batch from the log, [`matcher`]
//! says who wants it, an [`outbox`] a subscription gathers, [`client`] sends,
//! [`outcome`] says what the answer means, [`settlement`] what follows, and
//! [`commit`] makes that durable before the [`watermark`] counts it as settled.
//! What failed waits in the queue for the [`worker`](worker).
//!
//! The rules (`outcome`, `backoff`, `breaker`, `outbox`, `outlet`,
//! `watermark`, `settlement`, `sign`, `guard`, `body`) do no I/O and hold no
//! clock; the tasks fetch, ask them, and do what they say.

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
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod health;
mod history;
mod ledger;
pub mod matcher;
pub mod metrics;
pub mod outbox;
pub mod outcome;
pub mod outlet;
pub mod parking;
mod probe;
mod processor;
pub mod recent;
mod replayer;
pub mod resolver;
pub mod settlement;
mod shard;
pub mod sign;
pub mod slice;
pub mod target;
pub mod watermark;
mod worker;

pub use config::ProcessorConfig;
pub use processor::{Processor, ProcessorError, ProcessorPorts};

#[cfg(test)]
mod testing;
