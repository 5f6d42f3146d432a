//! The time, and random numbers.

use sluice_model::clock::SteadyClock;
use std::sync::Arc;
use tokio::time::Instant;

/// Tells the time in milliseconds since the Unix epoch. It never goes back, as the
/// machine's clock may: whatever waits would wait as much longer.
#[derive(Debug, Clone)]
pub struct Clock(Arc<SteadyClock>);

impl Clock {
    /// A clock that shows the machine's time.
    #[must_use]
    pub fn start() -> Self {
        let started = Instant::now();
        Self(Arc::new(SteadyClock::new(move || started.elapsed())))
    }

    /// Now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

/// A random number in `0..1`. It costs a system call, so it is for failures and not for the hot path.
#[must_use]
pub fn random() -> f64 {
    let bits = sluice_model::ids::random_u128() as u64 >> 11;
    bits as f64 / (1u64 << 53) as f64
}
