//! The task of one shard: log → match → outboxes → POSTs → facts → settled → checkpoint.
//!
//! Everything that a crash would lose is still in the log: a position is
//! checkpointed only when each of its events is taken with its fact durable,
//! or waits durably in the queue, or is a durable dead letter, or is unmatched.
//! So whatever dies here, at whatever moment, is done again by the next owner.

mod intake;
mod outlets;
mod parked;

use crate::attempt::Attempted;
use crate::commit::Commit;
use crate::conclude::conclude;
use crate::context::Context;
use crate::health::ShardHealth;
use crate::ledger::{Ledger, Stored};
use crate::matcher::Match;
use crate::metrics::ShardMetrics;
use crate::settlement::{self, Ending, Held};
use crate::slice::{Slice, Ticket};
use crate::watermark::Watermark;
use intake::Intake;
use outlets::{InFlight, Outlet, Outlets};
use parked::Loaded;
use sluice_shared::model::{
    Batch, DeadLetterReason, Delivery, DeliveryId, EventRef, EventSet, LastAttempt, SubscriptionId,
    SubscriptionStatus,
};
use sluice_shared::ports::PortError;
use sluice_shared::ports::catalogue::Revision;
use sluice_shared::ports::event_store::NewBatch;
use sluice_shared::ports::log::{LogItem, LogRecord, Position, ShardId};
use sluice_shared::selector::MatchScratch;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Batches matched before other things get their turn.
const BATCHES_A_TURN: usize = 64;

/// How often the housekeeping runs.
const TICK_MS: u64 = 100;

/// How long an outlet is kept without events.
const OUTLET_IDLE_MS: u64 = 600_000;

/// An outbox with this share of the shard's caps is a large one.
const LARGE_SHARE: usize = 16;

/// POSTs that take longer than this make an endpoint slow, however many are in flight.
const SLOW_POST_MS: u64 = 100;

/// The task of one shard.
pub(crate) struct Shard {
    context: Arc<Context>,
    id: ShardId,
    health: Arc<ShardHealth>,
    metrics: ShardMetrics,
    watermark: Watermark,
    intake: Intake,
    outlets: Outlets,
    ledger: Ledger,
    scratch: MatchScratch,
    /// When the newest matched batch was accepted.
    matched_ms: u64,
    /// The catalogue's revision that outlets were compared with.
    revision: Revision,
    /// When a checkpoint was stored, or there was none to store.
    checkpointed_ms: u64,
    tick_ms: u64,
    /// What is parked for subscriptions that are not known (yet).
    orphans: Vec<Loaded>,
}

impl Shard {
    /// Takes the shard up where its checkpoint says.
    pub(crate) async fn open(
        context: Arc<Context>,
        id: ShardId,
        health: Arc<ShardHealth>,
    ) -> Result<Self, PortError> {
        let position = context.stores.events.load_checkpoint(&id).await?;
        let loaded = parked::load_all(&context, &id).await?;
        tracing::info!(shard = %id, ?position, parked = loaded.len(), "reading the shard");
        let mut shard = Self {
            metrics: ShardMetrics::new(&id.0),
            watermark: Watermark::new(position),
            intake: Intake::new(Arc::clone(&context), id.clone(), position),
            outlets: Outlets::new(Arc::clone(&context)),
            ledger: Ledger::new(Arc::clone(&context), Some(id.clone()), position),
            scratch: MatchScratch::default(),
            matched_ms: 0,
            revision: Revision::default(),
            checkpointed_ms: context.clock().now_ms(),
            tick_ms: 0,
            orphans: Vec::new(),
            context,
            id,
            health,
        };
        shard.take_over(loaded);
        Ok(shard)
    }

    /// Takes over what is parked: all of it before the first POST. What is of
    /// a subscription that is not known waits for a catalogue that is fresh.
    fn take_over(&mut self, loaded: Vec<Loaded>) {
        let now_ms = self.now_ms();
        for of in loaded {
            let matcher = self.context.matchers.of(of.owner.customer);
            match matcher.as_ref().and_then(|matcher| matcher.by_id(of.owner.subscription)) {
                Some(listener) => self.outlets.load(listener, of, now_ms),
                None => self.orphans.push(of),
            }
        }
    }

    /// What nobody wants any more of what was parked is a dead letter. The
    /// catalogue is fresh.
    fn give_up_orphans(&mut self, now_ms: u64) {
        let orphans = std::mem::take(&mut self.orphans);
        self.take_over(orphans);
        for of in std::mem::take(&mut self.orphans) {
            let known = self.context.subscription(of.owner.customer, of.owner.subscription);
            let reason = reason_of(known.as_ref().map(|of| &of.status));
            parked::give_up_loaded(of, &mut self.ledger.pending, reason, now_ms);
        }
    }

    /// Works the shard until told to stop, or until it is closed and wholly
    /// settled; then ends it in order. Says whether it is settled for ever.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<bool, PortError> {
        self.health.started(self.now_ms());
        while !shutdown.is_cancelled() && !self.ledger.is_settled_for_ever() {
            let more = self.turn();
            let sleep = self.sleep();
            // No branch loses anything when another wins: what is under way
            // stays in the intake, the ledger and the join set.
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.outlets.jobs.join_next_with_id() => self.ended(ended),
                stored = self.ledger.next() => self.stored(stored?),
                read = self.intake.next() => read?,
                () = std::future::ready(()), if more => {}
                () = tokio::time::sleep(sleep) => {}
            }
            // Branches may all be ready for long: other tasks want the thread too.
            tokio::task::coop::consume_budget().await;
        }
        let settled = self.ledger.is_settled_for_ever();
        self.finish().await?;
        Ok(settled)
    }

    fn now_ms(&self) -> u64 {
        self.context.clock().now_ms()
    }

    /// Does all that can be done now without waiting; says whether there is more.
    fn turn(&mut self) -> bool {
        while let Some(ended) = self.outlets.jobs.try_join_next_with_id() {
            self.ended(ended);
        }
        let now_ms = self.now_ms();
        let more = self.match_some(now_ms);
        if !self.watermark.is_full(&self.context.config.shard.caps()) {
            self.intake.read_on();
        }
        if now_ms >= self.tick_ms {
            self.tick_ms = now_ms + TICK_MS;
            self.tick(now_ms);
        }
        self.outlets.pump(&mut self.ledger.pending, now_ms);
        self.ledger.start(now_ms, self.watermark.settled(), false);
        more
    }

    fn sleep(&self) -> Duration {
        let wakes =
            [self.outlets.wake_ms(), self.ledger.wake_ms(self.watermark.settled()), Some(self.tick_ms)];
        let first = wakes.into_iter().flatten().min().unwrap_or(0);
        Duration::from_millis(first.saturating_sub(self.now_ms()).max(1))
    }

    /// Matches some of what was read; says whether there is more that may be matched.
    fn match_some(&mut self, now_ms: u64) -> bool {
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

    /// An attempt ended, or its task did.
    fn ended(&mut self, ended: Result<(Id, Option<Attempted>), JoinError>) {
        let (task, attempted) = match ended {
            Ok((task, Some(attempted))) => (task, attempted),
            // Withdrawn before it began: who withdrew it has dealt with its events.
            Ok((_, None)) => return,
            Err(error) => {
                tracing::error!(shard = %self.id, %error, "a delivery's task ended without a result");
                let lost = Attempted::lost(self.now_ms(), "the attempt broke off".into());
                (error.id(), lost)
            }
        };
        let Some(flying) = self.outlets.in_flight.remove(&task) else { return };
        let held = if flying.detached.is_some() { Held::ByQueue } else { Held::ByLog };
        let InFlight { listener, delivery, tickets, parked, slices, .. } = flying;
        let held = if parked.is_some() { Held::ByLog } else { held };
        let commit = &mut self.ledger.pending;
        let ending = if parked.is_some() || !slices.is_empty() {
            let mut own = Commit::default();
            let ending = conclude(&self.context, &mut own, &listener.target, delivery, &attempted, held);
            if let Some(outlet) = self.outlets.all.get_mut(&listener.target.id()) {
                let held_anew = outlet.settle_parked(&mut own, &slices, parked, commit.generation);
                commit.absorb(own);
                if held_anew {
                    outlet.park_held(commit, attempted.ended_ms);
                }
                self.outlets.cap_parked(listener.target.id(), commit, attempted.ended_ms);
            } else {
                commit.absorb(own);
            }
            ending
        } else {
            conclude(&self.context, commit, &listener.target, delivery, &attempted, held)
        };
        for (ticket, events) in tickets {
            commit.settle(ticket, events);
        }
        let id = listener.target.id();
        let Some(outlet) = self.outlets.all.get_mut(&id) else { return };
        outlet.in_flight -= usize::from(held == Held::ByLog);
        outlet.latency_ms = (outlet.latency_ms * 7 + attempted.latency_ms()) / 8;
        let is_same = outlet.listener.target.subscription().version == listener.target.subscription().version;
        if ending == Ending::GaveUp(DeadLetterReason::SubscriptionDisabled) && is_same {
            outlet.gone = Some((DeadLetterReason::SubscriptionDisabled, attempted.ended_ms));
        }
        self.outlets.touch(id);
    }

    fn stored(&mut self, stored: Stored) {
        match stored {
            Stored::Committed(commit) => {
                for (ticket, events) in commit.settled() {
                    self.watermark.settle(*ticket, *events);
                }
                self.outlets.made_durable(commit.generation);
                self.health.progressed(self.now_ms());
            }
            Stored::Checkpointed(Some(_)) => self.checkpointed_ms = self.now_ms(),
            Stored::Checkpointed(None) => {}
        }
    }

    /// What is looked at a few times a second rather than at every turn.
    fn tick(&mut self, now_ms: u64) {
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

    /// Ends: no more reading, a short grace for POSTs in flight, what they
    /// came to durable, a last checkpoint. Whatever is left unsettled is read
    /// again by the next owner. The caller bounds the whole by its deadline.
    async fn finish(mut self) -> Result<(), PortError> {
        self.outlets.withdraw_staged();
        let grace = Duration::from_millis(self.context.config.shutdown.grace_ms);
        let until = Instant::now() + grace;
        loop {
            self.ledger.start(self.now_ms(), self.watermark.settled(), true);
            let flying = !self.outlets.in_flight.is_empty();
            if !flying && self.ledger.is_idle(self.watermark.settled()) {
                break;
            }
            // As in `run`, no branch loses anything.
            tokio::select! {
                Some(ended) = self.outlets.jobs.join_next_with_id(), if flying => self.ended(ended),
                stored = self.ledger.next() => self.stored(stored?),
                () = tokio::time::sleep_until(until), if flying => {
                    self.outlets.in_flight.clear();
                    self.outlets.jobs.abort_all();
                }
            }
        }
        self.health.stopped();
        tracing::info!(shard = %self.id, position = ?self.watermark.settled(), "left the shard");
        Ok(())
    }
}

/// Why a subscription that is not active gets nothing.
pub(crate) fn reason_of(status: Option<&SubscriptionStatus>) -> DeadLetterReason {
    match status {
        Some(SubscriptionStatus::Disabled { reason }) if reason == "backlog_full" => {
            DeadLetterReason::BacklogFull
        }
        Some(SubscriptionStatus::Disabled { .. } | SubscriptionStatus::Active) | None => {
            DeadLetterReason::SubscriptionDisabled
        }
    }
}

#[cfg(test)]
mod leased;
#[cfg(test)]
mod ordered_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod throughput;
