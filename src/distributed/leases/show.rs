//! What `sluice leases` prints: pure.

use serde_json::{Value, json};
use sluice_aws::leases::LeaseRow;
use sluice_aws::leases::operator::{LeaseListing, ListedLease, PlannedRestart, ShardAdvice, StartAt, advise};
use sluice_model::clock::rfc3339_string;
use sluice_ports::log::Position;
use std::fmt::Write as _;

/// What a shard is doing.
fn state(lease: &ListedLease) -> &'static str {
    let row = &lease.row;
    match (&row.owner, row.orders.paused_ms) {
        _ if row.checkpoint == Position::END => "settled",
        (None, Some(_)) => "paused",
        (Some(_), Some(_)) => "pausing",
        (None, None) => "free",
        (Some(_), None) if lease.is_renewed => "worked",
        (Some(_), None) => "expiring",
    }
}

/// The checkpoint as the table has it.
fn checkpoint(position: Position) -> String {
    match position {
        Position::START => "TRIM_HORIZON".to_owned(),
        Position::END => "SHARD_END".to_owned(),
        position => position.to_decimal(),
    }
}

/// The age of the newest event up to which everything is settled, in milliseconds.
fn behind_ms(row: &LeaseRow, now_ms: u64) -> Option<u64> {
    let settled_ms = row.settled_ms.filter(|_| row.checkpoint != Position::END)?;
    Some(now_ms.saturating_sub(settled_ms))
}

/// The orders that are not done yet, and pins.
fn orders(row: &LeaseRow) -> Vec<String> {
    let paused = row.orders.paused_ms.map(|ms| format!("paused since {}", rfc3339_string(ms)));
    let pinned = row.orders.pinned_to.as_ref().map(|worker| format!("pinned to {worker}"));
    let restart = row.orders.restart.map(|restart| match restart.again_until {
        None => format!("will begin behind {}", checkpoint(restart.position)),
        Some(until) => {
            format!("will work again from {} to {}", checkpoint(restart.position), checkpoint(until))
        }
    });
    paused.into_iter().chain(pinned).chain(restart).collect()
}

fn advice(advice: &ShardAdvice) -> String {
    match advice {
        ShardAdvice::Split { shard, percent } => {
            format!("split {shard}: it takes {percent} % of a shard's limit")
        }
        ShardAdvice::Merge { shards: [one, other], percent } => {
            format!("merge {one} and {other}: together they take {percent} % of one shard's limit")
        }
        ShardAdvice::Count { now, wanted } => {
            format!("{wanted} shards would be enough for the present load, spread evenly; there are {now}")
        }
    }
}

/// The listing for scripts.
pub(super) fn json(listing: &LeaseListing, now_ms: u64) -> anyhow::Result<String> {
    let lease = |lease: &ListedLease| {
        let row = &lease.row;
        json!({
            "shard": row.shard,
            "state": state(lease),
            "owner": row.owner,
            "behind_ms": behind_ms(row, now_ms),
            "settled_until": row.settled_ms.map(rfc3339_string),
            "inbox_readable_until": row.readable.map(|readable| rfc3339_string(readable.ms)),
            "checkpoint": checkpoint(row.checkpoint),
            "parents": row.parents,
            "load_percent": row.load.map(|load| load.percent),
            "kb_per_s": row.load.map(|load| load.kbps),
            "paused_at": row.orders.paused_ms.map(rfc3339_string),
            "pinned_to": row.orders.pinned_to,
            "restart_at": row.orders.restart.map(|restart| checkpoint(restart.position)),
            "work_again_until": row.orders.restart.and_then(|restart| restart.again_until).map(checkpoint),
        })
    };
    let leases: Vec<Value> = listing.leases.iter().map(lease).collect();
    let advice: Vec<String> = advise(&listing.leases).iter().map(advice).collect();
    let all = json!({ "shards": leases, "workers": listing.workers, "advice": advice });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// The listing for people.
pub(super) fn text(listing: &LeaseListing, now_ms: u64) -> String {
    let head = ["SHARD", "STATE", "OWNER", "BEHIND", "LOAD", "CHECKPOINT", "ORDERS"].map(str::to_owned);
    let row = |lease: &ListedLease| {
        let row = &lease.row;
        [
            row.shard.to_string(),
            state(lease).to_owned(),
            row.owner.clone().unwrap_or_else(|| "-".to_owned()),
            behind_ms(row, now_ms).map_or_else(|| "-".to_owned(), time),
            row.load.map_or_else(|| "-".to_owned(), |load| format!("{} %", load.percent)),
            checkpoint(row.checkpoint),
            orders(row).join("; "),
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(listing.leases.iter().map(row)).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    let workers = listing.workers.iter().map(|(name, shards)| format!("{name} ({shards})"));
    let workers: Vec<String> = workers.collect();
    // Writing to a string does not fail.
    writeln!(out, "\nprocesses: {}", if workers.is_empty() { "none".to_owned() } else { workers.join(", ") })
        .ok();
    for line in advise(&listing.leases).iter().map(advice) {
        writeln!(out, "advice: {line}").ok();
    }
    out
}

/// A duration for people.
fn time(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// The consequence of beginning elsewhere.
pub(super) fn start(planned: &PlannedRestart, from: StartAt) -> String {
    let shard = &planned.row.shard;
    let settled = planned.row.settled_ms.map_or_else(
        || format!("the checkpoint {}", checkpoint(planned.row.checkpoint)),
        |ms| format!("{} (up to then everything is settled)", rfc3339_string(ms)),
    );
    let place = match from {
        StartAt::Oldest => "the oldest event that the stream has".to_owned(),
        StartAt::Newest => "the newest event".to_owned(),
        StartAt::Time(ms) => rfc3339_string(ms),
    };
    match (planned.skips(), planned.restart.position == planned.row.checkpoint) {
        (_, true) => format!("{shard} begins where it is; nothing is skipped or delivered again"),
        (true, _) => format!(
            "{shard} begins at {place}: events that arrived between {settled} and there and were not delivered yet \
             are SKIPPED; they stay in the stream and no subscription gets them"
        ),
        (false, _) => format!(
            "{shard} begins at {place}: every event that arrived since then is delivered AGAIN, to all subscriptions \
             that match it, up to {settled}"
        ),
    }
}

/// The consequence of working a range again.
pub(super) fn work_again(planned: &PlannedRestart, [from_ms, to_ms]: [u64; 2]) -> String {
    let (shard, from, to) = (&planned.row.shard, rfc3339_string(from_ms), rfc3339_string(to_ms));
    format!(
        "{shard}: every event that arrived from {from} until {to} is delivered AGAIN, to all subscriptions that match \
         it; new events of the shard wait meanwhile; then it goes on at its checkpoint"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_aws::leases::{LeaseOrders, LeaseRestart};
    use sluice_aws::log::ShardLoad;
    use sluice_ports::log::ShardId;
    use std::collections::BTreeMap;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn listing() -> LeaseListing {
        let row = |shard: &str| LeaseRow::new(ShardId(shard.into()));
        let worked = LeaseRow {
            owner: Some("w1".into()),
            checkpoint: Position::from_lsn(42),
            settled_ms: Some(NOW_MS - 3000),
            load: Some(ShardLoad { kbps: 840, percent: 82 }),
            points: Some((0, 9)),
            ..row("s0")
        };
        let restart = Some(LeaseRestart { position: Position::START, settled_ms: 0, again_until: None });
        let paused = LeaseRow {
            settled_ms: Some(NOW_MS - 7_200_000),
            orders: LeaseOrders { paused_ms: Some(NOW_MS), pinned_to: Some("w1".into()), restart },
            ..row("s1")
        };
        let settled = LeaseRow { checkpoint: Position::END, ..row("s2") };
        let listed = |row: LeaseRow| ListedLease { is_renewed: row.owner.is_some(), row };
        LeaseListing {
            leases: [worked, paused, settled].map(listed).into(),
            workers: BTreeMap::from([("w1".to_owned(), 1)]),
        }
    }

    #[test]
    fn the_table_says_state_owner_lag_load_checkpoint_and_orders() {
        let text = text(&listing(), NOW_MS);
        let wanted = "\
SHARD  STATE    OWNER  BEHIND  LOAD  CHECKPOINT    ORDERS
s0     worked   w1     3 s     82 %  42
s1     paused   -      2 h     -     TRIM_HORIZON  paused since 2026-09-21T14:13:20.000Z; pinned to w1; will begin \
behind TRIM_HORIZON
s2     settled  -      -       -     SHARD_END

processes: w1 (1)
advice: split s0: it takes 82 % of a shard's limit
advice: 2 shards would be enough for the present load, spread evenly; there are 1
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn scripts_get_the_same() {
        let read: Value = serde_json::from_str(&json(&listing(), NOW_MS).unwrap()).unwrap();
        assert_eq!(read["shards"][0]["behind_ms"], 3000);
        assert_eq!(read["shards"][1]["restart_at"], "TRIM_HORIZON");
        assert_eq!(read["workers"]["w1"], 1);
        assert_eq!(read["advice"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_is_skipped_or_delivered_again_is_said() {
        let row = listing().leases.remove(0).row;
        let planned = |lsn| {
            let position = Position::from_lsn(lsn);
            let restart = LeaseRestart { position, settled_ms: 0, again_until: None };
            PlannedRestart { row: row.clone(), restart }
        };
        assert!(start(&planned(50), StartAt::Newest).contains("SKIPPED"));
        assert!(start(&planned(40), StartAt::Time(NOW_MS)).contains("AGAIN"));
        assert!(start(&planned(42), StartAt::Newest).contains("nothing is skipped"));
    }
}
