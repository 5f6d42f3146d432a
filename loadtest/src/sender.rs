//! Sends generated events over HTTP/1.1 and measures the answers.
//!
//! Made to be cheap, because it shares the machine with what it measures: each
//! worker is one thread with its own runtime and connections, a request is one
//! write of a buffer patched in place, and nothing is locked or allocated for
//! a request.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::event::{Envelope, EventShapeError, TemplateError};
use crate::ledger::{LedgerError, LedgerKind, LedgerWriter};
use crate::request::RequestShape;
use crate::target::{Target, TargetError};

pub(crate) mod client;
mod config;
mod connection;
mod deadline;
mod keys;
pub(crate) mod live;
pub(crate) mod outcome;
mod pace;
pub(crate) mod report;
pub(crate) mod tally;
mod variety;
pub(crate) mod worker;

pub use config::{Protocol, RunConfig};
pub use keys::KeyChoice;
pub use live::{LiveCounters, LiveRun};
pub use report::{AnswerExcerpt, RunReport};

use report::{Facts, Window};
use worker::{Plan, WorkerResult};

/// Why a run cannot start or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A template cannot be used.
    #[error("template number {0} (from 1)")]
    Template(usize, #[source] TemplateError),
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
    config.check()?;
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
    let shape = request_shape(&config, target.authority())?;
    let plan = Arc::new(Plan { config, shape, target, run_id, started, window, ledger, stop });
    let mut workers = Vec::new();
    for nth in 0..plan.config.threads {
        workers.push(start_worker(nth, &plan, &live)?);
    }
    let mut results = Vec::new();
    for worker in workers {
        results.push(worker.await.map_err(|_gone| RunError::Panicked)??);
    }
    Ok(report::report(Facts::of(&plan), results))
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

fn request_shape(config: &RunConfig, authority: &str) -> Result<RequestShape, RunError> {
    let default_path = match config.envelope {
        Envelope::Produced => "/v1/events",
        Envelope::Delivered => "/",
    };
    Ok(RequestShape {
        authority: authority.to_owned(),
        path: Target::path_of(&config.url).unwrap_or_else(|| default_path.to_owned()),
        events: variety::events(config)?,
        batch: config.batch,
        format: config.format,
        encoding: config.encoding,
        prefer_minimal: config.prefer_minimal,
        idempotency_keys: config.idempotency_keys,
    })
}
