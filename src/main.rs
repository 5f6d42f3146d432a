//! The command line of Sluice: picks ports, binds roles, runs, drains.

mod admin_token;
mod cli;
mod config;
mod cost;
mod demo;
mod development;
#[cfg(feature = "aws")]
mod distributed;
mod healthcheck;
#[cfg(any(test, feature = "otel"))]
mod otlp;
mod output;
mod probe_listener;
mod process;
mod queue_depths;
mod reference;
mod remote;
mod roles;
mod up;
mod waiting_room;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = process::install_tls_provider() {
        return cli::fail(1, &error);
    }
    match &cli.command {
        Command::Remote(remote) => return remote::run(remote),
        Command::Completions { shell } => return reference::complete(*shell),
        Command::Man { dir } => return reference::write_man_pages(dir),
        _ => {}
    }
    let loaded = match config::load(&cli.global, &cli.command) {
        Ok(loaded) => loaded,
        Err(error) => return cli::fail(2, &error),
    };
    let config = &loaded.config;
    let outcome = match &cli.command {
        #[cfg(feature = "aws")]
        Command::Up(_) if config.distributed => process::block_on_both_roles(config, distributed::up(config)),
        Command::Up(options) => process::block_on_both_roles(config, up::run(config, options.purpose())),
        Command::Demo(options) => process::block_on_both_roles(config, demo::run(config, options)),
        #[cfg(feature = "aws")]
        Command::Ingest(_) => process::block_on(config, distributed::ingest(config)),
        #[cfg(feature = "aws")]
        Command::Processor(_) => process::block_on(config, distributed::processor(config)),
        #[cfg(feature = "aws")]
        Command::Provision(options) => process::block_on(config, distributed::provision(config, options)),
        Command::Healthcheck(options) => healthcheck::run(options, config),
        #[cfg(feature = "aws")]
        Command::Leases(options) => process::block_on(config, distributed::leases(config, options)),
        Command::Config(options) => config::show::print(&loaded, options.json),
        Command::Cost(options) => cost::print(options),
        Command::Remote(_) | Command::Completions { .. } | Command::Man { .. } => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(1, &error),
    }
}
