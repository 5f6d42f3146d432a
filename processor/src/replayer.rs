//! The task that works replays. Again and again, it puts a page of history into the work queue and then
//! stores the progress.
//!
//! The due times of the deliveries keep the rate, so a page of any size is spread over the time that it
//! may take.

use crate::context::Context;
use crate::parking::DeliveryOwner;
use sluice_history::replay::{self, HistoryWindow, Replay, ReplayStatus, ReplayStore};
use sluice_model::ids::random_u128;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{Delivery, Subscription, SubscriptionStatus, customer::lane_of};
use sluice_ports::PortError;
use sluice_selector::{MatchScratch, Selector};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the task looks for replays if there are none.
const IDLE: Duration = Duration::from_secs(1);
/// How often each replay gets a turn.
const TURN: Duration = Duration::from_millis(50);
/// The most replays that are worked at the same time.
const OPEN_MAX: usize = 256;
/// How long a replay belongs to this task after its last step.
const OWNED_MS: u64 = 10_000;
/// How far ahead of its rate the queue is filled.
const AHEAD_MS: u64 = 2000;
/// Seconds of a replay's rate that may wait in the queue before it pauses.
const BACKLOG_S: u64 = 30;
const BACKLOG_MIN: u64 = 10_000;

/// The task that works replays.
pub(crate) struct Replayer {
    context: Arc<Context>,
    store: ReplayStore,
    owner: u64,
    lanes: u16,
    scratch: MatchScratch,
}

impl Replayer {
    pub(crate) fn new(context: Arc<Context>, store: ReplayStore, lanes: u16) -> Self {
        let owner = (random_u128() as u64).max(1);
        Self { context, store, owner, lanes, scratch: MatchScratch::default() }
    }

    /// Works replays until told to stop. An interrupted step is repeated.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), PortError> {
        let mut wait = IDLE;
        while shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            let open = match self.store.open(OPEN_MAX).await {
                Ok(open) => open,
                Err(error @ PortError::Closed { .. }) => return Err(error),
                Err(error) => {
                    self.context.store_failed(&error);
                    wait = IDLE;
                    continue;
                }
            };
            let (began, any) = (Instant::now(), !open.is_empty());
            for replay in open {
                match self.step(&replay).await {
                    Ok(()) => {}
                    Err(error @ PortError::Closed { .. }) => return Err(error),
                    Err(error) => self.context.store_failed(&error),
                }
            }
            // At most half of one thread, however expensive the selectors are.
            wait = if any { began.elapsed().max(TURN) } else { IDLE };
        }
        Ok(())
    }

    async fn step(&mut self, replay: &Replay) -> Result<(), PortError> {
        let now_ms = self.context.clock().now_ms();
        if replay.status != ReplayStatus::Running {
            return self.store.close(replay).await;
        }
        let others = replay.owner != self.owner && replay.owned_until_ms > now_ms;
        if others || replay.next_ms > now_ms + AHEAD_MS {
            return Ok(());
        }
        let moved = Replay {
            owner: self.owner,
            owned_until_ms: now_ms + OWNED_MS,
            updated_at_ms: now_ms,
            ..replay.clone()
        };
        if replay.owner != self.owner {
            // Take the replay over first; a page is read in the next turn.
            return self.store.change(replay, &moved).await.map(|_ours| ());
        }
        let subscription = self.context.subscription(replay.customer, replay.subscription);
        let Some(subscription) = subscription.filter(|known| known.status == SubscriptionStatus::Active)
        else {
            let stopped = Replay { status: ReplayStatus::Stopped, ..moved };
            return self.store.change(replay, &stopped).await.map(|_made| ());
        };
        let rate = u64::from(replay.rate_per_second.max(1));
        let waiting = self.context.stores.queue.backlog(replay.subscription).events;
        if waiting > (rate * BACKLOG_S).max(BACKLOG_MIN) {
            return Ok(());
        }
        let after = self.page(moved, &subscription, now_ms).await?;
        self.store.change(replay, &after).await.map(|_made| ())
    }

    /// Puts the matching events of a page into the queue. Returns the replay after the page.
    async fn page(
        &mut self,
        mut replay: Replay,
        subscription: &Arc<Subscription>,
        now_ms: u64,
    ) -> Result<Replay, PortError> {
        let directory = self.context.matchers.directory();
        let fan_out =
            directory.customer(replay.customer).map_or(0, |entry| entry.state().customer.fan_out_ever);
        let Ok(selector) = Selector::parse(&subscription.selector) else {
            return Ok(Replay { status: ReplayStatus::Stopped, ..replay });
        };
        if replay.lane >= fan_out.min(self.lanes) {
            return Ok(Replay { status: ReplayStatus::Done, ..replay });
        }
        let window = HistoryWindow {
            customer: replay.customer,
            lane: lane_of(replay.customer, replay.lane, self.lanes),
            after: replay.after,
            start_ms: replay.start_ms,
            end_ms: replay.end_ms,
        };
        let page =
            replay::read_page(&*self.context.stores.events, window, &selector, &mut self.scratch).await?;
        let rate = u64::from(replay.rate_per_second.max(1));
        let owner = DeliveryOwner::new(subscription);
        let is_plain = subscription.shape.is_plain();
        let shape = if is_plain { DeliveryShape::Plain } else { DeliveryShape::Unpinned };
        let (start_ms, mut events) = (replay.next_ms.max(now_ms), 0u64);
        let webhooks = replay::cut(page.matched, subscription.batch.max_events as usize);
        let deliveries: Vec<_> = webhooks
            .into_iter()
            .map(|refs| {
                let due_ms = start_ms + events * 1000 / rate;
                let delivery = Delivery { due_ms, shape, ..owner.delivery(refs, now_ms) };
                events += delivery.event_count() as u64;
                delivery
            })
            .collect();
        if !deliveries.is_empty() {
            self.context.stores.queue.put(deliveries).await?;
            self.context.queue_wake.notify_one();
        }
        replay.next_ms = start_ms + events * 1000 / rate;
        replay.scanned += page.scanned;
        replay.queued += events;
        (replay.lane, replay.after) =
            if page.exhausted { (replay.lane + 1, None) } else { (replay.lane, page.after) };
        Ok(replay)
    }
}

#[cfg(test)]
mod tests;
