//! One sender thread: its runtime, its connections and what it has counted.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::live::LiveWorker;
use super::pace::Pace;
use super::report::Window;
use super::tally::Tally;
use super::{RunConfig, RunError};
use crate::cpu::CpuMeter;
use crate::ledger::{Entry, LedgerBuffer, LedgerError, LedgerWriter};
use crate::process::{ProcessMeter, ProcessUse};
use crate::request::RequestShape;
use crate::schedule::{Schedule, ScheduleShare};
use crate::summary::Latencies;
use crate::target::Target;
use crate::ticker::Ticker;

/// How often figures are published and the ledger is written.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// What all workers of a run share.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: RunConfig,
    pub(super) shape: RequestShape,
    pub(super) target: Target,
    pub(super) run_id: u64,
    pub(super) started: Instant,
    pub(super) window: Window,
    pub(super) ledger: Option<Mutex<LedgerWriter>>,
    pub(super) stop: CancellationToken,
}

/// What a worker has counted when it ends.
#[derive(Debug)]
pub(crate) struct WorkerResult {
    pub(crate) tally: Tally,
    pub(crate) unsent: u64,
    pub(crate) ended: Instant,
    pub(crate) lag: Latencies,
    pub(crate) cores: Option<f64>,
    pub(crate) watched: Option<ProcessUse>,
}

/// What the tasks of a worker share, on its thread.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) pace: Pace,
    pub(super) tally: RefCell<Tally>,
    entries: RefCell<LedgerBuffer>,
    ledger_failure: RefCell<Option<LedgerError>>,
}

/// What is measured of processors and memory.
#[derive(Debug)]
struct Meters {
    thread: CpuMeter,
    watched: Option<ProcessMeter>,
}

/// Runs a worker on this thread until the run ends.
pub(super) fn run(nth: usize, plan: &Arc<Plan>, live: &LiveWorker) -> Result<WorkerResult, RunError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Thread)?;
    LocalSet::new().block_on(&runtime, work(nth, plan, live))
}

async fn work(nth: usize, plan: &Arc<Plan>, live: &LiveWorker) -> Result<WorkerResult, RunError> {
    let config = &plan.config;
    let schedule = config.load().map(|load| {
        let share = ScheduleShare {
            share: 1.0 / config.batch as f64 / config.threads as f64,
            phase: nth as f64 / config.threads as f64,
            seed: config.seed.wrapping_mul(1 << 20).wrapping_add(nth as u64),
        };
        Schedule::new(&load, config.arrivals, share)
    });
    let end = plan.window.to.map(|to| plan.started + to);
    let shared = Rc::new(Shared {
        plan: Arc::clone(plan),
        pace: Pace::new(plan.started, end, schedule),
        tally: RefCell::new(Tally::new(plan.started + plan.window.from, end)),
        entries: RefCell::default(),
        ledger_failure: RefCell::new(None),
    });
    let mut connections = JoinSet::new();
    for connection in (nth..config.connections).step_by(config.threads) {
        for sender in Connection::all_on(connection, &shared)? {
            connections.spawn_local(sender.run());
        }
    }
    let ticker = Ticker::new().map_err(RunError::Thread)?;
    let mut meters = Meters {
        thread: CpuMeter::default(),
        // One worker watches for all.
        watched: config.watch_pid.filter(|_| nth == 0).map(ProcessMeter::new),
    };
    let (unsent, ended) = {
        let upkeep = shared.upkeep(live, &mut meters);
        let pacing = shared.pace.release(&ticker);
        let stopping = shared.stop_at(end);
        let running = async {
            let (_joined, stopped) = tokio::join!(connections.join_all(), stopping);
            stopped
        };
        // The upkeep never ends; dropping it between two rounds loses nothing,
        // as the last round is made below. The pacing ends with the run.
        tokio::select! {
            stopped = async { tokio::join!(running, pacing).0 } => stopped,
            never = upkeep => match never {},
        }
    };
    let cores = meters.thread.cores();
    let watched = meters.watched.and_then(|meter| meter.figures());
    shared.keep_up(live);
    shared.write_entries();
    if let Some(failure) = shared.ledger_failure.take() {
        return Err(failure.into());
    }
    let mut lag = Latencies::new();
    shared.pace.add_lag_to(&mut lag);
    let shared = Rc::into_inner(shared).expect("all connections have ended");
    let mut tally = shared.tally.into_inner();
    tally.settle_statuses();
    Ok(WorkerResult { tally, unsent, ended, lag, cores, watched })
}

impl Shared {
    /// Notes what happened to a request's events, for the ledger.
    pub(super) fn note(&self, slot: usize, entry: Entry) {
        if self.plan.ledger.is_some() && self.entries.borrow_mut().note(slot, entry) {
            self.write_entries();
        }
    }

    fn write_entries(&self) {
        let Some(ledger) = &self.plan.ledger else { return };
        let entries = self.entries.borrow_mut().take();
        if let Err(error) = ledger.lock().append(&entries) {
            // A run whose ledger has holes proves nothing: end it.
            self.ledger_failure.replace(Some(error));
            self.plan.stop.cancel();
        }
    }

    async fn upkeep(&self, live: &LiveWorker, meters: &mut Meters) -> Infallible {
        let measured_from = self.plan.started + self.plan.window.from;
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            if Instant::now() >= measured_from && !self.pace.is_stopping() {
                meters.thread.sample();
                meters.watched.iter_mut().for_each(ProcessMeter::sample);
            }
            self.keep_up(live);
            self.write_entries();
        }
    }

    fn keep_up(&self, live: &LiveWorker) {
        self.tally.borrow_mut().take_recent(|totals, recent| live.publish(totals, recent));
    }

    /// Waits for the end of the run and ends it: what was left unsent, and when.
    async fn stop_at(&self, end: Option<Instant>) -> (u64, Instant) {
        let planned = async {
            match end {
                Some(end) => tokio::time::sleep_until(end.into()).await,
                None => std::future::pending().await,
            }
        };
        // Cancelling either wait loses nothing.
        tokio::select! {
            () = planned => {}
            () = self.plan.stop.cancelled() => {}
        }
        (self.pace.stop(), Instant::now())
    }
}
