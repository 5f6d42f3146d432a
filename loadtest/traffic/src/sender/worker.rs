//! One sender thread: its runtime, its senders, and its part of the result.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::error::RunError;
use super::live::LiveWorker;
use super::pace::SendingPace;
use super::plan::RunPlan;
use super::request_sender::RequestSender;
use super::shared::WorkerShared;
use super::tally::Tally;
use crate::cpu::CpuMeter;
use crate::process::{ProcessMeter, ProcessUse};
use crate::schedule::{Schedule, ScheduleShare};
use crate::summary::Latencies;
use crate::ticker::Ticker;

/// How often figures are published and files are written.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// Most connections added at a time, so that making their buffers delays nothing.
const GROWTH_MAX: u64 = 4;

/// A worker's part of the result.
#[derive(Debug)]
pub struct WorkerResult {
    /// Counts and histograms.
    pub tally: Tally,
    /// Requests that were due and never taken up.
    pub unsent: u64,
    /// Connections that were in use.
    pub connections: usize,
    /// When the run ended for this worker.
    pub ended: Instant,
    /// How late the generator released what was due.
    pub lag: Latencies,
    /// Processor time of the thread, in cores.
    pub cores: Option<f64>,
    /// Processor time and memory of the watched process.
    pub watched: Option<ProcessUse>,
}

/// Meters of processor time and memory.
#[derive(Debug)]
struct Meters {
    thread: CpuMeter,
    watched: Option<ProcessMeter>,
}

/// The senders of a worker, which grow in number where requests wait.
struct Senders<'a> {
    nth: usize,
    shared: &'a Rc<WorkerShared>,
    connections: usize,
    tasks: JoinSet<()>,
}

/// Why a worker stops sending.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StopCause {
    /// The time is over, or it was told to stop.
    Ended,
    /// The run has started as many requests as it was to.
    UsedUp,
}

/// Runs a worker on this thread until the run ends.
pub(super) fn run(nth: usize, plan: &Arc<RunPlan>, live: &LiveWorker) -> Result<WorkerResult, RunError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Thread)?;
    LocalSet::new().block_on(&runtime, work(nth, plan, live))
}

async fn work(nth: usize, plan: &Arc<RunPlan>, live: &LiveWorker) -> Result<WorkerResult, RunError> {
    let config = &plan.config;
    let end = plan.window.to.map(|to| plan.started + to);
    let pace = SendingPace::new(plan.started, end, schedule(nth, plan), Arc::clone(&plan.quota));
    let tally = Tally::new(plan.started + plan.window.from, end, config.timeout);
    let shared = Rc::new(WorkerShared::new(Arc::clone(plan), pace, tally));
    let mut senders = Senders { nth, shared: &shared, connections: 0, tasks: JoinSet::new() };
    let first = (nth..config.connections).step_by(config.threads).count();
    senders.add(first)?;
    let ticker = Ticker::new().map_err(RunError::Thread)?;
    let mut meters = Meters {
        thread: CpuMeter::default(),
        // One worker watches for all.
        watched: config.watch_pid.filter(|_| nth == 0).map(ProcessMeter::new),
    };
    let (unsent, ended) = {
        let upkeep = upkeep(&shared, live, &mut meters);
        let pacing = shared.pace.release(&ticker);
        let running = senders.run(end);
        // The upkeep never ends; dropping it between two rounds loses nothing,
        // as the last round is made below. The pacing ends with the run.
        tokio::select! {
            (ran, paced) = async { tokio::join!(running, pacing) } => {
                paced.map_err(RunError::Thread)?;
                ran?
            }
            never = upkeep => match never {},
        }
    };
    let connections = senders.connections;
    drop(senders);
    shared.keep_up(live);
    let mut lag = Latencies::new();
    shared.pace.add_lag_to(&mut lag);
    let (cores, watched) = (meters.thread.cores(), meters.watched.and_then(|meter| meter.figures()));
    let shared = Rc::into_inner(shared).expect("all senders have ended");
    Ok(WorkerResult { tally: shared.finish()?, unsent, connections, ended, lag, cores, watched })
}

/// This worker's part of an open loop.
fn schedule(nth: usize, plan: &RunPlan) -> Option<Schedule> {
    let config = &plan.config;
    let share = ScheduleShare {
        share: 1.0 / plan.shape.batch() as f64 / config.threads as f64,
        phase: nth as f64 / config.threads as f64,
        seed: config.seed.wrapping_mul(1 << 20).wrapping_add(nth as u64),
    };
    config.load().map(|load| Schedule::new(&load, config.arrivals, share))
}

impl Senders<'_> {
    /// Adds `count` connections with their senders.
    fn add(&mut self, count: usize) -> Result<(), RunError> {
        for _ in 0..count {
            let connection = self.nth + self.connections * self.shared.plan.config.threads;
            for sender in RequestSender::all_on(connection, self.shared)? {
                self.tasks.spawn_local(sender.run());
            }
            self.connections += 1;
        }
        Ok(())
    }

    /// Adds connections wherever due requests find no free one, up to this
    /// worker's share of the limit.
    async fn grow(&mut self) -> Result<Infallible, RunError> {
        let config = &self.shared.plan.config;
        let most = config.connections_max.map_or(0, |max| (self.nth..max).step_by(config.threads).count());
        loop {
            let waiting = self.shared.pace.crowded().await;
            let room = most.saturating_sub(self.connections);
            self.add(room.min(waiting.min(GROWTH_MAX) as usize))?;
        }
    }

    /// Waits for the end of the run and ends it. Returns how many requests
    /// were left unsent, and when the run ended.
    async fn run(&mut self, end: Option<Instant>) -> Result<(u64, Instant), RunError> {
        let planned = async {
            match end {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        let shared = Rc::clone(self.shared);
        // Cancelling a wait loses nothing; growing is cancelled between two additions.
        let cause = tokio::select! {
            () = planned => StopCause::Ended,
            () = shared.plan.stop.cancelled() => StopCause::Ended,
            () = shared.pace.used_up() => StopCause::UsedUp,
            failed = self.grow() => match failed? {},
        };
        let (unsent, told) = (shared.stop(), Instant::now());
        while let Some(joined) = self.tasks.join_next().await {
            joined.map_err(|_panic| RunError::Panicked)?;
        }
        Ok((unsent, if cause == StopCause::UsedUp { Instant::now() } else { told }))
    }
}

async fn upkeep(shared: &WorkerShared, live: &LiveWorker, meters: &mut Meters) -> Infallible {
    let measured_from = shared.plan.started + shared.plan.window.from;
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        if Instant::now() >= measured_from && !shared.pace.is_stopping() {
            meters.thread.sample();
            meters.watched.iter_mut().for_each(ProcessMeter::sample);
        }
        shared.keep_up(live);
    }
}
