//! Idempotency: a repeated request with the same key gets the first answer.

use super::PortError;
use async_trait::async_trait;
use sluice_model::{BatchId, CustomerId};

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// A customer's key, hashed: SHA-256, its first 16 bytes.
pub type KeyHash = [u8; 16];

/// Where the events of a request went: what its first answer was made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placed {
    /// The batch, first index and count, in the order of the request's accepted events.
    pub runs: Vec<(BatchId, u16, u16)>,
    /// When the request was accepted, in milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The key is this request's now: it must be completed, released or called undecided.
    Claimed,
    /// The same request was answered before, so.
    Completed(Placed),
    /// The same request is in flight.
    InFlight,
    /// The key stands for another body.
    Mismatch,
}

/// Keys of requests that may be repeated, kept for a day by default.
///
/// - **Exclusive**: of several claims of one key at one time, one is `Claimed`.
/// - **Durability**: a completed claim survives a crash as its events do. An
///   uncompleted one ends with the process, or with its lease where it is shared.
/// - **Cancel safety**: a dropped `claim` may leave the key claimed until its lease ends.
#[async_trait]
pub trait Idempotency: Send + Sync + 'static {
    /// Claims a key for a request whose body hashes to `body`.
    async fn claim(
        &self,
        customer: CustomerId,
        key: KeyHash,
        body: KeyHash,
        now_ms: u64,
    ) -> Result<ClaimOutcome, PortError>;

    /// Says what the request's answer was, once its events are durable.
    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError>;

    /// Gives a claimed key back: nothing of the request was taken.
    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError>;

    /// Says that the append of the request ended without a known outcome. The
    /// key stays claimed as long as its events may turn out to be in the log;
    /// after that the adapter frees it. An adapter whose claims have leases
    /// lets the lease end, and forgets the claim.
    async fn undecided(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError>;
}
