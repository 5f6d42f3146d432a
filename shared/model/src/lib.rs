//! The terms of Sluice as types, the formats of stored and sent bytes, and the small rules
//! that every other crate needs: clock, configuration ranges, rate limiter, trace context.

pub mod attempt;
pub mod audit;
pub mod batch;
pub mod clock;
pub mod config;
pub mod customer;
pub mod delivery;
pub mod event_set;
pub mod event_type;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod ids;
pub mod limiter;
pub mod scope;
pub mod subscription;
pub mod trace;
pub mod wire;

pub use attempt::AttemptRecord;
pub use audit::{AuditAction, AuditActor, AuditDraft, AuditEntry, AuditOrigin, AuditOutcome};
pub use batch::{Batch, Claim, EventMeta};
pub use customer::{ApiKey, Customer, CustomerStatus};
pub use delivery::{DeadLetter, DeadLetterReason, Delivery, EventRef, Fact, LastAttempt};
pub use event_set::{EventSet, Run};
pub use event_type::EventType;
pub use ids::{
    ApiKeyId, AuditId, BatchId, CustomerId, DeadLetterId, DeliveryId, EventId, Lane, SubscriptionId,
};
pub use scope::{Scope, Scopes};
pub use subscription::{
    BatchPolicy, ClientErrors, DisabledReason, RetryPolicy, SignatureScheme, Subscription, SubscriptionStatus,
};
