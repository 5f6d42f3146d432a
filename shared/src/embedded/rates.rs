//! Rate limits of one process: each customer's limiter is all there is.

use crate::directory::CustomerEntry;
use crate::limiter::{Denied, Quota};
use crate::ports::rates::{Rates, Taken};
use async_trait::async_trait;
use tokio::time::Instant;

/// The rate limits where one edge has all the traffic.
#[derive(Debug)]
pub struct LocalRates {
    started: Instant,
}

impl LocalRates {
    /// Limits that nothing was taken of.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

#[async_trait]
impl Rates for LocalRates {
    fn take(&self, customer: &CustomerEntry, events: u64) -> Taken {
        customer.limiter().take(events, self.now_ns()).map_or_else(Taken::No, |()| Taken::Yes)
    }

    async fn lease(&self, customer: &CustomerEntry, events: u64) -> Result<(), Denied> {
        customer.limiter().take(events, self.now_ns())
    }

    fn give_back(&self, customer: &CustomerEntry, events: u64) {
        customer.limiter().give_back(events);
    }

    fn quota(&self, customer: &CustomerEntry) -> Quota {
        customer.limiter().quota(self.now_ns())
    }
}
