//! `sluice-loadtest report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use sluice_loadtest::metric::Threshold;

use super::output;

/// Makes a page or Prometheus metrics from a result that `run --out FILE.json`
/// or `--json` wrote, and checks limits on it.
///
/// The page needs no other file and no network. Exit status 1 if a limit does
/// not hold.
#[derive(Args, Debug)]
pub(super) struct ReportArgs {
    /// The result, JSON.
    #[arg(value_name = "RESULT")]
    result: PathBuf,
    /// Write it to this file, in the form of its ending: .html, .prom or .json; repeatable.
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
    /// Fail (exit status 1) unless this holds, as in p99<10ms; repeatable.
    #[arg(long, value_name = "LIMIT")]
    threshold: Vec<Threshold>,
}

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    output::check_files(&args.out)?;
    let result = output::read_json(&args.result)?;
    output::files(&args.out, &result)?;
    let checked: Vec<_> = args.threshold.iter().map(|threshold| threshold.check(&result)).collect();
    checked.iter().try_for_each(|checked| output::line(&checked.text))?;
    let interrupted = !checked.is_empty() && result.get("ended").is_some_and(|ended| ended == "interrupted");
    if interrupted {
        output::line("FAILED: the run was interrupted, so its limits are not kept")?;
    }
    let ok = !interrupted && checked.iter().all(|checked| checked.ok);
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
