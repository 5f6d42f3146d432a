//! Batches and customers for tests.

use bytes::Bytes;
use sluice_catalogue::directory::{CustomerEntry, Directory, DirectorySettings};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_model::wire::envelope::{self, EnvelopeParts};
use sluice_model::{Batch, Customer, CustomerId, CustomerStatus, EventId, EventMeta, EventType, Lane};
use sluice_ports::Catalogue;
use sluice_ports::event_store::StoredBatch;
use std::sync::Arc;

/// The customer of every batch made here.
pub(crate) const CUSTOMER: CustomerId = CustomerId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

/// A batch of `events` in lane 1, without facts.
pub(crate) fn stored_batch(events: u16) -> StoredBatch {
    stored_batch_at(1, 1000, 1, events)
}

/// A batch in a lane, whose id has this millisecond and count. Its events' types cycle
/// through `t0`, `t1`, `t2`, their sources through `s0`, `s1`.
pub(crate) fn stored_batch_at(lane: u16, ms: u64, count: u64, events: u16) -> StoredBatch {
    let id = EventId::new(ms, Lane::new(lane).unwrap(), count, 0).batch();
    let mut body = Vec::new();
    let mut metas = Vec::new();
    for index in 0..events {
        if index > 0 {
            body.push(b',');
        }
        let start = body.len();
        let (kind, source) = (format!("\"t{}\"", index % 3), format!("\"s{}\"", index % 2));
        let parts = EnvelopeParts {
            customer: &CUSTOMER.text(),
            event_type: Some(kind.as_bytes()),
            source: Some(source.as_bytes()),
            tags: Some(br#"["a","b\u0063"]"#),
            metadata: None,
            payload: br#"{"tags":["x"],"source":"no"}"#,
            timestamp: &sluice_model::clock::rfc3339(ms),
        };
        envelope::write(&parts, &mut body);
        let text = id.event(index).text();
        body[start + envelope::ID_OFFSET..][..text.len()].copy_from_slice(&text);
        metas.push(EventMeta { end: body.len() as u32, kind: index % 3, ordering: 0 });
    }
    let types = ["t0", "t1", "t2"].map(Box::from).to_vec();
    let batch =
        Batch { customer: CUSTOMER, id, types, events: metas, claims: Vec::new(), body: Bytes::from(body) };
    StoredBatch {
        batch: Arc::new(batch),
        place: id,
        facts: Vec::new(),
        acknowledged: Vec::new(),
        passed: false,
    }
}

/// A customer with one lane.
pub(crate) fn acme() -> Customer {
    Customer {
        id: CustomerId::new(1),
        name: "Acme".to_owned(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: 1000,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: 1,
        updated_at_ms: 1,
    }
}

/// The entry of a customer that declared these types: name, schema, whether it is enforced.
pub(crate) async fn declaring(types: &[(&str, &str, bool)]) -> Arc<CustomerEntry> {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let customer = acme();
    catalogue.put_customer(&customer).await.unwrap();
    for (name, schema, enforce) in types {
        let event_type = EventType {
            customer: customer.id,
            name: (*name).to_owned(),
            description: None,
            schema: (*schema).to_owned(),
            enforce: *enforce,
            created_at_ms: 1,
            updated_at_ms: 1,
        };
        catalogue.put_event_type(&event_type).await.unwrap();
    }
    let loaded = Directory::load(Arc::new(catalogue), DirectorySettings::default()).await;
    loaded.unwrap().0.customer(customer.id).unwrap()
}
