//! From the log to the outlets: which events go to whom, and what of a record
//! must be durable before it is settled.

use super::Shard;
use crate::matcher::Match;
use crate::settlement::{self, Ending, Held};
use crate::slice::{Slice, Ticket};
use sluice_model::{
    Batch, DeadLetterReason, Delivery, DeliveryId, EventRef, EventSet, LastAttempt, SubscriptionId,
};
use sluice_ports::event_store::NewBatch;
use sluice_ports::log::{LogItem, LogRecord, Position};
use std::sync::Arc;

/// Batches matched before other things get their turn.
const BATCHES_A_TURN: usize = 64;

impl Shard {
    /// Matches some of what was read; says whether there is more that may be matched.
    pub(super) fn match_some(&mut self, now_ms: u64) -> bool {
        if !self.intake.may_match() {
            return false;
        }
        if !self.orphans.is_empty() {
            self.give_up_orphans(now_ms);
        }
        let caps = self.context.config.shard.caps();
        let mut batches = 0;
        while !self.watermark.is_full(&caps) {
            if batches >= BATCHES_A_TURN {
                return true;
            }
            match self.intake.items.pop_front() {
                None => {
                    if self.intake.take_closed() {
                        // Settled once everything before it is.
                        self.watermark.push(Position::END, 0, 0);
                    }
                    return false;
                }
                Some(LogItem::Record(record)) => {
                    batches += record.batches.len();
                    self.match_record(&record, now_ms);
                }
                Some(LogItem::Damaged { position, detail }) => {
                    tracing::error!(shard = %self.id, ?position, detail, "passing a damaged place of the log");
                    self.context.metrics().damaged.increment(1);
                    self.watermark.push(position, 0, 0);
                }
            }
        }
        false
    }

    fn match_record(&mut self, record: &LogRecord, now_ms: u64) {
        let ticket = self.watermark.next_ticket();
        let (mut outstanding, mut bytes) = (0, 0);
        let stores = self.context.stores.events.takes_batches();
        for batch in &record.batches {
            self.matched_ms = self.matched_ms.max(batch.id.ms());
            let matcher = self.context.matchers.of(batch.customer);
            let found = match &matcher {
                Some(matcher) => matcher.match_batch(batch, &mut self.scratch),
                None => Vec::new(),
            };
            self.count_matched(batch, &found);
            if stores {
                // Its writing is one more thing that must be durable before it is settled.
                let matched = !found.is_empty();
                self.ledger.pending.batch(NewBatch { batch: Arc::clone(batch), matched });
                self.ledger.pending.settle(ticket, 1);
                outstanding += 1;
            }
            let Some(matcher) = matcher else {
                bytes += if stores { batch.body.len() } else { 0 };
                continue;
            };
            if stores || !found.is_empty() {
                bytes += batch.body.len();
            }
            for of in found {
                let listener = matcher.listener(of.listener);
                outstanding += of.events.len() + of.undecided.len();
                if !of.undecided.is_empty() {
                    self.give_up_undecided(batch, listener.target.id(), of.undecided, ticket, now_ms);
                }
                let slice = Slice { batch: Arc::clone(batch), events: of.events, ticket };
                self.outlets.push(listener, slice, &mut self.ledger.pending, now_ms);
            }
        }
        self.watermark.push(record.position, outstanding, bytes);
    }

    fn count_matched(&self, batch: &Batch, found: &[Match]) {
        let all = usize::from(batch.len());
        let matched = match found {
            [] => 0,
            [one] => one.events.len(),
            many => many.iter().fold(EventSet::new(), |union, of| union.union(&of.events)).len(),
        };
        let metrics = self.context.metrics();
        metrics.events_matched.increment(matched as u64);
        metrics.events_unmatched.increment((all - matched) as u64);
    }

    /// Neither matched nor dropped: a dead letter says that somebody should look.
    fn give_up_undecided(
        &mut self,
        batch: &Batch,
        subscription: SubscriptionId,
        events: EventSet,
        ticket: Ticket,
        now_ms: u64,
    ) {
        let count = events.len();
        self.context.metrics().events_undecided.increment(count as u64);
        let delivery = Delivery {
            id: DeliveryId::new(now_ms),
            customer: batch.customer,
            subscription,
            events: vec![EventRef { batch: batch.id, events }],
            attempts: 0,
            first_attempt_ms: 0,
            last: LastAttempt {
                status: None,
                error: Some("the selector could not judge these events within its budget".into()),
                at_ms: now_ms,
            },
            due_ms: now_ms,
        };
        let reason = DeadLetterReason::Poison;
        self.context.metrics().ending(Ending::GaveUp(reason), count);
        let commit = &mut self.ledger.pending;
        settlement::give_up(commit, delivery, reason, Held::ByLog, now_ms);
        commit.settle(ticket, count);
    }
}
