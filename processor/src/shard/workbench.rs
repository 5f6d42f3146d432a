//! The things that the steps of one outlet work with.

use super::flights::Flights;
use crate::commit::Commit;
use crate::context::Context;

/// The things that the steps of one outlet work with, beside the outlet.
pub(super) struct Workbench<'a> {
    pub(super) context: &'a Context,
    pub(super) flights: &'a mut Flights,
    /// Gathers the changes that must be durable.
    pub(super) commit: &'a mut Commit,
    /// The newest commit that is durable.
    pub(super) durable: u64,
    pub(super) now_ms: u64,
}
