//! Searches for the highest rate at which a server keeps its limits. These are only the
//! rules; the caller makes the runs.

use serde::Serialize;

/// The state of a search: it doubles the rate until one fails, then bisects.
#[derive(Clone, Copy, Debug)]
pub struct RateSearch {
    low: f64,
    high: f64,
    precision: f64,
    passed: Option<f64>,
    failed: Option<f64>,
}

/// A rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchStep {
    /// Events per second asked for.
    pub rate: f64,
    /// Whether all limits held.
    pub ok: bool,
    /// Events accepted per second.
    pub events_per_s: f64,
    /// 99th percentile of the latency, µs; `None` if nothing was measured.
    pub p99_us: Option<f64>,
    /// Why the rate failed, in words.
    pub reasons: Vec<String>,
}

impl RateSearch {
    /// Searches `low..=high` events per second, to within `precision` of the
    /// highest good rate (0.05 is 5 %); `None` if that is no range.
    pub fn new(low: f64, high: f64, precision: f64) -> Option<Self> {
        let valid = low > 0.0 && low <= high && high.is_finite() && (0.001..=1.0).contains(&precision);
        valid.then_some(Self { low, high, precision, passed: None, failed: None })
    }

    /// The rate to try next; `None` once the search is over.
    pub fn next_rate(&self) -> Option<f64> {
        match (self.passed, self.failed) {
            (None, None) => Some(self.low),
            (None, Some(_)) => None,
            (Some(passed), None) => (passed < self.high).then(|| (passed * 2.0).min(self.high)),
            (Some(passed), Some(failed)) => {
                (failed - passed > passed * self.precision).then_some((passed + failed) / 2.0)
            }
        }
    }

    /// Takes the result of a rate that was tried.
    pub fn tried(&mut self, rate: f64, ok: bool) {
        *(if ok { &mut self.passed } else { &mut self.failed }) = Some(rate);
    }

    /// The highest rate that kept the limits so far.
    pub fn highest(&self) -> Option<f64> {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(low: f64, high: f64, capacity: f64) -> (Option<f64>, usize) {
        let mut search = RateSearch::new(low, high, 0.05).expect("a range");
        let mut steps = 0;
        while let Some(rate) = search.next_rate() {
            search.tried(rate, rate <= capacity);
            steps += 1;
        }
        (search.highest(), steps)
    }

    #[test]
    fn the_ends_of_the_range_are_kept() {
        assert_eq!(search(1000.0, 9000.0, 1e9).0, Some(9000.0));
        assert_eq!(search(1000.0, 9000.0, 10.0), (None, 1));
        assert!(RateSearch::new(10.0, 5.0, 0.05).is_none() && RateSearch::new(0.0, 5.0, 0.05).is_none());
    }

    proptest! {
        #[test]
        fn the_highest_good_rate_is_found_in_few_steps(capacity in 1000.0..1e6_f64) {
            let (highest, steps) = search(1000.0, 1e6, capacity);
            let highest = highest.expect("the lowest is good");
            prop_assert!(highest <= capacity && highest * 1.05 >= capacity * 0.999, "{} of {}", highest, capacity);
            prop_assert!(steps <= 18, "{}", steps);
        }
    }
}
