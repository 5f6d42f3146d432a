//! Plays recorded traffic against a server, in its own time or another.
//!
//! A thread reads ahead, a bounded number of requests; a task hands each to a
//! lane when it is due; a lane is a connection with one request in flight. A
//! customer has one lane, so its requests keep their order.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::cpu::CpuMeter;
use crate::ledger::{LedgerError, LedgerKind, LedgerWriter};
use crate::recording::RecordingError;
use crate::sender::report::{Facts, report};
use crate::sender::worker::WorkerResult;
use crate::sender::{LiveRun, Protocol, RunReport};
use crate::summary::Latencies;
use crate::target::{Target, TargetError};
use crate::ticker::Ticker;

mod lane;
mod reader;
mod stamp;

use lane::{Lane, Shared};
use reader::Planned;

/// Requests read ahead, and requests that may wait for a lane.
const READ_AHEAD: usize = 256;
const LANE_WAITING: usize = 64;
/// How often figures are published and the ledger is written.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// What to play, where and how.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// `http://host:port`; the paths are those of the recording.
    pub url: String,
    /// Recordings, one after another.
    pub files: Vec<PathBuf>,
    /// API keys, given to customers in the order in which they appear, again
    /// from the first when there are more customers; without any, recorded
    /// credentials are sent.
    pub keys: Vec<String>,
    /// How many times as fast as recorded; none for as fast as answered.
    pub speed: Option<f64>,
    /// How often to play it.
    pub passes: u64,
    /// Skips what came before this time from the start of the recording.
    pub from: Duration,
    /// Stops at this time from the start of the recording.
    pub to: Option<Duration>,
    /// Plays these customers only; all, if there are none.
    pub customers: Vec<String>,
    /// Whether bodies and idempotency keys are sent as recorded. Otherwise ids
    /// and times become those of this run, and payloads get marks, so that
    /// receipt can be verified.
    pub keep: bool,
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// Limit on connecting and on each answer.
    pub timeout: Duration,
    /// Whether a request without a definite answer is sent again.
    pub retry_unknown: bool,
    /// Where outcomes are written, if anywhere; not with `keep`.
    pub ledger: Option<PathBuf>,
}

/// What a replay did: a run's result and more. The field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// As of a run; its loop is `replay`.
    #[serde(flatten)]
    pub run: RunReport,
    /// Requests played.
    pub played: u64,
    /// Customers seen.
    pub customers: u64,
    /// Events that could not be marked: their payload is no JSON object, or
    /// their body is not understood. They are not in the ledger.
    pub unmarked_events: u64,
}

/// Why a replay cannot start or go on.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread or timer cannot be started.
    #[error("starting the replay")]
    Start(#[source] std::io::Error),
    /// A thread ended without its result: a defect of this tool.
    #[error("a task of the replay failed; its panic is on stderr")]
    Panicked,
    /// A number is out of range.
    #[error("{0}")]
    Config(&'static str),
}

/// Plays until the recording ends or `stop` is cancelled, then waits for the
/// answers that are due and reports.
pub async fn replay(
    config: ReplayConfig,
    live: Arc<LiveRun>,
    stop: CancellationToken,
) -> Result<ReplayReport, ReplayError> {
    check(&config)?;
    let target = Target::parse(&config.url)?.resolve(config.timeout).await?;
    let ledger =
        config.ledger.as_deref().map(|path| LedgerWriter::open(path, LedgerKind::Sent)).transpose()?;
    let shared = Rc::new(Shared::new(config, target, ledger, stop));
    LocalSet::new().run_until(play(shared, &live)).await
}

fn check(config: &ReplayConfig) -> Result<(), ReplayError> {
    let in_range = |holds: bool, otherwise| if holds { Ok(()) } else { Err(ReplayError::Config(otherwise)) };
    in_range((1..=65_536).contains(&config.connections), "connections must be 1 to 65536")?;
    in_range(
        config.speed.is_none_or(|speed| speed.is_finite() && (1e-6..=1e6).contains(&speed)),
        "the speed must be 0.000001 to 1000000 times the recorded",
    )?;
    in_range(!config.files.is_empty(), "there must be a recording")?;
    in_range(
        !(config.keep && config.ledger.is_some()),
        "what is kept as it is cannot be told apart: no ledger",
    )?;
    in_range(!config.timeout.is_zero(), "the timeout must not be 0")
}

async fn play(shared: Rc<Shared>, live: &LiveRun) -> Result<ReplayReport, ReplayError> {
    let slot = live.add_worker();
    let (requests, mut planned) = mpsc::channel(READ_AHEAD);
    let (config, reading) = (shared.config.clone(), shared.stop.clone());
    let reader = std::thread::Builder::new().name("replay-reader".into());
    let reader =
        reader.spawn(move || reader::read(&config, &requests, &reading)).map_err(ReplayError::Start)?;
    let mut lanes = Vec::new();
    let mut tasks = JoinSet::new();
    for number in 0..shared.config.connections {
        let (sender, waiting) = mpsc::channel(LANE_WAITING);
        tasks.spawn_local(Lane::new(number, Rc::clone(&shared)).run(waiting));
        lanes.push(sender);
    }
    let mut meter = CpuMeter::default();
    let ticker = Ticker::new().map_err(ReplayError::Start)?;
    let playing = async {
        let lag = dispatch(&shared, &ticker, &mut planned, lanes).await;
        // Nothing more is read once nobody takes it.
        drop(planned);
        while tasks.join_next().await.is_some() {}
        lag
    };
    let upkeep = async {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            meter.sample();
            shared.keep_up(&slot);
        }
    };
    // The upkeep never ends, and its last round is made below.
    let lag = tokio::select! {
        lag = playing => lag?,
        () = upkeep => return Err(ReplayError::Panicked),
    };
    let ended = Instant::now();
    let read = tokio::task::spawn_blocking(move || reader.join());
    let read = read.await.map_err(|_panic| ReplayError::Panicked)?;
    shared.keep_up(&slot);
    let facts = shared.facts();
    let shared = Rc::into_inner(shared).ok_or(ReplayError::Panicked)?;
    let (tally, figures) = shared.finish()?;
    // A recording that breaks off is said after what was played is written.
    read.map_err(|_panic| ReplayError::Panicked)??;
    let result = WorkerResult { tally, unsent: 0, ended, lag, cores: meter.cores(), watched: None };
    Ok(ReplayReport { run: report(facts, vec![result]), ..figures })
}

impl Shared {
    fn facts(&self) -> Facts {
        Facts {
            run_id: self.run,
            url: self.config.url.clone(),
            loop_kind: "replay",
            rate: None,
            connections: self.config.connections,
            protocol: Protocol::Http1,
            threads: 1,
            seed: 0,
            keys: self.config.keys.len(),
            batch: 0,
            event_bytes: 0,
        }
    }
}

/// Hands each request to its customer's lane when it is due; how late that was.
async fn dispatch(
    shared: &Shared,
    ticker: &Ticker,
    planned: &mut mpsc::Receiver<Planned>,
    lanes: Vec<mpsc::Sender<(Instant, Planned)>>,
) -> Result<Latencies, ReplayError> {
    let mut lag = Latencies::new();
    while let Some(request) = planned.recv().await {
        let due = request.offset.map(|offset| shared.started + offset);
        if let Some(due) = due {
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                // Cancelling a wait loses nothing.
                tokio::select! {
                    slept = ticker.sleep(wait) => slept.map_err(ReplayError::Start)?,
                    () = shared.stop.cancelled() => {}
                }
            }
            lag.record(due.elapsed());
        }
        if shared.stop.is_cancelled() {
            break;
        }
        let lane = (request.customer_number as usize) % lanes.len();
        let due = due.unwrap_or_else(Instant::now);
        // A lane that is full is waited for: memory is bounded, and what comes
        // late counts from when it was due.
        if lanes[lane].send((due, request)).await.is_err() {
            // Lanes end at a stop, also while one is waited for.
            if shared.stop.is_cancelled() {
                break;
            }
            return Err(ReplayError::Panicked);
        }
    }
    Ok(lag)
}

impl ReplayReport {
    /// The result for people.
    pub fn text(&self) -> String {
        format!(
            "replayed {} requests of {} customers; {} events could not be marked\n{}",
            self.played,
            self.customers,
            self.unmarked_events,
            self.run.text()
        )
    }
}

#[cfg(test)]
mod tests;
