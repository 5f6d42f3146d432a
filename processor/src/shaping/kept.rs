//! A shape that is kept for the deliveries that are pinned to it.
//!
//! ```text
//! partition                key               value
//! shapes/<subscription>    shape's id 16     the shape's JSON
//! ```

use sluice_model::subscription::{DeliveryShape, ShapeId, WebhookShape};
use sluice_model::{Subscription, SubscriptionId};
use sluice_ports::rows::NewRow;
use sluice_shape::{ShapeLimits, ShapedBody, TransformError};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// How long a shape is kept after its last use: longer than any delivery lives.
const KEPT_MS: u64 = 200 * DAY_MS;

/// A row is written anew when it would be kept for less than this.
const RENEWED_BELOW_MS: u64 = 100 * DAY_MS;

/// A shape, compiled when it is first used.
#[derive(Debug)]
pub struct KeptShape {
    id: ShapeId,
    subscription: SubscriptionId,
    shape: WebhookShape,
    compiled: OnceLock<Result<ShapedBody, TransformError>>,
    /// Until when the row is surely kept, in milliseconds since the Unix epoch.
    durable_until_ms: AtomicU64,
}

impl KeptShape {
    /// The shape of a subscription's webhooks; `None` if they are plain.
    #[must_use]
    pub fn of(subscription: &Subscription) -> Option<Self> {
        match sluice_shape::shape_of(&subscription.shape) {
            DeliveryShape::Pinned(id) => Some(Self::new(id, subscription.id, subscription.shape.clone())),
            DeliveryShape::Plain | DeliveryShape::Unpinned => None,
        }
    }

    /// A shape by its id.
    pub(super) const fn new(id: ShapeId, subscription: SubscriptionId, shape: WebhookShape) -> Self {
        Self { id, subscription, shape, compiled: OnceLock::new(), durable_until_ms: AtomicU64::new(0) }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> ShapeId {
        self.id
    }

    /// The shape, ready to make bodies.
    ///
    /// # Errors
    /// If its template does not compile, although it did when it was stored.
    pub fn compiled(&self, limits: ShapeLimits) -> Result<&ShapedBody, TransformError> {
        let compiled = self.compiled.get_or_init(|| ShapedBody::compile(&self.shape, limits));
        compiled.as_ref().map_err(Clone::clone)
    }

    /// The row that keeps the shape, if it must be written.
    #[must_use]
    pub fn row(&self, now_ms: u64) -> Option<NewRow> {
        if self.durable_until_ms.load(Ordering::Relaxed) >= now_ms + RENEWED_BELOW_MS {
            return None;
        }
        Some(NewRow {
            partition: partition(self.subscription),
            key: self.id.to_bytes().to_vec(),
            value: sluice_shape::kept_text(&self.shape).into_bytes(),
            expires_at_ms: Some(now_ms + KEPT_MS),
            needs_from_ms: None,
        })
    }

    /// Notes that a row of [`Self::row`] is durable.
    pub fn is_durable(&self, row: &NewRow) {
        self.durable_until_ms.fetch_max(row.expires_at_ms.unwrap_or(0), Ordering::Relaxed);
    }
}

/// The partition of a subscription's shapes.
pub(super) fn partition(subscription: SubscriptionId) -> String {
    format!("shapes/{subscription}")
}
