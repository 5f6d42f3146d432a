//! The rows of parked lists (see [`Rows`](sluice_ports::Rows)), from which a restart loads them.
//!
//! ```text
//! partition      key                                        value
//! parked/<lane>  subscription 16, 1, delivery id 16         version 1, postcard of [`Failed`]
//! parked/<lane>  subscription 16, 2, sequence u64 (BE)      version 1, postcard of the customer
//!                                                           and a list of [`ParkedItem`]
//! ```

use super::{Failed, ParkedItem};
use serde::Serialize;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    CustomerId, Delivery, DeliveryId, EventRef, Lane, LastAttempt, Subscription, SubscriptionId,
};
use sluice_ports::PortError;
use sluice_ports::rows::Row;

/// The bytes of a key that name its subscription.
const SUBSCRIPTION_BYTES: usize = 16;
const VERSION: u8 = 1;
const FAILED: u8 = 1;
const CHUNK: u8 = 2;

/// A row's key in the partition of its lane.
pub type ParkedRowKey = Vec<u8>;

/// The customer and subscription that a list belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryOwner {
    /// The customer.
    pub customer: CustomerId,
    /// The subscription.
    pub subscription: SubscriptionId,
}

impl DeliveryOwner {
    /// The owner of a subscription's deliveries.
    #[must_use]
    pub fn new(subscription: &Subscription) -> Self {
        Self { customer: subscription.customer, subscription: subscription.id }
    }

    /// A delivery of these events that was never tried, in the plain shape.
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
            shape: DeliveryShape::Plain,
        }
    }

    /// The key of a chunk's row.
    #[must_use]
    pub fn chunk_key(&self, sequence: u64) -> ParkedRowKey {
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
pub fn failed_key(delivery: &Delivery) -> ParkedRowKey {
    [&delivery.subscription.to_bytes()[..], &[FAILED], &delivery.id.to_bytes()].concat()
}

/// The part of a row's key that names its list among all lists of a lane.
#[must_use]
pub fn list_of(key: &[u8]) -> &[u8] {
    key.get(..SUBSCRIPTION_BYTES).unwrap_or(key)
}

/// A row to store in the partition of its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowDraft {
    /// Its key in the partition of its lane.
    pub key: ParkedRowKey,
    /// Its value.
    pub value: Vec<u8>,
    /// The id time of the oldest event that it needs.
    pub needs_from_ms: u64,
}

/// A failed delivery's row.
#[must_use]
pub fn failed(failed: &Failed) -> RowDraft {
    let needs_from_ms = failed.delivery.oldest_ms();
    RowDraft { key: failed_key(&failed.delivery), value: encode(failed), needs_from_ms }
}

/// A chunk's row.
pub(crate) fn chunk<'a>(
    owner: &DeliveryOwner,
    sequence: u64,
    items: impl Iterator<Item = &'a ParkedItem>,
) -> RowDraft {
    let items: Vec<_> = items.collect();
    let needs_from_ms = items.iter().map(|item| item.batch.ms()).min().unwrap_or(u64::MAX);
    RowDraft { key: owner.chunk_key(sequence), value: encode(&(owner.customer, items)), needs_from_ms }
}

/// A row, read back.
#[derive(Debug, PartialEq, Eq)]
pub enum ParkedEntry {
    /// A failed delivery.
    Failed(Failed),
    /// A chunk of waiting events, and its number.
    Chunk(u64, Vec<ParkedItem>),
}

/// Reads a row back.
///
/// # Errors
/// If the row is damaged.
pub fn read(row: &Row) -> Result<(DeliveryOwner, ParkedEntry), PortError> {
    let damaged = |detail: &str| PortError::Damaged {
        attempted: "read a parked delivery".into(),
        detail: detail.into(),
    };
    let (subscription, rest) =
        row.key.split_first_chunk::<SUBSCRIPTION_BYTES>().ok_or_else(|| damaged("its key is short"))?;
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
            Ok((DeliveryOwner { customer, subscription }, ParkedEntry::Failed(failed)))
        }
        Some((&CHUNK, sequence)) => {
            let sequence = sequence.try_into().map_err(|_| damaged("its key is short"))?;
            let (customer, items) = postcard::from_bytes(value).map_err(wrong)?;
            let entry = ParkedEntry::Chunk(u64::from_be_bytes(sequence), items);
            Ok((DeliveryOwner { customer, subscription }, entry))
        }
        _ => Err(damaged("its kind is unknown")),
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("rows are plain data")
}
