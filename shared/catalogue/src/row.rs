//! A row of the catalogue as it is stored, its checksum, and the digest of many rows.

use crate::secrets::sha256;
use serde::{Deserialize, Serialize};
use sluice_model::{ApiKey, AuditEntry, Customer, CustomerId, EventType, Subscription, SubscriptionId};
use sluice_ports::catalogue::Changes;

/// The kinds of rows. A subscription or an event type and the mark of its deletion
/// share a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowSlot {
    /// A customer.
    Customer,
    /// An API key.
    Key,
    /// A subscription, deleted or not.
    Subscription,
    /// An event type, deleted or not.
    EventType,
    /// An entry of the audit log; on the embedded engine only.
    Audit,
}

impl RowSlot {
    const ALL: [Self; 5] = [Self::Customer, Self::Key, Self::Subscription, Self::EventType, Self::Audit];

    /// The slot's name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Key => "key",
            Self::Subscription => "subscription",
            Self::EventType => "event_type",
            Self::Audit => "audit",
        }
    }

    /// The slot of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == text)
    }

    /// The byte that stands for the slot in the journal.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Customer => b'c',
            Self::Key => b'k',
            Self::Subscription => b's',
            Self::EventType => b't',
            Self::Audit => b'a',
        }
    }

    /// The slot of that byte.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.code() == code)
    }
}

/// The place of a row: its slot and its id.
pub type CatalogueRowKey = (RowSlot, [u8; 16]);

/// The id of an event type's row: the first half of SHA-256 over the customer's id
/// and the type's name.
#[must_use]
pub fn event_type_id(customer: CustomerId, name: &str) -> [u8; 16] {
    let hash = sha256(&[&customer.to_bytes()[..], name.as_bytes()].concat());
    hash[..16].try_into().expect("sixteen bytes of 32")
}

/// The content of a row. Its JSON is the `body` of a [`StoredRow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "row", rename_all = "snake_case", deny_unknown_fields)]
pub enum CatalogueRow {
    /// A customer.
    Customer(Customer),
    /// An API key.
    Key(ApiKey),
    /// A subscription.
    Subscription(Subscription),
    /// The mark that a subscription was deleted.
    DeletedSubscription {
        /// The customer that owned it.
        customer: CustomerId,
        /// The subscription.
        id: SubscriptionId,
    },
    /// An event type.
    EventType(EventType),
    /// The mark that an event type was deleted.
    DeletedEventType {
        /// The customer that declared it.
        customer: CustomerId,
        /// Its name.
        name: String,
    },
    /// An entry of the audit log.
    Audit(Box<AuditEntry>),
}

impl CatalogueRow {
    /// The place of the row.
    #[must_use]
    pub fn key(&self) -> CatalogueRowKey {
        match self {
            Self::Customer(customer) => (RowSlot::Customer, customer.id.to_bytes()),
            Self::Key(key) => (RowSlot::Key, key.id.to_bytes()),
            Self::Subscription(subscription) => (RowSlot::Subscription, subscription.id.to_bytes()),
            Self::DeletedSubscription { id, .. } => (RowSlot::Subscription, id.to_bytes()),
            Self::EventType(EventType { customer, name, .. }) | Self::DeletedEventType { customer, name } => {
                (RowSlot::EventType, event_type_id(*customer, name))
            }
            Self::Audit(entry) => (RowSlot::Audit, entry.id.to_bytes()),
        }
    }

    /// Whether the row only marks a deletion.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        match self {
            Self::DeletedSubscription { .. } | Self::DeletedEventType { .. } => true,
            Self::Customer(_)
            | Self::Key(_)
            | Self::Subscription(_)
            | Self::EventType(_)
            | Self::Audit(_) => false,
        }
    }

    /// Adds the row to a reader's changes, unless it is an entry of the audit log.
    pub fn add_to(self, changes: &mut Changes) {
        match self {
            Self::Customer(customer) => changes.customers.push(customer),
            Self::Key(key) => changes.keys.push(key),
            Self::Subscription(subscription) => changes.subscriptions.push(subscription),
            Self::DeletedSubscription { customer, id } => changes.deleted_subscriptions.push((customer, id)),
            Self::EventType(event_type) => changes.event_types.push(event_type),
            Self::DeletedEventType { customer, name } => changes.deleted_event_types.push((customer, name)),
            Self::Audit(_) => {}
        }
    }
}

/// A row as databases and the journal hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The kind of row.
    pub slot: RowSlot,
    /// The id of the customer, key or subscription, or [`event_type_id`].
    pub id: [u8; 16],
    /// The catalogue's revision at which the row was last written.
    pub revision: u64,
    /// The [`CatalogueRow`] as JSON.
    pub body: String,
}

impl StoredRow {
    /// The row as it is stored at a revision.
    #[must_use]
    pub fn new(row: &CatalogueRow, revision: u64) -> Self {
        let (slot, id) = row.key();
        let body = serde_json::to_string(row).expect("a row has string keys only");
        Self { slot, id, revision, body }
    }

    /// The place of the row.
    #[must_use]
    pub const fn key(&self) -> CatalogueRowKey {
        (self.slot, self.id)
    }

    /// CRC32C of slot, id, revision (little-endian) and body.
    #[must_use]
    pub fn crc(&self) -> u32 {
        let crc = crc32c::crc32c(&[self.slot.code()]);
        let crc = crc32c::crc32c_append(crc, &self.id);
        let crc = crc32c::crc32c_append(crc, &self.revision.to_le_bytes());
        crc32c::crc32c_append(crc, self.body.as_bytes())
    }

    /// Reads the body.
    ///
    /// # Errors
    /// A description, if the body is not a row or belongs to another place.
    pub fn decode(&self) -> Result<CatalogueRow, String> {
        let row: CatalogueRow = serde_json::from_str(&self.body).map_err(|e| format!("{self}: {e}"))?;
        if row.key() == self.key() { Ok(row) } else { Err(format!("{self}: the body is another row's")) }
    }
}

impl std::fmt::Display for StoredRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = CustomerId::from_bytes(self.id);
        write!(f, "{} {id} of revision {}", self.slot.as_str(), self.revision)
    }
}

/// A digest of a set of rows that does not depend on their order: their number,
/// and the sum of a mix of their checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CatalogueDigest {
    /// The number of rows.
    pub rows: u64,
    /// The sum of [`mix`] over the rows, modulo 2^64.
    pub sum: u64,
}

impl CatalogueDigest {
    /// Adds a row.
    pub fn add(&mut self, row: &StoredRow) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(mix(row));
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: &StoredRow) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(mix(row));
    }

    /// CRC32C of the digest at a revision.
    #[must_use]
    pub fn crc(self, revision: u64) -> u32 {
        let crc = crc32c::crc32c(&revision.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &self.rows.to_le_bytes());
        crc32c::crc32c_append(crc, &self.sum.to_le_bytes())
    }
}

/// The finaliser of splitmix64 over checksum and length, so that sums of
/// different rows do not cancel out as plain CRCs could.
fn mix(row: &StoredRow) -> u64 {
    let mut z = u64::from(row.crc()) | (row.body.len() as u64) << 32;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
