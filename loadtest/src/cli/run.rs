//! `sluice-loadtest run`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use sluice_loadtest::metric::{CheckedLimit, KnownFigures, ResultKind, Threshold};
use sluice_loadtest::sender::{self, LiveMeasurement, LiveRun, RunConfig, RunReport};
use sluice_loadtest::watch::{Timeline, receiver_stats, watch};

use super::output::{self, WantedOutput};
use super::stop_signal;

mod args;
pub(crate) mod live_view;
mod parse;

pub(super) use args::RunArgs;
pub(super) use parse::read_keys;

use live_view::LiveView;

/// How long a receiver may go without an event before it counts as settled.
const SETTLED: Duration = Duration::from_secs(3);
/// The longest wait for a receiver to settle.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// A run's result, with its timeline and the receiver's figures. The field names
/// are stable.
#[derive(Debug, Serialize)]
pub(super) struct RunResult {
    #[serde(flatten)]
    pub(super) report: RunReport,
    /// A point a second.
    timeline: Timeline,
    /// The receiver's figures, once it had all accepted events.
    receiver: Option<Value>,
    /// The limits asked for.
    pub(super) thresholds: Vec<CheckedLimit>,
    /// The limit that ended the run before its time.
    stopped_by: Option<CheckedLimit>,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let wanted = args.wanted();
    wanted.prepare(&args.figures())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let mut result = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        drive(args, config, &stop).await
    })?;
    result.thresholds = wanted.check(&result)?;
    let mut text = result.report.text();
    if let Some(limit) = &result.stopped_by {
        text.push_str(&format!("stopped before its time: {}\n", limit.text));
    }
    let failure = output::proves_nothing(&result.report, !args.threshold.is_empty());
    wanted.conclude(&result, text, &result.thresholds, failure)
}

impl RunArgs {
    pub(super) fn wanted(&self) -> WantedOutput<'_> {
        WantedOutput { json: self.json, out: &self.out, thresholds: &self.threshold }
    }

    pub(super) fn figures(&self) -> KnownFigures {
        KnownFigures::new(ResultKind::Run, self.watch_pid.is_some(), self.receiver.is_some())
    }
}

/// Runs until its end or `stop`.
pub(super) async fn drive(
    args: &RunArgs,
    config: RunConfig,
    stop: &CancellationToken,
) -> anyhow::Result<RunResult> {
    let (live, ended, sending_stop) =
        (Arc::new(LiveRun::default()), CancellationToken::new(), stop.child_token());
    let (watched, warmup) = (args.watch(), config.warmup);
    let total = config.duration.map(|duration| warmup + duration);
    let mut view = LiveView::new(args.progress, warmup, total);
    let mut guard = LimitGuard { after: args.fail_fast, warmup, limits: &args.threshold, broken: None };
    if guard.after.is_some() {
        live.measure();
    }
    let sending = async {
        let report = sender::run(config, Arc::clone(&live), sending_stop.clone()).await;
        ended.cancel();
        report
    };
    let watching = watch(&live, &watched, ended.clone(), |point, counters| {
        view.show(point, counters);
        if guard.breaks(point.at_s, &live) {
            sending_stop.cancel();
        }
    });
    let (report, timeline) = tokio::join!(sending, watching);
    let report = report.context("sending")?;
    let receiver = match &args.receiver {
        Some(url) => settled(&watched.tls, url, report.whole_run.events_accepted, stop).await,
        None => None,
    };
    Ok(RunResult { report, timeline, receiver, thresholds: Vec::new(), stopped_by: guard.broken })
}

/// Judges limits while a run goes on.
struct LimitGuard<'a> {
    /// Judge once this much time was measured; never, if `None`.
    after: Option<Duration>,
    warmup: Duration,
    limits: &'a [Threshold],
    broken: Option<CheckedLimit>,
}

impl LimitGuard<'_> {
    /// Returns true if a limit is broken `at_s` seconds after the run's start.
    fn breaks(&mut self, at_s: f64, live: &LiveRun) -> bool {
        let measured_s = at_s - self.warmup.as_secs_f64();
        let Some(after) = self.after else { return false };
        let Some(measured) = live.measurement().filter(|_| measured_s >= after.as_secs_f64()) else {
            return false;
        };
        let result = figures_so_far(&measured, measured_s);
        let early = self.limits.iter().filter(|limit| limit.can_be_judged_early());
        self.broken =
            early.map(|limit| limit.check(&result)).find(|checked| checked.value.is_some() && !checked.ok);
        self.broken.is_some()
    }
}

/// The part of a result that is known while a run goes on.
fn figures_so_far(measured: &LiveMeasurement, measured_s: f64) -> Value {
    let per_s = |count: u64| count as f64 / measured_s;
    json!({
        "measured": measured.totals,
        "requests_per_s": per_s(measured.totals.requests),
        "events_per_s": per_s(measured.totals.events_accepted),
        "bytes_per_s": per_s(measured.totals.bytes_sent),
        "latency_us": measured.latency,
        "service_time_us": measured.service_time,
    })
}

/// The receiver's figures once it has `events`, or gets no more.
async fn settled(
    tls: &sluice_loadtest::tls::TlsSettings,
    url: &str,
    events: u64,
    stop: &CancellationToken,
) -> Option<Value> {
    let (started, mut last) = (Instant::now(), (0, Instant::now()));
    loop {
        let stats = receiver_stats(tls, url).await?;
        let received = stats.get("events").and_then(Value::as_u64).unwrap_or(0);
        if received != last.0 {
            last = (received, Instant::now());
        }
        let waited = last.1.elapsed() > SETTLED || started.elapsed() > SETTLE_MAX;
        if received >= events || waited || stop.is_cancelled() {
            return Some(stats);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
