//! The engine's clock, which tests set.

use sluice_model::clock;
use std::fmt;
use std::sync::Arc;

/// Milliseconds since the Unix epoch, from the machine or from a test.
#[derive(Clone)]
pub struct EngineClock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl EngineClock {
    /// A clock that asks `now_ms`.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl Default for EngineClock {
    /// The machine's clock.
    fn default() -> Self {
        Self::new(clock::now_ms)
    }
}

impl fmt::Debug for EngineClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EngineClock").field(&self.now_ms()).finish()
    }
}
