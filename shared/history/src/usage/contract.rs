//! The contract suite of usage, which every adapter of the rows port must pass.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{
    AcceptedEvents, EndedEvents, Granularity, ReceiptTimes, SessionUsage, ShardUsage, USAGE_TYPES_MAX,
    UsageCounts, UsageGroup, UsageGrouping, UsageReader, UsageRetention, UsageTally, UsageWindow,
};
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::Rows;
use sluice_ports::log::{Position, ShardId};
use std::sync::Arc;

/// Longer than the times of these tests.
pub(super) const KEPT: UsageRetention =
    UsageRetention { minute_days: 20_000, hour_days: 20_000, day_days: 20_000 };

/// 2026-11-29T10:00:00Z.
pub(super) const TEN: u64 = 1_795_946_400_000;

pub(super) const MINUTE: u64 = 60_000;

pub(super) fn accepted(customer: CustomerId, kind: &str, at_ms: u64, events: u32) -> UsageTally {
    let mut tally = UsageTally::new(USAGE_TYPES_MAX);
    let (kind, bytes) = (kind.into(), u64::from(events) * 100);
    tally.accepted(&AcceptedEvents { customer, at_ms, kind, events, bytes, unmatched: events / 2 });
    tally
}

async fn read(
    rows: &Arc<dyn Rows>,
    customer: CustomerId,
    granularity: Granularity,
    grouping: UsageGrouping,
) -> Vec<(u64, UsageGroup, UsageCounts)> {
    let (from_ms, until_ms) = (TEN, TEN + 24 * 60 * MINUTE);
    let window = UsageWindow { customer, granularity, from_ms, until_ms, grouping };
    let periods = UsageReader::new(Arc::clone(rows)).read(&window).await.unwrap();
    periods.into_iter().map(|period| (period.start_ms, period.group, period.counts)).collect()
}

/// Runs the suite, for customers and shards that the rows do not know yet.
///
/// # Panics
/// If a promise is broken.
pub async fn all(rows: Arc<dyn Rows>) {
    counts_are_kept_by_period_type_and_subscription(&rows).await;
    usage_counted_before_a_crash_is_not_counted_again(&rows).await;
    counts_of_many_customers_are_stored_in_parts(&rows).await;
}

async fn counts_are_kept_by_period_type_and_subscription(rows: &Arc<dyn Rows>) {
    let (customer, other) = (CustomerId::new(TEN), CustomerId::new(TEN));
    let shard = ShardId(format!("usage-{customer}").into());
    let mut usage = ShardUsage::load(&**rows, &shard, 10, KEPT).await.unwrap();
    let mut tally = accepted(customer, "a", TEN, 10);
    tally.merge(&accepted(customer, "b", TEN + 5, 4));
    tally.merge(&accepted(customer, "", TEN + MINUTE, 2));
    tally.merge(&accepted(other, "a", TEN, 99));
    let subscription = SubscriptionId::new(TEN);
    let at_ms = TEN + MINUTE;
    let ended =
        EndedEvents { customer, subscription, accepted_ms: at_ms - 5, at_ms, delivered: 3, failed: 1 };
    tally.ended(&ended);
    usage.count(&**rows, &mut Some(tally), Position::from_lsn(1)).await.unwrap();
    assert!(read(rows, customer, Granularity::Minute, UsageGrouping::Total).await.is_empty());
    usage.add_up(&**rows).await.unwrap();

    let mut session = SessionUsage::new(7, 10, KEPT);
    let mut late = UsageTally::default();
    late.ended(&EndedEvents { accepted_ms: TEN, delivered: 5, failed: 0, ..ended });
    let changes = session.add(&late);
    // Written twice, as after a lost answer; then with more counts in the same period.
    rows.write(changes.clone()).await.unwrap();
    rows.write(changes).await.unwrap();
    rows.write(session.add(&late)).await.unwrap();

    let counts = |accepted: u64, unmatched, delivered, failed| UsageCounts {
        accepted,
        bytes: accepted * 100,
        unmatched,
        delivered,
        failed,
    };
    let (first, second) = (counts(14, 7, 0, 0), counts(2, 1, 13, 1));
    let mut sum = first;
    sum.add(&second);
    let total = UsageGroup::Total;
    assert_eq!(
        read(rows, customer, Granularity::Minute, UsageGrouping::Total).await,
        [(TEN, total.clone(), first), (TEN + MINUTE, total.clone(), second)]
    );
    assert_eq!(
        read(rows, customer, Granularity::Hour, UsageGrouping::Total).await,
        [(TEN, total.clone(), sum)]
    );
    let day = TEN - 10 * 60 * MINUTE;
    assert_eq!(read(rows, customer, Granularity::Day, UsageGrouping::Total).await, [(day, total, sum)]);
    let kind = |kind: &str| UsageGroup::EventType(kind.into());
    assert_eq!(
        read(rows, customer, Granularity::Hour, UsageGrouping::EventType).await,
        [
            (TEN, kind(""), counts(2, 1, 0, 0)),
            (TEN, kind("a"), counts(10, 5, 0, 0)),
            (TEN, kind("b"), counts(4, 2, 0, 0)),
        ]
    );
    assert_eq!(
        read(rows, customer, Granularity::Hour, UsageGrouping::Subscription).await,
        [(TEN, UsageGroup::Subscription(subscription), counts(0, 0, 13, 1))]
    );
    // The shard counted 3 that took 5 ms, the session 10 that took a minute; they add up.
    let mut times = ReceiptTimes::default();
    times.count(5, 3);
    times.count(MINUTE, 10);
    for (grouping, granularity) in
        [(UsageGrouping::Total, Granularity::Hour), (UsageGrouping::Subscription, Granularity::Minute)]
    {
        let (from_ms, until_ms) = (TEN, TEN + 2 * MINUTE);
        let window = UsageWindow { customer, granularity, from_ms, until_ms, grouping };
        let periods = UsageReader::new(Arc::clone(rows)).read(&window).await.unwrap();
        assert_eq!(periods.last().map(|period| &period.receipts), Some(&times), "{grouping:?}");
    }
    let theirs = read(rows, other, Granularity::Hour, UsageGrouping::Total).await;
    assert_eq!(theirs[0].2.accepted, 99);
}

async fn usage_counted_before_a_crash_is_not_counted_again(rows: &Arc<dyn Rows>) {
    let customer = CustomerId::new(TEN);
    let shard = ShardId(format!("usage-{customer}").into());
    let mut first = ShardUsage::load(&**rows, &shard, 10, KEPT).await.unwrap();
    first.count(&**rows, &mut Some(accepted(customer, "a", TEN, 10)), Position::from_lsn(5)).await.unwrap();
    // Its owner dies before it stores the checkpoint. The next owner knows how far it counted.
    let mut second = ShardUsage::load(&**rows, &shard, 10, KEPT).await.unwrap();
    assert_eq!(second.through(), Position::from_lsn(5));
    second.count(&**rows, &mut Some(accepted(customer, "a", TEN, 1)), Position::from_lsn(6)).await.unwrap();
    // The first owner comes back and adds up its counts, which were added before.
    first.add_up(&**rows).await.unwrap();
    second.add_up(&**rows).await.unwrap();
    let total = read(rows, customer, Granularity::Hour, UsageGrouping::Total).await;
    assert_eq!(total[0].2.accepted, 11);
}

async fn counts_of_many_customers_are_stored_in_parts(rows: &Arc<dyn Rows>) {
    const CUSTOMERS: u64 = 30;
    let id = CustomerId::new(TEN);
    let customers: Vec<_> = (0..CUSTOMERS).map(|_| CustomerId::new(TEN)).collect();
    let shard = ShardId(format!("usage-{id}").into());
    let mut tally = UsageTally::new(USAGE_TYPES_MAX);
    for customer in &customers {
        for kind in 0..USAGE_TYPES_MAX {
            tally.merge(&accepted(*customer, &format!("{kind:0250}"), TEN, 2));
        }
    }
    let mut usage = ShardUsage::load(&**rows, &shard, USAGE_TYPES_MAX, KEPT).await.unwrap();
    for writing in 1..3 {
        usage.count(&**rows, &mut Some(tally.clone()), Position::from_lsn(writing)).await.unwrap();
    }
    drop(usage);
    let again = ShardUsage::load(&**rows, &shard, USAGE_TYPES_MAX, KEPT).await.unwrap();
    assert!(!again.is_waiting());
    for customer in customers {
        let total = read(rows, customer, Granularity::Hour, UsageGrouping::Total).await;
        assert_eq!(total[0].2.accepted, 2 * 2 * USAGE_TYPES_MAX as u64);
    }
    let left = rows.list(&format!("usage-shard/{shard}"), None, 100).await.unwrap();
    assert_eq!(left.len(), 1, "parts that nothing names are removed");
}
