//! `sluice-loadtest verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use sluice_loadtest::verify::{Arrival, OrderCheck, verify};

use super::output;

/// Compares the ledgers of `run` and `receive`: every event answered 2xx must
/// have been received intact.
///
/// Exit status 0 if so, 1 if an event is lost or corrupted, if none was
/// answered 2xx, or if a ledger cannot be read. Duplicates, disorder and events
/// that arrived although they were refused are only counted. All numbers count
/// events.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Ledger written by `run --ledger`, by one run or several.
    #[arg(long, value_name = "FILE")]
    sent: PathBuf,
    /// Ledger written by `receive --ledger`.
    #[arg(long, value_name = "FILE")]
    received: PathBuf,
    /// Let an event count as arrived if any subscription received it. By default
    /// every subscription that received any event of its stream must have it.
    #[arg(long)]
    any_subscription: bool,
    /// Fail also if an acknowledged event was first received after a later event
    /// of its stream: for `ordered` subscriptions.
    #[arg(long)]
    ordered: bool,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let arrival = if args.any_subscription { Arrival::AnySubscription } else { Arrival::EverySubscription };
    let order = if args.ordered { OrderCheck::Required } else { OrderCheck::Counted };
    let report = verify(&args.sent, &args.received, arrival, order).context("comparing the ledgers")?;
    output::result(args.json, &report, &report.text())?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
