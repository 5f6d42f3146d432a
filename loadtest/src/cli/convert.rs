//! `sluice-loadtest convert`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use sluice_loadtest::convert::{ConvertFormat, convert};
use sluice_loadtest::record::Redaction;

use super::output;

/// Makes a recording for `replay` from another program's file.
///
/// An HTTP archive gives its requests with a body, without credentials and
/// cookies. An access log (common or combined format, with virtual hosts or
/// without) has no events in it: each of its lines becomes one event
/// `http.request` with the line's fields, hosts and paths included.
///
/// Exit status 1 if there is nothing to record; no file is made or changed then.
#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// The file to convert.
    file: PathBuf,
    /// Its form.
    #[arg(long, value_enum)]
    from: ConvertFrom,
    /// The recording; compressed if its name ends in .gz or .zst. An existing file is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out this header as well; repeatable.
    #[arg(long, value_name = "NAME")]
    redact_header: Vec<String>,
    /// Replace this member of events, as payload.card.number; repeatable.
    /// Requests whose body is not understood are then left out.
    #[arg(long, value_name = "PATH")]
    redact_field: Vec<String>,
    /// Print the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ConvertFrom {
    /// HTTP archive 1.2, as browsers and proxies save it.
    Har,
    /// Common or combined log format.
    AccessLog,
}

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let format = match args.from {
        ConvertFrom::Har => ConvertFormat::Har,
        ConvertFrom::AccessLog => ConvertFormat::AccessLog,
    };
    let redaction = Redaction::new(&args.redact_header, &args.redact_field);
    let stats = convert(&args.file, format, &args.out, &redaction).context("converting")?;
    let place = match (stats.first_left_out, &stats.first_reason) {
        (0, _) | (_, None) => String::new(),
        (nth, Some(reason)) => format!(" (the first is number {nth}: {reason})"),
    };
    let text = format!("{} requests written, {} left out{place}", stats.written, stats.left_out);
    output::result(args.json, &stats, &text)?;
    Ok(ExitCode::SUCCESS)
}
