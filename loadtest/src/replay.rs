//! Plays recorded traffic against a server, at its own speed or another.
//!
//! A thread reads a bounded number of requests ahead; a task puts each into its
//! customer's queue when it is due; players, each with a connection, take from the
//! queues. A customer has one request in flight at most, so its requests keep their
//! order, and a slow customer delays no other.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::cpu::CpuMeter;
use crate::ledger::{LedgerKind, LedgerWriter};
use crate::sender::report::{RunFacts, report};
use crate::sender::{LiveRun, LoopKind, RequestProtocol, RunEnd, RunReport, WorkerResult};
use crate::target::{HttpVersion, SendTarget};
use crate::ticker::Ticker;

mod config;
mod dispatcher;
mod error;
mod player;
mod reader;
mod shared;
mod stamp;
mod timing;
mod waiting;

pub use config::ReplayConfig;
pub use error::ReplayError;

use config::check;
use dispatcher::{DispatchCounts, Dispatcher};
use reader::ReadFindings;
use shared::ReplayShared;

/// Requests read ahead of those that are due.
const READ_AHEAD: usize = 256;
/// How often figures are published and the ledger is written.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// The result of a replay: that of a run, and more. The field names are stable.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The figures of a run.
    #[serde(flatten)]
    pub run: RunReport,
    /// Requests played.
    pub played: u64,
    /// Customers seen.
    pub customers: u64,
    /// Events that could not be marked: their payload is no JSON object, or
    /// their body is not understood. They are not in the ledger.
    pub unmarked_events: u64,
    /// Requests that were read too late because too many were waiting.
    pub held_back: u64,
    /// Recorded times that cannot be right and were replaced.
    pub times_replaced: u64,
    /// Recorded silence that was not waited for, in seconds.
    pub silence_skipped_s: f64,
    /// Recordings whose last line was cut short, which was not played.
    pub recordings_cut_short: u64,
    /// Why a recording could not be read to its end.
    pub recording_error: Option<String>,
}

/// Plays until the recordings end or `stop` is cancelled, then waits for the
/// answers that are due and reports. A recording that cannot be read to its end
/// is played as far as it can; the report says why it ended.
pub async fn replay(
    config: ReplayConfig,
    live: Arc<LiveRun>,
    stop: CancellationToken,
) -> Result<ReplayReport, ReplayError> {
    check(&config)?;
    let target = SendTarget::resolve(&config.url, &config.tls, HttpVersion::Http1, config.timeout).await?;
    let ledger =
        config.ledger.as_deref().map(|path| LedgerWriter::open(path, LedgerKind::Sent)).transpose()?;
    let shared = Rc::new(ReplayShared::new(config, target, ledger, stop));
    LocalSet::new().run_until(play(shared, &live)).await
}

async fn play(shared: Rc<ReplayShared>, live: &LiveRun) -> Result<ReplayReport, ReplayError> {
    let slot = live.add_worker();
    let (requests, mut planned) = mpsc::channel(READ_AHEAD);
    let (config, reading) = (shared.config.clone(), shared.stop.clone());
    let reader = std::thread::Builder::new().name("replay-reader".into());
    let reader =
        reader.spawn(move || reader::read(&config, &requests, &reading)).map_err(ReplayError::Start)?;
    let mut meter = CpuMeter::default();
    let ticker = Ticker::new().map_err(ReplayError::Start)?;
    let mut dispatcher = Dispatcher::new(Rc::clone(&shared));
    let playing = async {
        let dispatched = dispatcher.dispatch(&ticker, &mut planned).await;
        // Stops the reader, since nobody takes further requests.
        drop(planned);
        shared.waiting.close();
        let mut players = std::pin::pin!(dispatcher.wait_for_players());
        // The players go on whichever comes first.
        let unsent = tokio::select! {
            biased;
            () = shared.stop.cancelled() => {
                let unsent = shared.count_unsent();
                players.await?;
                unsent
            }
            ended = &mut players => ended.map(|()| 0)?,
        };
        dispatched.map(|()| unsent)
    };
    let upkeep = async {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            meter.sample();
            shared.keep_up(&slot);
        }
    };
    // The upkeep never ends, and its last round is made below.
    let unsent = tokio::select! {
        unsent = playing => unsent?,
        () = upkeep => return Err(ReplayError::Panicked),
    };
    let ended = Instant::now();
    let read = tokio::task::spawn_blocking(move || reader.join()).await;
    let findings = read.map_err(|_panic| ReplayError::Panicked)?.map_err(|_panic| ReplayError::Panicked)?;
    shared.keep_up(&slot);
    let DispatchCounts { lag, held_back, connections } = dispatcher.finish();
    let facts = facts(&shared);
    let shared = Rc::into_inner(shared).ok_or(ReplayError::Panicked)?;
    let (tally, counts) = shared.finish()?;
    let cores = meter.cores();
    let result = WorkerResult { tally, unsent, connections, ended, lag, cores, watched: None };
    let mut run = report(facts, vec![result]);
    run.warnings.extend(warnings(&findings, held_back));
    Ok(ReplayReport {
        run,
        played: counts.played,
        customers: counts.customers,
        unmarked_events: counts.unmarked_events,
        held_back,
        times_replaced: findings.times_replaced,
        silence_skipped_s: findings.silence_skipped_s,
        recordings_cut_short: findings.cut_short,
        recording_error: findings.failure.map(|failure| crate::chain(&failure)),
    })
}

fn facts(shared: &ReplayShared) -> RunFacts {
    RunFacts {
        run_id: shared.run,
        url: shared.config.url.clone(),
        loop_kind: LoopKind::Replay,
        rate: None,
        ended: if shared.stop.is_cancelled() { RunEnd::Interrupted } else { RunEnd::Planned },
        protocol: RequestProtocol::Http1,
        threads: 1,
        seed: 0,
        keys: shared.config.keys.len(),
        batch: 0,
        event_bytes: 0,
    }
}

fn warnings(findings: &ReadFindings, held_back: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    if held_back > 0 {
        warnings.push(format!(
            "{held_back} requests were read too late, because as many were waiting for their customers' answers as may wait: the server is slower than the recording"
        ));
    }
    if findings.times_replaced > 0 {
        let times = findings.times_replaced;
        warnings.push(format!("{times} recorded times cannot be right and were replaced by the time before"));
    }
    if findings.silence_skipped_s > 0.0 {
        let skipped = findings.silence_skipped_s;
        warnings.push(format!("{skipped:.0} s of recorded silence were not waited for (--max-gap)"));
    }
    if findings.cut_short > 0 {
        let files = findings.cut_short;
        warnings.push(format!("the last line of {files} recording(s) was cut short and not played"));
    }
    warnings
}

impl ReplayReport {
    /// The result for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "replayed {} requests of {} customers; {} events could not be marked\n{}",
            self.played,
            self.customers,
            self.unmarked_events,
            self.run.text()
        );
        if let Some(error) = &self.recording_error {
            text.push_str(&format!("the recording was not read to its end: {error}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests;
