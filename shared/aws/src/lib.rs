//! The distributed engine: the adapters of every port for more than one machine.
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
//! The types of SDKs and drivers stay inside. Modules without any, the rules of the log
//! and of the leases, are also built for simulations (feature `services` off), over any
//! [`Stream`](log::Stream) and any [`LeaseRows`](leases::LeaseRows).

#[cfg(feature = "services")]
mod attribute;
#[cfg(feature = "services")]
pub mod catalogue;
#[cfg(feature = "services")]
mod clients;
mod config;
#[cfg(feature = "services")]
pub mod events;
#[cfg(feature = "services")]
mod failure;
pub mod health;
#[cfg(feature = "services")]
pub mod idempotency;
pub mod leases;
pub mod log;
mod metrics;
#[cfg(feature = "services")]
#[cfg(test)]
mod on_servers;
#[cfg(feature = "services")]
mod pauses;
#[cfg(feature = "services")]
pub mod provision;
#[cfg(feature = "services")]
pub mod queue;
#[cfg(feature = "services")]
pub mod rates;
#[cfg(feature = "services")]
pub mod redis;
#[cfg(feature = "services")]
mod refused_items;
#[cfg(feature = "services")]
pub mod rows;
#[cfg(feature = "services")]
mod secret;
#[cfg(feature = "services")]
mod store_metrics;
#[cfg(feature = "services")]
mod table;

#[cfg(feature = "services")]
mod watch;

#[cfg(feature = "services")]
pub use clients::Clients;
pub use config::{AwsConfig, OnGap};
