//! The roles on the distributed engine: open, bind, run, drain.

mod common;
mod roles;

pub(crate) use common::{Lost, Render};

use crate::cli::Provision;
use crate::config::Config;
use crate::health;
use anyhow::Context;
use common::Common;
use roles::{EdgeRole, Stores, processor as open_processor, work};
use sluice_aws::catalogue::PostgresCatalogue;
use sluice_aws::leases::{Keeper, LeaseCheckpoints, LeaseTable};
use sluice_aws::log::Deduplicated;
use sluice_aws::provision::{Difference, ProvisionOutcome, ProvisionStep};
use sluice_aws::{Clients, provision as aws_provision};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// `sluice ingest`.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn ingest(config: &Config) -> anyhow::Result<()> {
    let mut common = Common::open(config).await?;
    let log = common.log(config).await?;
    let checkpoints = LeaseCheckpoints::unfenced(LeaseTable::new(&common.clients, &config.aws));
    let (events, queue) = common.stores(config).await?;
    let stores = Stores { log, events, queue, checkpoints: Arc::new(checkpoints) };
    // It works nothing: it sends the test events that customers ask for.
    let prober = open_processor(&common, config, &stores)?;
    let edge = EdgeRole::bind(&mut common, config, &stores, &prober).await?;
    println!("ready {}", edge.url());
    let ran = edge.run(common.stop.clone()).await;
    common.end().await?;
    ran
}

/// `sluice processor`.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn processor(config: &Config) -> anyhow::Result<()> {
    let common = Common::open(config).await?;
    let log = common.log(config).await?;
    let (keeper, leases, checkpoints) = Keeper::new(&common.clients, &config.aws, log.clone());
    let (events, queue) = common.stores(config).await?;
    let log = Arc::new(Deduplicated::new(log, Duration::from_millis(config.aws.resend_window_ms)));
    let processor =
        open_processor(&common, config, &Stores { log, events, queue, checkpoints: Arc::new(checkpoints) })?;
    let health = health::bind(config.processor_listen, processor.clone(), common.lost(), common.render());
    let health = health.await?;
    println!("ready http://{}", health.address());
    let health_stop = common.background_stop.clone();
    let serving = tokio::spawn(async move { health.run(health_stop).await });
    let worked = work(&processor, keeper, leases, common.stop.clone()).await;
    common.background_stop.cancel();
    serving.await.context("the health listener's task")?;
    common.end().await?;
    worked
}

/// `sluice up --distributed`: both roles in one process.
#[expect(clippy::print_stdout, reason = "the one line that scripts wait for")]
pub(crate) async fn up(config: &Config) -> anyhow::Result<()> {
    let mut common = Common::open(config).await?;
    let log = common.log(config).await?;
    let (keeper, leases, checkpoints) = Keeper::new(&common.clients, &config.aws, log.clone());
    let (events, queue) = common.stores(config).await?;
    let log = Arc::new(Deduplicated::new(log, Duration::from_millis(config.aws.resend_window_ms)));
    let stores = Stores { log, events, queue, checkpoints: Arc::new(checkpoints) };
    let processor = open_processor(&common, config, &stores)?;
    let edge = EdgeRole::bind(&mut common, config, &stores, &processor).await?;
    println!("ready {}", edge.url());
    let edge = tokio::spawn(edge.run(common.stop.clone()));
    // Deliveries go on until the edge has answered its last request.
    let processor_stop = CancellationToken::new();
    let stop = processor_stop.clone();
    let working = tokio::spawn(async move { work(&processor, keeper, leases, stop).await });
    let edge = edge.await.context("the edge's task");
    processor_stop.cancel();
    let worked = working.await.context("the processor's task");
    common.end().await?;
    edge??;
    worked?
}

/// `sluice provision`.
#[expect(clippy::print_stdout, reason = "saying what was done is the command's work")]
pub(crate) async fn provision(config: &Config, options: &Provision) -> anyhow::Result<()> {
    let clients = Clients::new(&config.aws).await;
    let mut steps = aws_provision::provision(&clients, &config.aws, options.shards).await?;
    let catalogue = PostgresCatalogue::new(&config.aws)?;
    let made = catalogue.migrate().await?;
    catalogue.close().await;
    let outcome = if made { ProvisionOutcome::Made } else { ProvisionOutcome::WasThere };
    steps.push(ProvisionStep {
        thing: "catalogue schema".into(),
        outcome,
        mended: Vec::new(),
        left: Vec::new(),
    });
    if options.json {
        let steps: Vec<_> = steps.iter().map(step_json).collect();
        println!("{}", serde_json::to_string_pretty(&steps)?);
        return Ok(());
    }
    for step in steps {
        println!("{:<9} {}", step.outcome.as_str(), step.thing);
        for difference in step.mended {
            let (setting, found, wanted) = (difference.setting, difference.found, difference.wanted);
            println!("          changed {setting} from {found} to {wanted}");
        }
        for difference in step.left {
            println!("          not changed: {difference}");
        }
    }
    Ok(())
}

fn step_json(step: &ProvisionStep) -> serde_json::Value {
    let differences = |all: &[Difference]| -> Vec<serde_json::Value> {
        let json = |difference: &Difference| {
            let (setting, found, wanted) = (difference.setting, &difference.found, &difference.wanted);
            serde_json::json!({ "setting": setting, "found": found, "wanted": wanted })
        };
        all.iter().map(json).collect()
    };
    serde_json::json!({
        "what": step.thing,
        "outcome": step.outcome.as_str(),
        "made": step.outcome == ProvisionOutcome::Made,
        "mended": differences(&step.mended),
        "not_changed": differences(&step.left),
    })
}
