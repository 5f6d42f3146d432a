//! From the log to the outlets: which events go to which subscriptions, and
//! which changes must be durable before a record is settled.

use super::outlets::Outlets;
use crate::commit::Commit;
use crate::context::Context;
use crate::matcher::{CustomerMatcher, Match};
use crate::parking::DeliveryOwner;
use crate::settlement::{self, DeliveryEnding, HeldBy};
use crate::slice::{Slice, Ticket};
use sluice_model::{Batch, DeadLetterReason, EventRef, EventSet, SubscriptionId};
use sluice_ports::event_store::NewBatch;
use sluice_ports::log::LogRecord;
use sluice_selector::MatchScratch;
use std::sync::Arc;

/// Matches records.
pub(super) struct Matching {
    context: Arc<Context>,
    scratch: MatchScratch,
}

/// What must happen before a matched record is settled.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outstanding {
    /// (event × subscription) and stored batches that are to become durable.
    pub(super) events: usize,
    /// Bytes of batches that are held in memory for them.
    pub(super) bytes: usize,
}

/// Where the matches of a record go.
pub(super) struct Matched<'a> {
    pub(super) outlets: &'a mut Outlets,
    pub(super) commit: &'a mut Commit,
    /// The place of the record in the watermark.
    pub(super) ticket: Ticket,
    pub(super) now_ms: u64,
}

impl Matching {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, scratch: MatchScratch::default() }
    }

    /// Matches a record; its events are at their outlets then.
    pub(super) fn match_record(&mut self, record: &LogRecord, to: &mut Matched<'_>) -> Outstanding {
        let mut outstanding = Outstanding::default();
        for batch in &record.batches {
            let matcher = self.context.matchers.matcher(batch.customer);
            let found = match &matcher {
                Some(matcher) => matcher.match_batch(batch, &mut self.scratch),
                None => Vec::new(),
            };
            self.count(batch, &found);
            let stores = self.context.stores.events.takes_batches();
            if stores {
                // Its writing is one more thing that must be durable before the record is settled.
                let matched = !found.is_empty();
                to.commit.batch(NewBatch { batch: Arc::clone(batch), matched });
                to.commit.settle(to.ticket, 1);
                outstanding.events += 1;
            }
            if stores || !found.is_empty() {
                outstanding.bytes += batch.body.len();
            }
            if let Some(matcher) = matcher {
                outstanding.events += self.deliver(batch, &matcher, found, to);
            }
        }
        outstanding
    }

    /// Gives the events of a batch to the outlets that want them; returns how
    /// many (event × subscription) they are.
    fn deliver(
        &self,
        batch: &Arc<Batch>,
        matcher: &CustomerMatcher,
        found: Vec<Match>,
        to: &mut Matched<'_>,
    ) -> usize {
        let mut outstanding = 0;
        for Match { listener, events, undecided } in found {
            let listener = matcher.listener(listener);
            outstanding += events.len() + undecided.len();
            if !undecided.is_empty() {
                self.give_up_undecided(batch, listener.target.id(), undecided, to);
            }
            let slice = Slice { batch: Arc::clone(batch), events, ticket: to.ticket };
            to.outlets.push(listener, slice, to.commit, to.now_ms);
        }
        outstanding
    }

    fn count(&self, batch: &Batch, found: &[Match]) {
        let all = usize::from(batch.len());
        let matched = match found {
            [] => 0,
            [one] => one.events.len(),
            many => many.iter().fold(EventSet::new(), |union, found| union.union(&found.events)).len(),
        };
        let metrics = self.context.metrics();
        metrics.events_matched.increment(matched as u64);
        metrics.events_unmatched.increment((all - matched) as u64);
    }

    /// Events that a selector could not judge are neither matched nor dropped:
    /// they become a dead letter, so that somebody looks.
    fn give_up_undecided(
        &self,
        batch: &Batch,
        subscription: SubscriptionId,
        events: EventSet,
        to: &mut Matched<'_>,
    ) {
        let count = events.len();
        self.context.metrics().events_undecided.increment(count as u64);
        let owner = DeliveryOwner { customer: batch.customer, subscription };
        let mut delivery = owner.delivery(vec![EventRef { batch: batch.id, events }], to.now_ms);
        delivery.last.error = Some("the selector could not judge these events within its budget".into());
        delivery.last.at_ms = to.now_ms;
        let reason = DeadLetterReason::Poison;
        self.context.metrics().ending(DeliveryEnding::GaveUp(reason), count);
        settlement::give_up(to.commit, delivery, reason, HeldBy::Log, to.now_ms);
        to.commit.settle(to.ticket, count);
    }
}
