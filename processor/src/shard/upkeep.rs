//! What is looked at a few times a second: outlets that fell behind, versions
//! of subscriptions, metrics and health.

use super::outlets::Outlet;
use super::{Shard, reason_of};
use sluice_ports::log::LogItem;
use std::time::Duration;

/// How long an outlet is kept without events.
const OUTLET_IDLE_MS: u64 = 600_000;

/// An outbox with this share of the shard's caps is a large one.
const LARGE_SHARE: usize = 16;

/// POSTs that take longer than this make an endpoint slow, however many are in flight.
const SLOW_POST_MS: u64 = 100;

impl Shard {
    /// What is looked at a few times a second rather than at every turn.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.outlets.detach_old(&mut self.ledger.pending, now_ms);
        if self.watermark.is_full(&self.context.config.shard.caps()) {
            self.relieve(now_ms);
        }
        let revision = self.context.matchers.directory().revision();
        if revision != self.revision {
            self.revision = revision;
            self.follow_catalogue(now_ms);
        }
        let age_max = Duration::from_millis(self.context.config.shard.snapshot_age_max_ms);
        if !self.orphans.is_empty() && self.context.matchers.directory().age() <= age_max {
            self.give_up_orphans(now_ms);
        }
        self.outlets.forgive(now_ms);
        self.outlets.evict(now_ms.saturating_sub(OUTLET_IDLE_MS));
        self.report(now_ms);
    }

    /// The shard is full: outlets with much of it whose endpoint is slow give
    /// it to the queue. An endpoint counts as slow if its POSTs take long, or
    /// if there is anybody else on the shard to wait for it. Where all that is
    /// left is one fast endpoint with more events than it can take, the log is
    /// the better place to wait.
    fn relieve(&mut self, now_ms: u64) {
        let config = &self.context.config.shard;
        let behind = |outlet: &Outlet| {
            let large = outlet.outbox.events() >= config.unsettled_events_max / LARGE_SHARE
                || outlet.outbox.bytes() >= config.unsettled_bytes_max / LARGE_SHARE;
            let waits_ms = outlet.outbox.oldest_ms().map_or(0, |since| now_ms.saturating_sub(since));
            large && waits_ms >= config.overtake_after_ms
        };
        let others = self.outlets.all.values().any(|outlet| !behind(outlet));
        let slow = self
            .outlets
            .all
            .iter()
            .filter(|(_, outlet)| behind(outlet) && (others || outlet.latency_ms >= SLOW_POST_MS));
        let slow: Vec<_> = slow.map(|(id, _)| *id).collect();
        for id in slow {
            self.outlets.slow_down(id, now_ms);
            self.outlets.touch(id);
        }
    }

    /// Outlets take over new versions; those whose subscription is gone give up what they have.
    fn follow_catalogue(&mut self, now_ms: u64) {
        for (id, outlet) in &mut self.outlets.all {
            let subscription = outlet.listener.target.subscription();
            let known = self.context.subscription(subscription.customer, *id);
            let matcher = self.context.matchers.of(subscription.customer);
            match (known, matcher.as_ref().and_then(|matcher| matcher.by_id(*id))) {
                (_, Some(listener)) => outlet.follow(listener),
                (known, None) => {
                    outlet.gone = Some((reason_of(known.as_ref().map(|of| &of.status)), now_ms));
                }
            }
        }
        let ids: Vec<_> = self.outlets.all.keys().copied().collect();
        ids.into_iter().for_each(|id| self.outlets.touch(id));
    }

    fn report(&mut self, now_ms: u64) {
        let (events, bytes) = (self.watermark.events(), self.watermark.bytes());
        let caught_up = self.intake.at_end && self.intake.items.is_empty();
        let lag_ms =
            if caught_up || self.matched_ms == 0 { 0 } else { now_ms.saturating_sub(self.matched_ms) };
        if events == 0 && caught_up {
            self.health.progressed(now_ms);
        }
        if events == 0 && self.ledger.is_idle(self.watermark.settled()) {
            self.checkpointed_ms = now_ms;
        }
        let checkpoint_age_ms = now_ms.saturating_sub(self.checkpointed_ms);
        self.metrics.checkpoint_age_seconds.set(checkpoint_age_ms as f64 / 1000.0);
        self.health.observe(lag_ms, events);
        self.metrics.unsettled_events.set(events as f64);
        self.metrics.unsettled_bytes.set(bytes as f64);
        self.metrics.lag_seconds.set(lag_ms as f64 / 1000.0);
        self.metrics.lag_events.set(self.unmatched_events() as f64);
    }

    fn unmatched_events(&self) -> usize {
        let records = self.intake.items.iter().filter_map(|item| match item {
            LogItem::Record(record) => Some(&record.batches),
            LogItem::Damaged { .. } => None,
        });
        records.flatten().map(|batch| usize::from(batch.len())).sum()
    }
}
