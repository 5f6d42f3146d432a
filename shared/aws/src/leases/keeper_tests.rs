//! The keeper with a stream that was made anew, with checkpoints that the stream does
//! not know, and with leases whose owner died.

use super::rows::{LeaseRows as _, LeaseTableRow};
use super::testing::{MemoryTable, lease_row};
use super::{Keeper, LeaseRow, Readable, ShardLeases};
use crate::health::{Dependency, DependencyHealth};
use crate::log::KinesisLog;
use crate::log::testing::{FakeStream, opened, shard_id};
use crate::{AwsConfig, OnGap};
use sluice_ports::leases::Grant;
use sluice_ports::log::Position;
use sluice_ports::{Leases as _, Log as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const DAY_MS: u64 = 86_400_000;

/// A running keeper.
struct RunningKeeper {
    leases: ShardLeases,
    health: Arc<DependencyHealth>,
    log: Arc<KinesisLog>,
    stop: CancellationToken,
}

async fn start(stream: &Arc<FakeStream>, table: &Arc<MemoryTable>, on_gap: OnGap) -> RunningKeeper {
    start_as("me", stream, table, on_gap).await
}

async fn start_as(
    name: &str,
    stream: &Arc<FakeStream>,
    table: &Arc<MemoryTable>,
    on_gap: OnGap,
) -> RunningKeeper {
    let config = AwsConfig { on_gap, shard_sync_ms: 2_000, ..AwsConfig::default() };
    start_with(name, stream, table, config).await
}

async fn start_with(
    name: &str,
    stream: &Arc<FakeStream>,
    table: &Arc<MemoryTable>,
    config: AwsConfig,
) -> RunningKeeper {
    let (log, _) = opened(stream).await;
    let health = Arc::new(DependencyHealth::default());
    let (keeper, leases, _) =
        Keeper::over(Arc::clone(table) as _, name.into(), &config, Arc::clone(&log), health.clone());
    let stop = CancellationToken::new();
    tokio::spawn(keeper.run(stop.clone(), CancellationToken::new()));
    RunningKeeper { leases, health, log, stop }
}

impl RunningKeeper {
    async fn granted(&self, within: Duration) -> Option<Grant> {
        tokio::time::timeout(within, self.leases.granted()).await.ok().flatten()
    }

    fn denied(&self) -> String {
        self.health.denied(Dependency::Kinesis).unwrap_or_default()
    }
}

impl Drop for RunningKeeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn worked(checkpoint: Position, settled_ms: u64) -> LeaseRow {
    LeaseRow { settled_ms: Some(settled_ms), ..lease_row(&shard_id(0).0, None, checkpoint) }
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_stream_made_anew_begin_at_its_oldest_record() {
    let stream = FakeStream::new();
    let settled = stream.store(0, 1, 1_000);
    // The previous stream had a child of this shard with an id that the new one also has.
    let child = LeaseRow { parents: vec![shard_id(0)], ..lease_row(&shard_id(1).0, None, settled) };
    let table = Arc::new(MemoryTable::with([worked(settled, sluice_model::clock::now_ms()), child]));
    let first = start(&stream, &table, OnGap::TrimHorizon).await;
    let grant = first.granted(Duration::from_secs(5)).await.expect("it is worked");
    assert_eq!(table.lease(&shard_id(0)).checkpoint, settled);

    stream.replace(2);
    tokio::time::timeout(Duration::from_secs(5), grant.leave.cancelled())
        .await
        .expect("its positions mean nothing");
    drop(grant);
    let again = [first.granted(Duration::from_secs(20)).await, first.granted(Duration::from_secs(20)).await];
    assert!(again.iter().all(Option::is_some), "both shards are worked");
    for number in [0, 1] {
        assert_eq!(table.lease(&shard_id(number)).checkpoint, Position::START);
    }
    // The next owner does not begin anew again.
    drop(again);
    let more = first.granted(Duration::from_secs(20)).await.expect("given back and taken again");
    assert!(!more.lost.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_shard_goes_on_where_readers_of_its_parents_were_told_to_stop() {
    let stream = FakeStream::new();
    let last = stream.store(0, 1, 1_000);
    stream.add_shard(vec![shard_id(0)]);
    let told = Some(Readable { at: last, ms: 70_000 });
    let parent = LeaseRow { readable: told, ..worked(Position::END, sluice_model::clock::now_ms()) };
    let child = LeaseRow { parents: vec![shard_id(0)], ..lease_row(&shard_id(1).0, None, Position::START) };
    let table = Arc::new(MemoryTable::with([parent, child]));
    let running = start(&stream, &table, OnGap::TrimHorizon).await;
    let grant = running.granted(Duration::from_secs(5)).await.expect("it is worked");
    assert_eq!(grant.shard, shard_id(1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let readable = table.lease(&shard_id(1)).readable;
    assert_eq!(readable, Some(Readable { at: Position::START, ms: 70_000 }));
}

#[tokio::test(start_paused = true)]
async fn no_shard_of_a_stream_made_anew_is_worked_while_another_process_works_the_former() {
    let stream = FakeStream::new();
    stream.add_shard(Vec::new());
    let table = Arc::new(MemoryTable::default());
    let processes = [
        start_as("one", &stream, &table, OnGap::TrimHorizon).await,
        start_as("two", &stream, &table, OnGap::TrimHorizon).await,
    ];
    let mut grants = Vec::new();
    for process in &processes {
        grants.push(process.granted(Duration::from_secs(20)).await.expect("each works one of the shards"));
    }
    // The one shard of the new stream has the lanes of both.
    stream.replace(1);
    for grant in &grants {
        tokio::time::timeout(Duration::from_secs(5), grant.leave.cancelled())
            .await
            .expect("it is to be left");
    }
    // One process leaves its shard, the other does not.
    drop(grants.remove(0));
    for process in &processes {
        assert!(process.granted(Duration::from_secs(60)).await.is_none(), "the lanes are worked still");
    }
    grants.clear();
    let taken =
        [processes[0].granted(Duration::from_secs(20)).await, processes[1].granted(Duration::ZERO).await];
    assert_eq!(taken.iter().flatten().count(), 1);
    assert_eq!(table.leases.lock().len(), 1, "the shard that is no more has no row");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_shard_is_not_believed_of_one_of_its_name_in_a_stream_made_anew() {
    let stream = FakeStream::new();
    let table = Arc::new(MemoryTable::default());
    let running = start(&stream, &table, OnGap::TrimHorizon).await;
    let grant = running.granted(Duration::from_secs(20)).await.expect("it is worked");
    // The shard was closed before anything came.
    stream.add_shard(vec![shard_id(0)]);
    let shard = shard_id(0);
    let read = || running.log.read(&shard, Position::START, 1 << 20, Duration::from_secs(2));
    assert!(read().await.unwrap().closed);
    stream.replace(1);
    stream.store(0, 1, sluice_model::clock::now_ms());
    grant.leave.cancelled().await;
    drop(grant);
    running.granted(Duration::from_secs(20)).await.expect("it is worked again");
    let page = read().await.unwrap();
    assert_eq!((page.items.len(), page.closed), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_stream_made_anew_is_not_worked_where_an_operator_wants_to_decide() {
    let stream = FakeStream::new();
    let settled = stream.store(0, 1, 1_000);
    let table = Arc::new(MemoryTable::with([worked(settled, sluice_model::clock::now_ms())]));
    let first = start(&stream, &table, OnGap::Refuse).await;
    let grant = first.granted(Duration::from_secs(5)).await.expect("it is worked");
    stream.replace(1);
    grant.leave.cancelled().await;
    drop(grant);
    assert!(first.granted(Duration::from_secs(300)).await.is_none());
    assert!(first.denied().contains("whose shards the leases are of"), "{}", first.denied());
    assert_eq!(table.lease(&shard_id(0)).checkpoint, settled, "nothing is changed");
    // Another process of the same configuration refuses, too.
    let second = start(&stream, &table, OnGap::Refuse).await;
    assert!(second.granted(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_the_stream_does_not_know_is_a_gap() {
    for on_gap in [OnGap::TrimHorizon, OnGap::Refuse] {
        let stream = FakeStream::new();
        stream.forget_below(1_000_000);
        let table =
            Arc::new(MemoryTable::with([worked(Position::from_lsn(77), sluice_model::clock::now_ms())]));
        let running = start(&stream, &table, on_gap).await;
        let granted = running.granted(Duration::from_secs(10)).await;
        let row = table.lease(&shard_id(0));
        match on_gap {
            OnGap::TrimHorizon => {
                assert!(granted.is_some());
                assert_eq!(row.checkpoint, Position::START);
            }
            OnGap::Refuse => {
                assert!(granted.is_none());
                assert!(running.denied().contains("does not know the checkpoint 77"), "{}", running.denied());
                assert_eq!(row.checkpoint, Position::from_lsn(77));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_stream_forgot_before_it_was_settled_is_a_gap() {
    let now_ms = sluice_model::clock::now_ms();
    let stream = FakeStream::new();
    let settled = stream.store(0, 1, now_ms - 3 * DAY_MS);
    stream.store(0, 2, now_ms - 1_000);
    let table = Arc::new(MemoryTable::with([worked(settled, now_ms - 3 * DAY_MS)]));
    let refusing = start(&stream, &table, OnGap::Refuse).await;
    assert!(refusing.granted(Duration::from_secs(10)).await.is_none());
    assert!(refusing.denied().contains("is older than the stream keeps it"), "{}", refusing.denied());
    refusing.stop.cancel();

    let going_on = start(&stream, &table, OnGap::TrimHorizon).await;
    assert!(going_on.granted(Duration::from_secs(30)).await.is_some());
    let row = table.lease(&shard_id(0));
    assert_eq!(row.checkpoint, settled, "the stream reads on from it");
    assert!(row.settled_ms.unwrap() >= now_ms - DAY_MS, "the gap is counted once");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_the_stream_forgot_unsettled_is_given_up_and_blocks_no_child() {
    let now_ms = sluice_model::clock::now_ms();
    let stream = FakeStream::new();
    let forgotten = lease_row("shard-forgotten", None, Position::from_lsn(5));
    let id = forgotten.shard.clone();
    let forgotten = LeaseRow { settled_ms: Some(now_ms - 3 * DAY_MS), ..forgotten };
    let child = LeaseRow { parents: vec![id.clone()], ..worked(Position::START, now_ms) };
    let table = Arc::new(MemoryTable::with([forgotten, child]));
    let has_row = async || {
        table
            .rows()
            .await
            .unwrap()
            .iter()
            .any(|row| matches!(row, LeaseTableRow::Lease(row) if row.shard == id))
    };
    let refusing = start(&stream, &table, OnGap::Refuse).await;
    assert!(refusing.granted(Duration::from_secs(30)).await.is_some());
    assert!(has_row().await, "an operator decides");
    refusing.stop.cancel();
    let going_on = start(&stream, &table, OnGap::TrimHorizon).await;
    assert!(going_on.granted(Duration::from_secs(60)).await.is_some());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!has_row().await);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_a_shard_that_the_last_listing_lacks_is_taken_soon() {
    let stream = FakeStream::new();
    let row = worked(Position::START, sluice_model::clock::now_ms());
    let table = Arc::new(MemoryTable::with([row]));
    let config = AwsConfig { shard_sync_ms: 600_000, ..AwsConfig::default() };
    let running = start_with("me", &stream, &table, config).await;
    running.granted(Duration::from_secs(30)).await.expect("the first shard");
    tokio::time::sleep(Duration::from_secs(10)).await;
    // Another process has listed the stream since it has another shard.
    stream.add_shard(Vec::new());
    let other = LeaseRow { shard: shard_id(1), owner: None, ..table.lease(&shard_id(0)) };
    table.leases.lock().insert(shard_id(1), LeaseRow { checkpoint: Position::START, ..other });
    running.granted(Duration::from_secs(10)).await.expect("its lease is taken");
}

#[tokio::test(start_paused = true)]
async fn a_dead_owner_s_shard_is_taken_the_moment_its_lease_is_over() {
    let stream = FakeStream::new();
    let row =
        LeaseRow { owner: Some("dead".into()), ..worked(Position::START, sluice_model::clock::now_ms()) };
    let table = Arc::new(MemoryTable::with([row]));
    let running = start(&stream, &table, OnGap::TrimHorizon).await;
    let begun = Instant::now();
    running.granted(Duration::from_secs(30)).await.expect("it is taken");
    let lease = Duration::from_millis(AwsConfig::default().lease_ms);
    let took = begun.elapsed();
    assert!(took >= lease && took < lease + Duration::from_millis(100), "after {took:?}");
}
