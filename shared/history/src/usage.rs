//! Usage: how many events customers sent and what became of them, by minute,
//! hour and day.
//!
//! | count | meaning | its time |
//! |---|---|---|
//! | accepted, bytes | events in the log, and the bytes of their envelopes | when they were accepted |
//! | unmatched | events that no subscription matched | when they were accepted; for events whose matching had to wait, when they were matched |
//! | delivered | events that an endpoint took, once for each subscription | when the webhook ended |
//! | failed | events that became part of a dead letter, once for each subscription | when the dead letter was made |
//! | receipts | the delivered events, by the time from their acceptance to the 2xx ([`ReceiptTimes`]) | as delivered |
//!
//! The first three are counted by event type, the last three by subscription, and all in
//! total. Delivered and failed events are not counted by type: a webhook from the queue
//! ends without its events' types at hand, and any other would have to be gone through
//! event by event.
//!
//! **Counted once.** The events that a shard settles are counted in a row of the shard, with
//! the position up to which it counts ([`ShardUsage`]). The row is written before the
//! checkpoint. After a crash between the two, the next owner delivers the records behind
//! the checkpoint again, and counts only those behind the row's position. So a delivery
//! that a crash repeats counts once. At intervals the row's counts are added to the
//! customers' rows. Each of these names the newest addition that it has, so repeating an
//! addition changes nothing.
//!
//! A delivery that left the log for the queue or for a parked list is counted where it ends
//! ([`SessionUsage`]), in the commit that removes it from there. If a crash comes between
//! the two writes of that commit, the webhook is sent once more and counted once more: as
//! often as the endpoint received it.

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
