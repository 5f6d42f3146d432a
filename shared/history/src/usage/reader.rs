//! Reading usage: the rows of a customer's periods, summed over all counters.

use super::counts::UsageCounts;
use super::receipts::ReceiptTimes;
use super::rows::{Granularity, decode_period, partition, period_prefix, period_start};
use super::tally::CustomerCounts;
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::{PortError, Rows};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows read at a time.
const PAGE: usize = 500;

const MINUTE_MS: u64 = 60_000;

/// How counts are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageGrouping {
    /// Not at all.
    Total,
    /// By event type.
    EventType,
    /// By subscription.
    Subscription,
}

/// The group of a count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsageGroup {
    /// All of the customer's events.
    Total,
    /// The events of a type: "" for events without one, [`super::OTHER_TYPES`] for those beyond
    /// the limit.
    EventType(Box<str>),
    /// The events of a subscription; [`super::OTHER_SUBSCRIPTIONS`] for those beyond the limit.
    Subscription(SubscriptionId),
}

/// The periods of a customer in a range of time.
#[derive(Debug, Clone, Copy)]
pub struct UsageWindow {
    /// The customer.
    pub customer: CustomerId,
    /// The length of the periods.
    pub granularity: Granularity,
    /// The first one holds this time, in milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// The last one begins before this time, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// How the counts are grouped.
    pub grouping: UsageGrouping,
}

/// The counts of a group in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePeriod {
    /// When the period begins, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// The group.
    pub group: UsageGroup,
    /// The counts.
    pub counts: UsageCounts,
    /// The times of the delivered events; empty for an event type.
    pub receipts: ReceiptTimes,
}

/// Reads usage.
#[derive(Clone)]
pub struct UsageReader {
    rows: Arc<dyn Rows>,
}

impl UsageReader {
    /// The usage in these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows }
    }

    /// The counts of a window, the oldest period first. Periods and groups without counts are
    /// left out.
    ///
    /// # Errors
    /// If a store fails.
    pub async fn read(&self, window: &UsageWindow) -> Result<Vec<UsagePeriod>, PortError> {
        let UsageWindow { customer, granularity, from_ms, until_ms, grouping } = *window;
        let minute = |ms: u64| u32::try_from(ms / MINUTE_MS).unwrap_or(u32::MAX);
        let first = granularity.start(minute(from_ms));
        let (partition, mut after) = (partition(customer), period_prefix(granularity, first));
        let mut sums: Sums = BTreeMap::new();
        loop {
            let page = self.rows.list(&partition, Some(&after), PAGE).await?;
            for row in &page {
                let start = period_start(granularity, &row.key);
                let Some(start) = start.filter(|start| u64::from(*start) * MINUTE_MS < until_ms) else {
                    return Ok(periods(sums));
                };
                let counts = decode_period(&row.value)?.counts;
                for (group, (counts, receipts)) in groups(counts, grouping) {
                    let sum = sums.entry((start, group)).or_default();
                    sum.0.add(&counts);
                    sum.1.add(&receipts);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after.clone_from(&last.key),
                _ => return Ok(periods(sums)),
            }
        }
    }
}

/// The sums of a group.
type Known = (UsageCounts, ReceiptTimes);

type Sums = BTreeMap<(u32, UsageGroup), Known>;

fn groups(counts: CustomerCounts, grouping: UsageGrouping) -> Vec<(UsageGroup, Known)> {
    match grouping {
        UsageGrouping::Total => vec![(UsageGroup::Total, (counts.total, counts.receipts.total))],
        UsageGrouping::EventType => {
            let all = counts.types.into_iter();
            all.map(|(kind, counts)| (UsageGroup::EventType(kind), (counts, ReceiptTimes::default())))
                .collect()
        }
        UsageGrouping::Subscription => {
            let none = |counts| (counts, ReceiptTimes::default());
            let mut all: BTreeMap<SubscriptionId, Known> =
                counts.subscriptions.into_iter().map(|(id, counts)| (id, none(counts))).collect();
            for (id, receipts) in counts.receipts.subscriptions {
                all.entry(id).or_default().1 = receipts;
            }
            all.into_iter().map(|(id, known)| (UsageGroup::Subscription(id), known)).collect()
        }
    }
}

fn periods(sums: Sums) -> Vec<UsagePeriod> {
    let period = |((start, group), (counts, receipts))| UsagePeriod {
        start_ms: u64::from(start) * MINUTE_MS,
        group,
        counts,
        receipts,
    };
    sums.into_iter().map(period).collect()
}
