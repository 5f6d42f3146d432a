//! `sluice-loadtest replay`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use sluice_loadtest::duration;
use sluice_loadtest::metric::{CheckedLimit, KnownFigures, ResultKind, Threshold};
use sluice_loadtest::replay::{ReplayConfig, ReplayReport, replay};
use sluice_loadtest::sender::LiveRun;
use sluice_loadtest::watch::{Timeline, WatchConfig, watch};

use super::connect::{TlsArgs, header};
use super::output::{self, WantedOutput};
use super::run::live_view::{LiveView, Progress};
use super::stop_signal;

/// Plays recorded traffic: files with a JSON object a line, plain, gzip or
/// zstd, which may be larger than memory. `record` writes such files; the README
/// describes them.
///
/// Requests keep their gaps (see --speed), and each customer's requests their
/// order; a slow customer delays no other. Payloads get a mark as their first
/// member, and ids and times become those of this run; with --keep everything
/// is sent as it was recorded.
///
/// Exit status 1 if nothing was acknowledged, if a recording could not be read
/// to its end (the result is written all the same), or if a limit does not hold.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// Recordings; several are merged by their times.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to send: http[s]://HOST:PORT; the paths are the recording's.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    tls: TlsArgs,
    /// Header of every request, in place of a recorded one; repeatable.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// API key for all customers, instead of recorded credentials.
    #[arg(long, env = "SLUICE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// File with one API key a line, given to customers as they appear.
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// How fast: 10x, 0.5x, or max for as fast as answered.
    #[arg(long, default_value = "1x", value_parser = speed)]
    speed: Speed,
    /// How many times to play the recordings.
    #[arg(long = "loop", value_name = "N", default_value_t = 1)]
    passes: u64,
    /// Skip the recording up to this time from its start.
    #[arg(long, default_value = "0s", value_parser = duration::parse)]
    from: Duration,
    /// Stop at this time from the start of the recording.
    #[arg(long, value_parser = duration::parse)]
    to: Option<Duration>,
    /// Longest recorded silence to wait for; a time that is further from both
    /// its neighbours is ignored.
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    max_gap: Duration,
    /// Play this customer only; repeatable.
    #[arg(long)]
    customer: Vec<String>,
    /// Send everything as it was recorded: no marks, ids and times as they were.
    #[arg(long, conflicts_with = "ledger")]
    keep: bool,
    /// Most connections, each with one request in flight; a customer has one.
    #[arg(long, value_name = "N", default_value_t = 256)]
    connections: usize,
    /// Most requests that may be due and wait for a connection or for their
    /// customer's previous request.
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    waiting: usize,
    /// Limit on connecting and on each answer (ms, s, m, h).
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    timeout: Duration,
    /// Send a request whose outcome is unknown again, until it is known.
    #[arg(long)]
    retry_unknown: bool,
    /// Write every request's outcome to this file, for `verify`.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Fail (exit status 1) unless this holds, as in p99<10ms; repeatable.
    #[arg(long, value_name = "LIMIT")]
    threshold: Vec<Threshold>,
    /// Scrape these metrics of the server once a second, for the result.
    #[arg(long, value_name = "URL")]
    scrape: Option<String>,
    /// Write the result to this file: .json, .html or .prom; repeatable.
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// How progress is shown, on stderr.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    progress: Progress,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// A multiple of the recorded speed; `None` for as fast as answered.
#[derive(Clone, Copy, Debug)]
struct Speed(Option<f64>);

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed(None));
    }
    let number = text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|speed: &f64| *speed > 0.0);
    number.map(|speed| Speed(Some(speed))).ok_or_else(|| format!("{text:?} is not like 10x, 0.5x or max"))
}

#[derive(Debug, Serialize)]
struct ReplayResult {
    #[serde(flatten)]
    report: ReplayReport,
    timeline: Timeline,
    thresholds: Vec<CheckedLimit>,
}

impl ReplayArgs {
    fn config(&self) -> anyhow::Result<ReplayConfig> {
        let keys = match (&self.keys_file, &self.key) {
            (Some(file), _) => super::run::read_keys(file)?,
            (None, key) => key.iter().cloned().collect(),
        };
        Ok(ReplayConfig {
            tls: self.tls.settings(),
            headers: self.header.clone(),
            keys,
            speed: self.speed.0,
            passes: self.passes,
            from: self.from,
            to: self.to,
            gap_max: self.max_gap,
            customers: self.customer.clone(),
            keep: self.keep,
            connections: self.connections,
            waiting_max: self.waiting,
            timeout: self.timeout,
            retry_unknown: self.retry_unknown,
            ledger: self.ledger.clone(),
            ..ReplayConfig::new(&self.url, self.files.clone())
        })
    }
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let wanted = WantedOutput { json: args.json, out: &args.out, thresholds: &args.threshold };
    wanted.prepare(&KnownFigures::new(ResultKind::Replay, false, false))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let (report, timeline) = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let (live, ended) = (Arc::new(LiveRun::default()), CancellationToken::new());
        let mut view = LiveView::new(args.progress, Duration::ZERO, None);
        let beside = WatchConfig {
            tls: args.tls.settings(),
            scrape: args.scrape.clone(),
            receiver: None,
            period: Duration::from_secs(1),
        };
        let playing = async {
            let report = replay(config, Arc::clone(&live), stop).await;
            ended.cancel();
            report
        };
        let watching = watch(&live, &beside, ended.clone(), |point, counters| view.show(point, counters));
        let (report, timeline) = tokio::join!(playing, watching);
        anyhow::Ok((report.context("replaying")?, timeline))
    })?;
    let mut result = ReplayResult { report, timeline, thresholds: Vec::new() };
    result.thresholds = wanted.check(&result)?;
    let unread = result.report.recording_error.as_deref();
    let failure = unread.or(output::proves_nothing(&result.report.run, !args.threshold.is_empty()));
    wanted.conclude(&result, result.report.text(), &result.thresholds, failure)
}
