//! The command line: arguments in, results on stdout, errors on stderr.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

mod baseline;
mod chaos;
mod compare;
mod connect;
mod convert;
mod merge;
pub(crate) mod output;
mod receive;
mod record;
mod replay;
mod report;
mod run;
mod search;
mod verify;

/// Sends, receives and verifies event traffic.
///
/// Works with any pipeline that takes events and delivers webhooks as Sluice
/// does, and measures any HTTP server. Exit status: 0 done, 1 failed, 2 used
/// wrongly. A limit that does not hold or has no data to judge, and a
/// verification that finds a fault, count as failed.
#[derive(Debug, Parser)]
#[command(name = "sluice-loadtest", version)]
pub(crate) struct LoadtestCli {
    #[command(subcommand)]
    command: LoadtestCommand,
}

#[derive(Debug, Subcommand)]
enum LoadtestCommand {
    Run(Box<run::RunArgs>),
    Replay(Box<replay::ReplayArgs>),
    Record(record::RecordArgs),
    Receive(receive::ReceiveArgs),
    Verify(verify::VerifyArgs),
    Report(report::ReportArgs),
    Search(Box<search::SearchArgs>),
    Merge(merge::MergeArgs),
    Compare(compare::CompareArgs),
    Convert(convert::ConvertArgs),
    Chaos(chaos::ChaosArgs),
    Baseline(baseline::BaselineArgs),
}

/// Runs the command to its end.
pub(crate) fn run(cli: LoadtestCli) -> anyhow::Result<ExitCode> {
    match cli.command {
        LoadtestCommand::Run(args) => run::run(&args),
        LoadtestCommand::Replay(args) => replay::run(&args),
        LoadtestCommand::Record(args) => record::run(&args),
        LoadtestCommand::Receive(args) => receive::run(&args),
        LoadtestCommand::Verify(args) => verify::run(&args),
        LoadtestCommand::Report(args) => report::run(&args),
        LoadtestCommand::Search(args) => search::run(&args),
        LoadtestCommand::Merge(args) => merge::run(&args),
        LoadtestCommand::Compare(args) => compare::run(&args),
        LoadtestCommand::Convert(args) => convert::run(&args),
        LoadtestCommand::Chaos(args) => chaos::run(&args),
        LoadtestCommand::Baseline(args) => baseline::run(&args),
    }
}

/// Returns a token that the first Ctrl-C or SIGTERM cancels; the second ends
/// the process.
fn stop_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        // Both receivers are cancel safe.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        signalled.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(1);
    });
    Ok(stop)
}
