//! What the commands print.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::Value;
use sluice_loadtest::metric::{Checked, Threshold};
use sluice_loadtest::{html, prometheus};

/// Prints a result: one line of JSON, or text.
pub(crate) fn result(json: bool, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
    if json {
        line(&serde_json::to_string(value).context("writing the result as JSON")?)
    } else {
        line(text.trim_end())
    }
}

/// Where a run's result goes, and what is asked of it.
pub(crate) struct Wanted<'a> {
    pub(crate) json: bool,
    pub(crate) out: &'a [PathBuf],
    pub(crate) thresholds: &'a [Threshold],
}

impl Wanted<'_> {
    /// Checks a result.
    pub(crate) fn check(&self, result: &impl Serialize) -> anyhow::Result<Vec<Checked>> {
        let json = serde_json::to_value(result).context("writing the result as JSON")?;
        Ok(self.thresholds.iter().map(|threshold| threshold.check(&json)).collect())
    }

    /// Writes and prints a result that was checked.
    pub(crate) fn conclude(
        &self,
        value: &impl Serialize,
        text: String,
        checked: &[Checked],
    ) -> anyhow::Result<ExitCode> {
        files(self.out, value)?;
        let text = checked.iter().fold(text, |text, checked| text + &checked.text + "\n");
        result(self.json, value, &text)?;
        let ok = checked.iter().all(|checked| checked.ok);
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Writes a result to files, each in the form that its name asks for.
pub(crate) fn files(paths: &[PathBuf], result: &impl Serialize) -> anyhow::Result<()> {
    let value = serde_json::to_value(result).context("writing the result as JSON")?;
    for path in paths {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => serde_json::to_string_pretty(&value).context("writing the result as JSON")?,
            Some("html") => html::page(&value),
            Some("prom") => prometheus::write(&value),
            _ => bail!("{} must end in .json, .html or .prom", path.display()),
        };
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Reads a result that was written as JSON.
pub(crate) fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
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
