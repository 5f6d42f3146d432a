//! Commands and their flags.

use crate::output::complain;
use crate::remote::Remote;
use clap::{Args, Parser, Subcommand};
use sluice_model::config::SecretValue;
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
    /// Run all roles in one process on the embedded engine
    Up(Up),
    /// Show Sluice at work: all roles, a sample customer, receivers, traffic, and a program that sends e-mails;
    /// ends on Ctrl-C
    Demo(Demo),
    /// Take events over HTTP and append them to the stream (distributed engine)
    #[cfg(feature = "aws")]
    Ingest(IngestFlags),
    /// Match the events of the stream and deliver them (distributed engine)
    #[cfg(feature = "aws")]
    Processor(ProcessorFlags),
    /// Make the stream, tables, queues and schema that are missing (development, emulators)
    #[cfg(feature = "aws")]
    Provision(Provision),
    /// Ask whether the process on this machine is ready or alive: exit status 0 if so, else 1 with the reasons
    Healthcheck(Healthcheck),
    /// Show which process works which shard, and move, pause or restart shards (distributed engine)
    #[cfg(feature = "aws")]
    Leases(LeasesCommand),
    #[command(flatten)]
    Remote(Remote),
    /// Print the configuration in effect as TOML, and where each value comes from; secrets are masked
    Config(ShowConfig),
    /// Print a completion script: `sluice completions bash > /etc/bash_completion.d/sluice`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory, for packages
    #[command(hide = true)]
    Man {
        /// An existing directory
        dir: PathBuf,
    },
    /// Compute what a load costs on AWS, with the arithmetic and its sources
    Cost(Cost),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Development on this machine only: a customer with the key test-api-key-12345, /admin/test-customer and
    /// /admin/test-subscription; webhooks may go anywhere, pages of any origin may call the API. Refuses
    /// addresses that other machines reach
    #[arg(long)]
    #[cfg_attr(feature = "aws", arg(conflicts_with = "distributed"))]
    pub dev: bool,
    /// Run on the distributed engine instead: Kinesis, DynamoDB, SQS, Postgres, Redis
    #[cfg(feature = "aws")]
    #[arg(long)]
    pub distributed: bool,
    /// Directory of all durable data [default: ./sluice-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub ingest: IngestFlags,
}

/// The use that a server is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Service, as the configuration says.
    Service,
    /// Development on one machine.
    Development,
}

impl Up {
    pub(crate) const fn purpose(&self) -> Purpose {
        if self.dev { Purpose::Development } else { Purpose::Service }
    }
}

/// Flags of the commands that run the ingest role.
#[derive(Debug, Args)]
pub(crate) struct IngestFlags {
    /// Address of the public API (host and port) [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address of the admin API [default: 127.0.0.1:8081]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// Token of the admin API, or SLUICE_ADMIN_TOKEN. If none is given, `up` on the embedded engine makes a
    /// token and keeps it in the data directory; on the distributed engine every ingest process needs the
    /// same token
    #[arg(long, value_name = "TOKEN")]
    pub admin_token: Option<SecretValue>,
    /// Read the token from the first line of this file instead, and from a second line the previous token,
    /// which is accepted too; the file is read again when it changes
    #[arg(long, value_name = "FILE", conflicts_with = "admin_token")]
    pub admin_token_file: Option<PathBuf>,
    /// Serve the public API over TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Let webhooks go to loopback and private addresses (development)
    #[arg(long)]
    pub allow_private_webhooks: bool,
    #[command(flatten)]
    pub logs: Logs,
}

/// How a role logs, to standard error.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// How logs are written: for people, or one JSON object a line [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    pub log_format: Option<String>,
    /// Which logs to write: a level, or directives such as info,sluice_processor=debug
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    #[command(flatten)]
    pub flags: Up,
    /// Print JSON: each field with its value and the value's origin
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(crate) struct ProcessorFlags {
    /// Address of /healthz, /readyz and /metrics [default: 127.0.0.1:8082]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Let webhooks go to loopback and private addresses (development)
    #[arg(long)]
    pub allow_private_webhooks: bool,
    #[command(flatten)]
    pub logs: Logs,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(crate) struct Provision {
    /// Shards of the stream [default: 1 for a new stream; an existing stream keeps its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub shards: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
#[command(
    after_help = "Without a command it lists the shards of the stream. An order stays in the shard's row of \
the lease table until it is done; the running processes obey within a few seconds. `resume` takes back the orders \
that are not done yet, and pins."
)]
pub(crate) struct LeasesCommand {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub action: Option<LeaseAction>,
}

#[cfg(feature = "aws")]
#[derive(Debug, Subcommand)]
pub(crate) enum LeaseAction {
    /// Move a shard to another process, where it stays as long as that process lives
    HandOver {
        /// The shard
        shard: String,
        /// The process [default: the one with the fewest shards]
        #[arg(long, value_name = "WORKER")]
        to: Option<String>,
    },
    /// Stop all work on a shard; its events wait in the stream, for no longer than the stream's retention
    Pause {
        /// The shard
        shard: String,
    },
    /// Work a paused shard again; takes back every order that is not done yet, and pins
    Resume {
        /// The shard
        shard: String,
    },
    /// Work a shard from another place: events in between are skipped, or delivered again
    #[command(group = clap::ArgGroup::new("where").required(true))]
    Start {
        /// The shard
        shard: String,
        /// From the first event that arrived at this time or later (RFC 3339)
        #[arg(long, value_name = "TIME", group = "where", value_parser = parse_past)]
        at: Option<u64>,
        /// Behind the newest event
        #[arg(long, group = "where")]
        newest: bool,
        /// From the oldest event that the stream still has
        #[arg(long, group = "where")]
        oldest: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Deliver the events again that arrived in a shard in a range of time, then go on at its checkpoint
    WorkAgain {
        /// The shard
        shard: String,
        /// Events that arrived at this time or later (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = parse_past)]
        from: u64,
        /// Events that arrived before this time (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = parse_past)]
        to: u64,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Parses a time in the past, in milliseconds since the Unix epoch.
#[cfg(feature = "aws")]
fn parse_past(text: &str) -> Result<u64, String> {
    let ms = sluice_model::clock::parse_rfc3339(text)
        .ok_or_else(|| format!("`{text}` is not a time like 2026-11-29T12:00:00Z"))?;
    if ms > sluice_model::clock::now_ms() { Err(format!("`{text}` is in the future")) } else { Ok(ms) }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without --role and --url it asks ingest.admin_listen and processor_listen: a process \
must listen at one of them at least, and every process that answers must be ready. It reads the same configuration \
file and environment as the process, but does not know the flags that the process was started with. \
A TLS certificate is not verified: nothing secret is sent."
)]
pub(crate) struct Healthcheck {
    /// Ask only the listener of this role
    #[arg(long, value_name = "ROLE", conflicts_with = "url")]
    pub role: Option<CheckedRole>,
    /// Ask this listener instead, such as http://127.0.0.1:8081
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Ask only whether the process is alive, for an orchestrator that ends dead processes. A process
    /// that waits for a dependency is alive, and not ready
    #[arg(long)]
    pub alive: bool,
    /// Give up on an answer after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub timeout: u64,
}

/// The command that a process was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CheckedRole {
    /// `sluice up`: ingest.admin_listen
    Up,
    /// `sluice ingest`: ingest.admin_listen
    Ingest,
    /// `sluice processor`: processor_listen
    Processor,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after this long (seconds: `30`, `30s`; minutes: `2m`)
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub for_time: Option<Duration>,
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub rate: u32,
    /// Open the web console in a browser, signed in: sample traffic, each webhook as it arrived, and the demo's
    /// own program, which sends e-mails
    #[cfg(feature = "console")]
    #[arg(long)]
    pub web: bool,
    /// With --web, print the address and start no browser
    #[cfg(feature = "console")]
    #[arg(long)]
    pub no_open: bool,
    /// Address of the demo: console, API, /demo/trigger, /demo/inbox; on this machine only [default: a free port]
    #[arg(long, value_name = "HOST:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
    /// Keep all data here for the next start [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// Events a second
    #[arg(long, value_name = "N", value_parser = positive)]
    pub events_per_s: f64,
    /// Bytes of an event's envelope
    #[arg(long, value_name = "B", value_parser = positive)]
    pub bytes: f64,
    /// Raw bytes for each byte stored [default: measured with real events, by the size of batches]
    #[arg(long, value_name = "R", value_parser = positive)]
    pub compression: Option<f64>,
    /// Customers that send at the same time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub customers: u32,
    /// Events of one request
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    pub request_events: f64,
    /// Subscriptions that match an event, on average
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = positive)]
    pub subscriptions: f64,
    /// Share of deliveries that are retried
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub failed_share: f64,
    /// Time from one record of a lane to the next, in milliseconds: the duration of a PutRecords call
    #[arg(long, value_name = "MS", default_value_t = 25.0, value_parser = positive)]
    pub cycle_ms: f64,
    /// Number of processors
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub processors: u32,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_other| format!("`{text}` is not a number"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("must be above 0".to_owned()) }
}

/// Parses an address that only this machine reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_wrong| "an address is needed, such as 127.0.0.1:8000")?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!("{address} is not a loopback address: the demo is for this machine"))
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
pub(crate) fn fail(status: u8, error: &anyhow::Error) -> ExitCode {
    complain(&format!("sluice: {error:#}"));
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_make_sense() {
        Cli::command().debug_assert();
    }
}
