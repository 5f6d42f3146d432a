//! What time it is, and a die: injected, so that tests decide.

use std::sync::Arc;

/// The wall clock in milliseconds since the Unix epoch, or what a test says it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn wall() -> Self {
        Self(Arc::new(sluice_model::clock::now_ms))
    }

    /// A clock that starts at `start_ms` and goes with Tokio's, paused or not.
    #[must_use]
    pub fn tokio(start_ms: u64) -> Self {
        let start = tokio::time::Instant::now();
        Self(Arc::new(move || start_ms + start.elapsed().as_millis() as u64))
    }

    /// Now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now_ms()).finish()
    }
}

/// A random number in `0..1`. A system call: for failures, not for the hot path.
#[must_use]
pub fn random() -> f64 {
    let bits = sluice_model::ids::random_u128() as u64 >> 11;
    bits as f64 / (1u64 << 53) as f64
}
