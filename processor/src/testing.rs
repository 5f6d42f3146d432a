//! What the tests of this crate share.

use bytes::Bytes;
use sluice_shared::model::{Batch, BatchId, CustomerId, EventId, EventMeta, Lane};

/// A batch of one type whose envelopes have these sizes.
pub(crate) fn batch_of_sizes(sizes: &[usize]) -> Batch {
    let events: Vec<_> = sizes.iter().map(|size| ("", "x".repeat(*size))).collect();
    batch(CustomerId::from_u128(1), batch_id(1, 1), &events)
}

/// The id of batch `n` at `ms` in lane 3.
pub(crate) fn batch_id(ms: u64, n: u64) -> BatchId {
    EventId::new(ms, Lane::new(3).expect("a lane"), n, 0).batch()
}

/// A batch of (type, envelope) pairs.
pub(crate) fn batch(customer: CustomerId, id: BatchId, events: &[(&str, String)]) -> Batch {
    let mut types: Vec<Box<str>> = Vec::new();
    let mut rows = Vec::new();
    let mut body = String::new();
    for (kind, envelope) in events {
        let known = types.iter().position(|of| **of == **kind);
        let index = known.unwrap_or_else(|| {
            types.push((*kind).into());
            types.len() - 1
        });
        if !rows.is_empty() {
            body.push(',');
        }
        body.push_str(envelope);
        rows.push(EventMeta { end: body.len() as u32, kind: index as u16, ordering: 0 });
    }
    Batch { customer, id, types, events: rows, claims: Vec::new(), body: Bytes::from(body) }
}
