//! The rate limits of a deployment with one ingest process: the customers' limiters in the
//! directory.

use crate::directory::Directory;
use async_trait::async_trait;
use sluice_model::limiter::{Denied, Quota};
use sluice_ports::rates::{RatedCustomer, Rates, Taken};
use std::sync::Arc;

/// The rate limits of one ingest process that has all the traffic.
#[derive(Debug)]
pub struct LocalRates {
    /// Holds the limiters and their clock.
    directory: Arc<Directory>,
}

impl LocalRates {
    /// The limits of a directory's customers.
    #[must_use]
    pub const fn new(directory: Arc<Directory>) -> Self {
        Self { directory }
    }

    fn now_ns(&self) -> u64 {
        self.directory.limiter_now_ns()
    }
}

#[async_trait]
impl Rates for LocalRates {
    fn take(&self, customer: RatedCustomer<'_>, events: u64) -> Taken {
        customer.limiter.take(events, self.now_ns()).map_or_else(Taken::No, |()| Taken::Yes)
    }

    async fn lease(&self, customer: RatedCustomer<'_>, events: u64) -> Result<(), Denied> {
        customer.limiter.take(events, self.now_ns())
    }

    fn give_back(&self, customer: RatedCustomer<'_>, events: u64) {
        customer.limiter.give_back(events);
    }

    fn quota(&self, customer: RatedCustomer<'_>) -> Quota {
        customer.limiter.quota(self.now_ns())
    }
}
