//! Leases on a real table: several keepers, one of which dies and one of which is cut off.

use super::provisioned;
use crate::leases::operator::LeaseOperator;
use crate::leases::{
    Keeper, LaneHorizons, LeaseCheckpoints, LeaseOrder, LeaseOrders, LeaseRestart, LeaseRow, LeaseRows as _,
    LeaseTable, Readable, Settled, ShardLeases, SkippedRange, TakeFrom, Written,
};
use crate::log::{KinesisLog, ShardInfo};
use crate::{AwsConfig, Clients};
use parking_lot::Mutex;
use sluice_model::Lane;
use sluice_ports::Checkpoints as _;
use sluice_ports::Leases;
use sluice_ports::leases::Grant;
use sluice_ports::log::{Position, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WAIT: Duration = Duration::from_secs(20);

type Working = Arc<Mutex<BTreeMap<ShardId, usize>>>;

/// A process that keeps leases and pretends to work the shards that it is granted.
struct LeaseProcess {
    number: usize,
    stop: CancellationToken,
    leaving: CancellationToken,
    keeper: JoinHandle<()>,
    worker: JoinHandle<()>,
    checkpoints: Arc<LeaseCheckpoints>,
}

/// Works a shard until it must be left. Fails if another process works it, too.
async fn work(grant: Grant, number: usize, working: Working) {
    let before = working.lock().insert(grant.shard.clone(), number);
    assert_eq!(before, None, "{} is worked by two", grant.shard);
    // The first of the tokens ends the work.
    tokio::select! {
        () = grant.leave.cancelled() => tokio::time::sleep(Duration::from_millis(30)).await,
        () = grant.lost.cancelled() => {}
    }
    working.lock().remove(&grant.shard);
}

async fn work_all(leases: ShardLeases, number: usize, working: Working) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(grant) = leases.granted().await {
        tasks.spawn(work(grant, number, working.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

impl LeaseProcess {
    async fn start(number: usize, clients: &Clients, config: &AwsConfig, working: &Working) -> Self {
        let log = Arc::new(KinesisLog::open(clients, config).await.unwrap());
        let (keeper, leases, checkpoints) = Keeper::new(clients, config, log);
        let (stop, leaving) = (CancellationToken::new(), CancellationToken::new());
        Self {
            number,
            keeper: tokio::spawn(keeper.run(stop.clone(), leaving.clone())),
            worker: tokio::spawn(work_all(leases, number, working.clone())),
            stop,
            leaving,
            checkpoints: Arc::new(checkpoints),
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.keeper.await.unwrap();
        self.worker.await.unwrap();
    }

    /// Ends like `kill -9`: no lease is given back.
    fn kill(self, working: &Working) {
        self.keeper.abort();
        self.worker.abort();
        working.lock().retain(|_, number| *number != self.number);
    }
}

/// Waits until each of `numbers` works its share of `shards`.
async fn balanced(working: &Working, numbers: &[usize], shards: usize) {
    let wait = async {
        loop {
            let counts: Vec<usize> = {
                let working = working.lock();
                numbers
                    .iter()
                    .map(|number| working.values().filter(|owner| *owner == number).count())
                    .collect()
            };
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            if counts.iter().sum::<usize>() == shards && most - least <= 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let state = || format!("{numbers:?} share {shards}: {:?}", working.lock());
    tokio::time::timeout(WAIT, wait).await.unwrap_or_else(|_| panic!("{}", state()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn processes_share_the_shards_whoever_comes_ends_or_dies() {
    let (config, clients) = provisioned(6).await;
    let working = Working::default();
    let one = LeaseProcess::start(1, &clients, &config, &working).await;
    balanced(&working, &[1], 6).await;
    let two = LeaseProcess::start(2, &clients, &config, &working).await;
    let three = LeaseProcess::start(3, &clients, &config, &working).await;
    balanced(&working, &[1, 2, 3], 6).await;

    // Only the owner can checkpoint its shard, and the next owner reads the checkpoint.
    let shard = working.lock().iter().find(|(_, number)| **number == 2).unwrap().0.clone();
    let position = Position::from_lsn(77);
    assert!(one.checkpoints.store(&shard, position).await.is_err());
    two.checkpoints.store(&shard, position).await.unwrap();
    let began = std::time::Instant::now();
    two.end().await;
    balanced(&working, &[1, 3], 6).await;
    assert!(began.elapsed() < Duration::from_millis(config.lease_ms), "handed over, not expired");
    assert_eq!(one.checkpoints.load(&shard).await.unwrap(), position);

    three.kill(&working);
    balanced(&working, &[1], 6).await;
    one.end().await;
    assert!(working.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_process_that_leaves_gives_back_each_shard_that_it_left_and_takes_no_more() {
    let (config, clients) = provisioned(4).await;
    let working = Working::default();
    let one = LeaseProcess::start(1, &clients, &config, &working).await;
    let two = LeaseProcess::start(2, &clients, &config, &working).await;
    balanced(&working, &[1, 2], 4).await;
    // The process is told to end: its work stops, but its keeper is not told yet.
    two.leaving.cancel();
    let began = std::time::Instant::now();
    two.worker.abort();
    working.lock().retain(|_, number| *number != 2);
    balanced(&working, &[1], 4).await;
    assert!(began.elapsed() < Duration::from_millis(config.lease_ms), "given back, not expired");
    // Alone again, it would take its share, if it still took any.
    one.kill(&working);
    tokio::time::sleep(Duration::from_millis(config.lease_ms * 2)).await;
    assert!(working.lock().is_empty());
    two.stop.cancel();
    two.keeper.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_process_that_cannot_renew_leaves_before_another_comes() {
    let (config, clients) = provisioned(2).await;
    let working = Working::default();
    let log = Arc::new(KinesisLog::open(&clients, &config).await.unwrap());
    let (keeper, leases, _) = Keeper::new(&clients, &config, log);
    let kept = tokio::spawn(keeper.run(CancellationToken::new(), CancellationToken::new()));
    let grants = [leases.granted().await.unwrap(), leases.granted().await.unwrap()];
    // Cut off: its table is gone, as far as it can see.
    let table = LeaseTable::new(&clients, &config);
    let other = LeaseProcess::start(2, &clients, &config, &working).await;
    // Its keeper stalls with all its tasks but the fence's: nothing is renewed.
    kept.abort();
    let fenced = async {
        for grant in &grants {
            grant.lost.cancelled().await;
        }
    };
    let lost = tokio::time::timeout(Duration::from_millis(config.lease_ms), fenced).await;
    assert!(lost.is_ok(), "fenced before the lease is over");
    assert!(working.lock().is_empty(), "nobody else has begun");
    balanced(&working, &[2], 2).await;
    drop((grants, table));
    other.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn children_are_granted_once_their_parents_are_settled() {
    let (config, clients) = provisioned(1).await;
    let log = Arc::new(KinesisLog::open(&clients, &config).await.unwrap());
    let (keeper, leases, checkpoints) = Keeper::new(&clients, &config, log.clone());
    let stop = CancellationToken::new();
    let kept = tokio::spawn(keeper.run(stop.clone(), CancellationToken::new()));
    let parent = leases.granted().await.unwrap();
    let split = clients.kinesis.split_shard().stream_name(&config.stream).shard_to_split(&*parent.shard.0);
    split.new_starting_hash_key((u128::MAX / 2).to_string()).send().await.unwrap();
    // Several syncs pass; nothing is granted.
    let early = tokio::time::timeout(Duration::from_millis(1200), leases.granted()).await;
    assert!(early.is_err(), "a child before its parent is settled: {early:?}");
    checkpoints.store(&parent.shard, Position::END).await.unwrap();
    drop(parent);
    let children = async { [leases.granted().await.unwrap(), leases.granted().await.unwrap()] };
    let children = tokio::time::timeout(WAIT, children).await.unwrap();
    assert_ne!(children[0].shard, children[1].shard);
    drop(children);
    stop.cancel();
    kept.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn orders_stand_in_the_row_and_bind_whoever_takes_it() {
    let (config, clients) = provisioned(1).await;
    let (table, log) =
        (LeaseTable::new(&clients, &config), KinesisLog::open(&clients, &config).await.unwrap());
    let shard = log.describe().await.unwrap().remove(0);
    let stream = log.identity().await.unwrap();
    table.create(&shard, &stream).await.unwrap();
    let row = async || table.row(&shard.id).await.unwrap().expect("it is there");
    let taken = async |row: &LeaseRow, me: &str, from: TakeFrom| {
        matches!(table.take(row, me, from, &stream).await.unwrap(), Written::Yes)
    };
    let fresh = row().await;
    assert_eq!((&fresh.orders, fresh.points), (&LeaseOrders::default(), Some((0, u128::MAX))));

    assert!(table.order(&fresh, &LeaseOrder::Pause { now_ms: 5 }).await.unwrap());
    assert!(!taken(&fresh, "one", TakeFrom::Checkpoint).await, "whoever did not see the pause is refused");
    assert_eq!((row().await.orders.paused_ms, row().await.counter), (Some(5), fresh.counter));
    assert!(table.order(&fresh, &LeaseOrder::Resume).await.unwrap());

    table.store_checkpoint(&shard.id, Position::from_lsn(90)).await.unwrap();
    let settled = row().await;
    let [begin, until] = [40, 60].map(Position::from_lsn);
    let restart = LeaseRestart { position: begin, settled_ms: 7, again_until: Some(until) };
    assert!(table.order(&settled, &LeaseOrder::Restart(restart)).await.unwrap());
    assert!(!table.order(&settled, &LeaseOrder::Restart(restart)).await.unwrap(), "one at a time");
    assert!(!taken(&settled, "one", TakeFrom::Checkpoint).await, "it was not seen");
    assert!(taken(&row().await, "one", TakeFrom::Restart(restart)).await);
    let again = row().await;
    assert_eq!(
        (again.checkpoint, again.settled_ms, &again.orders),
        (begin, Some(7), &LeaseOrders::default())
    );
    assert_eq!(again.skipped, Some(SkippedRange { after: until, until: Position::from_lsn(90) }));

    let to = |name: &str| LeaseOrder::HandOver { to: name.into() };
    assert!(!table.order(&settled, &to("two")).await.unwrap(), "it had no owner then");
    assert!(table.order(&again, &to("two")).await.unwrap());
    assert!(!taken(&again, "three", TakeFrom::Checkpoint).await, "it was not seen");
    assert!(taken(&row().await, "two", TakeFrom::Checkpoint).await);
    assert_eq!(row().await.orders.pinned_to.as_deref(), Some("two"));
    assert!(taken(&row().await, "three", TakeFrom::Checkpoint).await);
    assert_eq!(row().await.orders.pinned_to, None, "the pin ends with its process");

    table.store_checkpoint(&shard.id, Position::END).await.unwrap();
    assert!(!table.order(&row().await, &LeaseOrder::Resume).await.unwrap(), "wholly settled");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn each_renewal_tells_how_far_the_inbox_can_be_read_and_no_change_of_the_stream_takes_it_back() {
    let (config, clients) = provisioned(1).await;
    let (table, log) =
        (Arc::new(LeaseTable::new(&clients, &config)), KinesisLog::open(&clients, &config).await.unwrap());
    let shard = log.describe().await.unwrap().remove(0);
    let stream = log.identity().await.unwrap();
    table.create(&shard, &stream).await.unwrap();
    let row = async || table.row(&shard.id).await.unwrap().expect("it is there");
    let taken = async |from: TakeFrom| {
        let taken = table.take(&row().await, "one", from, &stream).await.unwrap();
        assert!(matches!(taken, Written::Yes), "{taken:?}");
    };
    let horizon_ms = async || {
        let horizons = LaneHorizons::new(Arc::clone(&table) as _, &config).get().await.unwrap();
        horizons.of(Lane::new(config.lanes - 1).unwrap())
    };
    taken(TakeFrom::Checkpoint).await;
    assert_eq!((row().await.readable, horizon_ms().await), (None, 0));
    let (at, counter) = (Position::from_lsn(40), row().await.counter);
    let settled = Settled { position: Position::from_lsn(30), until_ms: Some(5), load: None };
    for (n, settled) in [None, Some(settled)].into_iter().enumerate() {
        let readable = Readable { at, ms: 7 + n as u64 };
        let told = table.renew(&shard.id, "one", counter + n as u64, settled, readable).await.unwrap();
        assert!(matches!(told, Written::Yes), "{told:?}");
        assert_eq!((row().await.readable, horizon_ms().await), (Some(readable), readable.ms));
    }
    let anew = Some(Readable { at: Position::START, ms: 8 });
    taken(TakeFrom::TrimHorizon(9)).await;
    assert_eq!(row().await.readable, anew);
    let half = ShardInfo { last: u128::MAX / 2, ..shard.clone() };
    assert!(matches!(table.reset(&half, row().await.counter, &stream).await.unwrap(), Written::Yes));
    assert_eq!((row().await.readable, row().await.points), (anew, Some((0, u128::MAX / 2))));
    assert_eq!(horizon_ms().await, 0, "the last lane is another shard's now");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn running_processes_obey_a_pause_and_a_hand_over() {
    let (config, clients) = provisioned(2).await;
    let working = Working::default();
    let one = LeaseProcess::start(1, &clients, &config, &working).await;
    let two = LeaseProcess::start(2, &clients, &config, &working).await;
    balanced(&working, &[1, 2], 2).await;
    let operator = LeaseOperator::new(
        Arc::new(LeaseTable::new(&clients, &config)),
        crate::log::configured_stream(&clients, &config),
    );
    let apart = Duration::from_millis(config.lease_ms);
    let listing = operator.look(apart).await.unwrap();
    assert_eq!(listing.workers.values().copied().collect::<Vec<_>>(), [1, 1]);
    let shard = working.lock().iter().find(|(_, number)| **number == 1).unwrap().0.clone();

    let pause = LeaseOrder::Pause { now_ms: 5 };
    operator.order(&listing.lease(&shard).unwrap().row, &pause).await.unwrap();
    balanced(&working, &[1, 2], 1).await;
    assert!(!working.lock().contains_key(&shard));
    operator.order(&listing.lease(&shard).unwrap().row, &LeaseOrder::Resume).await.unwrap();
    balanced(&working, &[1, 2], 2).await;

    let listing = operator.look(apart).await.unwrap();
    let row = &listing.lease(&shard).unwrap().row;
    let successor = listing.successor(&shard, None).unwrap();
    operator.order(row, &LeaseOrder::HandOver { to: successor.clone() }).await.unwrap();
    let moved = async {
        while operator.look(Duration::ZERO).await.unwrap().lease(&shard).unwrap().row.owner.as_ref()
            != Some(&successor)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WAIT, moved).await.expect("the other process takes it");
    one.end().await;
    two.end().await;
}
