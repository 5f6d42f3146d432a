//! `sluice-loadtest chaos`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::chaos::{ChaosConfig, Scenario, beside_this_program, chaos};

use super::run::live_view::{LiveView, Progress};
use super::{output, stop_signal};

/// Runs a scenario against a server that it starts: makes customers,
/// subscriptions, traffic and receivers, injects faults at random moments, and
/// verifies at the end.
///
/// Exit status 1 if an event is lost, corrupted or out of a promised order, if
/// a flow has no acknowledged event, if the server fails, if no fault happened
/// or the run was interrupted, or if a limit of the scenario does not hold.
#[derive(Args, Debug)]
pub(super) struct ChaosArgs {
    /// The scenario, a TOML file: see loadtest/scenarios/.
    scenario: PathBuf,
    /// The server's binary [default: `sluice` beside this program].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Directory for data, ledgers and the server's log, which is kept; must not
    /// exist [default: a temporary directory, removed if all is well].
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Seed of the moments, faults and traffic.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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

pub(super) fn run(args: &ChaosArgs) -> anyhow::Result<ExitCode> {
    output::check_files(&args.out)?;
    let scenario = Scenario::read(&args.scenario)?;
    let server = args.server.clone().or_else(beside_this_program);
    let server = server.context("no `sluice` beside this program: build it, or give --server")?;
    let temporary = std::env::temp_dir().join(format!("sluice-chaos-{}", std::process::id()));
    let directory = args.directory.clone().unwrap_or_else(|| temporary.clone());
    std::fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
    let config = ChaosConfig { server, directory: directory.clone(), seed: args.seed };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let report = runtime.block_on(async {
        let stop = stop_signal().context("handling signals")?;
        let mut view = LiveView::new(args.progress, scenario.warmup, Some(scenario.duration));
        let ran = chaos(&scenario, &config, stop, |point, counters| view.show(point, counters)).await;
        ran.with_context(|| format!("running the scenario; see {}", directory.display()))
    })?;
    output::files(&args.out, &report)?;
    let mut text = report.text();
    if !report.ok {
        text.push_str(&format!("ledgers and the server's log are in {}\n", directory.display()));
    } else if args.directory.is_none() {
        std::fs::remove_dir_all(&temporary).with_context(|| format!("removing {}", temporary.display()))?;
    }
    output::result(args.json, &report, &text)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
