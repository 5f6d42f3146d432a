//! The processor of Sluice: consumes shards, matches subscriptions, delivers webhooks.

pub mod backoff;
pub mod body;
pub mod breaker;
pub mod client;
pub mod clock;
pub mod commit;
pub mod config;
pub mod endpoint;
pub mod guard;
pub mod matcher;
pub mod outbox;
pub mod outcome;
pub mod recent;
pub mod resolver;
pub mod settlement;
pub mod sign;
pub mod slice;
pub mod target;
pub mod watermark;

#[cfg(test)]
mod testing;
