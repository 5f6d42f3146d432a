//! Usage: how many events customers sent and what became of them, by minute,
//! hour and day.
//!
//! | count | what | when it counts |
//! |---|---|---|
//! | accepted, bytes | events in the log, and the bytes of their envelopes | when they were accepted |
//! | unmatched | events that no subscription matched | as accepted; an event whose matching had to wait, when it was matched |
//! | delivered | events that an endpoint took, once for each subscription | when the webhook ended |
//! | failed | events that became part of a dead letter, once for each subscription | when they did |
//! | receipts | the delivered, by the time from their acceptance to the 2xx ([`ReceiptTimes`]) | as delivered |
//!
//! The first three are known by event type, the last three by subscription; all
//! are known in total. What became of events is not told by type: a webhook that
//! waited in the queue is ended without its events' types at hand, and one that
//! did not would have to be gone through event by event.
//!
//! **Counted once.** What a shard settles is counted in a row of the shard,
//! which says up to which position it counts ([`ShardUsage`]). The row is
//! written before the checkpoint. After a crash between the two, the next owner
//! delivers the records behind the checkpoint again, and counts only those
//! behind the row's position. So a delivery that a crash repeats counts once. From
//! time to time the row's counts are added to the customers' rows; each of these
//! says which addition of the shard it has, so that repeating an addition
//! changes nothing.
//!
//! A delivery that left the log for the queue or for a parked list is counted
//! where it ends ([`SessionUsage`]), in the commit that takes it out of there.
//! If a crash comes between the two writes of that commit, the webhook is sent
//! once more and counted once more: as often as the endpoint took it.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod counts;
mod reader;
mod receipts;
mod rows;
mod session;
mod shard;
mod tally;

pub use counts::UsageCounts;
pub use reader::{UsageGroup, UsageGrouping, UsagePeriod, UsageReader, UsageWindow};
pub use receipts::{RECEIPT_SUBSCRIPTIONS_MAX, ReceiptBucket, ReceiptTimes};
pub use rows::{Granularity, OTHER_SUBSCRIPTIONS, OTHER_TYPES, UsageRetention};
pub use session::SessionUsage;
pub use shard::ShardUsage;
pub use tally::{AcceptedEvents, EndedEvents, USAGE_TYPES_MAX, UsageLine, UsageTally};

#[cfg(test)]
mod tests;
