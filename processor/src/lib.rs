//! The processor of Sluice: consumes shards, matches subscriptions, delivers webhooks.

pub mod backoff;
pub mod breaker;
pub mod clock;
pub mod guard;
pub mod outbox;
pub mod outcome;
pub mod sign;
pub mod slice;
pub mod watermark;

#[cfg(test)]
mod testing;
