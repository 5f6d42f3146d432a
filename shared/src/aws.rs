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
//! The SDKs' and drivers' types stay inside.

pub mod catalogue;
mod clients;
mod config;
pub mod events;
mod failure;
pub mod health;
pub mod idempotency;
pub mod leases;
pub mod log;
pub mod provision;
pub mod queue;
pub mod rates;
pub mod redis;
pub mod rows;
#[cfg(test)]
mod tests;

pub use clients::Clients;
pub use config::AwsConfig;
