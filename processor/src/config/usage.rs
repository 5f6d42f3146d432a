//! How usage is counted and kept.

use serde::{Deserialize, Serialize};
use sluice_history::usage::{USAGE_TYPES_MAX, UsageRetention};

/// How usage is counted and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsageConfig {
    /// The most event types of a customer that are counted separately in a period; the events of
    /// all others are counted together, as `other`.
    pub types_max: usize,
    /// How often a shard's counts are added to its customers' usage, which shows that much later.
    pub add_up_ms: u64,
    /// How many days the usage of a minute is kept.
    pub minute_days: u32,
    /// How many days the usage of an hour is kept.
    pub hour_days: u32,
    /// How many days the usage of a day is kept.
    pub day_days: u32,
}

impl Default for UsageConfig {
    fn default() -> Self {
        Self { types_max: 100, add_up_ms: 5000, minute_days: 7, hour_days: 90, day_days: 800 }
    }
}

impl UsageConfig {
    /// How long usage is kept.
    #[must_use]
    pub const fn retention(&self) -> UsageRetention {
        let Self { minute_days, hour_days, day_days, .. } = *self;
        UsageRetention { minute_days, hour_days, day_days }
    }

    /// Each field with its least and its greatest value.
    pub(super) fn ranges(&self) -> [(&'static str, i128, i128, i128); 5] {
        const DAYS: i128 = 36_500;
        [
            ("usage.types_max", self.types_max as i128, 1, USAGE_TYPES_MAX as i128),
            ("usage.add_up_ms", self.add_up_ms.into(), 10, 3_600_000),
            ("usage.minute_days", self.minute_days.into(), 1, DAYS),
            ("usage.hour_days", self.hour_days.into(), 1, DAYS),
            ("usage.day_days", self.day_days.into(), 1, DAYS),
        ]
    }
}
