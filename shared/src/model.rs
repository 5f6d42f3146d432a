//! The words of Sluice as types.

pub mod attempt;
pub mod batch;
pub mod customer;
pub mod delivery;
pub mod event_set;
pub mod ids;
pub mod subscription;

pub use attempt::AttemptRecord;
pub use batch::{Batch, Claim, EventMeta};
pub use customer::{ApiKey, Customer, CustomerStatus};
pub use delivery::{DeadLetter, DeadLetterReason, Delivery, EventRef, Fact, LastAttempt};
pub use event_set::{EventSet, Run};
pub use ids::{ApiKeyId, BatchId, CustomerId, DeadLetterId, DeliveryId, EventId, Lane, SubscriptionId};
pub use subscription::{BatchPolicy, RetryPolicy, Subscription, SubscriptionStatus};
