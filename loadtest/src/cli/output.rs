//! What the commands print.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

/// Prints a result: one line of JSON, or text.
pub(crate) fn result(json: bool, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
    if json {
        line(&serde_json::to_string(value).context("writing the result as JSON")?)
    } else {
        line(text.trim_end())
    }
}

/// Prints a line on stdout, at once.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("writing to stdout")
}

/// Prints why a command failed.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // Where stderr is gone there is nobody to tell.
    writeln!(io::stderr(), "sluice-loadtest: {error:#}").ok();
    ExitCode::FAILURE
}
