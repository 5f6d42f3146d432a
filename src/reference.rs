//! Completion scripts and man pages, made from the definition of the commands.

use crate::cli::{Cli, fail};
use crate::output::print;
use anyhow::Context;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

/// Prints a completion script.
pub(crate) fn complete(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut script);
    match print(&String::from_utf8_lossy(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// Writes `sluice.1` and a page for each command into a directory.
pub(crate) fn write_man_pages(dir: &Path) -> ExitCode {
    let written = clap_mangen::generate_to(Cli::command(), dir);
    match written.with_context(|| format!("write man pages into {}", dir.display())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}
