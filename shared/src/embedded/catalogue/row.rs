//! A row of the catalogue as it is stored, its checksum, and what rows add up to.

use crate::model::{ApiKey, Customer, CustomerId, Subscription, SubscriptionId};
use serde::{Deserialize, Serialize};

/// Which of the three kinds of things a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    Customer,
    Key,
    Subscription,
}

impl Slot {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Key => "key",
            Self::Subscription => "subscription",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Customer, Self::Key, Self::Subscription].into_iter().find(|slot| slot.as_str() == text)
    }

    /// The byte that stands for the slot in the journal.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Customer => b'c',
            Self::Key => b'k',
            Self::Subscription => b's',
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Customer, Self::Key, Self::Subscription].into_iter().find(|slot| slot.code() == code)
    }
}

/// Where a row stands: its slot and its id.
pub(crate) type RowKey = (Slot, [u8; 16]);

/// What a row says. Its JSON is the `body` of a [`StoredRow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "row", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Row {
    Customer(Customer),
    Key(ApiKey),
    Subscription(Subscription),
    DeletedSubscription { customer: CustomerId, id: SubscriptionId },
}

impl Row {
    pub(crate) const fn key(&self) -> RowKey {
        match self {
            Self::Customer(of) => (Slot::Customer, of.id.to_bytes()),
            Self::Key(of) => (Slot::Key, of.id.to_bytes()),
            Self::Subscription(of) => (Slot::Subscription, of.id.to_bytes()),
            Self::DeletedSubscription { id, .. } => (Slot::Subscription, id.to_bytes()),
        }
    }
}

/// A row as the database and the journal hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) slot: Slot,
    pub(crate) id: [u8; 16],
    pub(crate) revision: u64,
    pub(crate) body: String,
}

impl StoredRow {
    pub(crate) fn new(row: &Row, revision: u64) -> Self {
        let (slot, id) = row.key();
        let body = serde_json::to_string(row).expect("a row has string keys only");
        Self { slot, id, revision, body }
    }

    pub(crate) const fn key(&self) -> RowKey {
        (self.slot, self.id)
    }

    /// CRC32C of slot, id, revision and body.
    pub(crate) fn crc(&self) -> u32 {
        let crc = crc32c::crc32c(&[self.slot.code()]);
        let crc = crc32c::crc32c_append(crc, &self.id);
        let crc = crc32c::crc32c_append(crc, &self.revision.to_le_bytes());
        crc32c::crc32c_append(crc, self.body.as_bytes())
    }

    /// What the row says, or why it cannot be read.
    pub(crate) fn decode(&self) -> Result<Row, String> {
        let row: Row = serde_json::from_str(&self.body).map_err(|e| format!("{self}: {e}"))?;
        if row.key() == self.key() { Ok(row) } else { Err(format!("{self}: the body is another row's")) }
    }
}

impl std::fmt::Display for StoredRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = CustomerId::from_bytes(self.id);
        write!(f, "{} {id} of revision {}", self.slot.as_str(), self.revision)
    }
}

/// What rows add up to, whatever their order: how many, and the sum of a
/// mix of their checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, row: &StoredRow) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(mix(row));
    }

    pub(crate) fn remove(&mut self, row: &StoredRow) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(mix(row));
    }

    /// CRC32C of the digest at a revision.
    pub(crate) fn crc(self, revision: u64) -> u32 {
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
