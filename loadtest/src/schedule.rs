//! When an open loop means to send: a fixed plan that does not wait for
//! answers, so that a slow server cannot slow the measurement of itself.

use std::time::Duration;

/// The rate of requests over time. Two clones give the same times, so one can
/// count what is due while the other says when each was.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    shape: Shape,
    next: u64,
}

/// Ramps, steps and Poisson arrivals are further shapes.
#[derive(Clone, Debug)]
enum Shape {
    Constant { interval_ns: f64, phase: f64 },
}

impl Schedule {
    /// `per_second` requests, the first after `phase` (0 to 1) of an interval:
    /// workers that share a rate differ in phase.
    pub(crate) fn constant(per_second: f64, phase: f64) -> Self {
        Self { shape: Shape::Constant { interval_ns: 1e9 / per_second, phase }, next: 0 }
    }

    /// When the next request is due, from the start of the run.
    pub(crate) fn peek(&self) -> Duration {
        match self.shape {
            Shape::Constant { interval_ns, phase } => {
                Duration::from_nanos(((self.next as f64 + phase) * interval_ns) as u64)
            }
        }
    }

    /// Takes the next request.
    pub(crate) fn take(&mut self) -> Duration {
        let due = self.peek();
        self.next += 1;
        due
    }

    /// Takes all that are due by `elapsed`, at most `limit`; how many.
    pub(crate) fn take_due(&mut self, elapsed: Duration, limit: usize) -> usize {
        (0..limit).take_while(|_| (self.peek() <= elapsed).then(|| self.take()).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_evenly_spaced() {
        let mut schedule = Schedule::constant(1000.0, 0.5);
        let times: Vec<_> = (0..3).map(|_| schedule.take().as_micros()).collect();
        assert_eq!(times, [500, 1500, 2500]);
    }

    #[test]
    fn what_is_due_is_counted_once() {
        let mut schedule = Schedule::constant(1000.0, 0.0);
        assert_eq!(schedule.take_due(Duration::from_millis(10), 100), 11);
        assert_eq!(schedule.take_due(Duration::from_millis(10), 100), 0);
        assert_eq!(schedule.take_due(Duration::from_millis(20), 4), 4);
        assert_eq!(schedule.take_due(Duration::from_millis(20), 100), 6);
    }

    #[test]
    fn a_rate_is_kept_over_a_day_without_drift() {
        let mut schedule = Schedule::constant(3.0, 0.0);
        schedule.next = 3 * 86_400;
        assert_eq!(schedule.take().as_millis(), 86_400_000);
    }
}
