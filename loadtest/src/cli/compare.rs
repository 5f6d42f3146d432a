//! `sluice-loadtest compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use sluice_loadtest::metric::{ChangeLimit, CheckedLimit, change, figure, show};

use super::output;

/// Compares two results.
///
/// Exit status 1 if a figure moved further than --fail-on allows, or was not
/// measured in both, or if one of the files is no result or measured nothing.
#[derive(Args, Debug)]
pub(super) struct CompareArgs {
    /// The result before, JSON of `run`.
    before: PathBuf,
    /// The result after.
    after: PathBuf,
    /// Fail if a figure moved further in this direction: p99:+10% (rose by
    /// more), events_per_s:-5% (fell by more); repeatable.
    #[arg(long, value_name = "NAME:CHANGE")]
    fail_on: Vec<ChangeLimit>,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Figures that are always shown.
const FIGURES: [&str; 14] = [
    "events_per_s",
    "requests_per_s",
    "p50",
    "p90",
    "p95",
    "p99",
    "p999",
    "max",
    "service_p50",
    "service_p99",
    "error_rate",
    "unsent",
    "generator_cores",
    "watched.cores",
];

#[derive(Debug, Serialize)]
struct ResultComparison {
    figures: Vec<ComparedFigure>,
    limits: Vec<CheckedLimit>,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct ComparedFigure {
    name: String,
    before: f64,
    after: f64,
    /// The relative change; `None` if the figure was 0 before.
    change: Option<f64>,
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let (before, after) = (output::read_json(&args.before)?, output::read_json(&args.after)?);
    let limits: Vec<_> = args.fail_on.iter().map(|limit| limit.check(&before, &after)).collect();
    let mut names: Vec<&str> = FIGURES.to_vec();
    names.extend(args.fail_on.iter().map(ChangeLimit::name).filter(|name| !FIGURES.contains(name)));
    let figures: Vec<_> = names.into_iter().filter_map(|name| compare(name, &before, &after)).collect();
    let ok = limits.iter().all(|checked| checked.ok);
    let comparison = ResultComparison { figures, limits, ok };
    output::result(args.json, &comparison, &text(&comparison))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(name: &str, before: &Value, after: &Value) -> Option<ComparedFigure> {
    let (before, after) = (figure(before, name)?, figure(after, name)?);
    let change = Some(change(before, after)).filter(|change| change.is_finite());
    Some(ComparedFigure { name: name.to_owned(), before, after, change })
}

fn text(comparison: &ResultComparison) -> String {
    let mut text = format!("{:<18} {:>16} {:>16} {:>10}\n", "", "before", "after", "change");
    for ComparedFigure { name, before, after, change } in &comparison.figures {
        let change = change.map_or_else(|| "new".to_owned(), |change| format!("{:+.1} %", change * 100.0));
        let (before, after) = (show(name, *before), show(name, *after));
        text.push_str(&format!("{name:<18} {before:>16} {after:>16} {change:>10}\n"));
    }
    comparison.limits.iter().for_each(|checked| text.push_str(&format!("{}\n", checked.text)));
    text
}
