//! When recorded requests are due: rules only, no I/O.
//!
//! Recorded times can be wrong. A time that is far from both its neighbours in its
//! file is replaced by the time before it. If a clock was set back, its times continue
//! from the latest one. A silence longer than the limit is shortened to the limit.

/// A time below this (in 1973) is missing, or its recording counts from 0.
const UNIX_TIME_MIN: f64 = 1e8;

/// Makes the times of one file usable.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileClock {
    gap_max_s: f64,
    /// The latest usable time.
    latest: Option<f64>,
    /// How far the file's clock was set back so far.
    set_back_s: f64,
    /// Times that were replaced.
    pub(super) replaced: u64,
}

impl FileClock {
    pub(super) fn new(gap_max_s: f64) -> Self {
        Self { gap_max_s, latest: None, set_back_s: 0.0, replaced: 0 }
    }

    /// The usable time of a request recorded at `at`, before one at `next`;
    /// `None` if the file has had no usable time yet.
    pub(super) fn usable(&mut self, at: Option<f64>, next: Option<f64>) -> Option<f64> {
        let Some(at) = at.map(|at| at + self.set_back_s) else { return self.latest };
        let next = next.map(|next| next + self.set_back_s);
        let Some(latest) = self.latest else {
            if at < UNIX_TIME_MIN && next.is_some_and(|next| next >= UNIX_TIME_MIN) {
                self.replaced += 1;
                return None;
            }
            self.latest = Some(at);
            return self.latest;
        };
        if self.is_near(at, latest) {
            self.latest = Some(latest.max(at));
            return Some(at);
        }
        if next.is_some_and(|next| self.is_near(next, latest)) {
            self.replaced += 1;
            return Some(latest);
        }
        if at < latest {
            self.replaced += 1;
            self.set_back_s += latest - at;
            return Some(latest);
        }
        self.latest = Some(at);
        Some(at)
    }

    fn is_near(&self, one: f64, other: f64) -> bool {
        (one - other).abs() <= self.gap_max_s
    }
}

/// Turns usable times of all files, in order, into offsets from the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets {
    gap_max_s: f64,
    /// The latest time of this pass.
    latest: Option<f64>,
    /// Its offset within the pass.
    latest_offset: f64,
    /// Silence that was left out.
    pub(super) skipped_s: f64,
    /// The offset at which this pass starts.
    pub(super) pass_start: f64,
    /// Requests of this pass with a time of their own.
    timed: u64,
}

impl Offsets {
    pub(super) fn new(gap_max_s: f64) -> Self {
        Self { gap_max_s, latest: None, latest_offset: 0.0, skipped_s: 0.0, pass_start: 0.0, timed: 0 }
    }

    /// Counts a request with a time of its own.
    pub(super) fn count_timed(&mut self) {
        self.timed += 1;
    }

    /// The offset from the start of this pass.
    pub(super) fn within_pass(&mut self, at: Option<f64>) -> f64 {
        let Some(at) = at else { return self.latest_offset };
        let latest = *self.latest.get_or_insert(at);
        let silence = at - latest;
        let mut offset = self.latest_offset + silence;
        if silence > self.gap_max_s {
            self.skipped_s += silence - self.gap_max_s;
            offset = self.latest_offset + self.gap_max_s;
        }
        if at > latest {
            (self.latest, self.latest_offset) = (Some(at), offset);
        }
        // A request from before the first is out of order: it is due at once.
        offset.max(0.0)
    }

    /// Ends a pass of which `from..to` is played. The next pass follows at the
    /// mean distance of two requests.
    pub(super) fn end_pass(&mut self, from: f64, to: Option<f64>) {
        let whole = self.latest_offset;
        let length = to.map_or(whole, |to| to.min(whole)) - from;
        let gap = if self.timed > 1 { whole / (self.timed - 1) as f64 } else { 0.0 };
        let (pass_start, skipped_s) = (self.pass_start + length.max(0.0) + gap, self.skipped_s);
        *self = Self { pass_start, skipped_s, ..Self::new(self.gap_max_s) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usable(times: &[Option<f64>]) -> Vec<Option<f64>> {
        let mut clock = FileClock::new(60.0);
        let next = |nth: usize| times[nth + 1..].iter().copied().flatten().next();
        times.iter().enumerate().map(|(nth, at)| clock.usable(*at, next(nth))).collect()
    }

    fn offsets(times: &[f64]) -> Vec<f64> {
        let mut offsets = Offsets::new(60.0);
        times.iter().map(|at| offsets.within_pass(Some(*at))).collect()
    }

    #[test]
    fn a_time_far_from_its_neighbours_is_replaced() {
        let times = [100.0, 101.0, 3701.0, 102.0, 1.0, 103.0].map(Some);
        assert_eq!(usable(&times), [100.0, 101.0, 101.0, 102.0, 102.0, 103.0].map(Some));
    }

    #[test]
    fn a_missing_or_odd_first_time_waits_for_nothing() {
        assert_eq!(usable(&[None, Some(1.7e9), Some(1.7e9)]), [None, Some(1.7e9), Some(1.7e9)]);
        assert_eq!(usable(&[Some(0.0), Some(1.7e9), Some(1.7e9)]), [None, Some(1.7e9), Some(1.7e9)]);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let times = [5000.0, 5001.0, 1001.0, 1002.0, 1003.0].map(Some);
        assert_eq!(usable(&times), [5000.0, 5001.0, 5001.0, 5002.0, 5003.0].map(Some));
    }

    #[test]
    fn long_silences_are_shortened() {
        assert_eq!(offsets(&[10.0, 11.0, 4011.0, 4012.0, 4011.5]), [0.0, 1.0, 61.0, 62.0, 61.5]);
    }

    proptest! {
        #[test]
        fn no_request_waits_longer_than_the_limit_for_the_one_before(
            times in prop::collection::vec(prop::option::of(0.0..1e10), 1..40),
        ) {
            let mut all = Offsets::new(60.0);
            let mut latest = 0.0_f64;
            for at in usable(&times) {
                let offset = all.within_pass(at);
                prop_assert!(offset >= 0.0 && offset <= latest + 60.0 + 1e-3, "{} after {}", offset, latest);
                latest = latest.max(offset);
            }
        }
    }
}
