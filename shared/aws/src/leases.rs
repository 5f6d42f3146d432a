//! Leases on DynamoDB, in the Kinesis Client Library's table format.
//!
//! Each process reads the table once a tick and decides alone, by the same pure rule
//! (`decide`), which shards it should have. It hands over its surplus and takes leases
//! without an owner; if two processes take the same lease, the conditional write of one
//! fails. A lease is renewed each tick. One that was not renewed for `lease_ms`, by the
//! observer's own monotonic clock, may be taken by any process. An owner that could not
//! renew gives up before that time.
//!
//! The rows also tell readers of the inbox how far they may read ([`Readable`],
//! [`LaneHorizons`]), so that nothing appears behind them.

mod decide;
mod fence;
mod gap;
mod held;
mod horizon;
mod keeper;
#[cfg(all(test, feature = "paused-time"))]
mod keeper_tests;
mod observed;
pub mod operator;
#[cfg(feature = "services")]
mod row;
mod rows;
mod stream_watch;
#[cfg(feature = "services")]
mod table;
#[cfg(test)]
mod testing;
mod unworked;

pub use held::LeaseCheckpoints;
pub use horizon::LaneHorizons;
pub use keeper::{Keeper, ShardLeases};
pub use rows::{
    LeaseOrder, LeaseOrders, LeaseRestart, LeaseRow, LeaseRows, LeaseTableRow, Readable, Settled,
    SkippedRange, TakeFrom, Written,
};
#[cfg(feature = "services")]
pub use table::LeaseTable;
