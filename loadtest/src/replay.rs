//! Plays recorded traffic against a server, at its own speed or another.
//!
//! A thread reads ahead, a bounded number of requests; a task puts each into
//! its customer's queue when it is due; players, each with a connection, take
//! from the queues. A customer has one request in flight at most, so its
//! requests keep their order and its slowness delays no other customer.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::cpu::CpuMeter;
use crate::ledger::{LedgerError, LedgerKind, LedgerWriter};
use crate::sender::report::{RunFacts, report};
use crate::sender::{LiveRun, LoopKind, RequestProtocol, RunEnd, RunReport, WorkerResult};
use crate::target::{HttpVersion, SendTarget, TargetError};
use crate::ticker::Ticker;
use crate::tls::TlsSettings;

mod dispatcher;
mod player;
mod reader;
mod shared;
mod stamp;
mod timing;
mod waiting;

use dispatcher::Dispatcher;
use reader::ReadFindings;
use shared::ReplayShared;

/// Requests read ahead of those that are due.
const READ_AHEAD: usize = 256;
/// How often figures are published and the ledger is written.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// Which recordings to play, against which server, how fast.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// `http[s]://host:port`; the paths are those of the recording.
    pub url: String,
    /// How servers are trusted, and how this client shows who it is.
    pub tls: TlsSettings,
    /// Headers of every request, in place of recorded ones of these names.
    pub headers: Vec<(String, String)>,
    /// Recordings, merged by their times.
    pub files: Vec<PathBuf>,
    /// API keys, given to customers in the order in which they appear, again
    /// from the first when there are more customers; without any, recorded
    /// credentials are sent.
    pub keys: Vec<String>,
    /// A multiple of the recorded speed; as fast as answered without one.
    pub speed: Option<f64>,
    /// How often to play the recordings.
    pub passes: u64,
    /// Skips what came before this time from the start of the recording.
    pub from: Duration,
    /// Stops at this time from the start of the recording.
    pub to: Option<Duration>,
    /// Longest recorded silence that is waited for, and how far a time may be
    /// from its neighbours to be believed.
    pub gap_max: Duration,
    /// Plays these customers only; all, if there are none.
    pub customers: Vec<String>,
    /// Sends bodies and idempotency keys as recorded. Without it, ids and times
    /// become those of this run and payloads get marks, so that receipt can be
    /// verified.
    pub keep: bool,
    /// Most connections, each with one request in flight; they are made as
    /// requests find none free.
    pub connections: usize,
    /// Most requests that may be due and wait for a connection or for their
    /// customer's request before; further ones wait in the file.
    pub waiting_max: usize,
    /// Most bytes of bodies that may wait so.
    pub waiting_bytes_max: usize,
    /// Limit on connecting and on each answer.
    pub timeout: Duration,
    /// Sends a request again until it has a definite answer.
    pub retry_unknown: bool,
    /// The file for outcomes, if they are to be verified; not with `keep`.
    pub ledger: Option<PathBuf>,
}

impl ReplayConfig {
    /// Plays `files` once, as fast as answered, with marks.
    pub fn new(url: impl Into<String>, files: Vec<PathBuf>) -> Self {
        Self {
            url: url.into(),
            tls: TlsSettings::default(),
            headers: Vec::new(),
            files,
            keys: Vec::new(),
            speed: None,
            passes: 1,
            from: Duration::ZERO,
            to: None,
            gap_max: Duration::from_secs(60),
            customers: Vec::new(),
            keep: false,
            connections: 256,
            waiting_max: 65_536,
            waiting_bytes_max: 256 << 20,
            timeout: Duration::from_secs(10),
            retry_unknown: false,
            ledger: None,
        }
    }
}

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

/// Why a replay cannot start or go on.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread or timer cannot be started.
    #[error("starting the replay")]
    Start(#[source] std::io::Error),
    /// A thread ended without its result: a defect of this program.
    #[error("a task of the replay failed; its panic is on stderr")]
    Panicked,
    /// A number is out of range.
    #[error("{0}")]
    Config(&'static str),
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

fn check(config: &ReplayConfig) -> Result<(), ReplayError> {
    let rules = [
        ((1..=65_536).contains(&config.connections), "connections must be 1 to 65536"),
        (
            config.speed.is_none_or(|speed| speed.is_finite() && (1e-6..=1e6).contains(&speed)),
            "the speed must be 0.000001 to 1000000 times the recorded",
        ),
        (!config.files.is_empty(), "there must be a recording"),
        (
            !(config.keep && config.ledger.is_some()),
            "events that are sent as recorded cannot be told apart: there is no ledger of them",
        ),
        (!config.timeout.is_zero(), "the timeout must be above 0"),
        (config.passes > 0, "a recording must be played at least once"),
        (!config.gap_max.is_zero(), "the longest silence must be above 0"),
        (config.waiting_max > 0 && config.waiting_bytes_max > 0, "some requests must be allowed to wait"),
        (config.to.is_none_or(|to| to > config.from), "the end must be after the start"),
    ];
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(ReplayError::Config(rule)))
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
        // Nothing more is read once nobody takes it.
        drop(planned);
        let unsent = if shared.stop.is_cancelled() { shared.count_unsent() } else { 0 };
        shared.waiting.close();
        dispatcher.wait_for_players().await?;
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
    let Dispatcher { lag, held_back, started: connections, .. } = dispatcher;
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
