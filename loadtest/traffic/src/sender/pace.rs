//! Tells a worker's senders when to send next.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::plan::RequestQuota;
use crate::schedule::Schedule;
use crate::summary::Latencies;
use crate::ticker::Ticker;

/// Waking more often than this would cost more than the precision is worth.
const TICK: Duration = Duration::from_micros(200);
/// Longest sleep of a schedule that has ended, after which nothing is due.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// How many requests one wake-up releases; more follow in the next.
const RELEASE_MAX: usize = 1 << 20;

/// Shared by the senders of one worker, on its thread.
#[derive(Debug)]
pub(super) struct SendingPace {
    started: Instant,
    /// Requests due at this time or later do not belong to this run.
    end: Option<Instant>,
    stopping: Cell<bool>,
    stopped: CancellationToken,
    quota: Arc<RequestQuota>,
    open_loop: Option<OpenLoop>,
}

#[derive(Debug)]
struct OpenLoop {
    /// One permit a request that is due and not yet sent.
    due: Semaphore,
    /// When the next permit's request was due.
    times: RefCell<Schedule>,
    /// The same times, ahead of `times` by the permits.
    released: RefCell<Schedule>,
    /// How many requests were released, and how many of them taken.
    counts: Cell<(u64, u64)>,
    /// How late each release was: the generator's own lateness.
    lag: RefCell<Latencies>,
    /// Notified when requests wait although the senders had time to take them.
    crowded: Notify,
}

impl SendingPace {
    /// An open loop if there is a schedule, else a closed one.
    pub(super) fn new(
        started: Instant,
        end: Option<Instant>,
        schedule: Option<Schedule>,
        quota: Arc<RequestQuota>,
    ) -> Self {
        let open_loop = schedule.map(|schedule| OpenLoop {
            due: Semaphore::new(0),
            times: RefCell::new(schedule.clone()),
            released: RefCell::new(schedule),
            counts: Cell::new((0, 0)),
            lag: RefCell::new(Latencies::new()),
            crowded: Notify::new(),
        });
        let (stopping, stopped) = (Cell::new(false), CancellationToken::new());
        Self { started, end, stopping, stopped, quota, open_loop }
    }

    pub(super) fn is_open_loop(&self) -> bool {
        self.open_loop.is_some()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Waits until there is something to send and returns when it was due;
    /// `None` once the run is stopping.
    pub(super) async fn next(&self) -> Option<Instant> {
        if self.stopping.get() {
            return None;
        }
        let Some(open_loop) = &self.open_loop else {
            return self.quota.take().then(Instant::now);
        };
        open_loop.due.acquire().await.ok()?.forget();
        let (released, taken) = open_loop.counts.get();
        open_loop.counts.set((released, taken + 1));
        let due = self.started + open_loop.times.borrow_mut().take();
        self.quota.take().then_some(due)
    }

    /// Releases requests as they fall due, until the run stops.
    pub(super) async fn release(&self, ticker: &Ticker) -> io::Result<()> {
        let Some(open_loop) = &self.open_loop else { return Ok(()) };
        while !self.stopping.get() {
            let wait = {
                let mut released = open_loop.released.borrow_mut();
                let (released_before, taken) = open_loop.counts.get();
                if released_before > taken {
                    open_loop.crowded.notify_one();
                }
                let (elapsed, first) = (self.elapsed(), released.peek());
                let due = released.take_due(elapsed, RELEASE_MAX);
                if due > 0 {
                    open_loop.lag.borrow_mut().record(elapsed.saturating_sub(first));
                }
                open_loop.counts.set((released_before + due as u64, taken));
                open_loop.due.add_permits(due);
                released.peek().saturating_sub(self.started.elapsed())
            };
            // Cancelling a wait loses nothing.
            tokio::select! {
                slept = ticker.sleep(wait.clamp(TICK, WAIT_MAX)) => slept?,
                () = self.stopped.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Waits until requests are due that no sender is free to take; never in a
    /// closed loop. Returns how many there are. Cancel safe.
    pub(super) async fn crowded(&self) -> u64 {
        let Some(open_loop) = &self.open_loop else { return std::future::pending().await };
        loop {
            open_loop.crowded.notified().await;
            let (released, taken) = open_loop.counts.get();
            if released > taken {
                return released - taken;
            }
        }
    }

    /// Waits for `pause`; returns true if the run is stopping.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        // Cancelling a sleep loses nothing.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stopped.cancelled() => {}
        }
        self.stopping.get()
    }

    /// Waits until the run may start no further request. Cancel safe.
    pub(super) async fn used_up(&self) {
        self.quota.used_up().await;
    }

    /// Ends the run. Calls `unsent` with the due time, from the run's start, of each
    /// request that will not be sent, and returns their number.
    pub(super) fn stop(&self, mut unsent: impl FnMut(Duration)) -> u64 {
        self.stopping.set(true);
        self.stopped.cancel();
        let Some(open_loop) = &self.open_loop else { return 0 };
        // Closing takes permits from senders that have one and did not run
        // yet: the semaphore's own count would miss those.
        open_loop.due.close();
        let (released, taken) = open_loop.counts.get();
        let unreleased = open_loop.released.borrow_mut().take_due(self.elapsed(), usize::MAX);
        let due = released - taken + unreleased as u64;
        let mut times = open_loop.times.borrow_mut();
        (0..due).take_while(|_| self.quota.take()).map(|_| unsent(times.take())).count() as u64
    }

    /// Adds how late the generator released due requests: nothing in a closed loop.
    pub(super) fn add_lag_to(&self, lag: &mut Latencies) {
        self.open_loop.iter().for_each(|open_loop| lag.add(&open_loop.lag.borrow()));
    }

    /// How far the run has come: never as far as its end.
    fn elapsed(&self) -> Duration {
        let elapsed = self.started.elapsed();
        let last =
            self.end.map(|end| end - self.started).map(|end| end.saturating_sub(Duration::from_nanos(1)));
        last.map_or(elapsed, |last| elapsed.min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    use crate::profile::{ArrivalSpread, RateProfile};
    use crate::schedule::ScheduleShare;

    fn thousand_a_second() -> Schedule {
        let share = ScheduleShare { share: 1.0, phase: 0.0, seed: 1 };
        Schedule::new(&RateProfile::constant(1000.0), ArrivalSpread::Even, share)
    }

    #[tokio::test]
    async fn requests_keep_the_time_at_which_they_were_due() {
        let started = Instant::now();
        let pace = SendingPace::new(started, None, Some(thousand_a_second()), RequestQuota::new(None));
        let ticker = Ticker::new().expect("a timer");
        let send = async {
            for nth in 0..20 {
                assert_eq!(pace.next().await, Some(started + Duration::from_millis(nth)));
                assert!(started.elapsed() >= Duration::from_millis(nth));
            }
            pace.stop(|_| {})
        };
        let (released, _) = tokio::join!(pace.release(&ticker), send);
        released.expect("the timer works");
        assert_eq!(pace.next().await, None);
    }

    #[tokio::test]
    async fn what_was_due_and_not_sent_is_counted() {
        let started = Instant::now() - Duration::from_millis(100);
        let end = started + Duration::from_millis(50);
        let pace = SendingPace::new(started, Some(end), Some(thousand_a_second()), RequestQuota::new(None));
        let mut due = Vec::new();
        assert_eq!(pace.stop(|at| due.push(at.as_millis())), 50);
        assert_eq!(due, (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_quota_ends_a_loop_and_leaves_nothing_unsent() {
        let started = Instant::now() - Duration::from_millis(100);
        for schedule in [None, Some(thousand_a_second())] {
            let pace = SendingPace::new(started, None, schedule, RequestQuota::new(Some(2)));
            let ticker = Ticker::new().expect("a timer");
            let take = async {
                assert!(pace.next().await.is_some() && pace.next().await.is_some());
                pace.used_up().await;
                assert_eq!(pace.next().await, None);
                pace.stop(|_| {})
            };
            let (released, unsent) = tokio::join!(pace.release(&ticker), take);
            released.expect("the timer works");
            assert_eq!(unsent, 0);
        }
    }

    #[tokio::test]
    async fn requests_that_nobody_takes_are_told() {
        let started = Instant::now() - Duration::from_millis(100);
        let pace = SendingPace::new(started, None, Some(thousand_a_second()), RequestQuota::new(None));
        let ticker = Ticker::new().expect("a timer");
        // The release never ends by itself.
        let waiting = tokio::select! {
            waiting = pace.crowded() => waiting,
            _ = pace.release(&ticker) => 0,
        };
        assert!(waiting >= 100, "{waiting}");
    }

    #[tokio::test]
    async fn a_permit_given_and_not_used_yet_counts_as_unsent() {
        let started = Instant::now() - Duration::from_millis(100);
        let end = started + Duration::from_millis(50);
        let pace =
            Rc::new(SendingPace::new(started, Some(end), Some(thousand_a_second()), RequestQuota::new(None)));
        let waiting = Rc::clone(&pace);
        tokio::task::LocalSet::new()
            .run_until(async move {
                let waiter = tokio::task::spawn_local(async move { waiting.next().await });
                tokio::task::yield_now().await;
                let ticker = Ticker::new().expect("a timer");
                {
                    // Releases all fifty at once; the waiter has its permit and is not run before the stop.
                    let release = std::pin::pin!(pace.release(&ticker));
                    let once = &mut std::task::Context::from_waker(std::task::Waker::noop());
                    assert!(release.poll(once).is_pending());
                }
                assert_eq!(pace.stop(|_| {}), 50);
                assert_eq!(waiter.await.expect("no panic"), None);
            })
            .await;
    }

    #[tokio::test]
    async fn a_closed_loop_sends_at_once_until_it_stops() {
        let pace = SendingPace::new(Instant::now(), None, None, RequestQuota::new(None));
        assert!(pace.next().await.is_some());
        assert!(!pace.pause(Duration::ZERO).await);
        assert_eq!(pace.stop(|_| {}), 0);
        assert_eq!(pace.next().await, None);
        assert!(pace.pause(Duration::from_secs(1000)).await);
    }
}
