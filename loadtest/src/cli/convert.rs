//! `sluice-loadtest convert`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use sluice_loadtest::convert::{Format, convert};

use super::output;

/// Makes a recording for `replay` of what another tool kept.
///
/// From an HTTP archive come its requests with a body, without credentials
/// and cookies. An access log (common or combined format) has no events in
/// it: each of its lines becomes one event `http.request` that says what the
/// line says, hosts and paths included.
#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// What to convert.
    file: PathBuf,
    /// What the file is.
    #[arg(long, value_enum)]
    from: From,
    /// The recording; compressed if it ends in .gz or .zst. A file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// HTTP archive 1.2, as browsers and proxies save it.
    Har,
    /// Common or combined log format.
    AccessLog,
}

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let format = match args.from {
        From::Har => Format::Har,
        From::AccessLog => Format::AccessLog,
    };
    let stats = convert(&args.file, format, &args.out).context("converting")?;
    let place = match stats.first_left_out {
        0 => String::new(),
        line => format!(" (the first is line {line})"),
    };
    let text = format!("{} requests written, {} left out{place}", stats.written, stats.left_out);
    output::result(args.json, &stats, &text)?;
    Ok(ExitCode::SUCCESS)
}
