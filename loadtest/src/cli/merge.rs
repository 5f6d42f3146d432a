//! `sluice-loadtest merge`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use sluice_loadtest::metric::{CheckedLimit, KnownFigures, ResultKind, Threshold};
use sluice_loadtest::sender::RunReport;

use super::output::{self, WantedOutput};

/// Merges the results of several generators that ran at the same time.
///
/// Counts and rates add up; percentiles are those of all requests, from the
/// histograms in the files. Exit status 1 if a limit does not hold.
#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    /// Results of `run`, JSON.
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,
    /// Fail (exit status 1) unless this holds, as in p99<10ms; repeatable.
    #[arg(long, value_name = "LIMIT")]
    threshold: Vec<Threshold>,
    /// Write the result to this file: .json, .html or .prom; repeatable.
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct MergedResult {
    #[serde(flatten)]
    report: RunReport,
    /// The number of merged results.
    generators: usize,
    thresholds: Vec<CheckedLimit>,
}

pub(super) fn run(args: &MergeArgs) -> anyhow::Result<ExitCode> {
    let wanted = WantedOutput { json: args.json, out: &args.out, thresholds: &args.threshold };
    wanted.prepare(&KnownFigures::new(ResultKind::Run, true, false))?;
    let reports: Vec<_> = args.results.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    for (nth, report) in reports.iter().enumerate() {
        if reports[..nth].iter().any(|other| other.run == report.run) {
            bail!("{} is of a run that is given twice", args.results[nth].display());
        }
    }
    let generators = reports.len();
    let report = RunReport::merge(reports).context("merging the results")?;
    let mut result = MergedResult { report, generators, thresholds: Vec::new() };
    result.thresholds = wanted.check(&result)?;
    let failure = output::proves_nothing(&result.report, !args.threshold.is_empty());
    wanted.conclude(&result, result.report.text(), &result.thresholds, failure)
}

fn read(path: &Path) -> anyhow::Result<RunReport> {
    let value = output::read_json(path)?;
    serde_json::from_value(value).with_context(|| format!("{} is not a result of `run`", path.display()))
}
