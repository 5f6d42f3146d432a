//! Sends requests, usually with generated events, and measures the answers.
//!
//! The sender is cheap, because it shares the machine with the server: each
//! worker is one thread with its own runtime and connections, a request is one
//! write of a buffer patched in place, and nothing is locked or allocated for
//! a request.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::event::{BodyTemplate, EventEnvelope};
use crate::ledger::{LedgerKind, LedgerWriter};
use crate::random::SeededRandom;
use crate::request::{RequestContent, RequestShape};
use crate::target::SendTarget;

pub mod client;
mod config;
mod deadline;
mod error;
mod keys;
mod live;
mod outcome;
mod pace;
mod plan;
mod raw;
pub mod report;
mod request_sender;
mod shared;
mod tally;
mod totals;
mod variety;
mod worker;

pub use config::{PlainRequest, RequestProtocol, RunConfig};
pub use error::RunError;
pub use keys::KeyChoice;
pub use live::{LiveCounters, LiveMeasurement, LiveRun, LiveWorker};
pub use outcome::RequestOutcome;
pub use raw::RawError;
pub use report::{LoopKind, RunEnd, RunReport};
pub use tally::{ConnectionEvent, RequestDone, Tally};
pub use totals::{AnswerExcerpt, Totals};
pub use worker::WorkerResult;

use plan::{MeasuredWindow, RequestQuota, RunPlan};
use raw::RawWriter;
use report::RunFacts;

/// Sends until the configured duration or number of requests is reached or
/// `stop` is cancelled, then waits for the answers that are due and reports.
/// `live` is kept up to date meanwhile. A server that does not listen is no error: the
/// run waits for it.
pub async fn run(
    config: RunConfig,
    live: Arc<LiveRun>,
    stop: CancellationToken,
) -> Result<RunReport, RunError> {
    config.check()?;
    let version = config.protocol.version();
    let target = SendTarget::resolve(&config.url, &config.tls, version, config.timeout).await?;
    let shape = request_shape(&config, &target)?;
    let ledger = match &config.ledger {
        Some(path) => Some(Mutex::new(LedgerWriter::open(path, LedgerKind::Sent)?)),
        None => None,
    };
    let raw = config.raw.as_deref().map(RawWriter::create).transpose()?.map(Mutex::new);
    // This token is the run's own: it is also cancelled when a file cannot be
    // written, or when the caller drops this future.
    let told = stop;
    let stop = told.child_token();
    let _stops_workers = stop.clone().drop_guard();
    let plan = Arc::new(RunPlan {
        shape,
        target: Arc::new(target),
        run_id: config.run.unwrap_or_else(crate::fresh_id),
        started: Instant::now(),
        window: MeasuredWindow { from: config.warmup, to: config.duration.map(|long| config.warmup + long) },
        ledger,
        raw,
        quota: RequestQuota::new(config.requests_max),
        stop,
        config,
    });
    let mut workers = Vec::new();
    for nth in 0..plan.config.threads {
        workers.push(start_worker(nth, &plan, &live)?);
    }
    let mut results = Vec::new();
    for worker in workers {
        results.push(worker.await.map_err(|_gone| RunError::Panicked)??);
    }
    let ended = how_it_ended(&plan, &results, &told);
    Ok(report::report(RunFacts::new(&plan.config, plan.run_id, ended), results))
}

/// A run without a planned end is not interrupted by being told to stop.
fn how_it_ended(plan: &RunPlan, results: &[WorkerResult], told: &CancellationToken) -> RunEnd {
    let planned = plan.config.duration.is_some() || plan.config.requests_max.is_some();
    let before_end =
        plan.window.to.is_none_or(|to| results.iter().any(|result| result.ended < plan.started + to));
    match planned && told.is_cancelled() && before_end {
        true => RunEnd::Interrupted,
        false => RunEnd::Planned,
    }
}

fn start_worker(
    nth: usize,
    plan: &Arc<RunPlan>,
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

fn request_shape(config: &RunConfig, target: &SendTarget) -> Result<RequestShape, RunError> {
    let (default_path, content) = match &config.plain {
        Some(plain) => {
            let parse = |text: &str| BodyTemplate::parse(text, &mut SeededRandom::new(config.seed));
            let body = plain.body.as_deref().map(parse).transpose().map_err(RunError::Body)?;
            ("/", RequestContent::Plain(body))
        }
        None => {
            let default_path = match config.envelope {
                EventEnvelope::Produced => "/v1/events",
                EventEnvelope::Delivered => "/",
            };
            let (batch, format, encoding) = (config.batch, config.format, config.encoding);
            let events = variety::events(config)?;
            (default_path, RequestContent::Events { events, batch, format, encoding })
        }
    };
    Ok(RequestShape {
        authority: target.authority().to_owned(),
        method: config.method.clone(),
        path: target.path().unwrap_or(default_path).to_owned(),
        headers: config.headers.clone(),
        content,
        prefer_minimal: config.prefer_minimal,
        idempotency_keys: config.idempotency_keys,
    })
}
