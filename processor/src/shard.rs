//! The task of one shard: log → match → outboxes → POSTs → facts → settled → checkpoint.
//!
//! Everything that a crash would lose is still in the log: a position is
//! checkpointed only when each of its events is taken with its fact durable,
//! or waits durably in the queue, or is a durable dead letter, or is unmatched.
//! So whatever dies here, at whatever moment, is done again by the next owner.

mod intake;
mod matching;
mod outlets;
mod parked;
mod upkeep;

use crate::attempt::Attempted;
use crate::commit::Commit;
use crate::conclude::conclude;
use crate::context::Context;
use crate::health::ShardHealth;
use crate::ledger::{Ledger, Stored};
use crate::metrics::ShardMetrics;
use crate::settlement::{Ending, Held};
use crate::watermark::Watermark;
use intake::Intake;
use outlets::{InFlight, Outlets};
use parked::Loaded;
use sluice_model::{DeadLetterReason, SubscriptionStatus};
use sluice_ports::PortError;
use sluice_ports::catalogue::Revision;
use sluice_ports::log::ShardId;
use sluice_selector::MatchScratch;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the housekeeping runs.
const TICK_MS: u64 = 100;

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
        let position = context.stores.checkpoints.load(&id).await?;
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
