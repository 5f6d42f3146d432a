//! Customers and their API keys.

use super::{ApiKeyId, CustomerId, Lane, Scope, Scopes};
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
    /// The largest `fan_out` that the customer ever had: readers read all these lanes.
    pub fan_out_ever: u16,
    /// When the row was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When the row last changed, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

/// The `n`th lane (from 0) of a customer in a deployment with `lanes` lanes.
///
/// The list is fixed by the customer's id: it begins at a lane that the id's hash chooses
/// and continues with the following lanes, so all lanes of a customer differ as long as `n`
/// is below `lanes`.
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
///
/// A key with every scope is stored as keys were stored before there were scopes. A key with
/// fewer scopes is stored with `expires_at_ms: 0`, and with its own expiry in `restricted`,
/// so that a process of a version without scopes refuses it as expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredApiKey", into = "StoredApiKey")]
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
    /// What the key lets its holder do.
    pub scopes: Scopes,
}

impl ApiKey {
    /// True if requests with the key are accepted at `now_ms`.
    #[must_use]
    pub fn is_valid(&self, now_ms: u64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|expiry_ms| now_ms < expiry_ms)
    }
}

/// A key as it is stored in a row.
#[derive(Clone, Serialize, Deserialize)]
struct StoredApiKey {
    id: ApiKeyId,
    customer: CustomerId,
    hash: [u8; 32],
    hint: String,
    created_at_ms: u64,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restricted: Option<RestrictedKey>,
}

/// The additional fields of a key that lacks a scope.
#[derive(Clone, Serialize, Deserialize)]
struct RestrictedKey {
    /// The scopes by name. A name that this version does not know grants nothing.
    scopes: Vec<String>,
    expires_at_ms: Option<u64>,
}

impl From<StoredApiKey> for ApiKey {
    fn from(stored: StoredApiKey) -> Self {
        let StoredApiKey { id, customer, hash, hint, created_at_ms, revoked_at_ms, .. } = stored;
        let (scopes, expires_at_ms) = match stored.restricted {
            None => (Scopes::ALL, stored.expires_at_ms),
            Some(restricted) => {
                let known = restricted.scopes.iter().filter_map(|name| Scope::parse(name));
                (known.collect(), restricted.expires_at_ms)
            }
        };
        Self { id, customer, hash, hint, created_at_ms, expires_at_ms, revoked_at_ms, scopes }
    }
}

impl From<ApiKey> for StoredApiKey {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, customer, hash, hint, created_at_ms, expires_at_ms, revoked_at_ms, scopes } = key;
        let restricted = (scopes != Scopes::ALL)
            .then(|| RestrictedKey { scopes: scopes.names().map(str::to_owned).collect(), expires_at_ms });
        let expires_at_ms = if restricted.is_some() { Some(0) } else { expires_at_ms };
        Self { id, customer, hash, hint, created_at_ms, expires_at_ms, revoked_at_ms, restricted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key's row, as the version before scopes writes and reads it.
    #[derive(Debug, Serialize, Deserialize)]
    struct KeyBeforeScopes {
        id: ApiKeyId,
        customer: CustomerId,
        hash: [u8; 32],
        hint: String,
        created_at_ms: u64,
        expires_at_ms: Option<u64>,
        revoked_at_ms: Option<u64>,
    }

    fn key(scopes: Scopes, expires_at_ms: Option<u64>) -> ApiKey {
        ApiKey {
            id: ApiKeyId::from_u128(1),
            customer: CustomerId::from_u128(2),
            hash: [3; 32],
            hint: "sk_live_abc".to_owned(),
            created_at_ms: 4,
            expires_at_ms,
            revoked_at_ms: None,
            scopes,
        }
    }

    #[test]
    fn a_key_reads_as_it_was_written() {
        for bits in 0..=Scopes::ALL.bits() {
            for expires_at_ms in [None, Some(7)] {
                let key = key(Scopes::from_bits(bits), expires_at_ms);
                let text = serde_json::to_string(&key).unwrap();
                assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap(), key, "{text}");
            }
        }
    }

    #[test]
    fn keys_of_before_scopes_have_all_and_are_still_written_so() {
        let whole = key(Scopes::ALL, Some(7));
        let text = serde_json::to_string(&whole).unwrap();
        let old: KeyBeforeScopes = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&old).unwrap(), text, "byte for byte");
        assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap(), whole);
    }

    #[test]
    fn a_version_without_scopes_refuses_a_key_that_has_not_all() {
        let text = serde_json::to_string(&key(Scopes::of(&[Scope::EventsRead]), None)).unwrap();
        let mut old: KeyBeforeScopes = serde_json::from_str(&text).unwrap();
        assert_eq!(old.expires_at_ms, Some(0), "expired for ever");
        // If that version revokes it, its scopes are lost; the key still grants nothing.
        old.revoked_at_ms = Some(9);
        let text = serde_json::to_string(&old).unwrap();
        assert!(!serde_json::from_str::<ApiKey>(&text).unwrap().is_valid(0), "{text}");
    }

    #[test]
    fn a_scope_of_a_later_version_gives_nothing() {
        let text = serde_json::to_string(&key(Scopes::of(&[Scope::EventsRead]), None)).unwrap();
        let text = text.replace("events:read", "everything:write");
        assert_eq!(serde_json::from_str::<ApiKey>(&text).unwrap().scopes, Scopes::NONE);
    }
}
