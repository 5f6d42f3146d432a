//! Counting lines of usage, summed up for each customer and minute: pure.

use super::counts::UsageCounts;
use super::receipts::CustomerReceipts;
use super::rows::{OTHER_SUBSCRIPTIONS, OTHER_TYPES};
use serde::{Deserialize, Serialize};
use sluice_model::{CustomerId, SubscriptionId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// The longest type that is counted by its name.
const TYPE_BYTES_MAX: usize = 256;

/// The most bytes of counts with an id: postcard's integers have seven bits a byte.
const COUNTS_BYTES: usize = 19 + 5 * 10;

/// The most bytes of a subscription's counts with its id: only two of them are not 0.
const SUBSCRIPTION_BYTES: usize = 19 + 3 + 2 * 10;

/// The highest limit of types that a configuration may set: with all subscriptions, a row fits a
/// store's item.
pub const USAGE_TYPES_MAX: usize = 200;

/// The most subscriptions of a customer that are counted separately in one period.
const SUBSCRIPTIONS_MAX: usize = 4000;

/// Events of one type of a batch that was read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedEvents {
    /// The customer.
    pub customer: CustomerId,
    /// When they were accepted, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Their type; "" for events without one.
    pub kind: Arc<str>,
    /// The number of events.
    pub events: u32,
    /// Bytes of their envelopes.
    pub bytes: u64,
    /// The number of events that no subscription matched.
    pub unmatched: u32,
}

/// Events of one subscription whose delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedEvents {
    /// The customer.
    pub customer: CustomerId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// When the events were accepted, in milliseconds since the Unix epoch.
    pub accepted_ms: u64,
    /// When the delivery ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The number of events that the endpoint took.
    pub delivered: u32,
    /// The number of events that were given up.
    pub failed: u32,
}

/// One thing to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageLine {
    /// Events were accepted.
    Accepted(AcceptedEvents),
    /// A delivery ended.
    Ended(EndedEvents),
}

/// The counts of a customer in a period: in total, by type and by subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CustomerCounts {
    pub total: UsageCounts,
    /// By event type: "" for events without one, [`OTHER_TYPES`] for those beyond the limit.
    pub types: BTreeMap<Box<str>, UsageCounts>,
    pub subscriptions: BTreeMap<SubscriptionId, UsageCounts>,
    /// Stored separately (see [`super::rows`]).
    #[serde(skip)]
    pub receipts: CustomerReceipts,
}

impl CustomerCounts {
    pub(super) fn add(&mut self, other: &Self, types_max: usize) {
        self.total.add(&other.total);
        for (kind, counts) in &other.types {
            self.add_type(kind, counts, types_max);
        }
        for (subscription, counts) in &other.subscriptions {
            self.add_subscription(*subscription, counts);
        }
        self.receipts.add(&other.receipts);
    }

    fn add_subscription(&mut self, subscription: SubscriptionId, counts: &UsageCounts) {
        let is_listed = self.subscriptions.contains_key(&subscription);
        let has_room = is_listed || self.subscriptions.len() < SUBSCRIPTIONS_MAX;
        let subscription = if has_room { subscription } else { OTHER_SUBSCRIPTIONS };
        self.subscriptions.entry(subscription).or_default().add(counts);
    }

    /// The most bytes of these counts when stored.
    pub(super) fn bytes_max(&self) -> usize {
        let types: usize = self.types.keys().map(|kind| kind.len() + COUNTS_BYTES).sum();
        let subscriptions = self.subscriptions.len() * SUBSCRIPTION_BYTES;
        COUNTS_BYTES + types + subscriptions + self.receipts.bytes_max()
    }

    /// Adds the counts of a type. A type beyond the limit, or with a long name, counts as
    /// [`OTHER_TYPES`].
    fn add_type(&mut self, kind: &str, counts: &UsageCounts, types_max: usize) {
        if let Some(known) = self.types.get_mut(kind) {
            return known.add(counts);
        }
        let listed = self.types.len() - usize::from(self.types.contains_key(OTHER_TYPES));
        let kind = if listed < types_max && kind.len() <= TYPE_BYTES_MAX { kind } else { OTHER_TYPES };
        self.types.entry(kind.into()).or_default().add(counts);
    }
}

/// Counts by customer and minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageTally {
    types_max: usize,
    minutes: BTreeMap<(CustomerId, u32), CustomerCounts>,
}

impl Default for UsageTally {
    fn default() -> Self {
        Self::new(USAGE_TYPES_MAX)
    }
}

impl UsageTally {
    /// A tally without counts. For each customer and minute `types_max` types are counted separately.
    #[must_use]
    pub const fn new(types_max: usize) -> Self {
        Self { types_max, minutes: BTreeMap::new() }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    /// Counts a line.
    pub fn count(&mut self, line: &UsageLine) {
        match line {
            UsageLine::Accepted(line) => self.accepted(line),
            UsageLine::Ended(line) => self.ended(line),
        }
    }

    /// Counts accepted events.
    pub fn accepted(&mut self, line: &AcceptedEvents) {
        let counts = UsageCounts {
            accepted: line.events.into(),
            bytes: line.bytes,
            unmatched: line.unmatched.into(),
            ..UsageCounts::default()
        };
        let types_max = self.types_max;
        let minute = self.minute(line.customer, line.at_ms);
        minute.total.add(&counts);
        minute.add_type(&line.kind, &counts, types_max);
    }

    /// Counts events whose delivery ended.
    pub fn ended(&mut self, line: &EndedEvents) {
        let (delivered, failed) = (u64::from(line.delivered), u64::from(line.failed));
        let counts = UsageCounts { delivered, failed, ..UsageCounts::default() };
        if counts.is_zero() {
            return;
        }
        let minute = self.minute(line.customer, line.at_ms);
        minute.total.add(&counts);
        minute.add_subscription(line.subscription, &counts);
        if delivered > 0 {
            let took_ms = line.at_ms.saturating_sub(line.accepted_ms);
            minute.receipts.count(line.subscription, took_ms, delivered);
        }
    }

    /// Adds the counts of another tally.
    pub fn merge(&mut self, other: &Self) {
        for ((customer, minute), counts) in &other.minutes {
            self.put(*customer, *minute, counts);
        }
    }

    /// The number of counts, which is about the size of the stored tally.
    #[must_use]
    pub fn len(&self) -> usize {
        let each = |counts: &CustomerCounts| {
            1 + counts.types.len() + counts.subscriptions.len() + counts.receipts.subscriptions.len()
        };
        self.minutes.values().map(each).sum()
    }

    pub(super) fn put(&mut self, customer: CustomerId, minute: u32, counts: &CustomerCounts) {
        self.minutes.entry((customer, minute)).or_default().add(counts, self.types_max);
    }

    pub(super) const fn types_max(&self) -> usize {
        self.types_max
    }

    /// The counts by customer and minute since the Unix epoch, in that order.
    pub(super) const fn minutes(&self) -> &BTreeMap<(CustomerId, u32), CustomerCounts> {
        &self.minutes
    }

    fn minute(&mut self, customer: CustomerId, at_ms: u64) -> &mut CustomerCounts {
        self.minutes.entry((customer, (at_ms / MINUTE_MS) as u32)).or_default()
    }
}
