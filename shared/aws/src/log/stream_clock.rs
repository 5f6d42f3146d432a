//! The stream's time.

use parking_lot::Mutex;
use sluice_model::clock;
use std::time::Duration;
use tokio::time::Instant;

/// The stream's time, as its records tell it and this machine's clocks continue it.
///
/// A record that is here has arrived, so the stream's clock shows at least the record's time
/// of arrival, and goes on from there. The machine's wall clock alone would not do: if it is
/// set back, readers of the inbox of a quiet shard would wait until it has caught up.
#[derive(Debug, Default)]
pub(super) struct StreamClock(Mutex<Option<LatestArrival>>);

/// The arrival that says most.
#[derive(Debug, Clone, Copy)]
struct LatestArrival {
    at_ms: u64,
    /// When its record was here.
    seen: Instant,
}

impl LatestArrival {
    fn continued_ms(self, now: Instant) -> u64 {
        let since = now.checked_duration_since(self.seen).unwrap_or(Duration::ZERO);
        self.at_ms.saturating_add(since.as_millis() as u64)
    }
}

impl StreamClock {
    /// Notes that a record which arrived at `at_ms` is here.
    pub(super) fn saw(&self, at_ms: u64) {
        let (mut latest, now) = (self.0.lock(), Instant::now());
        if latest.is_none_or(|latest| at_ms > latest.continued_ms(now)) {
            *latest = Some(LatestArrival { at_ms, seen: now });
        }
    }

    /// The time now, in milliseconds since the Unix epoch: the later one of the wall clock's
    /// and the one that follows from the records.
    pub(super) fn now_ms(&self) -> u64 {
        let told = self.0.lock().map_or(0, |latest| latest.continued_ms(Instant::now()));
        told.max(clock::now_ms())
    }
}

#[cfg(all(test, feature = "paused-time"))]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_behind_the_stream_does_not_hold_the_time_back() {
        let clock = StreamClock::default();
        let wall_ms = clock::now_ms();
        assert!(clock.now_ms() >= wall_ms, "before the first record only the wall clock is known");
        let arrived_ms = wall_ms + HOUR_MS;
        clock.saw(arrived_ms);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now_ms(), arrived_ms + 5_000);
        // An older record, or one that was read late, says less.
        clock.saw(arrived_ms - 60_000);
        clock.saw(arrived_ms + 4_000);
        assert_eq!(clock.now_ms(), arrived_ms + 5_000);
        clock.saw(arrived_ms + 5_100);
        assert_eq!(clock.now_ms(), arrived_ms + 5_100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_ahead_of_the_stream_is_followed() {
        let clock = StreamClock::default();
        let wall_ms = clock::now_ms();
        clock.saw(wall_ms.saturating_sub(HOUR_MS));
        assert!(clock.now_ms() >= wall_ms);
    }
}
