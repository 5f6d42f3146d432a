//! Idempotency: a repeated request with the same key gets the first answer.

use super::PortError;
use async_trait::async_trait;
use sluice_model::{BatchId, CustomerId};

#[cfg(any(test, feature = "contract"))]
pub mod contract;

/// A customer's idempotency key: the first 16 bytes of its SHA-256.
pub type KeyHash = [u8; 16];

/// A key with its customer, by which a claim is found.
pub type ClaimKey = (CustomerId, KeyHash);

/// The places of a request's events, from which its first answer is made again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placed {
    /// The batch, first index and count, in the order of the request's accepted events.
    pub runs: Vec<(BatchId, u16, u16)>,
    /// When the request was accepted, in milliseconds since the Unix epoch.
    pub accepted_at_ms: u64,
}

/// The outcome of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The key belongs to this request now, which must complete, release or call it
    /// undecided.
    Claimed,
    /// The same request was answered before, with these places.
    Completed(Placed),
    /// The same request is in flight.
    InFlight,
    /// The key was used with another body.
    Mismatch,
}

/// Keys of requests that may be repeated, kept for a day by default.
///
/// - **Exclusive**: of several concurrent claims of one key, one is `Claimed`.
/// - **Durability**: a completed claim survives a crash as its events do. A claim that is not
///   completed ends with the process or, if several processes share the keys, with its lease.
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

    /// Stores the places of the request's events, once they are durable.
    async fn complete(&self, customer: CustomerId, key: KeyHash, placed: Placed) -> Result<(), PortError>;

    /// Gives a claimed key back, because nothing of the request was taken.
    async fn release(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError>;

    /// Notes that the append of the request ended with an unknown outcome. The key stays
    /// claimed as long as its events may turn out to be in the log; then the adapter frees it.
    /// An adapter whose claims have leases forgets the claim and lets the lease end.
    async fn undecided(&self, customer: CustomerId, key: KeyHash) -> Result<(), PortError>;
}
