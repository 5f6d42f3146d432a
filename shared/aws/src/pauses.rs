//! Pauses between the tries of a request.

use sluice_model::ids::random_u128;
use std::time::Duration;

/// The first pause of a row, before its jitter.
const FIRST: Duration = Duration::from_millis(25);

/// Pauses that double until progress is made, and end after so many in a row.
#[derive(Debug)]
pub(crate) struct Pauses {
    made: u32,
    max: u32,
}

impl Pauses {
    /// At most `max` pauses in a row.
    pub(crate) const fn new(max: u32) -> Self {
        Self { made: 0, max }
    }

    /// Something was done: the next pause is a short one again.
    pub(crate) const fn progress(&mut self) {
        self.made = 0;
    }

    /// The length of the next pause; nothing where there were enough in a row.
    fn next(&mut self) -> Option<Duration> {
        if self.made == self.max {
            return None;
        }
        let pause = FIRST * 2u32.pow(self.made.min(10));
        self.made += 1;
        // Between half and one and a half of it, so that writers that were
        // refused together do not come back together.
        Some(pause.mul_f64(0.5 + (random_u128() as u32) as f64 / f64::from(u32::MAX)))
    }

    /// Waits; returns false, at once, where there were enough pauses in a row.
    pub(crate) async fn pause(&mut self) -> bool {
        match self.next() {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_differ_and_end_unless_there_is_progress() {
        let mut pauses = Pauses::new(3);
        let row: Vec<_> = std::iter::from_fn(|| pauses.next()).collect();
        for (pause, wanted_ms) in row.iter().zip([25.0, 50.0, 100.0]) {
            let share = pause.as_secs_f64() * 1000.0 / wanted_ms;
            assert!((0.5..=1.5).contains(&share), "{row:?}");
        }
        assert_eq!(row.len(), 3);
        pauses.progress();
        let other = pauses.next().unwrap();
        assert!(other < Duration::from_millis(38) && other != row[0], "{other:?} after {row:?}");
    }
}
