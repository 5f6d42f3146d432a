//! Commands and their flags.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Event-trigger pipeline: durable events in over HTTP, batched signed webhooks out.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 used wrongly.\n\
Configuration: flags > environment (SLUICE_…) > the file of --config (TOML) > defaults; \
see `sluice config`.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Read configuration from this TOML file
    #[arg(long, global = true, value_name = "FILE", env = "SLUICE_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process on the embedded engine
    Up(Up),
    /// Show it working: all roles, a sample customer, receiver and traffic; ends on Ctrl-C
    Demo(Demo),
    /// Print the effective configuration as TOML, secrets masked
    Config,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where everything durable is kept [default: ./sluice-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the public API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address of the admin API [default: 127.0.0.1:8081]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Token of the admin API; without it one is made and kept in the data directory
    #[arg(long, value_name = "TOKEN", env = "SLUICE_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Let webhooks go to loopback and private addresses (development)
    #[arg(long)]
    pub allow_private_webhooks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after this long (seconds: `30`, `30s`; minutes: `2m`)
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub for_time: Option<Duration>,
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub rate: u32,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = number.parse().map_err(|_other| format!("`{text}` is not a time like 30s or 2m"))?;
    Ok(Duration::from_secs(number * unit))
}

/// Says on standard error why the command did not do its work.
#[expect(clippy::print_stderr, reason = "this is where a command line tool says its errors")]
pub(crate) fn fail(status: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("sluice: {error:#}");
    ExitCode::from(status)
}
