//! `sluice-loadtest`: drives, receives and verifies event traffic.

use std::process::ExitCode;

use clap::Parser;

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Clap ends the process with status 2 if the command line is wrong.
    match cli::run(cli::LoadtestCli::parse()) {
        Ok(code) => code,
        Err(error) => cli::output::report(&error),
    }
}
