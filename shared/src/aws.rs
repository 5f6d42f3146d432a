//! The distributed engine: every port past one machine.
//!
//! | port | on | here |
//! |---|---|---|
//! | log | Kinesis | `log` |
//! | event store, dead letters | DynamoDB | `events` |
//! | work queue | SQS | `queue` |
//! | catalogue | Postgres | `catalogue` |
//! | idempotency | Redis | `idempotency` |
//! | rates | Redis | `rates` |
//! | rows | DynamoDB, in the table of the events | `rows` |
//! | leases, checkpoints | DynamoDB, in the Kinesis Client Library's table format | `leases` |
//!
//! The SDKs' and drivers' types stay inside. What has none of them, the rules
//! of the log and of the leases, is built for simulations (feature
//! `simulation`) too: over any [`Stream`](log::Stream) and any
//! [`LeaseRows`](leases::LeaseRows).

#[cfg(feature = "aws")]
mod attribute;
#[cfg(feature = "aws")]
pub mod catalogue;
#[cfg(feature = "aws")]
mod clients;
mod config;
#[cfg(feature = "aws")]
pub mod events;
#[cfg(feature = "aws")]
mod failure;
pub mod health;
#[cfg(feature = "aws")]
pub mod idempotency;
pub mod leases;
pub mod log;
mod metrics;
#[cfg(feature = "aws")]
pub mod provision;
#[cfg(feature = "aws")]
pub mod queue;
#[cfg(feature = "aws")]
pub mod rates;
#[cfg(feature = "aws")]
pub mod redis;
#[cfg(feature = "aws")]
pub mod rows;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;
#[cfg(feature = "aws")]
mod watch;

#[cfg(feature = "aws")]
pub use clients::Clients;
pub use config::{AwsConfig, OnGap};
