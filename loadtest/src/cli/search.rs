//! `sluice-loadtest search`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use sluice_loadtest::metric::{Threshold, figure};
use sluice_loadtest::profile::RateProfile;
use sluice_loadtest::search::{RateSearch, SearchStep};
use sluice_loadtest::sender::{RunConfig, RunReport};

use super::run::{RunArgs, drive};
use super::{output, stop_signal};

/// Searches for the highest rate that keeps every --threshold.
///
/// Doubles the rate, from the lowest, until a limit fails, then bisects.
/// Each step is a run of its own with the arguments of `run`
/// (--duration is the length of a step). A step also fails if more than one in
/// a hundred of its requests could not be sent in time.
///
/// Prints each step on stderr and the highest rate on stdout. Exit status 1 if
/// even the lowest rate fails, or if the search was interrupted.
#[derive(Args, Debug)]
pub(super) struct SearchArgs {
    /// Range of events per second, as in 1000..200000.
    #[arg(long, value_name = "LOW..HIGH", value_parser = rates)]
    rates: (f64, f64),
    /// Precision of the result, in percent of the highest good rate.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    precision: f64,
    #[command(flatten)]
    run: RunArgs,
}

/// Share of a step's requests that may be left unsent.
const UNSENT_MAX: f64 = 0.01;

fn rates(text: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| text.trim().parse().map_err(|_why| format!("{text:?} is not a number"));
    let (low, high) = text.split_once("..").ok_or_else(|| format!("{text:?} is not like 1000..200000"))?;
    Ok((number(low)?, number(high)?))
}

/// The result of a search. The field names are stable; those of the best
/// step's run stand at the top.
#[derive(Debug, Serialize)]
struct SearchResult {
    #[serde(flatten)]
    best: Option<RunReport>,
    /// The highest rate that kept all limits, in events per second.
    highest_rate: Option<f64>,
    /// All rates that were tried, in order.
    steps: Vec<SearchStep>,
}

pub(super) fn run(args: &SearchArgs) -> anyhow::Result<ExitCode> {
    let (low, high) = args.rates;
    let search = RateSearch::new(low, high, args.precision / 100.0);
    let search = search.context("--rates must be above 0 and ascend, --precision 0.1 to 100")?;
    if args.run.rate.is_some() || args.run.raw_file() {
        bail!("a search chooses its own rates and makes several runs: --rate and --raw are for `run`");
    }
    if args.run.threshold.is_empty() {
        bail!("a search needs a limit: give at least one --threshold");
    }
    let config = args.run.config_at(low)?;
    args.run.wanted().prepare(&args.run.figures())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let (result, interrupted) = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let result = find(&args.run, &config, search, &stop).await?;
        anyhow::Ok((result, stop.is_cancelled()))
    })?;
    output::files(&args.run.out, &result)?;
    output::result(args.run.json, &result, &text(&result))?;
    let ok = result.highest_rate.is_some() && !interrupted;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(
    args: &RunArgs,
    config: &RunConfig,
    mut search: RateSearch,
    stop: &CancellationToken,
) -> anyhow::Result<SearchResult> {
    let (mut steps, mut best) = (Vec::new(), None);
    while let Some(rate) = search.next_rate().filter(|_| !stop.is_cancelled()) {
        let config = RunConfig { profile: Some(RateProfile::constant(rate)), ..config.clone() };
        let result = drive(args, config, stop).await?;
        let step = judge(rate, &result.report, &args.threshold)?;
        if stop.is_cancelled() {
            break;
        }
        let verdict = if step.ok { "ok" } else { "FAILED" };
        output::tell(&format!("{rate:.0} events/s: {verdict} {}", step.reasons.join("; ")));
        search.tried(rate, step.ok);
        if step.ok {
            best = Some(result.report);
        }
        steps.push(step);
    }
    Ok(SearchResult { best, highest_rate: search.highest(), steps })
}

fn judge(rate: f64, report: &RunReport, limits: &[Threshold]) -> anyhow::Result<SearchStep> {
    let json = serde_json::to_value(report).context("writing the result as JSON")?;
    let checked = limits.iter().map(|limit| limit.check(&json)).filter(|checked| !checked.ok);
    let mut reasons: Vec<_> = checked.map(|checked| checked.text).collect();
    reasons.extend(output::proves_nothing(report, true).map(str::to_owned));
    let due = report.whole_run.requests + report.unsent_requests;
    if report.unsent_requests as f64 > due as f64 * UNSENT_MAX {
        reasons.push(format!("{} of {due} requests could not be sent in time", report.unsent_requests));
    }
    Ok(SearchStep {
        rate,
        ok: reasons.is_empty(),
        events_per_s: report.events_per_s,
        p99_us: figure(&json, "p99"),
        reasons,
    })
}

fn text(result: &SearchResult) -> String {
    match (result.highest_rate, &result.best) {
        (Some(rate), Some(best)) => format!("highest rate: {rate:.0} events/s\n{}", best.text()),
        _ => "no rate kept all limits".to_owned(),
    }
}
