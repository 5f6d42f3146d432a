//! The time, which tests can set; and random numbers.

use std::sync::Arc;

/// Tells the time in milliseconds since the Unix epoch.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn wall() -> Self {
        Self(Arc::new(sluice_model::clock::now_ms))
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

/// A random number in `0..1`. It costs a system call, so it is for failures and not for the hot path.
#[must_use]
pub fn random() -> f64 {
    let bits = sluice_model::ids::random_u128() as u64 >> 11;
    bits as f64 / (1u64 << 53) as f64
}
