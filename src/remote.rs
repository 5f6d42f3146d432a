//! The API from a shell: a command becomes an [`ApiCall`], the call is sent, and the
//! answer is shown as a table or as its JSON.

mod audit;
mod call;
mod client;
mod customer;
mod dead_letters;
mod event_types;
mod events;
mod key;
mod replay;
mod show;
mod subscription;
mod usage;

pub(crate) use show::printable;

use crate::output::complain;

use anyhow::Context;
use call::{ApiCall, Id, Show};
use clap::{Args, Subcommand};
use client::ApiClient;
use serde_json::Value;
use sluice_model::config::SecretValue;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The options of every command that talks to a server.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// URL of the public API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "SLUICE_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,
    /// URL of the admin API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "SLUICE_ADMIN_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    admin_url: String,
    /// A customer's key, for the public API
    #[arg(long, global = true, value_name = "KEY", env = "SLUICE_API_KEY", hide_env_values = true)]
    api_key: Option<SecretValue>,
    /// The admin token, for the admin API
    #[arg(long, global = true, value_name = "TOKEN", env = "SLUICE_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<SecretValue>,
    /// Trust the certificates of this PEM file too, beside the system's
    #[arg(long, global = true, value_name = "FILE", env = "SLUICE_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Give up on an answer after this many seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print each answer as one line of JSON
    #[arg(long, global = true)]
    json: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageOptions {
    /// Entries of a page, at most (1 to 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
    /// Continue after the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Fetch all pages
    #[arg(long)]
    all: bool,
}

/// The commands that talk to a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Remote {
    /// Customers: create, list, get, update (admin API)
    Customer(Group<customer::CustomerCommand>),
    /// API keys of a customer: create, list, revoke (admin API)
    Key(Group<key::KeyCommand>),
    /// Subscriptions: create, list, get, update, delete, test and more
    Subscription(CustomerGroup<subscription::SubscriptionCommand>),
    /// Event types: list, get, put, delete, test
    EventTypes(CustomerGroup<event_types::EventTypesCommand>),
    /// Events: send, get, list, acknowledge, resend
    Events(CustomerGroup<events::EventsCommand>),
    /// Dead letters: list, redrive, delete
    DeadLetters(CustomerGroup<dead_letters::DeadLettersCommand>),
    /// Deliver history again: start, list, get, cancel
    Replay(CustomerGroup<replay::ReplayCommand>),
    /// Usage by minute, hour or day: accepted, delivered, failed and unmatched events, and bytes
    Usage(UsageCommand),
    /// The audit log: who changed what, when and from where (admin API; --mine: public API)
    Audit(AuditGroup),
}

/// A subject's commands, and the server that they talk to.
#[derive(Debug, Args)]
pub(crate) struct Group<C: Subcommand> {
    #[command(flatten)]
    connection: ServerOptions,
    #[command(subcommand)]
    command: C,
}

/// A subject's commands that are about a customer: the key's own, or one that an operator names.
#[derive(Debug, Args)]
pub(crate) struct CustomerGroup<C: Subcommand> {
    #[command(flatten)]
    whose: WhoseOptions,
    #[command(flatten)]
    connection: ServerOptions,
    #[command(subcommand)]
    command: C,
}

/// The command about usage, and the server that it talks to.
#[derive(Debug, Args)]
pub(crate) struct UsageCommand {
    #[command(flatten)]
    whose: WhoseOptions,
    #[command(flatten)]
    connection: ServerOptions,
    #[command(flatten)]
    command: usage::UsageArgs,
}

/// The command about the audit log, and the server that it talks to.
#[derive(Debug, Args)]
pub(crate) struct AuditGroup {
    #[command(flatten)]
    connection: ServerOptions,
    #[command(flatten)]
    command: audit::AuditArgs,
}

/// The customer that a command is about.
#[derive(Debug, Args)]
pub(crate) struct WhoseOptions {
    /// For operators: act for this customer, over the admin API [default: the key's own customer, over the
    /// public API]
    #[arg(long, global = true, value_name = "ID")]
    customer: Option<Id>,
}

impl WhoseOptions {
    fn call(&self, call: anyhow::Result<ApiCall>) -> anyhow::Result<ApiCall> {
        Ok(match &self.customer {
            Some(customer) => call?.for_operator(customer),
            None => call?,
        })
    }
}

/// Runs a command; returns the exit status of the process.
pub(crate) fn run(remote: &Remote) -> ExitCode {
    let (connection, call) = match remote {
        Remote::Customer(group) => (&group.connection, group.command.call()),
        Remote::Key(group) => (&group.connection, group.command.call()),
        Remote::Subscription(group) => (&group.connection, group.whose.call(group.command.call())),
        Remote::EventTypes(group) => (&group.connection, group.whose.call(group.command.call())),
        Remote::Events(group) => (&group.connection, group.whose.call(group.command.call())),
        Remote::DeadLetters(group) => (&group.connection, group.whose.call(group.command.call())),
        Remote::Replay(group) => (&group.connection, group.whose.call(group.command.call())),
        Remote::Usage(group) => (&group.connection, group.whose.call(Ok(group.command.call()))),
        Remote::Audit(group) => (&group.connection, Ok(group.command.call())),
    };
    let (call, client) = match call.and_then(|call| Ok((ApiClient::new(connection, call.side)?, call))) {
        Ok((client, call)) => (call, client),
        Err(error) => return crate::cli::fail(2, &error),
    };
    match send(&client, connection, call) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::cli::fail(1, &error),
    }
}

fn send(client: &ApiClient, connection: &ServerOptions, call: ApiCall) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the runtime")?.block_on(send_pages(client, connection, call))
}

/// Sends the call, and with `--all` again for each further page.
async fn send_pages(client: &ApiClient, connection: &ServerOptions, mut call: ApiCall) -> anyhow::Result<()> {
    let mut first = true;
    loop {
        let answer = client.send(&call).await?;
        if connection.json {
            show::json(&answer)?;
        } else {
            show::people(&call.show, &answer, first)?;
        }
        if let Some(failure) = call.failure.and_then(|failure| failure(&answer)) {
            anyhow::bail!(failure);
        }
        let next = answer["cursor"].as_str().filter(|_| answer["has_more"] == Value::Bool(true));
        match (next, &call.show) {
            (Some(cursor), Show::List { .. }) if call.all => call.at_cursor(cursor),
            (Some(cursor), Show::List { .. }) => {
                if !connection.json {
                    complain(&format!("there are more: --cursor {cursor}, or --all"));
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
        first = false;
    }
}

impl ServerOptions {
    const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}
