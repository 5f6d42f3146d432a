//! What leaves the log for the queue, or for the dead letters.

use super::{Outlets, delivery_of, tickets_of};
use crate::commit::Commit;
use crate::settlement::{self, Held};
use sluice_model::{DeadLetterReason, SubscriptionId};
use std::sync::Arc;

impl Outlets {
    /// Gives all that waits to the queue, due then; or makes dead letters of
    /// it, where the subscription is gone or its backlog is full.
    pub(in crate::shard) fn hand_over(
        &mut self,
        id: SubscriptionId,
        commit: &mut Commit,
        due_ms: u64,
        now_ms: u64,
    ) {
        self.park_flying(id, commit, now_ms);
        let Some(outlet) = self.all.get_mut(&id) else { return };
        let listener = Arc::clone(&outlet.listener);
        let mut leaving = Vec::new();
        if let Some(staged) = outlet.staged.take()
            && let Some(flying) = self.in_flight.remove(&staged.task)
        {
            leaving.push((flying.delivery, flying.tickets, flying.slices));
        }
        let ordered = listener.target.subscription().ordered;
        while let Some(cut) = outlet.outbox.cut(&listener.target.subscription().batch, ordered) {
            leaving.push((delivery_of(&cut, &listener, now_ms), tickets_of(&cut), cut.slices));
        }
        let parked = outlet.parked.events();
        if leaving.is_empty() && (parked == 0 || outlet.gone.is_none()) {
            return;
        }
        let events: usize = leaving.iter().map(|(delivery, ..)| delivery.event_count()).sum();
        let queue = &self.context.stores.queue;
        let waiting = commit.waiting_events(id) + parked + events;
        let backlog = queue.backlog(id).events + waiting as u64;
        if outlet.gone.is_none() && backlog > self.context.config.queue.backlog_events_max {
            commit.disable(listener.target.subscription(), "backlog_full");
            outlet.gone = Some((DeadLetterReason::BacklogFull, now_ms));
        }
        let gone = outlet.gone;
        let metrics = self.context.metrics();
        if gone.is_none() {
            metrics.events_handed_over.increment(events as u64);
        }
        if let Some((reason, _)) = gone {
            outlet.give_up_parked(commit, metrics, reason, now_ms);
        }
        for (delivery, tickets, slices) in leaving {
            match gone {
                None if ordered && !slices.is_empty() => {
                    outlet.park_behind(commit, &slices, due_ms, now_ms);
                }
                None => settlement::wait(commit, delivery, due_ms),
                Some((reason, _)) => {
                    metrics.ending(settlement::Ending::GaveUp(reason), delivery.event_count());
                    settlement::give_up(commit, delivery, reason, Held::ByLog, now_ms);
                }
            }
            for (ticket, events) in tickets {
                commit.settle(ticket, events);
            }
        }
    }

    /// POSTs older than the age cap stop holding the log: the queue holds
    /// their events from now on, until they end. Where there is no room for
    /// more of them, they are stopped.
    pub(in crate::shard) fn detach_old(&mut self, commit: &mut Commit, now_ms: u64) {
        let config = &self.context.config;
        let timeout_ms = config.webhook.timeout_ms;
        for flying in self.in_flight.values_mut() {
            let young = flying.since_ms + config.shard.age_cap_ms > now_ms;
            if young || flying.parked.is_some() || flying.staged || flying.detached.is_some() {
                continue;
            }
            let Some(room) = self.context.detach(flying.body_bytes) else {
                if let Some(stop) = flying.stop.take() {
                    // An attempt that ended meanwhile does not hear it.
                    stop.send(()).ok();
                }
                continue;
            };
            flying.detached = Some(room);
            let id = flying.listener.target.id();
            // Not before this attempt has ended, whichever way.
            let due_ms = now_ms + timeout_ms + 1000;
            if let Some(outlet) = self.all.get_mut(&id) {
                flying.parked = outlet.park_away(commit, &flying.delivery, &flying.slices, due_ms);
                outlet.park_held(commit, now_ms);
            }
            if flying.parked.is_none() {
                settlement::wait(commit, flying.delivery.clone(), due_ms);
            }
            for (ticket, events) in flying.tickets.drain(..) {
                commit.settle(ticket, events);
            }
            if let Some(outlet) = self.all.get_mut(&id) {
                // A parked entry is still the one delivery that may be on its way.
                outlet.in_flight -= usize::from(flying.parked.is_none());
                outlet.slow_until_ms = now_ms + config.shard.age_cap_ms;
                self.touched.push(id);
            }
        }
    }
}
