use super::contract::{KEPT, MINUTE, TEN, accepted};
use super::*;
use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::log::{Position, ShardId};
use sluice_ports::rows::{NewRow, Row, RowChange};
use sluice_ports::{PortError, Rows};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows in memory whose calls can fail, before or after the change is made.
#[derive(Default)]
struct FaultyRows {
    rows: Mutex<BTreeMap<(String, Vec<u8>), Vec<u8>>>,
    fault: Mutex<Option<PlantedFault>>,
}

#[derive(Debug, Clone, Copy)]
struct PlantedFault {
    /// The number of calls that still succeed.
    after: u8,
    /// Whether the failing call makes its change first.
    made: bool,
}

impl FaultyRows {
    /// Whether the call makes its change, and whether it succeeds.
    fn fate(&self) -> (bool, bool) {
        let mut fault = self.fault.lock();
        match &mut *fault {
            None => (true, true),
            Some(PlantedFault { after: 0, made }) => (*made, false),
            Some(PlantedFault { after, .. }) => {
                *after -= 1;
                (true, true)
            }
        }
    }

    fn answer<T>(answered: bool, value: T) -> Result<T, PortError> {
        if answered { Ok(value) } else { Err(PortError::unavailable("rows", "a fault")) }
    }
}

#[async_trait]
impl Rows for FaultyRows {
    async fn write(&self, changes: Vec<RowChange>) -> Result<(), PortError> {
        for change in changes {
            let (made, answered) = self.fate();
            if made {
                match change {
                    RowChange::Put(row) => drop(self.rows.lock().insert((row.partition, row.key), row.value)),
                    RowChange::Remove { partition, key } => drop(self.rows.lock().remove(&(partition, key))),
                }
            }
            Self::answer(answered, ())?;
        }
        Ok(())
    }

    async fn put_if(&self, row: NewRow, expected: Option<Vec<u8>>) -> Result<bool, PortError> {
        let (made, answered) = self.fate();
        let key = (row.partition, row.key);
        let same = self.rows.lock().get(&key) == expected.as_ref();
        if same && made {
            self.rows.lock().insert(key, row.value);
        }
        Self::answer(answered, same)
    }

    async fn get(&self, partition: &str, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let (_, answered) = self.fate();
        Self::answer(answered, self.rows.lock().get(&(partition.to_owned(), key.to_vec())).cloned())
    }

    async fn list(&self, partition: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, PortError> {
        let (_, answered) = self.fate();
        let rows = self.rows.lock();
        let wanted = rows
            .iter()
            .filter(|((name, key), _)| name == partition && after.is_none_or(|after| &key[..] > after));
        let row = |((_, key), value): (&(String, Vec<u8>), &Vec<u8>)| Row {
            key: key.clone(),
            value: value.clone(),
        };
        Self::answer(answered, wanted.take(limit).map(row).collect())
    }
}

/// One turn of a shard's owner.
#[derive(Debug, Clone)]
struct OwnerTurn {
    settles: u64,
    fault: Option<PlantedFault>,
    adds_up: bool,
    /// Whether the owner dies: before the checkpoint (false), after it (true), or not at all (`None`).
    dies: Option<bool>,
}

fn turns() -> impl Strategy<Value = Vec<OwnerTurn>> {
    let fault =
        prop::option::of((0u8..12, any::<bool>()).prop_map(|(after, made)| PlantedFault { after, made }));
    let turn = (0u64..5, fault, any::<bool>(), prop::option::weighted(0.3, any::<bool>()));
    let turn = turn.prop_map(|(settles, fault, adds_up, dies)| OwnerTurn { settles, fault, adds_up, dies });
    prop::collection::vec(turn, 1..25)
}

fn customer(lsn: u64) -> CustomerId {
    CustomerId::from_u128(1 + u128::from(lsn % 3))
}

/// The usage of the record at this position.
fn record(lsn: u64) -> UsageTally {
    let mut tally =
        accepted(customer(lsn), ["a", "b"][lsn as usize % 2], TEN + lsn * MINUTE / 4, lsn as u32 + 2);
    let subscription = SubscriptionId::from_u128(u128::from(lsn % 2));
    let at_ms = TEN + lsn * MINUTE / 3;
    tally.ended(&EndedEvents {
        customer: customer(lsn),
        subscription,
        accepted_ms: at_ms - lsn * 10,
        at_ms,
        delivered: 2,
        failed: 1,
    });
    tally
}

/// A shard's owner, and the state that outlives it.
struct Owner {
    rows: Arc<FaultyRows>,
    checkpoint: u64,
    settled: u64,
    usage: ShardUsage,
    mark: Position,
    counted: Option<UsageTally>,
}

impl Owner {
    async fn new(rows: Arc<FaultyRows>, checkpoint: u64) -> Self {
        *rows.fault.lock() = None;
        let usage = ShardUsage::load(&*rows, &ShardId("s".into()), 10, KEPT).await.unwrap();
        let mark = usage.through();
        Self { rows, checkpoint, settled: checkpoint, usage, mark, counted: None }
    }

    fn settle(&mut self, records: u64) {
        for _ in 0..records {
            self.settled += 1;
            if Position::from_lsn(self.settled) > self.mark {
                self.counted.get_or_insert_default().merge(&record(self.settled));
            }
        }
    }

    /// Moves the checkpoint. Returns whether usage was counted first.
    async fn write(&mut self, adds_up: bool) -> Result<(), PortError> {
        if adds_up {
            self.usage.add_up(&*self.rows).await?;
        }
        self.usage.count(&*self.rows, &mut self.counted, Position::from_lsn(self.settled)).await
    }
}

async fn sums(rows: &Arc<FaultyRows>, granularity: Granularity, grouping: UsageGrouping) -> UsageCounts {
    known(rows, granularity, grouping).await.0
}

async fn known(
    rows: &Arc<FaultyRows>,
    granularity: Granularity,
    grouping: UsageGrouping,
) -> (UsageCounts, ReceiptTimes) {
    let reader = UsageReader::new(rows.clone());
    let mut sum = (UsageCounts::default(), ReceiptTimes::default());
    for customer in (0..3).map(customer) {
        let (from_ms, until_ms) = (TEN, TEN + 1000 * MINUTE);
        let window = UsageWindow { customer, granularity, from_ms, until_ms, grouping };
        for period in reader.read(&window).await.unwrap() {
            sum.0.add(&period.counts);
            sum.1.add(&period.receipts);
        }
    }
    sum
}

async fn run(turns: Vec<OwnerTurn>) -> Result<(), TestCaseError> {
    let rows = Arc::new(FaultyRows::default());
    let mut owner = Owner::new(rows.clone(), 0).await;
    let mut end = 0;
    for turn in turns {
        owner.settle(turn.settles);
        end = end.max(owner.settled);
        *rows.fault.lock() = turn.fault;
        let counted = owner.write(turn.adds_up).await;
        *rows.fault.lock() = None;
        if counted.is_ok() && turn.dies != Some(false) {
            owner.checkpoint = owner.settled;
        }
        if turn.dies.is_some() {
            owner = Owner::new(rows.clone(), owner.checkpoint).await;
        }
    }
    owner.settle(end - owner.settled);
    owner.write(false).await.unwrap();
    owner.usage.add_up(&*rows).await.unwrap();
    let (mut all, mut receipts) = (UsageCounts::default(), ReceiptTimes::default());
    for lsn in 1..=end {
        receipts.count(lsn * 10, 2);
        let events = lsn + 2;
        all.add(&UsageCounts {
            accepted: events,
            bytes: events * 100,
            unmatched: events / 2,
            delivered: 2,
            failed: 1,
        });
    }
    for granularity in [Granularity::Minute, Granularity::Hour, Granularity::Day] {
        let total = known(&rows, granularity, UsageGrouping::Total).await;
        prop_assert_eq!(total, (all, receipts.clone()), "{:?}", granularity);
    }
    let by_type = sums(&rows, Granularity::Minute, UsageGrouping::EventType).await;
    prop_assert_eq!((by_type.accepted, by_type.unmatched), (all.accepted, all.unmatched));
    let (by_subscription, times) = known(&rows, Granularity::Minute, UsageGrouping::Subscription).await;
    prop_assert_eq!((by_subscription.delivered, by_subscription.failed), (all.delivered, all.failed));
    prop_assert_eq!(times, receipts);
    Ok(())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_record_counts_once_through_crashes_and_faults(turns in turns()) {
        block_on(run(turns))?;
    }
}

#[test]
fn usage_keeps_its_promises_on_rows_in_memory() {
    block_on(contract::all(Arc::new(FaultyRows::default())));
}

#[test]
fn types_beyond_the_limit_count_together() {
    let mut tally = UsageTally::new(2);
    for kind in ["a", "b", "c", "d", "a", "c"] {
        tally.merge(&accepted(customer(0), kind, TEN, 2));
    }
    let counts = &tally.minutes()[&(customer(0), (TEN / MINUTE) as u32)];
    let kinds: Vec<_> = counts.types.iter().map(|(kind, counts)| (&**kind, counts.accepted)).collect();
    assert_eq!(kinds, [("a", 4), ("b", 2), (OTHER_TYPES, 6)]);
    assert_eq!(counts.total.accepted, 12);
    // A long name is not kept, however many types there may be.
    let mut tally = UsageTally::new(2);
    tally.merge(&accepted(customer(0), &"x".repeat(2000), TEN, 2));
    assert_eq!(
        tally.minutes()[&(customer(0), (TEN / MINUTE) as u32)].types.keys().next().unwrap().as_ref(),
        OTHER_TYPES
    );
}

#[test]
fn the_rows_of_a_session_hold_all_of_their_period_and_are_forgotten_after_it() {
    let mut session = SessionUsage::new(1, 10, KEPT);
    let ended = |at_ms| {
        let mut tally = UsageTally::default();
        let subscription = SubscriptionId::from_u128(1);
        tally.ended(&EndedEvents {
            customer: customer(0),
            subscription,
            accepted_ms: at_ms,
            at_ms,
            delivered: 1,
            failed: 0,
        });
        tally
    };
    assert_eq!(session.add(&ended(TEN)).len(), 3);
    for minute in 1..600 {
        session.add(&ended(TEN + minute * MINUTE));
    }
    assert!(session.len() <= 3 + 2 + 2, "{}", session.len());
    // A clock that was set back does not begin a row anew.
    let rows = Arc::new(FaultyRows::default());
    block_on(async {
        let (mut session, mut expected) = (SessionUsage::new(2, 10, KEPT), 0);
        for at_ms in [TEN, TEN + 50 * MINUTE, TEN + 1, TEN + 120 * MINUTE, TEN, TEN + 121 * MINUTE] {
            rows.write(session.add(&ended(at_ms))).await.unwrap();
            expected += 1;
        }
        for granularity in [Granularity::Minute, Granularity::Hour, Granularity::Day] {
            assert_eq!(sums(&rows, granularity, UsageGrouping::Total).await.delivered, expected);
        }
    });
}

#[test]
fn damaged_usage_of_a_period_is_begun_anew_and_stops_nothing() {
    block_on(async {
        let rows = Arc::new(FaultyRows::default());
        let shard = ShardId("s".into());
        let mut usage = ShardUsage::load(&*rows, &shard, 10, KEPT).await.unwrap();
        usage.count(&*rows, &mut Some(record(1)), Position::from_lsn(1)).await.unwrap();
        usage.add_up(&*rows).await.unwrap();
        rows.rows.lock().values_mut().for_each(|value| *value = b"\x01?".to_vec());
        assert!(matches!(ShardUsage::load(&*rows, &shard, 10, KEPT).await, Err(PortError::Damaged { .. })));
        let mut usage = ShardUsage::anew(&shard, 10, KEPT, TEN);
        usage.count(&*rows, &mut Some(record(1)), Position::from_lsn(2)).await.unwrap();
        usage.add_up(&*rows).await.unwrap();
        assert_eq!(sums(&rows, Granularity::Hour, UsageGrouping::Total).await.accepted, 3);
    });
}
