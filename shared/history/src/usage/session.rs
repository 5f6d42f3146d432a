//! Counting by one task beside the log, for as long as the task lives.
//!
//! A session has its own rows, each with all that the session counted in a period. So
//! writing a row again changes nothing, and no other task writes it.

use super::rows::{Counter, Granularity, PeriodRow, UsageRetention, period_row};
use super::tally::UsageTally;
use sluice_model::CustomerId;
use sluice_ports::rows::RowChange;
use std::collections::BTreeMap;

/// How many minutes late the counts of a period may come.
const LATE_MINUTES: u32 = 2;

/// The counts of a session.
#[derive(Debug)]
pub struct SessionUsage {
    counter: Counter,
    types_max: usize,
    retention: UsageRetention,
    /// The newest minute that was counted.
    newest: u32,
    rows: BTreeMap<(CustomerId, Granularity, u32), PeriodRow>,
}

impl SessionUsage {
    /// A session without counts. `number` must be new.
    #[must_use]
    pub const fn new(number: u64, types_max: usize, retention: UsageRetention) -> Self {
        Self { counter: Counter::Session(number), types_max, retention, newest: 0, rows: BTreeMap::new() }
    }

    /// Adds counts. Returns the changes that make them durable; they may be made more than
    /// once, but no later changes before them.
    pub fn add(&mut self, tally: &UsageTally) -> Vec<RowChange> {
        let mut changed = BTreeMap::new();
        for ((customer, minute), counts) in tally.minutes() {
            self.newest = self.newest.max(*minute);
            // A row that was forgotten must not be started again.
            let minute = (*minute).max(self.oldest());
            for granularity in Granularity::ALL {
                let place = (*customer, granularity, granularity.start(minute));
                let row = self.rows.entry(place).or_default();
                row.counts.add(counts, self.types_max);
                changed.insert(place, ());
            }
        }
        let changes = changed.into_keys().filter_map(|place| {
            let (customer, granularity, start) = place;
            let row = self.rows.get(&place)?;
            Some(period_row(customer, granularity, start, &self.counter, row, self.retention))
        });
        let changes = changes.map(RowChange::Put).collect();
        let oldest = self.oldest();
        self.rows.retain(|(_, granularity, start), _| start + granularity.minutes() > oldest);
        changes
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The oldest minute that is still counted.
    const fn oldest(&self) -> u32 {
        self.newest.saturating_sub(LATE_MINUTES)
    }
}
