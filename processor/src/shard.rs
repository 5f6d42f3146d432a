//! The task of one shard: log → match → outboxes → POSTs → facts → settled → checkpoint.
//!
//! A position is checkpointed only when each of its events is taken with its fact durable, waits
//! durably in the queue or a parked list, is a durable dead letter, or is unmatched. The log still
//! has all other events, so if this task dies at any moment, the next owner of the shard continues.

mod flights;
mod hand_over;
mod intake;
mod lag;
mod matching;
mod orphans;
mod outlet;
mod outlets;
mod parked;
mod parked_rows;
mod progress;
mod steps;
mod usage;
mod waiting;
mod wakes;
mod workbench;

use crate::context::Context;
use crate::group_commit::{GroupCommit, GroupWrite};
use crate::health::ShardHealth;
use crate::slice::Settles;
use crate::store_wait::until_answered;
use crate::watermark::Watermark;
use flights::EndedTask;
use intake::Intake;
use matching::{Matched, MatchedRecord, Matching};
use orphans::Orphans;
use outlets::{Outlets, Pressure, UnsettledSum};
use parked_rows::ParkedRow;
use progress::{ShardLook, ShardProgress};
use sluice_history::usage::ShardUsage;
use sluice_ports::PortError;
use sluice_ports::catalogue::Revision;
use sluice_ports::log::{LogItem, LogRecord, Position, ShardId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waiting::{LateMatching, UnmatchedBatches};

/// How often the housekeeping runs.
const TICK_MS: u64 = 100;

/// How many batches are matched before other work has a turn.
const BATCHES_A_TURN: usize = 64;

/// The task of one shard.
pub(crate) struct ShardTask {
    context: Arc<Context>,
    id: ShardId,
    intake: Intake,
    matching: Matching,
    waiting: UnmatchedBatches,
    watermark: Watermark,
    outlets: Outlets,
    orphans: Orphans,
    commits: GroupCommit,
    progress: ShardProgress,
    /// How far the leases were told that batches can be read.
    readable: Position,
    /// The catalogue's revision with which outlets were last compared.
    revision: Revision,
    tick_ms: u64,
}

/// How the work of a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardEnd {
    /// The task was told to stop.
    Stopped,
    /// The shard is closed and wholly settled: nothing is left to do.
    Settled,
}

/// Whether records that were read can be matched without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatchTurn {
    /// More can.
    More,
    /// No more can.
    Done,
}

impl ShardTask {
    /// Takes the shard up at its checkpoint. Its parked entries are loaded before the first POST.
    pub(crate) async fn open(
        context: Arc<Context>,
        id: ShardId,
        health: Arc<ShardHealth>,
    ) -> Result<Self, PortError> {
        let blind_since_ms = health.blind_since_ms();
        let progress = ShardProgress::new(&id.0, health, context.clock().now_ms());
        let loading = load(&context, &id);
        let StoredShard { position, usage, parked, waiting } =
            progress.while_waiting(&context, loading).await?;
        tracing::info!(shard = %id, ?position, parked = parked.len(), "reading the shard");
        let now_ms = context.clock().now_ms();
        let mut outlets = Outlets::new(Arc::clone(&context));
        Ok(Self {
            intake: Intake::new(Arc::clone(&context), id.clone(), position, blind_since_ms),
            matching: Matching::new(Arc::clone(&context)),
            waiting,
            watermark: Watermark::new(position).counted_through(usage.through()),
            orphans: Orphans::new(parked, &context, &mut outlets, now_ms),
            outlets,
            commits: GroupCommit::new(Arc::clone(&context), Some((id.clone(), usage)), position),
            progress,
            readable: Position::START,
            revision: Revision::default(),
            tick_ms: 0,
            context,
            id,
        })
    }

    /// Works the shard until told to stop, or until it is closed and wholly settled; then ends
    /// gracefully.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<ShardEnd, PortError> {
        self.progress.started(self.now_ms());
        while !shutdown.is_cancelled() && !self.commits.is_settled_for_ever() {
            let turn = self.turn();
            let sleep = self.sleep();
            // Cancel safe: reads, writes and POSTs under way stay in the intake, the group commit
            // and the flights.
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.outlets.next_ended() => self.land(ended),
                Some(ended) = self.waiting.next() => self.matched_late(ended),
                written = self.commits.next() => self.written(written?),
                read = self.intake.next() => read?,
                () = std::future::ready(()), if turn == MatchTurn::More => {}
                () = tokio::time::sleep(sleep) => {}
            }
            // All branches may be ready for a long time, and other tasks need the thread, too.
            tokio::task::coop::consume_budget().await;
        }
        let end = if self.commits.is_settled_for_ever() { ShardEnd::Settled } else { ShardEnd::Stopped };
        self.finish().await?;
        Ok(end)
    }

    fn now_ms(&self) -> u64 {
        self.context.clock().now_ms()
    }

    /// Does everything that is possible now without waiting.
    fn turn(&mut self) -> MatchTurn {
        while let Some(ended) = self.outlets.try_ended() {
            self.land(ended);
        }
        let now_ms = self.now_ms();
        let turn = self.match_some(now_ms);
        if !self.is_full() {
            self.intake.read_on();
        }
        if now_ms >= self.tick_ms {
            self.tick_ms = now_ms + TICK_MS;
            self.tick(now_ms);
        }
        self.waiting.start();
        self.outlets.pump(&mut self.commits.pending, now_ms);
        self.tell_readable();
        self.commits.start(now_ms, self.watermark.settled(), Some(&mut self.watermark), false);
        turn
    }

    /// Tells the leases how far the inbox can be read, before the checkpoint passes that position.
    fn tell_readable(&mut self) {
        let readable = self.commits.readable();
        if readable > self.readable {
            self.readable = readable;
            self.context.stores.checkpoints.readable(&self.id, readable);
        }
    }

    fn is_full(&self) -> bool {
        self.watermark.is_full(&self.context.config.shard.caps())
    }

    fn pressure(&self) -> Pressure {
        let caps = self.context.config.shard.caps();
        if self.watermark.is_full(&caps) {
            Pressure::Full
        } else if self.watermark.is_filling(&caps) {
            Pressure::Filling
        } else {
            Pressure::Low
        }
    }

    fn sleep(&self) -> Duration {
        let wakes =
            [self.outlets.wake_ms(), self.commits.wake_ms(self.watermark.settled()), Some(self.tick_ms)];
        let first = wakes.into_iter().flatten().min().unwrap_or(0);
        Duration::from_millis(first.saturating_sub(self.now_ms()).max(1))
    }

    /// Matches some of the records that were read.
    fn match_some(&mut self, now_ms: u64) -> MatchTurn {
        if !self.intake.may_match() {
            return MatchTurn::Done;
        }
        self.resolve_orphans(now_ms);
        let mut batches = 0;
        while !self.is_full() {
            if batches >= BATCHES_A_TURN {
                return MatchTurn::More;
            }
            match self.intake.items.pop_front() {
                None if self.intake.take_closed() => {
                    // The end is settled when everything before it is.
                    self.watermark.push(Position::END, 0, 0);
                }
                None => return MatchTurn::Done,
                Some(LogItem::Record(record)) => {
                    batches += record.batches.len();
                    self.match_record(&record, now_ms);
                }
                Some(LogItem::Damaged { position, detail }) => {
                    tracing::error!(shard = %self.id, ?position, detail, "passing a damaged place of the log");
                    self.context.metrics().damaged.increment(1);
                    self.watermark.push(position, 0, 0);
                    self.commits.reach(position);
                }
            }
        }
        MatchTurn::Done
    }

    fn match_record(&mut self, record: &LogRecord, now_ms: u64) {
        let mut sink = Matched {
            outlets: &mut self.outlets,
            waiting: &mut self.waiting,
            commit: &mut self.commits.pending,
            ticket: self.watermark.next_ticket(),
            now_ms,
        };
        let counts = self.watermark.counts(record.position);
        let MatchedRecord { outstanding, usage } = self.matching.match_record(record, counts, &mut sink);
        self.watermark.push_counted(record.position, outstanding.events, outstanding.bytes, usage);
        self.commits.reach(record.position);
    }

    /// Handles the end of a task that matched a waiting batch.
    fn matched_late(&mut self, ended: Result<(Id, LateMatching), JoinError>) {
        let now_ms = self.now_ms();
        let Some(late) = self.waiting.ended(ended, &mut self.commits.pending) else { return };
        let (waiting, ticket) = (late.waiting, self.waiting.next_ticket());
        let mut sink = Matched {
            outlets: &mut self.outlets,
            waiting: &mut self.waiting,
            commit: &mut self.commits.pending,
            ticket,
            now_ms,
        };
        let events = self.matching.deliver_late(late, &mut sink);
        self.waiting.hand_out(waiting, events, &mut self.commits.pending);
    }

    /// Handles the end of a webhook's task.
    fn land(&mut self, ended: EndedTask) {
        let now_ms = self.now_ms();
        self.outlets.land(ended, &mut self.commits.pending, now_ms);
    }

    fn written(&mut self, written: GroupWrite) {
        match written {
            GroupWrite::Committed(commit) => {
                for (ticket, ended) in commit.ended_in_log() {
                    self.watermark.count(*ticket, *ended);
                }
                for (ticket, events) in commit.settled() {
                    match ticket.settles() {
                        Settles::LogEntry(ticket) => self.watermark.settle(ticket, *events),
                        Settles::WaitingBatch(number) => {
                            self.waiting.settle(number, *events, &mut self.commits.pending);
                        }
                    }
                }
                self.outlets.made_durable(commit.generation);
                self.waiting.made_durable(commit.generation);
                self.progress.settled(self.now_ms());
            }
            GroupWrite::Checkpointed(Some(_)) => self.progress.checkpointed(self.now_ms()),
            GroupWrite::Checkpointed(None) | GroupWrite::AddedUp => {}
        }
    }

    /// Does the housekeeping, a few times a second rather than in every turn.
    fn tick(&mut self, now_ms: u64) {
        let pressure = self.pressure();
        self.outlets.detach_old(pressure, &mut self.commits.pending, now_ms);
        if pressure != Pressure::Low {
            let held = UnsettledSum { events: self.watermark.events(), bytes: self.watermark.bytes() };
            self.outlets.relieve(pressure, held, now_ms);
        }
        let directory = self.context.matchers.directory();
        let revision = directory.revision();
        let age_max = Duration::from_millis(self.context.config.shard.snapshot_age_max_ms);
        let fresh = directory.age() <= age_max;
        if revision != self.revision {
            self.revision = revision;
            self.outlets.follow_catalogue(now_ms);
        }
        if fresh {
            self.resolve_orphans(now_ms);
        }
        self.matching.tick(now_ms);
        self.waiting.tick();
        self.outlets.forgive(now_ms);
        self.outlets.evict(now_ms);
        self.report(now_ms);
    }

    /// Gives up parked entries of unknown subscriptions, once the catalogue is fresh.
    fn resolve_orphans(&mut self, now_ms: u64) {
        if !self.orphans.is_empty() {
            let commit = &mut self.commits.pending;
            self.orphans.resolve(&self.context, &mut self.outlets, commit, now_ms);
        }
    }

    fn report(&mut self, now_ms: u64) {
        self.progress.report(&ShardLook {
            now_ms,
            caught_up: self.intake.is_caught_up(now_ms),
            idle: self.commits.is_idle(self.watermark.settled()),
            unsettled_events: self.watermark.events(),
            unsettled_bytes: self.watermark.bytes(),
            behind: self.intake.behind(now_ms),
            waiting_batches: self.waiting.len(),
        });
    }

    /// Ends the work: no more reading, a short grace for POSTs in flight, their outcomes durable, a
    /// last checkpoint. The next owner reads all unsettled events again. The caller bounds the time
    /// by its deadline.
    async fn finish(mut self) -> Result<(), PortError> {
        self.outlets.withdraw_staged();
        let until = Instant::now() + Duration::from_millis(self.context.config.shutdown.grace_ms);
        loop {
            let now_ms = self.now_ms();
            self.tell_readable();
            self.commits.start(now_ms, self.watermark.settled(), Some(&mut self.watermark), true);
            let under_way = self.outlets.any_under_way();
            if !under_way && self.commits.is_idle(self.watermark.settled()) {
                break;
            }
            // A store that is away may keep the task here for long while nobody reads the shard.
            self.report(now_ms);
            // Cancel safe, as in `run`.
            tokio::select! {
                Some(ended) = self.outlets.next_ended(), if under_way => self.land(ended),
                written = self.commits.next() => self.written(written?),
                () = tokio::time::sleep_until(until), if under_way => self.outlets.abandon(),
                () = tokio::time::sleep(Duration::from_millis(TICK_MS)) => {}
            }
        }
        self.progress.stopped();
        tracing::info!(shard = %self.id, position = ?self.watermark.settled(), "left the shard");
        Ok(())
    }
}

/// The stored state of a shard.
struct StoredShard {
    position: Position,
    usage: ShardUsage,
    parked: Vec<ParkedRow>,
    /// The batches that wait to be matched.
    waiting: UnmatchedBatches,
}

async fn load(context: &Arc<Context>, id: &ShardId) -> Result<StoredShard, PortError> {
    let position = until_answered(context, || context.stores.checkpoints.load(id)).await?;
    let usage = load_usage(context, id).await?;
    let lanes = until_answered(context, || context.log.lanes(id)).await?;
    let lanes: Vec<_> = lanes.into_iter().filter(|lane| lane.number() < context.lanes).collect();
    let parked = parked_rows::load_all(context, &lanes).await?;
    let waiting = UnmatchedBatches::load(Arc::clone(context), &lanes).await?;
    Ok(StoredShard { position, usage, parked, waiting })
}

async fn load_usage(context: &Context, id: &ShardId) -> Result<ShardUsage, PortError> {
    let (rows, config) = (&*context.stores.rows, &context.config.usage);
    let loading = || ShardUsage::load(rows, id, config.types_max, config.retention());
    match until_answered(context, loading).await {
        // Usage must not stop deliveries.
        Err(error @ (PortError::Damaged { .. } | PortError::Refused { .. })) => {
            tracing::error!(shard = %id, %error, "the usage of the shard cannot be read: some of it is lost");
            Ok(ShardUsage::anew(id, config.types_max, config.retention(), context.clock().now_ms()))
        }
        loaded => loaded,
    }
}

#[cfg(test)]
mod tests;
