//! Events of the product itself: what Sluice tells a customer about its own
//! subscriptions, as events of the customer.

use super::PortError;
use async_trait::async_trait;
use sluice_model::CustomerId;

/// What an event of the product is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductEventKind {
    /// A subscription was disabled for its endpoint's sake.
    SubscriptionDisabled,
    /// Deliveries were given up.
    DeliveryDeadLettered,
    /// Many events wait for a subscription.
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

/// An event of the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductEvent {
    /// The customer whose event it is.
    pub customer: CustomerId,
    /// What it is about.
    pub kind: ProductEventKind,
    /// Its payload, as JSON.
    pub payload: String,
}

/// Takes events of the product into the log, in the customer's lane.
///
/// - **Durability**: `append` answers `Ok` when all the events are durable.
/// - **Idempotency**: appending twice stores twice; the payload says what is reported.
/// - **Cancel safety**: a dropped `append` may or may not take effect.
#[async_trait]
pub trait ProductEvents: Send + Sync + 'static {
    /// Makes the events durable.
    async fn append(&self, events: &[ProductEvent]) -> Result<(), PortError>;
}
