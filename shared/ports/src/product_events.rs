//! Events that the product itself sends a customer about the customer's subscriptions.

use super::PortError;
use async_trait::async_trait;
use sluice_model::CustomerId;

/// The subject of a product event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductEventKind {
    /// A subscription was disabled because of its endpoint.
    SubscriptionDisabled,
    /// Deliveries were given up.
    DeliveryDeadLettered,
    /// A subscription's backlog is large.
    BacklogHigh,
}

impl ProductEventKind {
    /// The event's type.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::SubscriptionDisabled => "sluice.subscription.disabled",
            Self::DeliveryDeadLettered => "sluice.delivery.dead_lettered",
            Self::BacklogHigh => "sluice.backlog.high",
        }
    }
}

/// A product event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductEvent {
    /// The customer that gets it.
    pub customer: CustomerId,
    /// Its subject.
    pub kind: ProductEventKind,
    /// Its payload, as JSON.
    pub payload: String,
}

/// Appends product events to the log, in the customer's lane.
///
/// - **Durability**: `append` answers `Ok` when all the events are durable.
/// - **Idempotency**: appending twice stores twice; the payload names the reported fact.
/// - **Cancel safety**: a dropped `append` may or may not take effect.
#[async_trait]
pub trait ProductEvents: Send + Sync + 'static {
    /// Makes the events durable.
    async fn append(&self, events: &[ProductEvent]) -> Result<(), PortError>;
}
