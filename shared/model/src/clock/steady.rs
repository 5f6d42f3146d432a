//! A clock for what waits.

use super::now_ms;
use parking_lot::Mutex;
use std::time::Duration;

/// The wall clock, but it never goes back.
///
/// Where the wall clock is set back, this one goes on at half its speed until the wall clock
/// has caught up. So what waits for a time waits at most twice as long, and both clocks are
/// the same again after twice the step. A wall clock that is set forward is followed at once.
pub struct SteadyClock {
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    anchor: Mutex<Anchor>,
}

/// When both clocks were last the same.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Duration,
    ms: u64,
}

impl Anchor {
    /// The time of a clock that never goes back, and the next anchor.
    fn now(self, at: Duration, wall_ms: u64) -> (u64, Self) {
        let half = (at.saturating_sub(self.at) / 2).as_millis() as u64;
        match self.ms + half {
            least if wall_ms >= least => (wall_ms, Self { at, ms: wall_ms }),
            least => (least, self),
        }
    }
}

impl SteadyClock {
    /// A clock that shows the wall clock's time; `elapsed` is the time since any fixed moment.
    pub fn new(elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let anchor = Mutex::new(Anchor { at: elapsed(), ms: now_ms() });
        Self { elapsed: Box::new(elapsed), anchor }
    }

    /// The time now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        let mut anchor = self.anchor.lock();
        let (now_ms, next) = anchor.now((self.elapsed)(), now_ms());
        *anchor = next;
        now_ms
    }
}

impl std::fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteadyClock").field("anchor", &*self.anchor.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times that a steady clock shows while the wall clock shows `walls`, 10 s apart.
    fn shown(walls: &[u64]) -> Vec<u64> {
        let mut anchor = Anchor { at: Duration::ZERO, ms: walls[0] };
        let times = walls.iter().enumerate().map(|(n, wall_ms)| {
            let (now_ms, next) = anchor.now(Duration::from_secs(10 * n as u64), *wall_ms);
            anchor = next;
            now_ms
        });
        times.collect()
    }

    #[test]
    fn it_follows_the_wall_clock_forward() {
        assert_eq!(shown(&[100_000, 110_000, 3_710_000]), [100_000, 110_000, 3_710_000]);
    }

    #[test]
    fn a_step_back_halves_its_speed_until_the_wall_clock_has_caught_up() {
        let walls = [100_000, 80_000, 90_000, 100_000, 110_000, 120_000, 130_000];
        // The step of 30 s is made up for by 60 s at half the speed.
        assert_eq!(shown(&walls), [100_000, 105_000, 110_000, 115_000, 120_000, 125_000, 130_000]);
    }

    #[test]
    fn looking_often_does_not_stop_it() {
        let clock = SteadyClock::new(|| Duration::ZERO);
        let mut anchor = *clock.anchor.lock();
        let (start, wall_ms) = (anchor.ms, anchor.ms - 60_000);
        for micros in (0..1_000_000).step_by(100) {
            anchor = anchor.now(Duration::from_micros(micros), wall_ms).1;
        }
        assert_eq!(anchor.now(Duration::from_secs(1), wall_ms).0, start + 500);
    }
}
