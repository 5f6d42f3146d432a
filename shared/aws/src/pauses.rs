//! Pauses between the attempts of a request.

use sluice_model::ids::random_u128;
use std::time::Duration;

/// The first pause, before its jitter.
const FIRST: Duration = Duration::from_millis(25);

/// Pauses that double until there is progress, limited in number.
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

    /// Notes progress: the next pause is short again.
    pub(crate) const fn progress(&mut self) {
        self.made = 0;
    }

    /// The length of the next pause; `None` after the last pause.
    fn next(&mut self) -> Option<Duration> {
        if self.made == self.max {
            return None;
        }
        let pause = FIRST * 2u32.pow(self.made.min(10));
        self.made += 1;
        // A random length from half to one and a half of the pause, so that writers that were
        // refused together do not come back together.
        Some(pause.mul_f64(0.5 + (random_u128() as u32) as f64 / f64::from(u32::MAX)))
    }

    /// Waits. Returns false at once after the last pause.
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
