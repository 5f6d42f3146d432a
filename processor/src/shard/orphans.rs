//! Parked entries of subscriptions that are not known (yet).

use super::outlets::Outlets;
use super::parked::ParkedEvents;
use super::parked_rows::ParkedRow;
use crate::commit::Commit;
use crate::context::Context;
use crate::settlement;

/// Parked entries that wait for a fresh catalogue to tell their subscription.
#[derive(Default)]
pub(super) struct Orphans(Vec<ParkedRow>);

impl Orphans {
    /// Gives entries to the outlets of their subscriptions, and keeps those of unknown
    /// subscriptions.
    pub(super) fn new(rows: Vec<ParkedRow>, context: &Context, outlets: &mut Outlets, now_ms: u64) -> Self {
        let mut unknown = Vec::new();
        for row in rows {
            let matcher = context.matchers.matcher(row.owner.customer);
            match matcher.as_ref().and_then(|matcher| matcher.by_id(row.owner.subscription)) {
                Some(listener) => outlets.load(listener, row, now_ms),
                None => unknown.push(row),
            }
        }
        Self(unknown)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Once the catalogue is fresh: gives entries to subscriptions that are known by now, and makes
    /// dead letters of the others.
    pub(super) fn resolve(
        &mut self,
        context: &Context,
        outlets: &mut Outlets,
        commit: &mut Commit,
        now_ms: u64,
    ) {
        let rows = std::mem::take(&mut self.0);
        for row in Self::new(rows, context, outlets, now_ms).0 {
            let subscription = context.subscription(row.owner.customer, row.owner.subscription);
            let reason = settlement::dead_letter_reason(subscription.as_ref().map(|known| &known.status));
            let mut parked = ParkedEvents::new(row.owner);
            parked.load(row.lane, row.entry);
            parked.give_up(commit, context.metrics(), reason, now_ms);
        }
    }
}
