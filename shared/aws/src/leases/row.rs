//! A row of the lease table, as the Kinesis Client Library writes it: pure.
//!
//! ```text
//! leaseKey                       S   the shard's id
//! leaseOwner, checkpointOwner    S   absent where there is none
//! leaseCounter                   N   one up with every write of the row
//! ownerSwitchesSinceCheckpoint   N
//! checkpoint                     S   a sequence number, TRIM_HORIZON or SHARD_END
//! checkpointSubSequenceNumber    N   0
//! parentShardId                  SS
//! startingHashKey, endingHashKey S
//! entityType                     S   LEASE
//! ```
//!
//! A process has a row of its own, of entityType SLUICE_WORKER, which it
//! counts up each tick: so others know it before it has a lease.

use super::rows::{LeaseRow, Row};
use crate::log::ShardInfo;
use aws_sdk_dynamodb::types::AttributeValue;
use sluice_ports::log::{Position, ShardId};
use std::collections::HashMap;

pub(super) type Item = HashMap<String, AttributeValue>;

const TRIM_HORIZON: &str = "TRIM_HORIZON";
const SHARD_END: &str = "SHARD_END";
pub(super) const LEASE: &str = "LEASE";
pub(super) const WORKER: &str = "SLUICE_WORKER";

/// A position as the table writes it.
pub(super) fn checkpoint_text(position: Position) -> String {
    match position {
        Position::START => TRIM_HORIZON.into(),
        Position::END => SHARD_END.into(),
        position => position.to_decimal(),
    }
}

/// A checkpoint's position. What others write and we do not (LATEST, a
/// timestamp) is read from the start: late is better than never.
fn position(text: &str) -> Position {
    match text {
        SHARD_END => Position::END,
        text => Position::from_decimal(text).unwrap_or(Position::START),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn count(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0)
}

/// What an item says, if it is one of ours or the library's.
pub(super) fn read(item: &Item) -> Option<Row> {
    let key = text(item, "leaseKey")?;
    match text(item, "entityType") {
        Some(WORKER) => Some(Row::Worker(key.to_owned(), count(item, "leaseCounter"))),
        None | Some(LEASE) => {
            let parents = item.get("parentShardId").and_then(|value| value.as_ss().ok());
            Some(Row::Lease(LeaseRow {
                shard: ShardId(key.into()),
                owner: text(item, "leaseOwner").map(str::to_owned),
                counter: count(item, "leaseCounter"),
                checkpoint: text(item, "checkpoint").map_or(Position::START, position),
                parents: parents.into_iter().flatten().map(|id| ShardId(id.as_str().into())).collect(),
            }))
        }
        Some(_) => None,
    }
}

/// The row of a shard that nobody has worked yet.
pub(super) fn new_lease(shard: &ShardInfo) -> Item {
    let text = |value: String| AttributeValue::S(value);
    let number = |value: u64| AttributeValue::N(value.to_string());
    let mut item = Item::from([
        ("leaseKey".into(), text(shard.id.to_string())),
        ("leaseCounter".into(), number(0)),
        ("ownerSwitchesSinceCheckpoint".into(), number(0)),
        ("checkpoint".into(), text(TRIM_HORIZON.into())),
        ("checkpointSubSequenceNumber".into(), number(0)),
        ("startingHashKey".into(), text(shard.first.to_string())),
        ("endingHashKey".into(), text(shard.last.to_string())),
        ("entityType".into(), text(LEASE.into())),
    ]);
    if !shard.parents.is_empty() {
        let parents = shard.parents.iter().map(ToString::to_string).collect();
        item.insert("parentShardId".into(), AttributeValue::Ss(parents));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let Some(Row::Lease(row)) = read(&new_lease(&shard)) else { panic!("a lease") };
        let LeaseRow { shard, owner, counter, checkpoint, parents: read } = row;
        assert_eq!(
            (shard, owner, counter, checkpoint, read),
            (id("shardId-000000000002"), None, 0, Position::START, parents)
        );
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
        let other = Item::from([
            ("leaseKey".into(), AttributeValue::S("x".into())),
            ("entityType".into(), AttributeValue::S("WORKER_METRICS".into())),
        ]);
        assert_eq!(read(&other), None);
    }
}
