//! Sends generated events over HTTP/1.1 and measures the answers.
//!
//! Made to be cheap, because it shares the machine with what it measures: each
//! worker is one thread with its own runtime and connections, a request is one
//! write of a buffer patched in place, and nothing is locked or allocated for
//! a request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::event::{Envelope, EventShape, EventShapeError};
use crate::ledger::{LedgerError, LedgerKind, LedgerWriter};
use crate::request::{BodyEncoding, BodyFormat, RequestShape};
use crate::target::{Target, TargetError};

mod client;
mod connection;
mod keys;
mod live;
mod outcome;
mod pace;
mod report;
mod tally;
mod worker;

pub use keys::KeyChoice;
pub use live::{LiveCounters, LiveRun};
pub use report::{AnswerExcerpt, RunReport};

use report::Window;
use worker::{Plan, WorkerResult};

/// What to send, where, how fast and for how long.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// `http://host:port`, with `/v1/events` understood unless a path is given.
    pub url: String,
    /// One API key per customer; none for a server that asks for none.
    pub keys: Vec<String>,
    /// How the customer of each request is picked.
    pub key_choice: KeyChoice,
    /// Connections, each with one request in flight, spread over the threads.
    pub connections: usize,
    /// Threads of the generator.
    pub threads: usize,
    /// Events a request: 1 posts single events.
    pub batch: usize,
    /// How events are put together.
    pub format: BodyFormat,
    /// How bodies are compressed.
    pub encoding: BodyEncoding,
    /// Which JSON object is around each payload.
    pub envelope: Envelope,
    /// Events per second, whatever the answers (open loop); without it each
    /// connection sends as soon as it is answered (closed loop).
    pub rate: Option<f64>,
    /// How long to measure, after the warm-up; without it until stopped.
    pub duration: Option<Duration>,
    /// How long to send before measuring.
    pub warmup: Duration,
    /// How long to wait for a connection and for an answer.
    pub timeout: Duration,
    /// Size of an event's JSON in bytes.
    pub event_bytes: usize,
    /// Event types, taking turns.
    pub event_types: Vec<String>,
    /// Whether each event's `ordering_key` names its stream.
    pub ordering_key: bool,
    /// Whether to ask for short answers (`Prefer: return=minimal`).
    pub prefer_minimal: bool,
    /// Whether each request has an `Idempotency-Key` of its own.
    pub idempotency_keys: bool,
    /// Whether a request without a definite answer is sent again, byte for byte.
    pub retry_unknown: bool,
    /// Where outcomes are written, if anywhere.
    pub ledger: Option<PathBuf>,
    /// A process on this machine, the server's, whose processor time and memory
    /// are measured as well.
    pub watch_pid: Option<u32>,
    /// Of the random-looking fields.
    pub seed: u64,
    /// Identifies this run's events; random unless given.
    pub run: Option<u64>,
}

impl RunConfig {
    /// Single 220-byte events on 64 connections, as fast as they are answered,
    /// until stopped.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            keys: Vec::new(),
            key_choice: KeyChoice::Cycle,
            connections: 64,
            threads: 1,
            batch: 1,
            format: BodyFormat::Json,
            encoding: BodyEncoding::None,
            envelope: Envelope::Produced,
            rate: None,
            duration: None,
            warmup: Duration::ZERO,
            timeout: Duration::from_secs(10),
            event_bytes: 220,
            event_types: vec!["demo.event".into()],
            ordering_key: false,
            prefer_minimal: false,
            idempotency_keys: false,
            retry_unknown: false,
            ledger: None,
            watch_pid: None,
            seed: 1,
            run: None,
        }
    }
}

/// Why a run cannot start or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The events cannot be built.
    #[error(transparent)]
    Event(#[from] EventShapeError),
    /// A number is out of range.
    #[error("{0}")]
    Config(&'static str),
    /// A key cannot stand in a header.
    #[error("key number {0} (from 1) has characters that cannot stand in a header")]
    Key(usize),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread or its runtime cannot be started.
    #[error("starting a sender thread")]
    Thread(#[source] std::io::Error),
    /// A sender thread ended without its result: a defect of this tool.
    #[error("a sender thread failed; its panic is on stderr")]
    Panicked,
}

/// Sends until the configured duration ends or `stop` is cancelled, then waits
/// for the answers that are due and reports. `live` moves all the while.
/// A server that is not there (yet, or any more) is waited for, not an error.
pub async fn run(
    config: RunConfig,
    live: Arc<LiveRun>,
    stop: CancellationToken,
) -> Result<RunReport, RunError> {
    check(&config)?;
    let target = Target::parse(&config.url)?.resolve(config.timeout).await?;
    let run_id = match config.run {
        Some(run) => run,
        None => crate::fresh_id(),
    };
    let ledger = match &config.ledger {
        Some(path) => Some(Mutex::new(LedgerWriter::open(path, LedgerKind::Sent)?)),
        None => None,
    };
    // Of this run alone: it also ends when its ledger fails, or when the caller
    // drops this future.
    let stop = stop.child_token();
    let _stops_workers = stop.clone().drop_guard();
    let started = Instant::now();
    let window = Window { from: config.warmup, to: config.duration.map(|long| config.warmup + long) };
    let shape = request_shape(&config, target.authority());
    let plan = Arc::new(Plan { config, shape, target, run_id, started, window, ledger, stop });
    let mut workers = Vec::new();
    for nth in 0..plan.config.threads {
        workers.push(start_worker(nth, &plan, &live)?);
    }
    let mut results = Vec::new();
    for worker in workers {
        results.push(worker.await.map_err(|_gone| RunError::Panicked)??);
    }
    Ok(report::report(&plan, results))
}

fn start_worker(
    nth: usize,
    plan: &Arc<Plan>,
    live: &Arc<LiveRun>,
) -> Result<oneshot::Receiver<Result<WorkerResult, RunError>>, RunError> {
    let (plan, slot) = (Arc::clone(plan), live.add_worker());
    let (done, result) = oneshot::channel();
    let run = move || {
        // Nobody waits any more if the caller of `run` has dropped it.
        done.send(worker::run(nth, &plan, &slot)).ok();
    };
    let thread = std::thread::Builder::new().name(format!("sender-{nth}"));
    thread.spawn(run).map_err(RunError::Thread)?;
    Ok(result)
}

fn check(config: &RunConfig) -> Result<(), RunError> {
    let in_range = |holds: bool, otherwise| if holds { Ok(()) } else { Err(RunError::Config(otherwise)) };
    in_range((1..=65_536).contains(&config.connections), "connections must be 1 to 65536")?;
    in_range((1..=256).contains(&config.threads), "threads must be 1 to 256")?;
    in_range(config.threads <= config.connections, "there must be a connection for each thread")?;
    in_range((1..=100_000).contains(&config.batch), "a batch must be 1 to 100000 events")?;
    in_range(!config.event_types.is_empty(), "there must be an event type")?;
    in_range(
        config.rate.is_none_or(|rate| rate.is_finite() && (0.001..=1e9).contains(&rate)),
        "the rate must be 0.001 to 1000000000 events per second",
    )?;
    in_range(
        config.connections.saturating_mul(config.keys.len()) < 1 << 28,
        "connections times keys must be below 2^28",
    )?;
    in_range(!config.timeout.is_zero(), "the timeout must not be 0")?;
    let sendable = |key: &String| !key.is_empty() && key.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    config.keys.iter().position(|key| !sendable(key)).map_or(Ok(()), |at| Err(RunError::Key(at + 1)))
}

fn request_shape(config: &RunConfig, authority: &str) -> RequestShape {
    let event = |event_type: &String| EventShape {
        envelope: config.envelope,
        event_type: event_type.clone(),
        event_bytes: config.event_bytes,
        ordering_key: config.ordering_key,
    };
    let default_path = match config.envelope {
        Envelope::Produced => "/v1/events",
        Envelope::Delivered => "/",
    };
    RequestShape {
        authority: authority.to_owned(),
        path: Target::path_of(&config.url).unwrap_or_else(|| default_path.to_owned()),
        events: config.event_types.iter().map(event).collect(),
        batch: config.batch,
        format: config.format,
        encoding: config.encoding,
        prefer_minimal: config.prefer_minimal,
        idempotency_keys: config.idempotency_keys,
    }
}
