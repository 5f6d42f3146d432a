//! Detecting that a part of a shard is lost to its new owner: pure.
//!
//! A stream keeps a record for its retention. The row of a lease tells a time such that
//! everything that arrived by then is settled. If the stream's oldest records are
//! later, those that arrived in between are lost. A checkpoint that the stream does not
//! know belongs to another stream.

use super::rows::{LeaseRow, TakeFrom};
use crate::metrics::GapCause;
use sluice_ports::log::Position;
use std::fmt;
use std::time::Duration;

/// A part of a shard that cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogGap {
    /// Records that arrived between the two times (ms since the Unix epoch) are older than the
    /// retention.
    Retention { from_ms: u64, to_ms: u64 },
    /// The stream does not know the checkpoint, so the records behind it are lost.
    UnknownPosition { checkpoint: Position, now_ms: u64 },
}

impl LogGap {
    /// The gap between a lease's checkpoint and the oldest record of the stream's retention.
    pub(super) fn by_retention(row: &LeaseRow, retention: Duration, now_ms: u64) -> Option<Self> {
        let settled_ms = row.settled_ms.filter(|_| row.checkpoint != Position::END)?;
        let horizon_ms = now_ms.checked_sub(retention.as_millis() as u64).filter(|_| !retention.is_zero())?;
        (settled_ms < horizon_ms).then_some(Self::Retention { from_ms: settled_ms, to_ms: horizon_ms })
    }

    /// Where the shard is worked from in spite of the gap.
    pub(super) const fn take_from(self) -> TakeFrom {
        match self {
            Self::Retention { to_ms, .. } => TakeFrom::CheckpointWithGap(to_ms),
            Self::UnknownPosition { now_ms, .. } => TakeFrom::TrimHorizon(now_ms),
        }
    }

    pub(super) const fn cause(self) -> GapCause {
        match self {
            Self::Retention { .. } => GapCause::Retention,
            Self::UnknownPosition { .. } => GapCause::UnknownPosition,
        }
    }
}

impl fmt::Display for LogGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: u64| jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default();
        match self {
            Self::Retention { from_ms, to_ms } => write!(
                f,
                "what arrived between {:.0} and {:.0} was not settled and is older than the stream keeps it",
                time(*from_ms),
                time(*to_ms)
            ),
            Self::UnknownPosition { checkpoint, .. } => {
                write!(f, "the stream does not know the checkpoint {}", checkpoint.to_decimal())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_ports::log::ShardId;

    fn row(checkpoint: Position, settled_ms: Option<u64>) -> LeaseRow {
        LeaseRow { counter: 1, checkpoint, settled_ms, ..LeaseRow::new(ShardId("s".into())) }
    }

    #[test]
    fn what_is_older_than_the_retention_and_not_settled_is_lost() {
        let (now_ms, day) = (10 * 86_400_000, Duration::from_secs(86_400));
        let gap = |settled_ms| LogGap::by_retention(&row(Position::from_lsn(9), settled_ms), day, now_ms);
        assert_eq!(gap(Some(9 * 86_400_000)), None);
        let lost = LogGap::Retention { from_ms: 86_400_000, to_ms: 9 * 86_400_000 };
        assert_eq!(gap(Some(86_400_000)), Some(lost));
        assert_eq!(gap(None), None, "rows of other programs do not say");
        let finished = row(Position::END, Some(0));
        assert_eq!(LogGap::by_retention(&finished, day, now_ms), None);
        // A shard that nobody ever worked lost its records, too.
        assert!(LogGap::by_retention(&row(Position::START, Some(5)), day, now_ms).is_some());
        assert_eq!(
            lost.to_string(),
            "what arrived between 1970-01-02T00:00:00Z and 1970-01-10T00:00:00Z was not settled and is older than \
             the stream keeps it"
        );
    }
}
