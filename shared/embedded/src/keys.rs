//! The keys of the state store, byte by byte.
//!
//! ```text
//! 'a' customer 16, batch 16                      acknowledgements of a batch
//! 'c' shard, text                                checkpoint
//! 'd' customer 16, dead letter 16                dead letter
//! 'f' customer 16, batch 16, subscription 16     fact
//! 'i' customer 16, key hash 16                   idempotency key
//! 'p' shard, text                                how far the log's claims are in 'i'
//! 'q' subscription 16, delivery 16               waiting delivery
//! 'r' name's length u8, partition's name, key    row, see `rows`
//! ```
//!
//! Ids and times are big-endian, so keys sort by them. Values are postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_model::{BatchId, CustomerId, DeadLetterId, DeliveryId, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::log::ShardId;

pub(super) const ACK: u8 = b'a';
pub(super) const DEAD_LETTER: u8 = b'd';
pub(super) const FACT: u8 = b'f';
pub(super) const IDEMPOTENCY: u8 = b'i';
pub(super) const QUEUED: u8 = b'q';

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(super) fn of_customer(kind: u8, customer: CustomerId) -> Vec<u8> {
    key(kind, &[&customer.to_bytes()])
}

pub(super) fn ack(customer: CustomerId, batch: BatchId) -> Vec<u8> {
    key(ACK, &[&customer.to_bytes(), &batch.to_bytes()])
}

pub(super) fn checkpoint(shard: &ShardId) -> Vec<u8> {
    key(b'c', &[shard.0.as_bytes()])
}

pub(super) fn dead_letter(customer: CustomerId, id: DeadLetterId) -> Vec<u8> {
    key(DEAD_LETTER, &[&customer.to_bytes(), &id.to_bytes()])
}

pub(super) fn facts(customer: CustomerId, batch: BatchId) -> Vec<u8> {
    key(FACT, &[&customer.to_bytes(), &batch.to_bytes()])
}

pub(super) fn fact(customer: CustomerId, batch: BatchId, subscription: SubscriptionId) -> Vec<u8> {
    key(FACT, &[&customer.to_bytes(), &batch.to_bytes(), &subscription.to_bytes()])
}

pub(super) fn idempotency(customer: CustomerId, hash: &[u8; 16]) -> Vec<u8> {
    key(IDEMPOTENCY, &[&customer.to_bytes(), hash])
}

pub(super) fn claims_progress(shard: &ShardId) -> Vec<u8> {
    key(b'p', &[shard.0.as_bytes()])
}

pub(super) fn queued(subscription: SubscriptionId, delivery: DeliveryId) -> Vec<u8> {
    key(QUEUED, &[&subscription.to_bytes(), &delivery.to_bytes()])
}

/// The sixteen bytes of a key at `at`.
pub(super) fn id_at(key: &[u8], at: usize) -> Option<[u8; 16]> {
    key.get(at..at + 16)?.try_into().ok()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("stored values are plain data")
}

pub(super) fn decode<T: DeserializeOwned>(attempted: &str, bytes: &[u8]) -> Result<T, PortError> {
    postcard::from_bytes(bytes).map_err(|error| PortError::Damaged {
        attempted: attempted.to_owned(),
        detail: format!("a stored value does not read back: {error}"),
    })
}
