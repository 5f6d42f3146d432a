//! The shape of webhooks: how a webhook's body is made of its events.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many events a webhook carries, and how its body holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookBody {
    /// A JSON array of events.
    #[default]
    Array,
    /// One event, without an array around it.
    Single,
}

/// How a subscription's webhooks are made of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookShape {
    /// How the body holds the events.
    pub body: WebhookBody,
    /// The JSON of the template that transforms each event, which was checked when it was
    /// stored; `None`: events are sent unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl WebhookShape {
    /// True for the shape of most subscriptions: an array of unchanged events.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The identity of a shape: equal shapes have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShapeId([u8; 16]);

impl ShapeId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for ShapeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The shape of a delivery's body. All attempts of a delivery have the same shape and so the
/// same bytes, even if the subscription changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeliveryShape {
    /// An array of unchanged events.
    #[default]
    Plain,
    /// This shape, which is kept as long as the delivery may be.
    Pinned(ShapeId),
    /// The shape that the subscription has when the delivery is first taken from the queue.
    /// It is pinned before the first attempt.
    Unpinned,
}
