//! `sluice-loadtest run`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use sluice_loadtest::metric::Checked;
use sluice_loadtest::sender::{self, LiveRun, RunConfig, RunReport};
use sluice_loadtest::watch::{Timeline, receiver_stats, watch};

use super::output::Wanted;
use super::stop_signal;

mod args;
pub(crate) mod live_view;

pub(super) use args::{RunArgs, read_keys};

use live_view::LiveView;

/// How long a receiver may go without an event before it counts as settled,
/// and how long it is waited for at most.
const SETTLED: Duration = Duration::from_secs(3);
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// A run's result, and what was seen beside it. The field names are stable.
#[derive(Debug, Serialize)]
struct RunResult {
    #[serde(flatten)]
    report: RunReport,
    /// A point a second.
    timeline: Timeline,
    /// The receiver's figures, once it had what was sent.
    receiver: Option<Value>,
    /// The limits asked for.
    thresholds: Vec<Checked>,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let mut result = runtime.block_on(drive(args, config))?;
    let wanted = Wanted { json: args.json, out: &args.out, thresholds: &args.threshold };
    result.thresholds = wanted.check(&result)?;
    wanted.conclude(&result, result.report.text(), &result.thresholds)
}

async fn drive(args: &RunArgs, config: RunConfig) -> anyhow::Result<RunResult> {
    let stop = stop_signal().context("handling signals")?;
    let (live, ended) = (Arc::new(LiveRun::default()), CancellationToken::new());
    let (watched, total) = (args.watch(), config.duration.map(|duration| config.warmup + duration));
    let mut view = LiveView::new(args.progress, config.warmup, total);
    let sending = async {
        let report = sender::run(config, Arc::clone(&live), stop.clone()).await;
        ended.cancel();
        report
    };
    let watching = watch(&live, &watched, ended.clone(), |point, counters| view.show(point, counters));
    let (report, timeline) = tokio::join!(sending, watching);
    let report = report.context("sending")?;
    let receiver = match &args.receiver {
        Some(url) => settled(url, report.whole_run.events_accepted, &stop).await,
        None => None,
    };
    Ok(RunResult { report, timeline, receiver, thresholds: Vec::new() })
}

/// The receiver's figures once it has `events`, or gets no more.
async fn settled(url: &str, events: u64, stop: &CancellationToken) -> Option<Value> {
    let (started, mut last) = (Instant::now(), (0, Instant::now()));
    loop {
        let stats = receiver_stats(url).await?;
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
