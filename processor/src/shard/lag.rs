//! How far a shard's matching is behind acceptance: pure.
//!
//! Events that are read and not matched yet have a known age. Of events that are not read yet only
//! the log knows, by its last good answer and the time since then. So while the log does not
//! answer, the lag grows and never stays at 0.

use sluice_ports::log::{LogItem, LogPage};

/// How much longer than a read waits the log may take to answer before it counts as silent.
const SILENT_MS: u64 = 1_000;

/// What the log told of a shard recently.
#[derive(Debug)]
pub(super) struct ShardLag {
    /// When the log last answered; before its first answer, since when it has not.
    heard_ms: u64,
    /// How far the end of its last page was behind the end of the shard.
    behind_ms: Option<u64>,
    /// Whether its last page ended at the end of the shard.
    at_end: bool,
    /// Whether nothing will follow the items that were read.
    closed: bool,
    /// The time of the last event that was read.
    read_ms: u64,
    /// The events accepted in a millisecond, according to the last pages.
    events_per_ms: f64,
}

/// How far behind a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) ms: u64,
    /// The events that are read and not matched, and an estimate of those that are not read.
    pub(super) events: u64,
}

impl ShardLag {
    /// A log of which nothing is known since `now_ms`.
    pub(super) const fn new(now_ms: u64) -> Self {
        Self {
            heard_ms: now_ms,
            behind_ms: None,
            at_end: false,
            closed: false,
            read_ms: 0,
            events_per_ms: 0.0,
        }
    }

    /// Notes a page of the log, which may tell nothing.
    pub(super) fn heard(&mut self, now_ms: u64, page: &LogPage) {
        // Reads that the stream refuses come as empty pages without a lag.
        if page.items.is_empty() && page.behind_ms.is_none() && !page.at_end && !page.closed {
            return;
        }
        (self.heard_ms, self.behind_ms, self.at_end) = (now_ms, page.behind_ms, page.at_end);
        self.closed = page.closed;
        let Some(last_ms) = page.items.iter().rev().find_map(accepted_ms) else { return };
        if self.read_ms > 0 && last_ms > self.read_ms {
            let events: usize = page.items.iter().map(event_count).sum();
            let rate = events as f64 / (last_ms - self.read_ms) as f64;
            self.events_per_ms =
                if self.events_per_ms == 0.0 { rate } else { (self.events_per_ms + rate) / 2.0 };
        }
        self.read_ms = self.read_ms.max(last_ms);
    }

    /// How far behind the shard is, with `items` read and not matched yet, for a reader that asks
    /// the log at least every `read_wait_ms`.
    pub(super) fn behind<'a>(
        &self,
        now_ms: u64,
        mut items: impl Iterator<Item = &'a LogItem> + Clone,
        read_wait_ms: u64,
    ) -> Behind {
        let waiting: usize = items.clone().map(event_count).sum();
        let silent_ms = now_ms.saturating_sub(self.heard_ms);
        let is_silent = !self.closed && silent_ms > read_wait_ms * 2 + SILENT_MS;
        let unread_ms = match (self.closed || (self.at_end && !is_silent), self.behind_ms) {
            (true, _) => 0,
            (false, Some(behind_ms)) => behind_ms + if is_silent { silent_ms } else { 0 },
            // The log does not know, so the last event that was read tells.
            (false, None) if self.read_ms > 0 && !self.at_end => now_ms.saturating_sub(self.read_ms),
            (false, None) => silent_ms,
        };
        let oldest_ms = items.find_map(accepted_ms).map_or(0, |ms| now_ms.saturating_sub(ms));
        let unread = (self.events_per_ms * unread_ms as f64) as u64;
        Behind { ms: unread_ms.max(oldest_ms), events: waiting as u64 + unread }
    }

    /// Whether everything that was accepted is read, according to the log's last answer.
    pub(super) const fn is_at_end(&self, now_ms: u64, read_wait_ms: u64) -> bool {
        self.at_end && now_ms.saturating_sub(self.heard_ms) <= read_wait_ms * 2 + SILENT_MS
    }
}

fn accepted_ms(item: &LogItem) -> Option<u64> {
    match item {
        LogItem::Record(record) => record.batches.first().map(|batch| batch.id.ms()),
        LogItem::Damaged { .. } => None,
    }
}

fn event_count(item: &LogItem) -> usize {
    match item {
        LogItem::Record(record) => record.batches.iter().map(|batch| usize::from(batch.len())).sum(),
        LogItem::Damaged { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{batch, batch_id};
    use sluice_model::CustomerId;
    use sluice_ports::log::{IdTimes, LogRecord, Position};
    use std::sync::Arc;

    const NOW: u64 = 1_800_000_000_000;
    const WAIT: u64 = 500;

    fn record(ms: u64, events: u16) -> LogItem {
        let envelopes = vec![("", "{}".to_owned()); usize::from(events)];
        let batches = vec![Arc::new(batch(CustomerId::from_u128(1), batch_id(ms, 1), &envelopes))];
        LogItem::Record(LogRecord {
            position: Position::START,
            producer: 1,
            sequence: 1,
            batches,
            id_times: IdTimes::ALL,
        })
    }

    fn page(at_end: bool, behind_ms: Option<u64>, items: Vec<LogItem>) -> LogPage {
        LogPage { items, at_end, behind_ms, closed: false }
    }

    fn behind(lag: &ShardLag, now_ms: u64, items: &[LogItem]) -> u64 {
        lag.behind(now_ms, items.iter(), WAIT).ms
    }

    #[test]
    fn a_shard_that_was_never_read_falls_behind_from_its_opening_on() {
        let lag = ShardLag::new(NOW);
        assert_eq!(behind(&lag, NOW + 500, &[]), 500);
        assert_eq!(behind(&lag, NOW + 60_000, &[]), 60_000);
    }

    #[test]
    fn an_empty_page_that_says_nothing_of_the_shard_is_silence() {
        let mut lag = ShardLag::new(NOW);
        for second in 1..=10 {
            lag.heard(NOW + second * 1000, &page(false, None, Vec::new()));
        }
        assert_eq!(behind(&lag, NOW + 10_500, &[]), 10_500, "the shard was never read");
    }

    #[test]
    fn at_the_end_the_lag_is_0_until_the_log_is_silent() {
        let mut lag = ShardLag::new(NOW);
        lag.heard(NOW, &page(true, Some(0), vec![record(NOW - 7_000, 2)]));
        assert_eq!(behind(&lag, NOW + 100, &[]), 0);
        assert_eq!(behind(&lag, NOW + 30_000, &[]), 30_000, "nothing was heard since");
        assert!(!lag.is_at_end(NOW + 30_000, WAIT));
        // The same for a log that does not know how far it is behind.
        lag.heard(NOW, &page(true, None, Vec::new()));
        assert_eq!(behind(&lag, NOW + 100, &[]), 0);
        assert_eq!(behind(&lag, NOW + 30_000, &[]), 30_000);
    }

    #[test]
    fn a_closed_shard_that_is_read_to_its_end_falls_behind_no_more() {
        let mut lag = ShardLag::new(NOW);
        lag.heard(NOW, &LogPage { closed: true, ..page(true, Some(0), Vec::new()) });
        assert_eq!(behind(&lag, NOW + 30_000, &[]), 0, "nobody reads it any more");
        assert_eq!(behind(&lag, NOW + 30_000, &[record(NOW, 1)]), 30_000, "what is not matched counts");
    }

    #[test]
    fn the_lag_that_the_log_told_grows_while_the_log_tells_nothing_new() {
        let mut lag = ShardLag::new(NOW);
        lag.heard(NOW, &page(false, Some(40_000), vec![record(NOW - 40_000, 2)]));
        assert_eq!(behind(&lag, NOW + 100, &[]), 40_000);
        assert_eq!(behind(&lag, NOW + 10_000, &[]), 50_000);
    }

    #[test]
    fn events_that_are_not_matched_yet_tell_their_own_age_and_not_that_of_a_quiet_hour_before() {
        let mut lag = ShardLag::new(NOW);
        lag.heard(NOW - 3_600_000, &page(true, Some(0), vec![record(NOW - 3_600_000, 1)]));
        let new = [record(NOW - 20, 3)];
        lag.heard(NOW, &page(true, Some(0), vec![record(NOW - 20, 3)]));
        assert_eq!(lag.behind(NOW, new.iter(), WAIT), Behind { ms: 20, events: 3 });
        assert_eq!(behind(&lag, NOW + 5_000, &new), 5_020, "a shard at its caps does not read");
    }

    #[test]
    fn events_that_are_not_read_are_estimated_from_the_last_pages() {
        let mut lag = ShardLag::new(NOW);
        lag.heard(NOW, &page(false, Some(9_000), vec![record(NOW - 10_000, 1)]));
        lag.heard(NOW, &page(false, Some(8_000), vec![record(NOW - 9_000, 500)]));
        let behind = lag.behind(NOW, [].iter(), WAIT);
        assert_eq!(behind, Behind { ms: 8_000, events: 4_000 });
    }
}
