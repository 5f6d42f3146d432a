//! Events with an idempotency key of their own, `metadata.idempotency_key`.

use serde_json::value::RawValue;
use sluice_catalogue::secrets::sha256;
use sluice_ports::idempotency::KeyHash;

/// An accepted event with a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyedEvent {
    /// Its index in the request.
    pub index: usize,
    /// How many events of the request were accepted before it.
    pub ordinal: usize,
    /// The hash of its key.
    pub key: KeyHash,
    /// The hash of its fields, the key among them.
    pub body: KeyHash,
}

/// The first half of the SHA-256 of a key or a body.
pub(crate) fn hash(bytes: &[u8]) -> KeyHash {
    sha256(bytes)[..16].try_into().expect("sixteen bytes of 32")
}

/// The hash of an event's fields as they were sent. The order of the fields and
/// the space between them do not count.
pub(super) fn hash_fields(fields: [Option<&RawValue>; 6]) -> KeyHash {
    let mut bytes = Vec::new();
    for field in fields {
        let text = field.map_or("", RawValue::get);
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    hash(&bytes)
}
