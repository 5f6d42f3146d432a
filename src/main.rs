//! The command line of Sluice: picks ports, binds roles, runs, drains.

mod admin_token;
mod cli;
mod config;
mod cost;
mod demo;
#[cfg(feature = "aws")]
mod distributed;
#[cfg(feature = "aws")]
mod health;
mod server;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match config::load(&cli.global, &cli.command) {
        Ok(config) => config,
        Err(error) => return cli::fail(2, &error),
    };
    let outcome = match &cli.command {
        #[cfg(feature = "aws")]
        Command::Up(_) if config.distributed => server::block_on(&config, distributed::up(&config)),
        Command::Up(_) => server::block_on(&config, server::up(&config)),
        Command::Demo(options) => server::block_on(&config, demo::run(&config, options)),
        #[cfg(feature = "aws")]
        Command::Ingest(_) => server::block_on(&config, distributed::ingest(&config)),
        #[cfg(feature = "aws")]
        Command::Processor(_) => server::block_on(&config, distributed::processor(&config)),
        #[cfg(feature = "aws")]
        Command::Provision(options) => server::block_on(&config, distributed::provision(&config, options)),
        Command::Config => config::print(&config),
        Command::Cost(options) => cost::print(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(1, &error),
    }
}
