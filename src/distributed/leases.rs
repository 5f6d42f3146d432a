//! `sluice leases`: which process works which shard, and orders to them.

mod show;

use crate::cli::{LeaseAction, LeasesCommand};
use crate::config::Config;
use crate::output::say;
use anyhow::Context;
use sluice_aws::leases::operator::{LeaseListing, LeaseOperator, PlannedRestart, StartAt};
use sluice_aws::leases::{LeaseOrder, LeaseTable};
use sluice_aws::log::configured_stream;
use sluice_aws::{AwsConfig, Clients};
use sluice_model::clock;
use sluice_ports::log::ShardId;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

/// Lists the leases, or gives an order and says what it will do.
pub(crate) async fn leases(config: &Config, options: &LeasesCommand) -> anyhow::Result<()> {
    let clients = Clients::new(&config.aws).await;
    let table = Arc::new(LeaseTable::new(&clients, &config.aws));
    let operator = LeaseOperator::new(table, configured_stream(&clients, &config.aws));
    let listing = operator.look(watched(&config.aws)).await?;
    let Some(action) = &options.action else {
        let now_ms = clock::now_ms();
        crate::output::print(&if options.json {
            show::json(&listing, now_ms)?
        } else {
            show::text(&listing, now_ms)
        })?;
        return Ok(());
    };
    let done = order(&operator, &listing, action).await?;
    if options.json {
        say!("{}", serde_json::json!({ "done": done.is_some(), "text": done }))?;
    } else if let Some(text) = done {
        say!("{text}")?;
    }
    Ok(())
}

/// How long the table must be watched to tell which processes live: each counts up every tick.
fn watched(aws: &AwsConfig) -> Duration {
    Duration::from_millis((aws.lease_renew_ms * 3).min(aws.lease_ms)).max(Duration::from_millis(500))
}

/// Gives an order. Returns a text that says what it will do; `None` if the operator declined.
async fn order(
    operator: &LeaseOperator,
    listing: &LeaseListing,
    action: &LeaseAction,
) -> anyhow::Result<Option<String>> {
    let lease = |shard: &str| listing.lease(&ShardId(shard.into()));
    let text = match action {
        LeaseAction::HandOver { shard, to } => {
            let row = &lease(shard)?.row;
            let to = listing.successor(&row.shard, to.as_deref())?;
            operator.order(row, &LeaseOrder::HandOver { to: to.clone() }).await?;
            format!(
                "{shard} goes to {to} and stays there while that lives; `sluice leases resume {shard}` unpins it"
            )
        }
        LeaseAction::Pause { shard } => {
            operator.order(&lease(shard)?.row, &LeaseOrder::Pause { now_ms: clock::now_ms() }).await?;
            format!(
                "{shard} is left; its events wait in the stream, no longer than that keeps them, until `sluice \
                 leases resume {shard}`"
            )
        }
        LeaseAction::Resume { shard } => {
            operator.order(&lease(shard)?.row, &LeaseOrder::Resume).await?;
            format!("{shard} is worked as the processes share it")
        }
        LeaseAction::Start { shard, at, newest, oldest: _, yes } => {
            let from = match (at, newest) {
                (Some(ms), _) => StartAt::Time(*ms),
                (None, true) => StartAt::Newest,
                (None, false) => StartAt::Oldest,
            };
            let planned = operator.plan_start(&lease(shard)?.row, from).await?;
            return begin(operator, &planned, &show::start(&planned, from), *yes).await;
        }
        LeaseAction::WorkAgain { shard, from, to, yes } => {
            anyhow::ensure!(from < to, "--from must be before --to");
            let planned = operator.plan_work_again(&lease(shard)?.row, [*from, *to]).await?;
            return begin(operator, &planned, &show::work_again(&planned, [*from, *to]), *yes).await;
        }
    };
    Ok(Some(text))
}

/// Gives a planned order once the operator agrees to its consequence.
async fn begin(
    operator: &LeaseOperator,
    planned: &PlannedRestart,
    consequence: &str,
    yes: bool,
) -> anyhow::Result<Option<String>> {
    if !yes && !agrees(consequence)? {
        return Ok(None);
    }
    operator.begin(planned).await?;
    Ok(Some(consequence.to_owned()))
}

/// Shows the consequence to the operator and asks whether to go on.
#[expect(clippy::print_stderr, reason = "a question to the operator is no output of the command")]
fn agrees(consequence: &str) -> anyhow::Result<bool> {
    anyhow::ensure!(std::io::stdin().is_terminal(), "{consequence}\nNothing was done: say --yes to do it");
    eprint!("{consequence}\nDo it? [y/N] ");
    std::io::stderr().flush().context("ask")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
