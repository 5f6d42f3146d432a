//! A row of the lease table, as the Kinesis Client Library writes it: pure.
//!
//! ```text
//! leaseKey                       S   the shard's id
//! leaseOwner, checkpointOwner    S   absent where there is none
//! leaseCounter                   N   counts up with every write of the row
//! ownerSwitchesSinceCheckpoint   N
//! checkpoint                     S   a sequence number, TRIM_HORIZON or SHARD_END
//! checkpointSubSequenceNumber    N   0
//! parentShardId                  SS
//! startingHashKey, endingHashKey S
//! entityType                     S   LEASE
//! throughputKBps                 N   the recent load, as the owner saw it
//! settledMs                      N   ours alone: everything that arrived by then is settled
//! readableMs                     N   ours alone: no batch gets a place in the inbox before that time any more,
//! readableAt                     S   ours alone: except batches up to that sequence number, which are stored
//! streamMadeS                    N   ours alone: the second in which the shard's stream was made
//! loadPercent                    N   ours alone: the load in percent of what a shard takes
//! ```
//!
//! The orders of operators are ours alone, too; each attribute is absent without such
//! an order:
//!
//! ```text
//! pausedMs                       N   since when nobody may work the shard
//! pinnedTo                       S   the process that should work it
//! restartAt                      S   the checkpoint behind which the next owner begins
//! restartSettledMs               N   the settledMs of that checkpoint
//! workAgainUntil                 S   the end of a range that is worked again
//! skipAfter, skipUntil           S   the records behind such a range, which are skipped
//! ```
//!
//! A process has a row of entityType SLUICE_WORKER, which it counts up each tick, so
//! that others know it before it has a lease. The stream has a row of entityType
//! SLUICE_STREAM with its ARN and the time when it was made, by which a stream that was
//! made anew under the same name is noticed.

use super::rows::{LeaseOrders, LeaseRestart, LeaseRow, LeaseTableRow, Readable, SkippedRange};
use crate::attribute::{Item, number, number_in, text, text_in, texts_in};
use crate::log::{ShardInfo, ShardLoad, StreamIdentity};
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_model::clock;
use sluice_ports::log::{Position, ShardId};
use std::time::Duration;

const TRIM_HORIZON: &str = "TRIM_HORIZON";
const SHARD_END: &str = "SHARD_END";
pub(super) const LEASE: &str = "LEASE";
pub(super) const WORKER: &str = "SLUICE_WORKER";
const STREAM: &str = "SLUICE_STREAM";
const STREAM_KEY: &str = "sluice-stream";

/// A position as it is written in the table.
pub(super) fn checkpoint_text(position: Position) -> String {
    match position {
        Position::START => TRIM_HORIZON.into(),
        Position::END => SHARD_END.into(),
        position => position.to_decimal(),
    }
}

/// The position of a checkpoint. Forms that other programs write and we do not (LATEST,
/// a timestamp) are read from the start: late is better than never.
fn position(text: &str) -> Position {
    match text {
        SHARD_END => Position::END,
        text => Position::from_decimal(text).unwrap_or(Position::START),
    }
}

/// Reads an item that we or the library wrote; `None` for others.
pub(super) fn read(item: &Item) -> Option<LeaseTableRow> {
    let key = text_in(item, "leaseKey")?;
    let counter = number_in(item, "leaseCounter").unwrap_or(0);
    match text_in(item, "entityType") {
        Some(WORKER) => Some(LeaseTableRow::Worker(key.to_owned(), counter)),
        Some(STREAM) => Some(LeaseTableRow::Stream(StreamIdentity {
            arn: text_in(item, "streamArn")?.to_owned(),
            created_ms: number_in(item, "streamCreatedMs")?,
            retention: Duration::ZERO,
        })),
        None | Some(LEASE) => Some(LeaseTableRow::Lease(LeaseRow {
            shard: ShardId(key.into()),
            owner: text_in(item, "leaseOwner").map(str::to_owned),
            counter,
            checkpoint: text_in(item, "checkpoint").map_or(Position::START, position),
            settled_ms: number_in(item, "settledMs"),
            readable: readable(item),
            parents: texts_in(item, "parentShardId").map(|id| ShardId(id.into())).collect(),
            stream_made_s: number_in(item, "streamMadeS"),
            orders: orders(item),
            skipped: skipped(item),
            load: load(item),
            points: points(item),
        })),
        Some(_) => None,
    }
}

/// The orders of operators in an item.
fn orders(item: &Item) -> LeaseOrders {
    let restart = text_in(item, "restartAt").map(|checkpoint| LeaseRestart {
        position: position(checkpoint),
        settled_ms: number_in(item, "restartSettledMs").unwrap_or(0),
        again_until: text_in(item, "workAgainUntil").map(position),
    });
    LeaseOrders {
        paused_ms: number_in(item, "pausedMs"),
        pinned_to: text_in(item, "pinnedTo").map(str::to_owned),
        restart,
    }
}

fn readable(item: &Item) -> Option<Readable> {
    let at = text_in(item, "readableAt").map_or(Position::START, position);
    Some(Readable { at, ms: number_in(item, "readableMs")? })
}

fn load(item: &Item) -> Option<ShardLoad> {
    let kbps = number_in(item, "throughputKBps").unwrap_or(0);
    Some(ShardLoad { kbps, percent: number_in(item, "loadPercent")? })
}

fn points(item: &Item) -> Option<(u128, u128)> {
    let point = |name| text_in(item, name)?.parse().ok();
    Some((point("startingHashKey")?, point("endingHashKey")?))
}

fn skipped(item: &Item) -> Option<SkippedRange> {
    let [after, until] = ["skipAfter", "skipUntil"].map(|name| text_in(item, name).map(position));
    Some(SkippedRange { after: after?, until: until? })
}

/// The row of the stream.
pub(super) fn stream(identity: &StreamIdentity) -> Item {
    Item::from([
        ("leaseKey".into(), text(STREAM_KEY)),
        ("entityType".into(), text(STREAM)),
        ("streamArn".into(), text(&identity.arn)),
        ("streamCreatedMs".into(), number(identity.created_ms)),
    ])
}

/// A shard's parents as an attribute; `None` without parents, since a set is never empty.
pub(super) fn parents(shard: &ShardInfo) -> AttributeValue {
    AttributeValue::Ss(shard.parents.iter().map(ToString::to_string).collect())
}

/// The row of a shard that nobody worked yet.
pub(super) fn new_lease(shard: &ShardInfo, stream: &StreamIdentity) -> Item {
    let mut item = Item::from([
        ("leaseKey".into(), text(shard.id.to_string())),
        ("leaseCounter".into(), number(0)),
        ("ownerSwitchesSinceCheckpoint".into(), number(0)),
        ("checkpoint".into(), text(TRIM_HORIZON)),
        ("checkpointSubSequenceNumber".into(), number(0)),
        ("startingHashKey".into(), text(shard.first.to_string())),
        ("endingHashKey".into(), text(shard.last.to_string())),
        ("entityType".into(), text(LEASE)),
        ("settledMs".into(), number(clock::now_ms())),
        ("streamMadeS".into(), number(stream.made_s())),
    ]);
    if !shard.parents.is_empty() {
        item.insert("parentShardId".into(), parents(shard));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(created_ms: u64) -> StreamIdentity {
        StreamIdentity {
            arn: "arn:aws:kinesis:x:1:stream/s".into(),
            created_ms,
            retention: Duration::from_secs(86_400),
        }
    }

    #[test]
    fn a_new_row_says_what_the_shard_is() {
        let id = |text: &str| ShardId(text.into());
        let parents = vec![id("shardId-000000000000"), id("shardId-000000000001")];
        let shard = ShardInfo {
            id: id("shardId-000000000002"),
            parents: parents.clone(),
            first: 0,
            last: 9,
            closed: false,
        };
        let Some(LeaseTableRow::Lease(row)) = read(&new_lease(&shard, &made(1_000_999))) else {
            panic!("a lease")
        };
        let LeaseRow { shard, owner, counter, checkpoint, settled_ms, parents: read, stream_made_s, .. } =
            row;
        assert_eq!(stream_made_s, Some(1_000));
        assert!(settled_ms.is_some(), "what arrives from now on is not settled");
        assert_eq!(
            (shard, owner, counter, checkpoint, read),
            (id("shardId-000000000002"), None, 0, Position::START, parents)
        );
    }

    #[test]
    fn orders_are_read_and_a_row_without_them_has_none() {
        let mut item = Item::from([("leaseKey".into(), text("s")), ("checkpoint".into(), text("90"))]);
        let read_lease = |item: &Item| match read(item) {
            Some(LeaseTableRow::Lease(row)) => row,
            other => panic!("{other:?}"),
        };
        let row = read_lease(&item);
        assert_eq!((row.orders, row.skipped, row.readable), (LeaseOrders::default(), None, None));
        item.extend([
            ("pausedMs".into(), number(5)),
            ("pinnedTo".into(), text("w")),
            ("restartAt".into(), text("TRIM_HORIZON")),
            ("restartSettledMs".into(), number(7)),
            ("workAgainUntil".into(), text("40")),
            ("skipAfter".into(), text("10")),
            ("skipUntil".into(), text("20")),
            ("readableMs".into(), number(8)),
            ("readableAt".into(), text("95")),
            ("throughputKBps".into(), number(700)),
            ("loadPercent".into(), number(68)),
            ("startingHashKey".into(), text("0")),
            ("endingHashKey".into(), text(u128::MAX.to_string())),
        ]);
        let row = read_lease(&item);
        let at = Position::from_lsn;
        let restart = LeaseRestart { position: Position::START, settled_ms: 7, again_until: Some(at(40)) };
        let pinned_to = Some("w".to_owned());
        assert_eq!(row.orders, LeaseOrders { paused_ms: Some(5), pinned_to, restart: Some(restart) });
        assert_eq!(row.skipped, Some(SkippedRange { after: at(10), until: at(20) }));
        assert_eq!(row.readable, Some(Readable { at: at(95), ms: 8 }));
        assert_eq!(row.load, Some(ShardLoad { kbps: 700, percent: 68 }));
        assert_eq!(row.points, Some((0, u128::MAX)));
        // The range ends at the checkpoint at which the shard was left.
        assert_eq!(restart.skips(at(90)), Some(SkippedRange { after: at(40), until: at(90) }));
        assert_eq!(restart.skips(at(40)), None);
        assert_eq!(LeaseRestart { again_until: None, ..restart }.skips(at(90)), None);
    }

    #[test]
    fn the_stream_s_row_tells_a_stream_from_one_made_anew() {
        let Some(LeaseTableRow::Stream(read)) = read(&stream(&made(1_000_000))) else { panic!("a stream") };
        assert!(read.is_same(&made(1_000_000)));
        // Some services round to seconds.
        assert!(read.is_same(&made(1_000_999)));
        assert!(!read.is_same(&made(1_002_000)));
    }

    #[test]
    fn checkpoints_are_the_library_s_and_other_entities_are_left_alone() {
        let sequence = "49671062049432194286741870184863463461063562098274402306";
        for (stored, wanted) in [
            (sequence, Position::from_decimal(sequence).unwrap()),
            ("TRIM_HORIZON", Position::START),
            ("LATEST", Position::START),
            ("SHARD_END", Position::END),
        ] {
            assert_eq!(position(stored), wanted);
        }
        assert_eq!(checkpoint_text(position(sequence)), sequence);
        assert_eq!(checkpoint_text(Position::END), "SHARD_END");
        let other =
            Item::from([("leaseKey".into(), text("x")), ("entityType".into(), text("WORKER_METRICS"))]);
        assert_eq!(read(&other), None);
    }
}
