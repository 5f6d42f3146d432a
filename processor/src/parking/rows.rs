//! The parked list as rows (see [`Rows`](sluice_ports::Rows)), so that a restart finds it.
//!
//! ```text
//! partition      key                                        value
//! parked/<lane>  subscription 16, 1, delivery id 16         version 1, postcard of [`Failed`]
//! parked/<lane>  subscription 16, 2, sequence u64 (BE)      version 1, postcard of the customer
//!                                                           and a list of [`Item`]
//! ```

use super::{Failed, Item};
use serde::Serialize;
use sluice_model::{CustomerId, Delivery, DeliveryId, EventRef, Lane, LastAttempt, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::rows::Row;

const VERSION: u8 = 1;
const FAILED: u8 = 1;
const CHUNK: u8 = 2;

/// A row's key in the partition of its lane.
pub type RowKey = Vec<u8>;

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryOwner {
    /// The customer.
    pub customer: CustomerId,
    /// The subscription.
    pub subscription: SubscriptionId,
}

impl DeliveryOwner {
    /// A delivery of these events that was never tried.
    #[must_use]
    pub fn delivery(&self, events: Vec<EventRef>, now_ms: u64) -> Delivery {
        Delivery {
            id: DeliveryId::new(now_ms),
            customer: self.customer,
            subscription: self.subscription,
            events,
            attempts: 0,
            first_attempt_ms: 0,
            last: LastAttempt::default(),
            due_ms: now_ms,
        }
    }

    /// The key of a chunk's row.
    #[must_use]
    pub fn chunk_key(&self, sequence: u64) -> RowKey {
        [&self.subscription.to_bytes()[..], &[CHUNK], &sequence.to_be_bytes()].concat()
    }
}

/// The partition of a lane's rows.
#[must_use]
pub fn partition(lane: Lane) -> String {
    format!("parked/{}", lane.number())
}

/// The key of a failed delivery's row.
#[must_use]
pub fn failed_key(delivery: &Delivery) -> RowKey {
    [&delivery.subscription.to_bytes()[..], &[FAILED], &delivery.id.to_bytes()].concat()
}

/// A row to be stored in the partition of its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowDraft {
    /// Its key.
    pub key: RowKey,
    /// What it says.
    pub value: Vec<u8>,
    /// The id time of the oldest event that it needs.
    pub needs_from_ms: u64,
}

/// A failed delivery's row.
#[must_use]
pub fn failed(of: &Failed) -> RowDraft {
    let needs_from_ms = of.delivery.oldest_ms();
    RowDraft { key: failed_key(&of.delivery), value: encode(of), needs_from_ms }
}

/// A chunk's row.
pub(super) fn chunk<'a>(
    of: &DeliveryOwner,
    sequence: u64,
    items: impl Iterator<Item = &'a Item>,
) -> RowDraft {
    let items: Vec<_> = items.collect();
    let needs_from_ms = items.iter().map(|item| item.batch.ms()).min().unwrap_or(u64::MAX);
    RowDraft { key: of.chunk_key(sequence), value: encode(&(of.customer, items)), needs_from_ms }
}

/// A row, read back.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// A failed delivery.
    Failed(Failed),
    /// Events that wait.
    Chunk(u64, Vec<Item>),
}

/// Reads a row back.
///
/// # Errors
/// If it is not what was written.
pub fn read(row: &Row) -> Result<(DeliveryOwner, Entry), PortError> {
    let damaged =
        |detail: &str| PortError::Damaged { what: "read a parked delivery".into(), detail: detail.into() };
    let (subscription, rest) =
        row.key.split_first_chunk::<16>().ok_or_else(|| damaged("its key is short"))?;
    let subscription = SubscriptionId::from_bytes(*subscription);
    let (VERSION, value) =
        row.value.split_first().map(|(version, rest)| (*version, rest)).unwrap_or_default()
    else {
        return Err(damaged("its version is unknown"));
    };
    let wrong = |error: postcard::Error| damaged(&error.to_string());
    match rest.split_first() {
        Some((&FAILED, _)) => {
            let failed: Failed = postcard::from_bytes(value).map_err(wrong)?;
            let customer = failed.delivery.customer;
            Ok((DeliveryOwner { customer, subscription }, Entry::Failed(failed)))
        }
        Some((&CHUNK, sequence)) => {
            let sequence = sequence.try_into().map_err(|_| damaged("its key is short"))?;
            let (customer, items) = postcard::from_bytes(value).map_err(wrong)?;
            let entry = Entry::Chunk(u64::from_be_bytes(sequence), items);
            Ok((DeliveryOwner { customer, subscription }, entry))
        }
        _ => Err(damaged("its kind is unknown")),
    }
}

fn encode(of: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(of, vec![VERSION]).expect("rows are plain data")
}
