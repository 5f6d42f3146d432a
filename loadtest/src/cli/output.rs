//! Prints results and writes them to files.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::Value;
use sluice_loadtest::metric::{CheckedLimit, KnownFigures, Threshold};
use sluice_loadtest::sender::{RunEnd, RunReport};
use sluice_loadtest::{html, prometheus};

/// Prints a result: one line of JSON, or text.
pub(crate) fn result(json: bool, value: &impl Serialize, text: &str) -> anyhow::Result<()> {
    if json {
        line(&serde_json::to_string(value).context("writing the result as JSON")?)
    } else {
        line(text.trim_end())
    }
}

/// The files for a run's result, and the limits that it must keep.
pub(crate) struct WantedOutput<'a> {
    pub(crate) json: bool,
    pub(crate) out: &'a [PathBuf],
    pub(crate) thresholds: &'a [Threshold],
}

impl WantedOutput<'_> {
    /// Refuses, before anything runs, files that could not be written and
    /// limits on figures that the result will not have.
    pub(crate) fn prepare(&self, figures: &KnownFigures) -> anyhow::Result<()> {
        check_files(self.out)?;
        self.thresholds.iter().try_for_each(|threshold| figures.check(threshold))?;
        Ok(())
    }

    /// Checks a result.
    pub(crate) fn check(&self, result: &impl Serialize) -> anyhow::Result<Vec<CheckedLimit>> {
        let json = serde_json::to_value(result).context("writing the result as JSON")?;
        Ok(self.thresholds.iter().map(|threshold| threshold.check(&json)).collect())
    }

    /// Writes and prints a checked result. Fails if a limit does not hold, or if
    /// there is a reason why the result proves nothing.
    pub(crate) fn conclude(
        &self,
        value: &impl Serialize,
        text: String,
        checked: &[CheckedLimit],
        proves_nothing: Option<&str>,
    ) -> anyhow::Result<ExitCode> {
        files(self.out, value)?;
        let mut text = checked.iter().fold(text, |text, checked| text + &checked.text + "\n");
        proves_nothing.iter().for_each(|reason| text.push_str(&format!("FAILED: {reason}\n")));
        result(self.json, value, &text)?;
        if let (Some(reason), true) = (proves_nothing, self.json) {
            tell(&format!("sluice-loadtest: {reason}"));
        }
        let ok = proves_nothing.is_none() && checked.iter().all(|checked| checked.ok);
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The form of a result file.
#[derive(Clone, Copy, Debug)]
enum FileForm {
    Json,
    Html,
    Prometheus,
}

fn form_of(path: &Path) -> anyhow::Result<FileForm> {
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => FileForm::Json,
        Some("html") => FileForm::Html,
        Some("prom") => FileForm::Prometheus,
        _ => bail!("{} must end in .json, .html or .prom", path.display()),
    })
}

/// Refuses result files of an unknown form, or that cannot be written.
pub(crate) fn check_files(paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        form_of(path)?;
        let there = path.exists();
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        if !there {
            // It was made only to check that it can be written.
            std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a result to files, each in the form that its name asks for.
pub(crate) fn files(paths: &[PathBuf], result: &impl Serialize) -> anyhow::Result<()> {
    let value = serde_json::to_value(result).context("writing the result as JSON")?;
    for path in paths {
        let text = match form_of(path)? {
            FileForm::Json => serde_json::to_string_pretty(&value).context("writing the result as JSON")?,
            FileForm::Html => html::page(&value),
            FileForm::Prometheus => prometheus::write(&value),
        };
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Why a run's figures prove nothing; `None` if they can be judged.
pub(crate) fn proves_nothing(report: &RunReport, limited: bool) -> Option<&'static str> {
    if report.measured.requests == 0 {
        Some("nothing was measured: no request was due and had an outcome in the measured window")
    } else if !report.has_measured() {
        Some("no event was accepted in the measured window")
    } else if report.ended == RunEnd::Interrupted && limited {
        Some("the run was interrupted, so its limits are not kept")
    } else {
        None
    }
}

/// Reads a result that `run`, `replay` or `chaos` wrote as JSON.
pub(crate) fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let count = |name: &str| value.pointer(&format!("/measured/{name}")).and_then(Value::as_u64);
    match (count("requests"), count("requests_acknowledged")) {
        (Some(_), Some(1..)) if count("events_accepted") == Some(0) && count("events_rejected") > Some(0) => {
            bail!("{} has nothing to judge: every event was rejected", path.display())
        }
        (Some(_), Some(1..)) => Ok(value),
        (Some(0), _) => bail!("{} has nothing to judge: no request was measured", path.display()),
        (Some(_), _) => bail!("{} has nothing to judge: no request was acknowledged", path.display()),
        (None, _) => bail!("{} is not a result of this program", path.display()),
    }
}

/// Prints a line on stdout, at once.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("writing to stdout")
}

/// Prints why a command failed.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    tell(&format!("sluice-loadtest: {error:#}"));
    ExitCode::FAILURE
}

/// Prints a line on stderr.
pub(crate) fn tell(text: &str) {
    // If stderr is closed, nobody can read it.
    writeln!(io::stderr(), "{text}").ok();
}
