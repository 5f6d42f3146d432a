//! Customers and their API keys.

use super::{ApiKeyId, CustomerId, Lane};
use serde::{Deserialize, Serialize};

/// The most lanes one customer can use.
pub const FAN_OUT_MAX: u16 = 64;

/// Whether a customer may use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerStatus {
    /// It may.
    Active,
    /// Its keys are refused and its webhooks are held back.
    Suspended,
}

/// A tenant: owns keys, subscriptions, events and a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// A name for people.
    pub name: String,
    /// Where its owner is reached.
    pub email: Option<String>,
    /// Whether it may use the API.
    pub status: CustomerStatus,
    /// Events a second.
    pub rate_limit_per_second: u32,
    /// How many lanes its new events use, 1 to [`FAN_OUT_MAX`].
    pub fan_out: u16,
    /// The largest `fan_out` it ever had: readers look at all these lanes.
    pub fan_out_ever: u16,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When it last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

/// The `n`th lane of a customer in a deployment with `lanes` lanes.
///
/// The list is fixed by the id: a start and steps of one, so the lanes of a
/// customer differ as long as it has no more than there are.
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

/// An API key: its hash, never the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: ApiKeyId,
    /// Whose key it is.
    pub customer: CustomerId,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// The first characters, for people to tell keys apart.
    pub hint: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// From when it is refused, if ever.
    pub expires_at_ms: Option<u64>,
    /// When it was revoked, if it was.
    pub revoked_at_ms: Option<u64>,
}

impl ApiKey {
    /// Whether the key opens the door at `now_ms`.
    #[must_use]
    pub fn is_valid(&self, now_ms: u64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|at| now_ms < at)
    }
}
