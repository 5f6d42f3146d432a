//! Making what the engine needs in AWS (the stream, the tables, the queues) and
//! keeping its settings right.
//!
//! `provision` compares everything with what it should be, each time it runs:
//! it makes what is missing, mends what is wrong, and names what it may not
//! change. So a run that was killed or denied half-way is finished by the next.
//! The roles make the same comparison at their start and every hour, change
//! nothing, and warn.

mod difference;
mod queues;
mod stream;
mod tables;

pub use difference::{Difference, ProvisionOutcome, ProvisionStep, Remedy};

use super::clients::Clients;
use super::config::AwsConfig;
use difference::Thing;
use futures_util::future::join5;
use metrics::gauge;
use queues::QueueThing;
use sluice_ports::PortError;
use std::time::Duration;
use stream::StreamThing;
use tables::TableThing;
use tokio_util::sync::CancellationToken;

/// How often the roles compare the settings.
const COMPARE_EVERY: Duration = Duration::from_secs(3600);

/// Makes and mends the stream, the tables and the queues. `shards` are the
/// stream's, where the caller cares: a new stream has one otherwise, and one
/// that is there keeps what it has.
///
/// # Errors
/// The first thing that could not be made or mended; what was done before it stays.
pub async fn provision(
    clients: &Clients,
    config: &AwsConfig,
    shards: Option<u32>,
) -> Result<Vec<ProvisionStep>, PortError> {
    Ok(vec![
        difference::make_or_mend(&StreamThing { clients, config, shards }).await?,
        difference::make_or_mend(&TableThing::events(clients, config)).await?,
        difference::make_or_mend(&TableThing::leases(clients, config)).await?,
        difference::make_or_mend(&QueueThing::dead_letters(clients, config)).await?,
        difference::make_or_mend(&QueueThing::deliveries(clients, config)).await?,
    ])
}

/// Compares the settings of the stream, the tables and the queues with what
/// they should be; returns a line for each that is wrong or cannot be read.
pub async fn wrong_settings(clients: &Clients, config: &AwsConfig) -> Vec<String> {
    let stream = StreamThing { clients, config, shards: None };
    let (events, leases) = (TableThing::events(clients, config), TableThing::leases(clients, config));
    let (dead, queue) = (QueueThing::dead_letters(clients, config), QueueThing::deliveries(clients, config));
    let all = join5(lines(&stream), lines(&events), lines(&leases), lines(&dead), lines(&queue));
    let (stream, events, leases, dead, queue) = all.await;
    [stream, events, leases, dead, queue].concat()
}

async fn lines(thing: &impl Thing) -> Vec<String> {
    match thing.differences().await {
        Ok(Some(differences)) => {
            differences.iter().map(|difference| format!("{}: {difference}", thing.name())).collect()
        }
        Ok(None) => vec![format!("{}: it does not exist; run `sluice provision`", thing.name())],
        Err(error) => vec![error.to_string()],
    }
}

/// Warns of wrong settings, at once and every hour, until told to stop.
pub async fn watch_settings(clients: &Clients, config: &AwsConfig, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(COMPARE_EVERY);
    // Cancel safe: a wait, or requests that change nothing.
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(wrong) = stop.run_until_cancelled(wrong_settings(clients, config)).await else { return };
        for line in &wrong {
            tracing::warn!("a setting is not as Sluice needs it: {line}");
        }
        gauge!("sluice_settings_wrong").set(wrong.len() as f64);
    }
}
