//! The tools for the steps of one outlet.

use super::flights::Flights;
use crate::commit::Commit;
use crate::context::Context;
use crate::endpoint::Endpoint;
use sluice_model::Delivery;

/// The tools for the steps of one outlet, beside the outlet.
pub(super) struct Workbench<'a> {
    pub(super) context: &'a Context,
    pub(super) flights: &'a mut Flights,
    /// Gathers the changes that must be durable.
    pub(super) commit: &'a mut Commit,
    /// The newest durable commit.
    pub(super) durable: u64,
    pub(super) now_ms: u64,
}

impl Workbench<'_> {
    /// The due time of a delivery that goes into the queue: `due_ms`, or later if the
    /// subscription's rate limit demands it.
    pub(super) fn planned_ms(&self, endpoint: &Endpoint, delivery: &Delivery, due_ms: u64) -> u64 {
        self.context.endpoints.planned_ms(endpoint, delivery.event_count(), due_ms, self.now_ms)
    }
}
