//! Orders, and the processes that obey them.

use super::*;
use crate::AwsConfig;
use crate::health::DependencyHealth;
use crate::leases::testing::{MemoryTable, lease_row};
use crate::leases::{Keeper, LeaseCheckpoints, ShardLeases};
use crate::log::Deduplicated;
use crate::log::testing::{FakeStream, opened, shard_id};
use sluice_ports::leases::Grant;
use sluice_ports::log::LogItem;
use sluice_ports::{Checkpoints as _, Leases as _, Log as _};
use tokio_util::sync::CancellationToken;

/// A process that keeps leases, and its log.
struct KeepingProcess {
    leases: ShardLeases,
    checkpoints: LeaseCheckpoints,
    log: Deduplicated,
    stop: CancellationToken,
}

impl KeepingProcess {
    async fn start(name: &str, stream: &Arc<FakeStream>, table: &Arc<MemoryTable>) -> Self {
        let (log, reading) = opened(stream).await;
        let health = Arc::new(DependencyHealth::default());
        let config = AwsConfig::default();
        let (keeper, leases, checkpoints) =
            Keeper::over(Arc::clone(table) as _, name.into(), &config, log, health);
        let stop = CancellationToken::new();
        tokio::spawn(keeper.run(stop.clone(), CancellationToken::new()));
        Self { leases, checkpoints, log: reading, stop }
    }

    async fn granted(&self) -> Option<Grant> {
        tokio::time::timeout(Duration::from_secs(30), self.leases.granted()).await.ok().flatten()
    }

    /// Reads a shard from a position until nothing comes: the positions of its records.
    async fn read(&self, mut after: Position) -> Vec<Position> {
        let (mut read, mut quiet) = (Vec::new(), 0);
        while quiet < 20 {
            let page = self.log.read(&shard_id(0), after, 1 << 20, Duration::from_millis(500)).await.unwrap();
            quiet = if page.items.is_empty() { quiet + 1 } else { 0 };
            for item in page.items {
                let LogItem::Record(record) = item else { panic!("damage: {item:?}") };
                after = record.position;
                read.push(after);
            }
        }
        read
    }
}

impl Drop for KeepingProcess {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

const APART: Duration = Duration::from_secs(3);

fn operator(stream: &Arc<FakeStream>, table: &Arc<MemoryTable>) -> LeaseOperator {
    LeaseOperator::new(Arc::clone(table) as _, Arc::clone(stream) as _)
}

/// A stream with ten records, one a second, the time of the first, and their positions.
fn ten_seconds() -> (Arc<FakeStream>, u64, Vec<Position>) {
    let (stream, begin_ms) = (FakeStream::new(), clock::now_ms() - 600_000);
    let positions = (0..10).map(|n| stream.store(0, n, begin_ms + n * 1000)).collect();
    (stream, begin_ms, positions)
}

fn table_at(checkpoint: Position, settled_ms: u64) -> Arc<MemoryTable> {
    let row = lease_row(&shard_id(0).0, None, checkpoint);
    Arc::new(MemoryTable::with([LeaseRow { settled_ms: Some(settled_ms), ..row }]))
}

#[tokio::test(start_paused = true)]
async fn a_paused_shard_is_left_in_order_and_worked_again_when_it_is_resumed() {
    let (stream, begin_ms, positions) = ten_seconds();
    let table = table_at(positions[3], begin_ms + 4000);
    let operator = operator(&stream, &table);
    let process = KeepingProcess::start("one", &stream, &table).await;
    let grant = process.granted().await.expect("it is worked");
    let listing = operator.look(APART).await.unwrap();
    let lease = listing.lease(&shard_id(0)).unwrap();
    assert!(lease.is_renewed);
    assert_eq!(listing.workers, BTreeMap::from([("one".to_owned(), 1)]));

    operator.order(&lease.row, &LeaseOrder::Pause { now_ms: 5 }).await.unwrap();
    grant.leave.cancelled().await;
    assert!(!grant.lost.is_cancelled(), "it is left in order");
    drop(grant);
    assert!(process.granted().await.is_none(), "nobody works it");
    let row = table.lease(&shard_id(0));
    assert_eq!((row.owner, row.checkpoint), (None, positions[3]));

    operator.order(&table.lease(&shard_id(0)), &LeaseOrder::Resume).await.unwrap();
    assert!(process.granted().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_handed_over_to_the_process_that_is_named_and_stays_there_while_that_lives() {
    let (stream, begin_ms, positions) = ten_seconds();
    let table = table_at(positions[3], begin_ms + 4000);
    let operator = operator(&stream, &table);
    let one = KeepingProcess::start("one", &stream, &table).await;
    let grant = one.granted().await.expect("it is worked");
    let alone = operator.look(APART).await.unwrap();
    assert!(matches!(alone.successor(&shard_id(0), None), Err(LeaseOrderError::NobodyElse { .. })));
    assert!(matches!(alone.successor(&shard_id(0), Some("two")), Err(LeaseOrderError::NoSuchWorker(_))));

    let two = KeepingProcess::start("two", &stream, &table).await;
    tokio::time::sleep(APART).await;
    let listing = operator.look(APART).await.unwrap();
    let successor = listing.successor(&shard_id(0), None).unwrap();
    assert_eq!(successor, "two");
    let row = &listing.lease(&shard_id(0)).unwrap().row;
    operator.order(row, &LeaseOrder::HandOver { to: successor }).await.unwrap();
    grant.leave.cancelled().await;
    drop(grant);
    let _taken = two.granted().await.expect("the other one takes it");
    assert_eq!(table.lease(&shard_id(0)).orders.pinned_to.as_deref(), Some("two"));
    assert!(one.granted().await.is_none());
    // An order for an older state of the row is refused.
    let late = operator.order(row, &LeaseOrder::HandOver { to: "one".into() }).await;
    assert!(matches!(late, Err(LeaseOrderError::Changed(_))));

    // The pin ends when the process does.
    drop(two);
    let _back = tokio::time::timeout(Duration::from_secs(120), one.leases.granted()).await.unwrap();
    assert_eq!(table.lease(&shard_id(0)).orders.pinned_to, None);
}

#[tokio::test(start_paused = true)]
async fn a_shard_begins_where_an_operator_wants_it() {
    let (stream, begin_ms, positions) = ten_seconds();
    let table = table_at(positions[5], begin_ms + 6000);
    let operator = operator(&stream, &table);
    let process = KeepingProcess::start("one", &stream, &table).await;
    for (start, checkpoint, skips) in [
        (StartAt::Newest, positions[9], true),
        (StartAt::Time(begin_ms + 3000), positions[2], false),
        // Between two records.
        (StartAt::Time(begin_ms + 3001), positions[3], true),
        (StartAt::Time(begin_ms), Position::START, false),
        (StartAt::Time(begin_ms + 60_000), positions[9], true),
        (StartAt::Oldest, Position::START, false),
    ] {
        let grant = process.granted().await.expect("it is worked");
        let row = table.lease(&shard_id(0));
        let planned = operator.plan_start(&row, start).await.unwrap();
        assert_eq!((planned.restart.position, planned.skips()), (checkpoint, skips), "{start:?}");
        operator.begin(&planned).await.unwrap();
        let twice = operator.begin(&planned).await;
        assert!(matches!(twice, Err(LeaseOrderError::Changed(_))), "one at a time");
        grant.leave.cancelled().await;
        assert_eq!(table.lease(&shard_id(0)).checkpoint, row.checkpoint, "not before it is left");
        drop(grant);
        let grant = process.granted().await.expect("it is taken again");
        let now = table.lease(&shard_id(0));
        assert_eq!((now.checkpoint, now.orders.restart, now.skipped), (checkpoint, None, None));
        let expected = &positions[positions.partition_point(|position| *position <= checkpoint)..];
        assert_eq!(process.read(now.checkpoint).await, expected, "{start:?}");
        // For the next round.
        drop(grant);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_is_worked_again_and_what_follows_it_is_passed_over() {
    let (stream, begin_ms, positions) = ten_seconds();
    let table = table_at(positions[7], begin_ms + 8000);
    let operator = operator(&stream, &table);
    let process = KeepingProcess::start("one", &stream, &table).await;
    let grant = process.granted().await.expect("it is worked");
    let row = table.lease(&shard_id(0));
    let nothing = operator.plan_work_again(&row, [begin_ms + 2100, begin_ms + 2900]).await;
    assert!(matches!(nothing, Err(LeaseOrderError::NothingThere(_))));
    let planned = operator.plan_work_again(&row, [begin_ms + 2000, begin_ms + 4500]).await.unwrap();
    operator.begin(&planned).await.unwrap();
    grant.leave.cancelled().await;
    drop(grant);
    let _grant = process.granted().await.expect("it is taken again");
    let again = [&positions[2..=4], &positions[8..]].concat();
    assert_eq!(process.read(table.lease(&shard_id(0)).checkpoint).await, again);
    // A process that takes over within the range, or at its end, skips the same records.
    process.stop.cancel();
    for (checkpoint, rest) in [
        (positions[3], [&positions[4..=4], &positions[8..]].concat()),
        (positions[4], positions[8..].to_vec()),
    ] {
        tokio::time::sleep(Duration::from_secs(60)).await;
        table.leases.lock().get_mut(&shard_id(0)).unwrap().checkpoint = checkpoint;
        let other = KeepingProcess::start("other", &stream, &table).await;
        let _grant = other.granted().await.expect("it takes over");
        assert_eq!(other.read(checkpoint).await, rest);
    }
}

#[tokio::test(start_paused = true)]
async fn a_range_that_was_worked_again_is_settled_though_nothing_new_arrives_behind_it() {
    let (stream, begin_ms, positions) = ten_seconds();
    let table = table_at(positions[9], begin_ms + 9000);
    let operator = operator(&stream, &table);
    let process = KeepingProcess::start("one", &stream, &table).await;
    let grant = process.granted().await.expect("it is worked");
    let row = table.lease(&shard_id(0));
    let planned = operator.plan_work_again(&row, [begin_ms + 2000, begin_ms + 4500]).await.unwrap();
    operator.begin(&planned).await.unwrap();
    grant.leave.cancelled().await;
    drop(grant);
    let _grant = process.granted().await.expect("it is taken again");
    assert_eq!(process.read(positions[1]).await, positions[2..=4]);
    process.checkpoints.store(&shard_id(0), positions[4]).await.unwrap();
    let row = table.lease(&shard_id(0));
    assert_eq!(row.checkpoint, positions[9], "what follows was settled before");
    assert!(row.settled_ms >= Some(begin_ms + 9000), "else it falls behind until something arrives");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_wholly_settled_or_unknown_takes_no_orders() {
    let (stream, ..) = ten_seconds();
    let table = table_at(Position::END, 5);
    let operator = operator(&stream, &table);
    let listing = operator.look(APART).await.unwrap();
    assert!(matches!(listing.lease(&shard_id(0)), Err(LeaseOrderError::Finished(_))));
    assert!(matches!(listing.lease(&shard_id(7)), Err(LeaseOrderError::NoSuchShard(_))));
    let given = operator.order(&table.lease(&shard_id(0)), &LeaseOrder::Pause { now_ms: 1 }).await;
    assert!(matches!(given, Err(LeaseOrderError::Changed(_))));
}
