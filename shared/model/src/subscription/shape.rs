//! The shape of webhooks: what a webhook's body is made of its events.

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

/// What a subscription's webhooks look like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookShape {
    /// How the body holds the events.
    pub body: WebhookBody,
    /// The JSON of the template that each event is put through, which was checked
    /// when it was stored; `None`: events are sent as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl WebhookShape {
    /// True for the shape of most subscriptions: an array of events as they are.
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

/// The shape of a delivery's body. All attempts of a delivery have the same one,
/// whatever becomes of its subscription, so that they carry the same bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeliveryShape {
    /// An array of events as they are.
    #[default]
    Plain,
    /// This shape, which is kept as long as the delivery may be.
    Pinned(ShapeId),
    /// The shape that the subscription has when the delivery is first taken from
    /// the queue. It is pinned then, before the first attempt.
    Unpinned,
}
