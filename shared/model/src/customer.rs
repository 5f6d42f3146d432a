//! Customers and their API keys.

use super::{ApiKeyId, CustomerId, Lane};
use serde::{Deserialize, Serialize};

/// The most lanes that one customer can use: each lane carries at most 1 MB/s of
/// compressed events (a Kinesis shard's limit).
pub const FAN_OUT_MAX: u16 = 64;

/// Whether a customer can use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerStatus {
    /// The customer can use the API.
    Active,
    /// Its keys are refused and its webhooks are held back.
    Suspended,
}

/// A tenant: owns keys, subscriptions, events and a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The customer's id.
    pub id: CustomerId,
    /// A name for people.
    pub name: String,
    /// An address at which its owner can be reached.
    pub email: Option<String>,
    /// Whether the customer can use the API.
    pub status: CustomerStatus,
    /// Events that the customer may send a second, 1 or more.
    pub rate_limit_per_second: u32,
    /// How many lanes its new events use, 1 to [`FAN_OUT_MAX`].
    pub fan_out: u16,
    /// The largest `fan_out` that the customer ever had: readers look into all these lanes.
    pub fan_out_ever: u16,
    /// When the row was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When the row last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

/// The `n`th lane (from 0) of a customer in a deployment with `lanes` lanes.
///
/// The list is fixed by the customer's id: it starts at a lane that the id's
/// hash chooses and goes on with the following ones, so all lanes of a customer
/// differ as long as `n` stays below `lanes`.
#[must_use]
pub fn lane_of(customer: CustomerId, n: u16, lanes: u16) -> Lane {
    let bits = customer.as_u128();
    let start = ((bits ^ bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let number = (start + u64::from(n)) % u64::from(lanes);
    Lane::new(number as u16).expect("a deployment has at most LANES_MAX lanes")
}

impl Customer {
    /// Every lane that may hold events of the customer.
    pub fn lanes_ever(&self, lanes: u16) -> impl Iterator<Item = Lane> + '_ {
        (0..self.fan_out_ever.min(lanes)).map(move |n| lane_of(self.id, n, lanes))
    }
}

/// An API key: its hash; the key itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The key's public name.
    pub id: ApiKeyId,
    /// The customer that owns the key.
    pub customer: CustomerId,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// The key's first characters, by which people tell keys apart.
    pub hint: String,
    /// When the row was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The time from which the key is refused, in milliseconds since the Unix
    /// epoch; `None` if it does not expire.
    pub expires_at_ms: Option<u64>,
    /// When the key was revoked, in milliseconds since the Unix epoch.
    pub revoked_at_ms: Option<u64>,
}

impl ApiKey {
    /// True if requests with the key are accepted at `now_ms`.
    #[must_use]
    pub fn is_valid(&self, now_ms: u64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|at| now_ms < at)
    }
}
