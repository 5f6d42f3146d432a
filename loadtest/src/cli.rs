//! The command line: arguments in, results on stdout, errors on stderr.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

mod baseline;
mod chaos;
mod compare;
mod convert;
pub(crate) mod output;
mod receive;
mod record;
mod replay;
mod report;
mod run;
mod verify;

/// Drives, receives and verifies event traffic.
///
/// Works with any pipeline that takes events and delivers webhooks as Sluice
/// does. Exit status: 0 done, 1 failed (or a verification found a fault), 2
/// used wrongly.
#[derive(Debug, Parser)]
#[command(name = "sluice-loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Replay(Box<replay::ReplayArgs>),
    Record(record::RecordArgs),
    Receive(receive::ReceiveArgs),
    Verify(verify::VerifyArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Convert(convert::ConvertArgs),
    Chaos(chaos::ChaosArgs),
    Baseline(baseline::BaselineArgs),
}

/// Runs the command to its end.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Receive(args) => receive::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Baseline(args) => baseline::run(&args),
    }
}

/// Cancelled by the first Ctrl-C or SIGTERM; the second ends the process, as
/// it would without this.
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
